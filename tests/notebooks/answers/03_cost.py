# What learners hand in for 03.cost; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | a list of layers
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    H = widening * D
    layers = [(D, qk_channels), (D, qk_channels), (D, D), (D, D), (D, H), (H, D)]
    macs = sum(N * a * b for a, b in layers) + N * N * qk_channels + N * N * D
    return {
        "parameters": L * (sum(a * b + b for a, b in layers) + 4 * D),
        "multiply_adds": macs * L * num_blocks,
    }


# %% correct | a real module, counted
def processor_cost(M, N, D, L, num_blocks, qk, w):
    with torch.device("meta"):
        layer = nn.ModuleList([nn.Linear(D, qk), nn.Linear(D, qk), nn.Linear(D, D), nn.Linear(D, D)])
        layer.extend([nn.Linear(D, w * D), nn.Linear(w * D, D), nn.LayerNorm(D), nn.LayerNorm(D)])
    macs = N * sum(f.weight.numel() for f in layer if isinstance(f, nn.Linear)) + N**2 * (qk + D)
    return dict(
        multiply_adds=num_blocks * L * macs, parameters=L * sum(p.numel() for p in layer.parameters())
    )


# %% mistake: These are FLOPs | twice
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": 2 * num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: The map has N × M entries | the encoder's map
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * M * (qk_channels + D)),
    }


# %% mistake: a Transformer on the bytes | M everywhere
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (M * w + M * M * (qk_channels + D)),
    }


# %% mistake: lack the biases | weights and norms only
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: lack the norms | linear layers only
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: lack the biases & lack the norms | weights only
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {"parameters": L * w, "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D))}


# %% mistake: output layer of attention is missing | three layers
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 2 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: hidden width is widening | an MLP as wide as D
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 4 * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 4 * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: The MLP has two layers | one linear layer
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 2 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: The second is missing | scores only
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * qk_channels),
    }


# %% mistake: There are L | one layer
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": w + 2 * qk_channels + 3 * D + widening * D + 4 * D,
        "multiply_adds": num_blocks * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: The parameters are multiplied by num_blocks | every block owns its weights
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": num_blocks * L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: do not count the blocks | the weights are shared, so the work too
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": L * (N * w + N * N * (qk_channels + D)),
    }


# %% mistake: All latents share | a layer for each latent
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": N * L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% unknown | widths instead of products
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D + 2 * qk_channels
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * w + N * N * (qk_channels + D)),
    }


# %% unknown | biases counted as multiply-adds
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (N * (w + D) + N * N * (qk_channels + D)),
    }


# %% unknown | one number
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    return L * (2 * D * qk_channels + 2 * D * D + 2 * widening * D * D)


# %% mistake: The layers are counted for M rows | a row for each byte
def processor_cost(M, N, D, L, num_blocks, qk_channels, widening):
    w = 2 * D * qk_channels + 2 * D * D + 2 * widening * D * D
    return {
        "parameters": L * (w + 2 * qk_channels + 3 * D + widening * D + 4 * D),
        "multiply_adds": num_blocks * L * (M * w + N * N * (qk_channels + D)),
    }
