# What learners hand in for 09.modality_mask; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | an empty mask, filled
def which_inputs(sizes, present):
    B = len(next(iter(present.values())))
    mask, start = torch.ones(B, sum(sizes.values()), dtype=torch.bool), 0
    for name, M in sorted(sizes.items()):
        if name in present:
            mask[:, start : start + M] &= present[name].unsqueeze(1)
        start += M
    return mask


# %% correct | repeat_interleave
def which_inputs(sizes, present):
    names = sorted(sizes)
    everyone = torch.ones_like(list(present.values())[0])
    columns = torch.stack([present.get(name, everyone) for name in names], dim=1)
    return columns.repeat_interleave(torch.tensor([sizes[name] for name in names]), dim=1)


# %% mistake: The mask is inverted | True = hidden
def which_inputs(sizes, present):
    everyone = torch.ones_like(next(iter(present.values())))
    parts = [(~present.get(n, everyone)).unsqueeze(1).repeat(1, sizes[n]) for n in sorted(sizes)]
    return torch.cat(parts, 1)


# %% mistake: in the order of `sizes` | for name in sizes
def which_inputs(sizes, present):
    everyone = torch.ones_like(next(iter(present.values())))
    return torch.cat([present.get(n, everyone)[:, None].repeat(1, M) for n, M in sizes.items()], 1)


# %% mistake: in the order of `present` | present first, the rest behind
def which_inputs(sizes, present):
    parts = [there[:, None].repeat(1, sizes[name]) for name, there in present.items()]
    B = len(parts[0])
    parts += [torch.ones(B, M, dtype=torch.bool) for name, M in sizes.items() if name not in present]
    return torch.cat(parts, 1)


# %% mistake: does not name is hidden | zeros to begin with
def which_inputs(sizes, present):
    B = len(next(iter(present.values())))
    nobody = torch.zeros(B, dtype=torch.bool)
    return torch.cat([present.get(n, nobody)[:, None].repeat(1, sizes[n]) for n in sorted(sizes)], 1)


# %% mistake: hidden from all. | bool(all())
def which_inputs(sizes, present):
    B = len(next(iter(present.values())))
    parts = []
    for name in sorted(sizes):
        there = bool(present[name].all()) if name in present else True
        parts.append(torch.full((B, sizes[name]), there))
    return torch.cat(parts, dim=1)


# %% mistake: It needs as many as it has inputs | one column a modality
def which_inputs(sizes, present):
    everyone = torch.ones_like(next(iter(present.values())))
    return torch.stack([present.get(name, everyone) for name in sorted(sizes)], dim=1)


# %% unknown | the axes swapped
def which_inputs(sizes, present):
    everyone = torch.ones_like(next(iter(present.values())))
    return torch.cat([present.get(n, everyone)[None].repeat(sizes[n], 1) for n in sorted(sizes)], 0)


# %% unknown | everything may be read
def which_inputs(sizes, present):
    return torch.ones(len(next(iter(present.values()))), sum(sizes.values()), dtype=torch.bool)


# %% unknown | alphabetical backwards
def which_inputs(sizes, present):
    everyone = torch.ones_like(next(iter(present.values())))
    names = sorted(sizes, key=lambda name: name[::-1])
    return torch.cat([present.get(n, everyone)[:, None].repeat(1, sizes[n]) for n in names], 1).flip(1)
