# What learners hand in for 00.shapes; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | lists, and a helper
def shapes(B, M, O, N, C, D, V):
    latents = [B, N, D]
    return dict(
        inputs=[B, M, C],
        encoded=latents,
        processed=latents,
        outputs=torch.zeros(B, O, C).shape,
        logits=[B, O, V],
    )


# %% mistake: a latent for every byte | M
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(B, M, C), encoded=(B, M, D), processed=(B, M, D), outputs=(B, O, C), logits=(B, O, V))


# %% mistake: as wide as the inputs | C
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(B, M, C), encoded=(B, N, C), processed=(B, N, C), outputs=(B, O, C), logits=(B, O, V))


# %% mistake: an output for every input byte | M
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(B, M, C), encoded=(B, N, D), processed=(B, N, D), outputs=(B, M, C), logits=(B, M, V))


# %% mistake: an output for every latent | N
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(B, M, C), encoded=(B, N, D), processed=(B, N, D), outputs=(B, N, C), logits=(B, N, V))


# %% mistake: as wide as its query | D
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(B, M, C), encoded=(B, N, D), processed=(B, N, D), outputs=(B, O, D), logits=(B, O, V))


# %% mistake: scores for V ids | C
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(B, M, C), encoded=(B, N, D), processed=(B, N, D), outputs=(B, O, C), logits=(B, O, C))


# %% mistake: channels before the positions | (B, C, M)
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(B, C, M), encoded=(B, D, N), processed=(B, D, N), outputs=(B, C, O), logits=(B, V, O))


# %% mistake: batch axis B is missing | one text
def shapes(B, M, O, N, C, D, V):
    return dict(inputs=(M, C), encoded=(N, D), processed=(N, D), outputs=(O, C), logits=(O, V))


# %% unknown | the dots left in
def shapes(B, M, O, N, C, D, V):
    return {"inputs": (B, M, C), "encoded": ..., "processed": ..., "outputs": ..., "logits": ...}


# %% unknown | numbers of one model
def shapes(B, M, O, N, C, D, V):
    return dict(
        inputs=(1, 89, 96),
        encoded=(1, 64, 192),
        processed=(1, 64, 192),
        outputs=(1, 5, 96),
        logits=(1, 5, 262),
    )
