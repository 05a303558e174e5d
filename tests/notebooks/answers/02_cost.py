# What learners hand in for 02.cost; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | one expression per head
def multiply_adds(M, N, C, D, qk_channels, v_channels, num_heads):
    one_head = N * (qk_channels // num_heads) * M + N * M * (v_channels // num_heads)
    layers = [(N, D, qk_channels), (M, C, qk_channels), (M, C, v_channels), (N, v_channels, D)]
    return {"map": num_heads * one_head, "projections": sum(a * b * c for a, b, c in layers)}


# %% mistake: These are FLOPs | twice
def multiply_adds(M, N, C, D, qk_channels, v_channels, num_heads):
    macs = N * D * (qk_channels + v_channels) + M * C * (qk_channels + v_channels)
    return {"projections": 2 * macs, "map": 2 * M * N * (qk_channels + v_channels)}


# %% mistake: multiplied by the number of heads | heads counted
def multiply_adds(M, N, C, D, qk_channels, v_channels, num_heads):
    macs = N * D * (qk_channels + v_channels) + M * C * (qk_channels + v_channels)
    return {"projections": macs, "map": num_heads * M * N * (qk_channels + v_channels)}


# %% mistake: This is self-attention | M × M
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * D * (qk + v) + M * C * (qk + v), "map": M**2 * (qk + v)}


# %% mistake: This is the processor | N × N
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * D * (qk + v) + M * C * (qk + v), "map": N**2 * (qk + v)}


# %% mistake: The second is missing | only QKᵀ
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * D * (qk + v) + M * C * (qk + v), "map": N * M * qk}


# %% mistake: output layer is missing | three layers
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * D * qk + M * C * qk + M * C * v, "map": N * M * (qk + v)}


# %% mistake: not C and D | unprojected widths
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * D * (qk + v) + M * C * (qk + v), "map": N * M * (C + D)}


# %% mistake: not from the latents | keys of N rows
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * D * qk + N * D * qk + N * D * v + N * v * D, "map": N * M * (qk + v)}


# %% unknown | biases counted
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * (D + 1) * (qk + v) + M * (C + 1) * (qk + v), "map": N * M * (qk + v)}


# %% unknown | the sum alone
def multiply_adds(M, N, C, D, qk, v, h):
    return N * D * (qk + v) + M * C * (qk + v) + N * M * (qk + v)


# %% mistake: counted for M rows | output for every byte
def multiply_adds(M, N, C, D, qk, v, h):
    return {"projections": N * D * qk + M * C * (qk + v) + M * v * D, "map": N * M * (qk + v)}
