# What learners hand in for 07.geometry; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | loops, plain and slow
def hole_distances(hidden):
    B, M = hidden.shape
    out = torch.zeros(2, B, M, dtype=torch.long)
    for b in range(B):
        for m in range(M):
            left = right = m
            while left >= 0 and hidden[b, left]:
                left -= 1
            while right < M and hidden[b, right]:
                right += 1
            out[0, b, m], out[1, b, m] = m - left, right - m
    return out


# %% correct | a running count in both directions, as a tuple
def hole_distances(hidden):
    def count(columns):
        run, seen = torch.zeros(len(hidden), dtype=torch.long), []
        for column in columns:
            run = torch.where(column, run + 1, 0)
            seen.append(run)
        return torch.stack(seen, 1)

    return count(hidden.T), count(hidden.T.flip(0)).flip(1)


# %% correct | a table of all distances, its smallest
def hole_distances(hidden):
    B, M = hidden.shape
    place = torch.arange(M)
    gap = place[:, None] - torch.arange(-1, M + 1)[None]
    seen = torch.ones(B, M + 2, dtype=torch.bool)
    seen[:, 1:-1] = ~hidden
    far = 10 * M
    left = torch.where(seen[:, None] & (gap >= 0), gap, far).amin(-1)
    right = torch.where(seen[:, None] & (gap <= 0), -gap, far).amin(-1)
    return torch.stack([left, right])


# %% mistake: Each distance is one too small | hidden bytes in between
def hole_distances(hidden):
    B, M = hidden.shape
    out = torch.zeros(2, B, M, dtype=torch.long)
    for b in range(B):
        for m in range(M):
            if hidden[b, m]:
                out[0, b, m] = next((k for k in range(m + 1) if m - k == 0 or not hidden[b, m - k - 1]), m)
                out[1, b, m] = next(
                    (k for k in range(M - m) if m + k == M - 1 or not hidden[b, m + k + 1]), 0
                )
    return out


# %% mistake: Left and right have traded places | right first
def hole_distances(hidden):
    def count(columns):
        run, seen = 0, []
        for column in columns:
            run = (run + 1) * column.long()
            seen.append(run)
        return torch.stack(seen, 1)

    return torch.stack([count(hidden.T.flip(0)).flip(1), count(hidden.T)])


# %% mistake: Both rows hold the distance to the left | no flip
def hole_distances(hidden):
    run, seen = 0, []
    for column in hidden.T:
        run = (run + 1) * column.long()
        seen.append(run)
    left = torch.stack(seen, 1)
    return torch.stack([left, left])


# %% mistake: the smaller of the two | minimum
def hole_distances(hidden):
    def count(columns):
        run, seen = 0, []
        for column in columns:
            run = (run + 1) * column.long()
            seen.append(run)
        return torch.stack(seen, 1)

    near = torch.min(count(hidden.T), count(hidden.T.flip(0)).flip(1))
    return torch.stack([near, near])


# %% mistake: This is the length of the hole | run lengths
def hole_distances(hidden):
    out = torch.zeros(hidden.shape, dtype=torch.long)
    for row, marks in zip(out, hidden.tolist()):
        start = None
        for m, mark in enumerate(marks + [False]):
            if mark and start is None:
                start = m
            if not mark and start is not None:
                row[start:m] = m - start
                start = None
    return torch.stack([out, out])


# %% mistake: The texts are read as one | flatten
def hole_distances(hidden):
    def count(flags):
        run, seen = 0, []
        for flag in flags:
            run = run + 1 if flag else 0
            seen.append(run)
        return torch.tensor(seen)

    flat = hidden.flatten()
    left = count(flat.tolist()).view(hidden.shape)
    right = count(flat.flip(0).tolist()).flip(0).view(hidden.shape)
    return torch.stack([left, right])


# %% mistake: A hole that touches the end | index 0 and M - 1
def hole_distances(hidden):
    place = torch.arange(hidden.shape[1]).expand_as(hidden)
    before = torch.where(hidden, 0, place).cummax(-1).values
    after = torch.where(hidden, hidden.shape[1] - 1, place).flip(-1).cummin(-1).values.flip(-1)
    return torch.stack([place - before, after - place])


# %% mistake: The two sides stand on the last axis | stack(-1)
def hole_distances(hidden):
    place = torch.arange(hidden.shape[1]).expand_as(hidden)
    before = torch.where(hidden, -1, place).cummax(-1).values
    after = torch.where(hidden, hidden.shape[1], place).flip(-1).cummin(-1).values.flip(-1)
    return torch.stack([place - before, after - place], -1)


# %% unknown | seen places have a distance too
def hole_distances(hidden):
    place = torch.arange(hidden.shape[1]).expand_as(hidden)
    before = torch.where(hidden, -1, place).cummax(-1).values
    after = torch.where(hidden, hidden.shape[1], place).flip(-1).cummin(-1).values.flip(-1)
    return torch.stack([place - before + 1, after - place + 1])


# %% unknown | the number of holes
def hole_distances(hidden):
    return torch.stack([hidden.long().cumsum(1), hidden.long().flip(1).cumsum(1).flip(1)])


# %% unknown | the condition inverted
def hole_distances(hidden):
    place = torch.arange(hidden.shape[1]).expand_as(hidden)
    before = torch.where(~hidden, -1, place).cummax(-1).values
    after = torch.where(~hidden, hidden.shape[1], place).flip(-1).cummin(-1).values.flip(-1)
    return torch.stack([place - before, after - place])
