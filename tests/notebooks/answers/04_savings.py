# What learners hand in for 04.savings; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | totals for both, then compared
def savings(O, asked, N, E, D, qk_channels, v_channels, V, rest):
    def total(o):
        layers = [(o, E, qk_channels), (N, D, qk_channels), (N, D, v_channels), (o, v_channels, E)]
        layers += [(o, qk_channels, N), (o, N, v_channels), (o, E, E), (o, E, E), (o, E, V)]
        return sum(a * b * c for a, b, c in layers)

    return {
        "each": total(1) - total(0),
        "once": total(0),
        "decoder": 1 - total(asked) / total(O),
        "model": 1 - (rest + total(asked)) / (rest + total(O)),
    }


# %% correct | other names
def savings(o, a, n, e, d, qk, v, vocab, other):
    fixed = n * d * qk + n * d * v
    row = e * qk + n * (qk + v) + e * (v + 2 * e + vocab)
    less = (o - a) * row
    return dict(
        once=fixed, each=row, decoder=less / (fixed + o * row), model=less / (other + fixed + o * row)
    )


# %% mistake: These are FLOPs | twice
def savings(O, asked, N, E, D, qk, v, V, rest):
    once = 2 * N * D * (qk + v)
    each = 2 * E * qk + 2 * N * (qk + v) + 2 * v * E + 4 * E * E + 2 * E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: Keys and values are counted for each query | nothing once
def savings(O, asked, N, E, D, qk, v, V, rest):
    each = E * qk + N * D * (qk + v) + N * (qk + v) + v * E + 2 * E * E + E * V
    saved = (O - asked) * each
    return {"once": 0, "each": each, "decoder": saved / (O * each), "model": saved / (rest + O * each)}


# %% mistake: Keys and values are made from the latents | E in place of D
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * E * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E + E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The map is O × O | self-attention
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + O * qk + O * v + v * E + 2 * E * E + E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The map is missing | layers only
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * (qk + v + 2 * E + V)
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The second is missing | QKᵀ alone
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * qk + v * E + 2 * E**2 + E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The query layer is missing | forgotten
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), N * (qk + v) + v * E + 2 * E**2 + E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The output layer is missing | forgotten
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + 2 * E**2 + E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The MLP is missing | attention and head
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The MLP has two layers | one layer
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + E * E + E * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: The head is missing | the decoder alone
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% mistake: not all is saved in proportion | 1 - asked / O
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E + E * V
    decoder = once + O * each
    share = 1 - asked / O
    return {"once": once, "each": each, "decoder": share, "model": share * decoder / (rest + decoder)}


# %% mistake: These shares are what is left | the other way round
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E + E * V
    before, after = once + O * each, once + asked * each
    return {"once": once, "each": each, "decoder": after / before, "model": (rest + after) / (rest + before)}


# %% mistake: taken of `rest` alone | the decoder not in the whole
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E + E * V
    before, after = once + O * each, once + asked * each
    return {"once": once, "each": each, "decoder": 1 - after / before, "model": (before - after) / rest}


# %% mistake: The head is missing & in percent | two at once
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E
    saved = 100 * (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% unknown | the biases too
def savings(O, asked, N, E, D, qk, v, V, rest):
    once = N * (D + 1) * (qk + v)
    each = (E + 1) * qk + N * (qk + v) + (v + 1) * E + 2 * (E + 1) * E + (E + 1) * V
    saved = (O - asked) * each
    return {
        "once": once,
        "each": each,
        "decoder": saved / (once + O * each),
        "model": saved / (rest + once + O * each),
    }


# %% unknown | two numbers
def savings(O, asked, N, E, D, qk, v, V, rest):
    return 0.93, 0.08


# %% unknown | rounded
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E + E * V
    saved = (O - asked) * each
    return {"once": once, "each": each, "decoder": round(saved / (once + O * each), 2), "model": 0.08}


# %% mistake: not all is saved in proportion | only the decoder's share is naive
def savings(O, asked, N, E, D, qk, v, V, rest):
    once, each = N * D * (qk + v), E * qk + N * (qk + v) + v * E + 2 * E * E + E * V
    saved = (O - asked) * each / (rest + once + O * each)
    return {"once": once, "each": each, "decoder": 1 - asked / O, "model": saved}
