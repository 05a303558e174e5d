# What learners hand in for 05.noise_or_bug; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | does the difference shrink? Equal ones pass first
def noise_or_bug(ours, theirs, x):
    import copy

    def gap(dtype):
        return float(
            (copy.deepcopy(ours).to(dtype)(x.to(dtype)) - copy.deepcopy(theirs).to(dtype)(x.to(dtype)))
            .abs()
            .max()
        )

    single, double = gap(torch.float32), gap(torch.float64)
    if single == 0 and double == 0:
        return "rounding"
    return "rounding" if double * 1000 < single else "bug"


# %% correct | allclose in float64, with the scale as atol
def noise_or_bug(ours, theirs, x):
    a, b = (deepcopy(layer).double()(x.double()) for layer in (ours, theirs))
    return "rounding" if torch.allclose(a, b, rtol=0, atol=1e-11 * float(b.abs().max())) else "bug"


# %% correct | relative norm of the whole tensor
def noise_or_bug(ours, theirs, x):
    x = x.to(torch.float64)
    a, b = deepcopy(ours).to(x)(x), deepcopy(theirs).to(x)(x)
    return ["rounding", "bug"][int((a - b).norm() / b.norm() > 1e-9)]


# %% mistake: You judge by the difference in float32. There a bug | 1e-5 of the scale
def noise_or_bug(ours, theirs, x):
    a, b = ours(x), theirs(x)
    return "bug" if (a - b).abs().max() > 1e-5 * b.abs().max() else "rounding"


# %% mistake: not even as a share of the scale | torch.allclose, atol alone
def noise_or_bug(ours, theirs, x):
    return "rounding" if torch.allclose(ours(x), theirs(x), rtol=0, atol=1e-5) else "bug"


# %% mistake: with a wide tolerance | atol 1e-3
def noise_or_bug(ours, theirs, x):
    a, b = ours(x), theirs(x)
    return "rounding" if torch.allclose(a, b, rtol=0, atol=1e-3 * float(b.abs().max())) else "bug"


# %% mistake: Were only the results converted | .double() too late
def noise_or_bug(ours, theirs, x):
    a, b = ours(x).double(), theirs(x).double()
    return "rounding" if (a - b).abs().max() <= 1e-10 * b.abs().max() else "bug"


# %% mistake: Were only the results converted | equal in float64
def noise_or_bug(ours, theirs, x):
    a, b = deepcopy(ours).double()(x.double()), deepcopy(theirs).double()(x.double())
    return "rounding" if torch.equal(a, b) else "bug"


# %% mistake: In float64 too the difference grows | atol in float64
def noise_or_bug(ours, theirs, x):
    a, b = deepcopy(ours).double()(x.double()), deepcopy(theirs).double()(x.double())
    return "bug" if (a - b).abs().max() > 1e-10 else "rounding"


# %% mistake: Two that are exactly equal are called a bug | 0 does not shrink
def noise_or_bug(ours, theirs, x):
    single = (ours(x) - theirs(x)).abs().max()
    double = (deepcopy(ours).double()(x.double()) - deepcopy(theirs).double()(x.double())).abs().max()
    return "rounding" if double < single / 1e5 else "bug"


# %% mistake: The two words are exchanged | swapped
def noise_or_bug(ours, theirs, x):
    a, b = deepcopy(ours).double()(x.double()), deepcopy(theirs).double()(x.double())
    return "bug" if (a - b).abs().max() <= 1e-10 * b.abs().max() else "rounding"


# %% unknown | the layers are converted in place
def noise_or_bug(ours, theirs, x):
    a, b = ours.double()(x.double()), theirs.double()(x.double())
    return "rounding" if (a - b).abs().max() <= 1e-10 * b.abs().max() else "bug"


# %% unknown | by the class
def noise_or_bug(ours, theirs, x):
    return "rounding" if type(ours) is type(theirs) else "bug"


# %% unknown | True and False
def noise_or_bug(ours, theirs, x):
    a, b = deepcopy(ours).double()(x.double()), deepcopy(theirs).double()(x.double())
    return bool((a - b).abs().max() > 1e-10 * b.abs().max())
