# What learners hand in for 05.first_divergence; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | next over a generator, torch.allclose with an atol of its own
def first_divergence(ours, theirs, tolerance):
    def agree(a, b):
        return a.shape == b.shape and torch.allclose(
            a, b, rtol=0, atol=tolerance * max(1.0, b.abs().max().item())
        )

    return next((name for name, b in theirs.items() if not agree(ours[name], b)), None)


# %% correct | the library's own row
def first_divergence(ours, theirs, tolerance):
    from perceiver_edu.instruments.parity import difference

    rows = [difference(name, ours[name], theirs[name])._replace(tolerance=tolerance) for name in theirs]
    wrong = [row.stage for row in rows if not row.ok]
    return wrong[0] if wrong else None


# %% correct | loops over single numbers, math.isnan
def first_divergence(ours, theirs, tolerance):
    import math

    for name, b in theirs.items():
        a = ours[name]
        if list(a.shape) != list(b.shape):
            return name
        limit = tolerance * max([1.0] + [abs(v) for v in b.flatten().tolist()])
        for x, y in zip(a.flatten().tolist(), b.flatten().tolist()):
            if math.isnan(x) or abs(x - y) > limit:
                return name


# %% mistake: is the `return` missing | computed, never returned
def first_divergence(ours, theirs, tolerance):
    wrong = []
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not (a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item()):
            wrong.append(name)


# %% mistake: The tolerance is taken as it is | allclose with a bare atol
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not torch.allclose(a, b, rtol=0, atol=tolerance):
            return name


# %% mistake: Allow at least the share of 1 | relative to the largest alone
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not ((a - b).abs().max() / b.abs().max() <= tolerance):
            return name


# %% mistake: compared with its own size | allclose with rtol only
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not torch.allclose(a, b, rtol=tolerance, atol=0):
            return name


# %% mistake: differences are averaged | mean absolute error
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape:
            return name
        error = torch.nn.functional.l1_loss(a, b)
        if not error <= tolerance * max(1.0, b.abs().max().item()):
            return name


# %% mistake: they cancel | sum without abs
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape:
            return name
        if not abs((a - b).sum()) <= tolerance * max(1.0, b.abs().max().item()):
            return name


# %% mistake: A NaN passes | greater than
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape:
            return name
        if (a - b).abs().max() > tolerance * max(1.0, b.abs().max().item()):
            return name
    return None


# %% mistake: Two different shapes pass | no look at the shape
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        gap = (ours[name] - theirs[name]).abs().max()
        if not gap <= tolerance * max(1.0, theirs[name].abs().max().item()):
            return name


# %% mistake: This is the last one | no break
def first_divergence(ours, theirs, tolerance):
    found = None
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not (a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item()):
            found = name
    return found


# %% mistake: This is the largest difference | max by difference
def first_divergence(ours, theirs, tolerance):
    gaps = {}
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape:
            gaps[name] = float("inf")
            continue
        gap = (a - b).abs().max().item()
        if not gap <= tolerance * max(1.0, b.abs().max().item()):
            gaps[name] = gap
    return max(gaps, key=gaps.get) if gaps else None


# %% mistake: sorted by the alphabet | sorted(…)
def first_divergence(ours, theirs, tolerance):
    for name in sorted(theirs):
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not (a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item()):
            return name


# %% mistake: first that agrees | the condition the wrong way round
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape == b.shape and (a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item()):
            return name


# %% mistake: last one before the divergence | index minus one
def first_divergence(ours, theirs, tolerance):
    names = list(theirs)
    for i, name in enumerate(names):
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not (a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item()):
            return names[max(i - 1, 0)]


# %% mistake: A NaN passes & Two different shapes pass | two at once
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        if (ours[name] - theirs[name]).abs().max() > tolerance * theirs[name].abs().max().clamp(min=1):
            return name


# %% unknown | the number of the row
def first_divergence(ours, theirs, tolerance):
    for i, name in enumerate(theirs):
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not (a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item()):
            return i


# %% unknown | always the processor
def first_divergence(ours, theirs, tolerance):
    return "processed"


# %% mistake: the rule of `torch.allclose` | allclose with both tolerances
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        a, b = ours[name], theirs[name]
        if a.shape != b.shape or not torch.allclose(a, b, rtol=tolerance, atol=tolerance):
            return name


# %% mistake: A number that is too small passes & A NaN passes | max before abs, `>`
def first_divergence(ours, theirs, tolerance):
    for name in theirs:
        if ours[name].shape != theirs[name].shape:
            return name
        if (ours[name] - theirs[name]).max() > tolerance * max(1, theirs[name].abs().max()):
            return name


# %% mistake: The scale is taken without `abs` | max of theirs
def first_divergence(ours, theirs, tolerance):
    for name, b in theirs.items():
        if ours[name].shape != b.shape or not (ours[name] - b).abs().max() <= tolerance * b.max().clamp(
            min=1
        ):
            return name


# %% unknown | all names instead of one
def first_divergence(ours, theirs, tolerance):
    return [name for name in theirs if ours[name].shape != theirs[name].shape]
