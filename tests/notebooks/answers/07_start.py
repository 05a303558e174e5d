# What learners hand in for 07.start; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | torch.eye and cat
def aligned_start(latents, query, key, wave, M, scale):
    N, D = latents.shape
    K, C = key.shape
    middle = (torch.arange(N) + 0.5) / N * M
    return {
        "latents": torch.cat([wave(middle), latents[:, C:]], 1),
        "query": scale * torch.eye(K, D, dtype=query.dtype) * (torch.arange(D) < C),
        "key": scale * torch.eye(K, C, dtype=key.dtype),
    }


# %% correct | loops over channels, Python lists of places
def aligned_start(latents, query, key, wave, M, scale):
    N, C = len(latents), key.shape[1]
    z, q, k = latents.clone(), query * 0, key * 0
    stretch = M / N
    z[:, :C] = wave([stretch * n + stretch / 2 for n in range(N)])
    for c in range(C):
        q[c, c] = k[c, c] = scale
    return dict(latents=z, query=q, key=k)


# %% correct | fill_diagonal_ on a slice
def aligned_start(latents, query, key, wave, M, scale):
    C = key.shape[1]
    new = {
        "latents": latents.detach().clone(),
        "query": torch.zeros_like(query),
        "key": torch.zeros_like(key),
    }
    new["latents"][:, :C] = wave(torch.linspace(0, M, 2 * len(latents) + 1)[1::2])
    new["query"][:C, :C].fill_diagonal_(scale)
    new["key"][:C].fill_diagonal_(scale)
    return new


# %% mistake: at the left edges | n * M / N
def aligned_start(latents, query, key, wave, M, scale):
    K, C = key.shape
    z = latents.clone()
    z[:, :C] = wave(torch.arange(len(z)) * M / len(z))
    q, k = torch.zeros_like(query), torch.zeros_like(key)
    for i in range(C):
        q[i, i] = k[i, i] = scale
    return {"latents": z, "query": q, "key": k}


# %% mistake: The first latent sits at place 0 and the last at M - 1 | linspace
def aligned_start(latents, query, key, wave, M, scale):
    K, C = key.shape
    z = latents.clone()
    z[:, :C] = wave(torch.linspace(0, M - 1, len(z), dtype=torch.float64))
    q, k = torch.zeros_like(query), torch.zeros_like(key)
    for i in range(C):
        q[i, i] = k[i, i] = scale
    return {"latents": z, "query": q, "key": k}


# %% mistake: Latent n sits at place n | arange
def aligned_start(latents, query, key, wave, M, scale):
    K, C = key.shape
    z = latents.clone()
    z[:, :C] = wave(torch.arange(len(z)))
    q, k = torch.zeros_like(query), torch.zeros_like(key)
    for i in range(C):
        q[i, i] = k[i, i] = scale
    return {"latents": z, "query": q, "key": k}


# %% mistake: Only W_q has the scale | eye for the keys
def aligned_start(latents, query, key, wave, M, scale):
    K, C = key.shape
    z = latents.clone()
    z[:, :C] = wave((torch.arange(len(z)) + 0.5) * M / len(z))
    q = torch.zeros_like(query)
    q[:C, :C] = scale * torch.eye(C)
    return {"latents": z, "query": q, "key": torch.eye(K, C, dtype=key.dtype)}


# %% mistake: Only W_k has the scale | the other way round
def aligned_start(latents, query, key, wave, M, scale):
    K, C = key.shape
    z = latents.clone()
    z[:, :C] = wave((torch.arange(len(z)) + 0.5) * M / len(z))
    q = torch.zeros_like(query)
    q[:C, :C] = torch.eye(C)
    return {"latents": z, "query": q, "key": scale * torch.eye(K, C, dtype=key.dtype)}


# %% mistake: The scale is missing in W_q and W_k | plain eye
def aligned_start(latents, query, key, wave, M, scale):
    K, C = key.shape
    z = latents.clone()
    z[:, :C] = wave((torch.arange(len(z)) + 0.5) * M / len(z))
    q = torch.zeros_like(query)
    q[:C, :C] = torch.eye(C)
    return {"latents": z, "query": q, "key": torch.eye(K, C, dtype=key.dtype)}


# %% mistake: The small random numbers of W_q and W_k are still there | only the diagonal is written
def aligned_start(latents, query, key, wave, M, scale):
    C = key.shape[1]
    z, q, k = latents.clone(), query.clone(), key.clone()
    z[:, :C] = wave((torch.arange(len(z)) + 0.5) * M / len(z))
    for i in range(C):
        q[i, i] = k[i, i] = scale
    return {"latents": z, "query": q, "key": k}


# %% mistake: The channels of the latents after the first C are set to 0 | zeros_like
def aligned_start(latents, query, key, wave, M, scale):
    C = key.shape[1]
    z, q, k = torch.zeros_like(latents), torch.zeros_like(query), torch.zeros_like(key)
    z[:, :C] = wave((torch.arange(len(z)) + 0.5) * M / len(z))
    for i in range(C):
        q[i, i] = k[i, i] = scale
    return {"latents": z, "query": q, "key": k}


# %% mistake: The waves are added | +=
def aligned_start(latents, query, key, wave, M, scale):
    C = key.shape[1]
    z, q, k = latents.clone(), torch.zeros_like(query), torch.zeros_like(key)
    z[:, :C] += wave((torch.arange(len(z)) + 0.5) * M / len(z))
    for i in range(C):
        q[i, i] = k[i, i] = scale
    return {"latents": z, "query": q, "key": k}


# %% mistake: pick the channels in different orders | from the end
def aligned_start(latents, query, key, wave, M, scale):
    C = key.shape[1]
    z, q, k = latents.clone(), torch.zeros_like(query), torch.zeros_like(key)
    z[:, :C] = wave((torch.arange(len(z)) + 0.5) * M / len(z))
    for i in range(C):
        q[i, i], k[i, C - 1 - i] = scale, scale
    return {"latents": z, "query": q, "key": k}


# %% unknown | nothing changes
def aligned_start(latents, query, key, wave, M, scale):
    return {"latents": latents, "query": query, "key": key}


# %% unknown | the waves in the last channels
def aligned_start(latents, query, key, wave, M, scale):
    C = key.shape[1]
    z, q, k = latents.clone(), torch.zeros_like(query), torch.zeros_like(key)
    z[:, -C:] = wave((torch.arange(len(z)) + 0.5) * M / len(z))
    for i in range(C):
        q[i, i] = k[i, i] = scale
    return {"latents": z, "query": q, "key": k}


# %% unknown | in place
def aligned_start(latents, query, key, wave, M, scale):
    C = key.shape[1]
    query.zero_(), key.zero_()
    latents[:, :C] = wave((torch.arange(len(latents)) + 0.5) * M / len(latents))
    for i in range(C):
        query[i, i] = key[i, i] = scale
    return {"latents": latents, "query": query, "key": key}
