# What learners hand in for 02.additive_mask; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | where
def additive_mask(mask, dtype):
    return torch.where(mask, torch.tensor(0, dtype=dtype), torch.finfo(dtype).min).unsqueeze(1).unsqueeze(1)


# %% correct | arithmetic
def additive_mask(mask, dtype):
    return (1 - mask.to(dtype)).view(len(mask), 1, 1, -1) * torch.finfo(dtype).min


# %% correct | a loop
def additive_mask(real, kind):
    bias = torch.zeros(len(real), 1, 1, real.shape[1], dtype=kind)
    for b, row in enumerate(real):
        for k, is_real in enumerate(row):
            if not is_real:
                bias[b, 0, 0, k] = -0.5 * torch.finfo(kind).max
    return bias


# %% mistake: mask is inverted | masked_fill(mask)
def additive_mask(mask, dtype):
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -1e9)[:, None, None]


# %% mistake: `.min` is the most negative one | finfo.tiny
def additive_mask(mask, dtype):
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).tiny)[:, None, None]


# %% mistake: the mask as numbers | mask.to(dtype)
def additive_mask(mask, dtype):
    return mask.to(dtype)[:, None, None, :]


# %% mistake: the mask as numbers | mask - 1
def additive_mask(mask, dtype):
    return mask.to(dtype)[:, None, None, :] - 1


# %% mistake: Padding gets -10. | a constant
def additive_mask(mask, dtype):
    return (~mask)[:, None, None, :] * torch.tensor(-10.0, dtype=dtype)


# %% mistake: Padding gets -100. | a constant
def additive_mask(mask, dtype):
    return -100 * (~mask)[:, None, None, :].to(dtype)


# %% mistake: large positive number | finfo.max
def additive_mask(mask, dtype):
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).max)[:, None, None]


# %% unknown | -inf
def additive_mask(mask, dtype):
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, float("-inf"))[:, None, None]


# %% unknown | without the axes for heads and queries
def additive_mask(mask, dtype):
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, -1e9)


# %% unknown | returns the bool
def additive_mask(mask, dtype):
    return ~mask[:, None, None]


# %% unknown | the wrong dtype
def additive_mask(mask, dtype):
    return torch.zeros(mask.shape).masked_fill(~mask, -1e9)[:, None, None]


# %% unknown | -1e9, more than float16 can hold
def additive_mask(mask, dtype):
    return torch.zeros(len(mask), 1, 1, mask.shape[1], dtype=dtype).masked_fill(~mask[:, None, None], -1e9)


# %% unknown | times -1e9, which is -inf in float16
def additive_mask(mask, dtype):
    return (1 - mask.to(dtype)).view(len(mask), 1, 1, -1) * -1e9
