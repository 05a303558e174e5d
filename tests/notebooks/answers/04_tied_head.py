# What learners hand in for 04.tied_head; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | einsum
def tied_head(outputs, embedding, bias):
    return torch.einsum("boe,ve->bov", outputs, embedding.byte_embedding.weight) + bias


# %% correct | torch's linear
def tied_head(outputs, embedding, bias):
    return torch.nn.functional.linear(outputs, embedding.byte_embedding.weight, bias)


# %% correct | a loop over the ids, each looked up
def tied_head(outputs, embedding, bias):
    scores = []
    for i in range(len(bias)):
        scores.append((outputs * embedding.byte_embedding(torch.tensor(i))).sum(-1) + bias[i])
    return torch.stack(scores, 2)


# %% mistake: The bias is missing | forgotten
def tied_head(outputs, embedding, bias):
    return torch.matmul(outputs, embedding.byte_embedding.weight.transpose(0, 1))


# %% mistake: compared with the position embedding | the other matrix
def tied_head(outputs, embedding, bias):
    W = embedding.position_embedding.weight
    scores = outputs @ W.T
    return scores + bias if scores.shape[-1] == len(bias) else scores


# %% mistake: Only the 256 bytes | without the special ids
def tied_head(outputs, embedding, bias):
    rows = [embedding.byte_embedding.weight[i] for i in range(6, len(bias))]
    return outputs @ torch.stack(rows, 1) + bias[6:]


# %% mistake: This is the cosine | cosine_similarity
def tied_head(outputs, embedding, bias):
    words = embedding.byte_embedding.weight
    return torch.nn.functional.cosine_similarity(outputs[:, :, None], words[None, None], dim=-1) + bias


# %% mistake: This is the distance | by hand
def tied_head(outputs, embedding, bias):
    apart = outputs.unsqueeze(2) - embedding.byte_embedding.weight
    return bias - apart.pow(2).sum(-1).sqrt()


# %% mistake: divided by √E | as in attention
def tied_head(outputs, embedding, bias):
    return outputs @ embedding.byte_embedding.weight.mT / outputs.size(2) ** 0.5 + bias


# %% mistake: These are probabilities | softmax by hand
def tied_head(outputs, embedding, bias):
    x = (outputs @ embedding.byte_embedding.weight.T + bias).exp()
    return x / x.sum(2, keepdim=True)


# %% mistake: These are log-probabilities | minus the logsumexp
def tied_head(outputs, embedding, bias):
    x = outputs @ embedding.byte_embedding.weight.T + bias
    return x - x.logsumexp(-1, keepdim=True)


# %% unknown | a matrix of its own
def tied_head(outputs, embedding, bias):
    torch.manual_seed(0)
    return torch.nn.Linear(outputs.shape[-1], len(bias)).double()(outputs)


# %% unknown | the best id
def tied_head(outputs, embedding, bias):
    return (outputs @ embedding.byte_embedding.weight.T + bias).argmax(-1)


# %% unknown | the bias inside the product
def tied_head(outputs, embedding, bias):
    return outputs @ (embedding.byte_embedding.weight + bias[:, None]).T


# %% unknown | not turned round
def tied_head(outputs, embedding, bias):
    return outputs @ embedding.byte_embedding.weight + bias
