# What learners hand in for 05.masked_loss; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | log_softmax and an index of places
def masked_loss(logits, ids, original):
    text, place = (ids == 3).nonzero(as_tuple=True)
    return -logits.log_softmax(-1)[text, place, original[text, place]].mean()


# %% correct | loops, by hand
def masked_loss(logits, ids, original):
    nats = []
    for b in range(len(ids)):
        for m in range(ids.shape[1]):
            if ids[b, m] == 3:
                scores = logits[b, m]
                nats.append(torch.logsumexp(scores, 0) - scores[original[b, m]])
    return sum(nats) / len(nats)


# %% correct | cross_entropy with the channels in the middle, a Python number
def masked_loss(logits, ids, original):
    labels = torch.where(ids == 3, original, -100)
    return torch.nn.functional.cross_entropy(logits.movedim(-1, 1), labels).item()


# %% mistake: Every place is counted | the docstring's labels
def masked_loss(logits, ids, original):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), original.flatten())


# %% mistake: can see are counted too | padding left out, the rest counted
def masked_loss(logits, ids, original):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), original.flatten(), ignore_index=0)


# %% mistake: the condition is inverted | -100 in the holes
def masked_loss(logits, ids, original):
    labels = original.masked_fill((ids == 3) | (ids == 0), -100)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


# %% mistake: divided by all places | mean of a product
def masked_loss(logits, ids, original):
    nats = torch.nn.functional.cross_entropy(logits.movedim(-1, 1), original, reduction="none")
    return (nats * (ids == 3)).mean()


# %% mistake: divided by the number of real bytes | sum over real
def masked_loss(logits, ids, original):
    nats = torch.nn.functional.cross_entropy(logits.movedim(-1, 1), original, reduction="none")
    return (nats * (ids == 3)).sum() / (original != 0).sum()


# %% mistake: The mean is taken in each text | mean of means
def masked_loss(logits, ids, original):
    nats = torch.nn.functional.cross_entropy(logits.movedim(-1, 1), original, reduction="none")
    hidden = (ids == 3).to(nats)
    return ((nats * hidden).sum(1) / hidden.sum(1)).mean()


# %% mistake: This is the sum | reduction="sum"
def masked_loss(logits, ids, original):
    labels = original.masked_fill(ids != 3, -100)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")


# %% mistake: The softmax runs over the places | dim 1
def masked_loss(logits, ids, original):
    p = torch.softmax(logits, dim=1).gather(2, original.unsqueeze(2)).squeeze(2)
    return -p.log()[ids == 3].mean()


# %% mistake: The softmax runs over the texts | dim 0
def masked_loss(logits, ids, original):
    p = torch.softmax(logits, dim=0).gather(2, original.unsqueeze(2)).squeeze(2)
    return -p.log()[ids == 3].mean()


# %% mistake: shifted by one, as in a left-to-right model | logits[:, :-1]
def masked_loss(logits, ids, original):
    labels = original.masked_fill(ids != 3, -100)
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


# %% mistake: shifted by one, in the other direction | logits[:, 1:]
def masked_loss(logits, ids, original):
    labels = original.masked_fill(ids != 3, -100)
    return torch.nn.functional.cross_entropy(logits[:, 1:].flatten(0, 1), labels[:, :-1].flatten())


# %% mistake: The target is [MASK] itself | labels from ids
def masked_loss(logits, ids, original):
    labels = ids.masked_fill(ids != 3, -100)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


# %% mistake: This is in bits | log2
def masked_loss(logits, ids, original):
    p = logits.softmax(-1).gather(-1, original[..., None]).squeeze(-1)
    return -p[ids == 3].log2().mean()


# %% mistake: The sign is missing | nll without minus
def masked_loss(logits, ids, original):
    text, place = torch.where(ids == 3)
    return logits.log_softmax(-1)[text, place, original[text, place]].mean()


# %% mistake: Probabilities are taken for scores | softmax twice
def masked_loss(logits, ids, original):
    labels = original.masked_fill(ids != 3, -100)
    return torch.nn.functional.cross_entropy(logits.softmax(-1).flatten(0, 1), labels.flatten())


# %% mistake: divided by all places & This is in bits | two at once
def masked_loss(logits, ids, original):
    p = logits.softmax(-1).gather(-1, original[..., None]).squeeze(-1)
    return -(p.log2() * (ids == 3)).mean()


# %% unknown | one minus the probability
def masked_loss(logits, ids, original):
    p = logits.softmax(-1).gather(-1, original[..., None]).squeeze(-1)
    return (1 - p)[ids == 3].mean()


# %% unknown | squared error against one-hot
def masked_loss(logits, ids, original):
    target = torch.nn.functional.one_hot(original, logits.shape[-1])
    return ((logits.softmax(-1) - target) ** 2)[ids == 3].mean()


# %% unknown | the last hidden byte only
def masked_loss(logits, ids, original):
    text, place = torch.where(ids == 3)
    return -logits.log_softmax(-1)[text[-1], place[-1], original[text[-1], place[-1]]]
