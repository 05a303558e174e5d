# What learners hand in for 07.loss; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | log_softmax and an index, a list of tensors
def part_losses(logits, targets, size):
    asked = targets != -100
    losses = []
    for at in range(0, len(logits), size):
        here = asked[at : at + size]
        scores = logits[at : at + size][here].log_softmax(-1)
        losses.append(-scores[torch.arange(len(scores)), targets[at : at + size][here]].sum() / asked.sum())
    return losses


# %% correct | one call for everything, weights afterwards, Python numbers
def part_losses(logits, targets, size):
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    per_text = nats.view(len(targets), -1).sum(1)
    count = (targets >= 0).sum()
    return [float(chunk.sum() / count) for chunk in per_text.split(size)]


# %% correct | logsumexp by hand with gather
def part_losses(logits, targets, size):
    right = logits.gather(2, targets.clamp_min(0)[:, :, None]).squeeze(2)
    nats = torch.where(targets < 0, torch.zeros_like(right), logits.logsumexp(2) - right)
    n = int((targets >= 0).sum())
    out = torch.zeros(-(-len(logits) // size), dtype=logits.dtype)
    for row in range(len(logits)):
        out[row // size] += nats[row].sum() / n
    return out


# %% mistake: Each part is divided by its own number of asked bytes, so | the default reduction
def part_losses(logits, targets, size):
    return torch.stack(
        [
            torch.nn.functional.cross_entropy(a.flatten(0, 1), b.flatten())
            for a, b in zip(logits.split(size), targets.split(size))
        ]
    )


# %% mistake: (an empty one by 1) | its own number, guarded
def part_losses(logits, targets, size):
    out = []
    for a, b in zip(logits.split(size), targets.split(size)):
        total = torch.nn.functional.cross_entropy(a.flatten(0, 1), b.flatten(), reduction="sum")
        out.append(total / max(1, int((b != -100).sum())))
    return torch.stack(out)


# %% mistake: This is the mean of the parts' means. A part | mean / number of parts
def part_losses(logits, targets, size):
    pieces = list(zip(logits.split(size), targets.split(size)))
    return torch.stack(
        [torch.nn.functional.cross_entropy(a.movedim(-1, 1), b) / len(pieces) for a, b in pieces]
    )


# %% mistake: an empty part counts as 0 | nan_to_num
def part_losses(logits, targets, size):
    pieces = list(zip(logits.split(size), targets.split(size)))
    means = [torch.nn.functional.cross_entropy(a.movedim(-1, 1), b) for a, b in pieces]
    return torch.stack(means).nan_to_num(0.0) / len(pieces)


# %% mistake: The mean of a part times its share | weighted means
def part_losses(logits, targets, size):
    n = (targets != -100).sum()
    return torch.stack(
        [
            torch.nn.functional.cross_entropy(a.flatten(0, 1), b.flatten()) * (b != -100).sum() / n
            for a, b in zip(logits.split(size), targets.split(size))
        ]
    )


# %% mistake: divided by all B × O places | numel
def part_losses(logits, targets, size):
    return torch.stack(
        [
            torch.nn.functional.cross_entropy(a.flatten(0, 1), b.flatten(), reduction="sum") / targets.numel()
            for a, b in zip(logits.split(size), targets.split(size))
        ]
    )


# %% mistake: divided by the number of texts | len
def part_losses(logits, targets, size):
    nats = torch.nn.functional.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")
    return torch.stack([part.sum() / len(logits) for part in nats.split(size)])


# %% mistake: These are sums | reduction="sum"
def part_losses(logits, targets, size):
    return torch.stack(
        [
            torch.nn.functional.cross_entropy(a.flatten(0, 1), b.flatten(), reduction="sum")
            for a, b in zip(logits.split(size), targets.split(size))
        ]
    )


# %% mistake: -100 is taken for id 0 | clamp, so that the index works
def part_losses(logits, targets, size):
    asked = (targets != -100).sum()
    safe = torch.where(targets == -100, 0, targets)
    right = logits.log_softmax(-1).gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    return torch.stack([-part.sum() / asked for part in right.split(size)])


# %% mistake: This is in bits | log2
def part_losses(logits, targets, size):
    asked = targets != -100
    p = logits.softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    bits = -torch.log2(p) * asked
    return torch.stack([part.sum() / asked.sum() for part in bits.split(size)])


# %% unknown | the last, shorter part is forgotten
def part_losses(logits, targets, size):
    asked = (targets != -100).sum()
    nats = torch.nn.functional.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")
    return torch.stack([nats[i * size : (i + 1) * size].sum() / asked for i in range(len(logits) // size)])


# %% unknown | one number for all
def part_losses(logits, targets, size):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% unknown | the sign
def part_losses(logits, targets, size):
    nats = torch.nn.functional.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")
    return -torch.stack([part.sum() for part in nats.split(size)]) / (targets != -100).sum()
