# What learners hand in for 05.planted_bugs; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | names of stages and modules instead of rows
def located():
    return {
        "bug 5": ["processor.self_attends.1.mlp_norm", "norm"],
        "bug 4": ["embedding", "Places"],
        "bug 3": ["layer 4", "heads"],
        "bug 2": ["encoder.cross_attend", "mask"],
        "bug 1": ["decoder", "activation"],
    }


# %% correct | the rows found by a program
def located():
    from perceiver_edu.course.planted import planted_bug, tiny_batch

    kinds, found = ["activation", "mask", "heads", "places", "norm"], {}
    for n, kind in enumerate(kinds, 1):
        rows = compare_stages(*planted_bug(n, torch.float64), *tiny_batch(), layers=True)
        found[f"bug {n}"] = next(row.stage for row in rows if not row.ok), kind
    return found


# %% mistake: You name the logits each time | the last row
def located():
    kinds = ["activation", "mask", "heads", "places", "norm"]
    return {f"bug {n}": ("logits", kind) for n, kind in enumerate(kinds, 1)}


# %% mistake: Your layers are counted from 0 | off by one
def located():
    return {
        "bug 1": ("outputs", "activation"),
        "bug 2": ("encoded", "mask"),
        "bug 3": ("processed by layer 3", "heads"),
        "bug 4": ("inputs", "places"),
        "bug 5": ("processed by layer 1", "norm"),
    }


# %% mistake: you do not say in which layer | without layers=True
def located():
    return {
        "bug 1": ("outputs", "activation"),
        "bug 2": ("encoded", "mask"),
        "bug 3": ("processed", "heads"),
        "bug 4": ("inputs", "places"),
        "bug 5": ("processed", "norm"),
    }


# %% mistake: hides below rounding | looked at in float32
def located():
    return {
        "bug 1": ("outputs", "activation"),
        "bug 2": ("encoded", "mask"),
        "bug 3": ("processed by layer 4", "heads"),
        "bug 4": ("inputs", "places"),
        "bug 5": ("nothing", "nothing"),
    }


# %% mistake: Heads or mask? & Bug 3 is not the mask | the two exchanged
def located():
    return {
        "bug 1": ("outputs", "activation"),
        "bug 2": ("encoded", "heads"),
        "bug 3": ("processed by layer 4", "mask"),
        "bug 4": ("inputs", "places"),
        "bug 5": ("processed by layer 2", "norm"),
    }


# %% mistake: Bug 3 is not the mask | one of them
def located():
    return {
        "bug 1": ("outputs", "activation"),
        "bug 2": ("encoded", "mask"),
        "bug 3": ("layer 4", "mask"),
        "bug 4": ("inputs", "places"),
        "bug 5": ("layer 2", "norm"),
    }


# %% mistake: Bug 1 is not a norm | guessed
def located():
    return {
        "bug 1": ("outputs", "norm"),
        "bug 2": ("encoded", "mask"),
        "bug 3": ("layer 4", "heads"),
        "bug 4": ("inputs", "places"),
        "bug 5": ("layer 2", "norm"),
    }


# %% mistake: Bug 1 is not a residual & hides below rounding | the decoder's residual
def located():
    return {
        "bug 1": ("decoder", "residual"),
        "bug 2": ("encoder", "mask"),
        "bug 3": ("layer 4", "heads"),
        "bug 4": ("embedding", "places"),
        "bug 5": (None, None),
    }


# %% mistake: Bug 5: a missing or a false residual | mlp_norm misread
def located():
    return {
        "bug 1": ("decoder", "activation"),
        "bug 2": ("encoder", "mask"),
        "bug 3": ("layer 4", "heads"),
        "bug 4": ("embedding", "places"),
        "bug 5": ("layer 2", "residual"),
    }


# %% unknown | half of it
def located():
    return {
        "bug 1": ("encoded", "bias"),
        "bug 2": ("encoded", "mask"),
        "bug 3": ("outputs", "heads"),
        "bug 4": ("inputs", "bias"),
        "bug 5": ("layer 5", "norm"),
    }


# %% unknown | a bug forgotten
def located():
    return {"bug 1": ("outputs", "activation"), "bug 2": ("encoded", "mask")}


# %% unknown | the shapes of the models
def located():
    return {f"bug {n}": ("2 × 25 × 24", "places") for n in range(1, 6)}
