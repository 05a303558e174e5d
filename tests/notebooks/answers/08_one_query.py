# What learners hand in for 08.one_query; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | einsum
def ask(latents, query, key, value):
    shares = torch.einsum("bnk,k->bn", key(latents), query).div(query.shape[0] ** 0.5).softmax(dim=1)
    return torch.einsum("bn,bnv->bv", shares, value(latents))


# %% correct | torch's own attention, other names
def ask(z, q, k, v):
    import torch.nn.functional as F

    out = F.scaled_dot_product_attention(q.expand(len(z), 1, 1, -1), k(z)[:, None], v(z)[:, None])
    return out[:, 0, 0]


# %% correct | loops, softmax by hand
def ask(latents, query, key, value):
    rows = []
    for z in latents:
        scores = torch.stack([(key(n) * query).sum() for n in z]) / len(query) ** 0.5
        shares = torch.exp(scores - scores.max())
        shares = shares / shares.sum()
        rows.append(sum(s * value(n) for s, n in zip(shares, z)))
    return torch.stack(rows)


# %% mistake: the query has no say | pooling
def ask(latents, query, key, value):
    return value(latents).mean(dim=1)


# %% mistake: not divided by √K | forgotten
def ask(latents, query, key, value):
    shares = torch.softmax(key(latents) @ query, dim=-1)
    return (shares.unsqueeze(-1) * value(latents)).sum(1)


# %% mistake: divided by √D | the wrong width
def ask(latents, query, key, value):
    shares = torch.softmax(key(latents) @ query / latents.size(-1) ** 0.5, -1)
    return torch.bmm(shares[:, None], value(latents))[:, 0]


# %% mistake: divided by √N | the wrong number
def ask(latents, query, key, value):
    k = key(latents)
    shares = (k @ query / k.shape[1] ** 0.5).softmax(-1)
    return torch.einsum("bn,bnv->bv", shares, value(latents))


# %% mistake: The softmax runs over the texts | dim=0
def ask(latents, query, key, value):
    shares = (key(latents) @ query / len(query) ** 0.5).softmax(0)
    return torch.einsum("bn,bnv->bv", shares, value(latents))


# %% mistake: the softmax is missing | linear attention
def ask(latents, query, key, value):
    scores = key(latents) @ query / len(query) ** 0.5
    return torch.einsum("bn,bnv->bv", scores, value(latents))


# %% mistake: Only the latent with the best score | argmax
def ask(latents, query, key, value):
    best = (key(latents) @ query).argmax(-1)
    return value(latents)[torch.arange(len(latents)), best]


# %% mistake: The latents themselves are mixed | value forgotten
def ask(latents, query, key, value):
    shares = (key(latents) @ query / len(query) ** 0.5).softmax(-1)
    return (shares[..., None] * latents).sum(1)


# %% mistake: The keys are mixed | value forgotten
def ask(latents, query, key, value):
    k = key(latents)
    shares = (k @ query / len(query) ** 0.5).softmax(-1)
    return (shares[..., None] * k).sum(1)


# %% unknown | the maximum
def ask(latents, query, key, value):
    return value(latents).max(1).values


# %% unknown | the sign of the query
def ask(latents, query, key, value):
    shares = (-key(latents) @ query / len(query) ** 0.5).softmax(-1)
    return (shares[..., None] * value(latents)).sum(1)
