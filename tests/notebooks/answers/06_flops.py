# What learners hand in for 06.flops; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | written out
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + N * D * (decoder_qk + C)
        + O * N * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% correct | a list of products of matrices
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    def read(rows, width, others, their_width, keys, values):
        products = [(rows, width, keys), (others, their_width, keys), (others, their_width, values)]
        products += [(rows, keys, others), (rows, others, values), (rows, values, width)]
        products += [(rows, width, width)] * 2
        return sum(2 * B * a * b * c for a, b, c in products)

    return dict(
        mlm_head=2 * B * O * C * V,
        decoder=read(O, C, N, D, decoder_qk, C),
        processor=sum(read(N, D, N, D, qk, v) for _ in range(L)),
        encoder=read(N, D, M, C, qk, v),
    )


# %% mistake: A multiply-add is two FLOPs | multiply-adds
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + N * D * (decoder_qk + C)
        + O * N * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": B * encoder,
        "processor": B * L * layer,
        "decoder": B * decoder,
        "mlm_head": B * O * C * V,
    }


# %% mistake: There are B of them | one text
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + N * D * (decoder_qk + C)
        + O * N * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": 2 * encoder,
        "processor": 2 * L * layer,
        "decoder": 2 * decoder,
        "mlm_head": 2 * O * C * V,
    }


# %% mistake: There are L | one layer
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + N * D * (decoder_qk + C)
        + O * N * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: They work on the O that are asked | M outputs
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        M * C * decoder_qk
        + N * D * (decoder_qk + C)
        + M * N * (decoder_qk + C)
        + M * C * C
        + M * C * C
        + M * C * C
    )
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * M * C * V,
    }


# %% mistake: a column for each row that is *read* | M columns everywhere
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + N * D * (decoder_qk + C)
        + O * M * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: The second is missing | scores only
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * qk + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * qk + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk + N * D * (decoder_qk + C) + O * N * decoder_qk + O * C * C + O * C * C + O * C * C
    )
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: The query layer is missing | forgotten
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = N * D * (decoder_qk + C) + O * N * (decoder_qk + C) + O * C * C + O * C * C + O * C * C
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: The output layer is missing | forgotten
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * D * D + N * D * D
    decoder = O * C * decoder_qk + N * D * (decoder_qk + C) + O * N * (decoder_qk + C) + O * C * C + O * C * C
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: The MLP is missing | attention only
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D
    decoder = O * C * decoder_qk + N * D * (decoder_qk + C) + O * N * (decoder_qk + C) + O * C * C
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: The MLP has two layers | one
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D
    decoder = O * C * decoder_qk + N * D * (decoder_qk + C) + O * N * (decoder_qk + C) + O * C * C + O * C * C
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: from the array that asks | keys of the queries
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + N * D * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + O * C * (decoder_qk + C)
        + O * N * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% mistake: A multiply-add is two FLOPs & There are L | two at once
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + N * D * (decoder_qk + C)
        + O * N * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": B * encoder,
        "processor": B * layer,
        "decoder": B * decoder,
        "mlm_head": B * O * C * V,
    }


# %% unknown | biases too
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    encoder = N * D * qk + M * (C + 1) * (qk + v) + N * M * (qk + v) + N * v * D + N * D * D + N * D * D
    layer = N * D * qk + N * D * (qk + v) + N * N * (qk + v) + N * v * D + N * D * D + N * D * D
    decoder = (
        O * C * decoder_qk
        + N * D * (decoder_qk + C)
        + O * N * (decoder_qk + C)
        + O * C * C
        + O * C * C
        + O * C * C
    )
    return {
        "encoder": 2 * B * encoder,
        "processor": 2 * B * L * layer,
        "decoder": 2 * B * decoder,
        "mlm_head": 2 * B * O * C * V,
    }


# %% unknown | one number
def flops(B, M, O, N, C, D, L, V, qk, v, decoder_qk):
    return 2 * B * M * C * V
