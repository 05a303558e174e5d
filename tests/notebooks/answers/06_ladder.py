# What learners hand in for 06.ladder; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | a while loop
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% correct | longest first
def rungs(lengths, asked, longest, size, cost):
    lengths = sorted(lengths)
    batches = [lengths[start : start + size] for start in range(0, len(lengths), size)]
    return {
        "sorted": sum(cost(batch[-1], asked, len(batch)) for batch in batches),
        "asked": len(lengths) * cost(lengths[-1], asked, 1),
        "cropped": sum(cost(lengths[-1], longest, 1) for _ in lengths),
        "padded": len(lengths) * cost(longest, longest, 1),
    }


# %% mistake: cut to the longest one only | the mean
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), sum(lengths) / len(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% mistake: The others lose their ends | the shortest
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), min(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% mistake: you cropped the outputs too | both at once
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, cut, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% mistake: outputs of *each* text | all together
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked * B, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% mistake: as many outputs are decoded as ids are read | O = M
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, cut, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% mistake: not sorted by length | as they come
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, list(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(max(group), asked, len(group))
    return result


# %% mistake: still one batch | all together
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting, []
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% mistake: one by one | batches of one
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:1], waiting[1:]
        result["sorted"] += cost(group[-1], asked, len(group))
    return result


# %% unknown | the shortest of each batch
def rungs(lengths, asked, longest, size, cost):
    B, cut = len(lengths), max(lengths)
    result = {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, longest, B),
        "asked": cost(cut, asked, B),
    }
    result["sorted"], waiting = 0, sorted(lengths)
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        result["sorted"] += cost(group[0], asked, len(group))
    return result


# %% unknown | one number
def rungs(lengths, asked, longest, size, cost):
    return cost(longest, longest, len(lengths))
