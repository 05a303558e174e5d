"""Exercise 05.masked_loss: the cross-entropy of the hidden bytes, and of nothing else."""

import math

import torch
import torch.nn.functional as F

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer

MASK, PAD, IGNORE = ByteTokenizer.MASK, ByteTokenizer.PAD, -100
SIZES = {"B": 3, "M": 10, "V": 17}


def loss_cases():
    """logits (B, M, V), ids (B, M) with holes, original (B, M) without."""
    generator = torch.Generator().manual_seed(9)
    B, M, V = SIZES.values()
    original = torch.randint(6, V, (B, M), generator=generator)
    padded = original.clone()
    padded[0, 6:], padded[2, 8:] = PAD, PAD
    logits = 3 * torch.randn(B, M, V, generator=generator, dtype=torch.float64)

    def hide(original, *holes):
        ids = original.clone()
        for row, places in enumerate(holes):
            ids[row, places] = MASK
        return dict(logits=logits[: len(ids)], ids=ids, original=original)

    changed = hide(original, [2, 3], [6], [1, 7, 8])
    changed["ids"][1, 4] = 6 + (original[1, 4] - 5) % 11  # a random byte, as in training
    return {
        "one text, one hidden byte": hide(original[:1], [4]),
        "three texts, holes of different length": hide(original, [1], [3, 4, 5, 8], [5, 6]),
        "two of them padded": hide(padded, [2, 3, 4], [7], [1, 5]),
        "a visible byte that was changed": changed,
    }


def loss_variant(logits, ids, original, count="hidden", over="hidden", axis=-1, shift=0, target="original",
                 unit=1.0, squash=False):  # fmt: skip
    """The mean of -log p(original byte) over the hidden places, with a switch for each mistake."""
    hidden, real = ids == MASK, original != PAD
    counted = {"hidden": hidden, "all": torch.ones_like(hidden), "real": real, "shown": real & ~hidden}
    counted = (counted | {"changed": ids != original})[count]
    over = count if count in ("all", "real") else over
    labels = original if target == "original" else ids
    if shift:
        logits = logits[:, :-1] if shift > 0 else logits[:, 1:]
        labels, counted = (t[:, 1:] if shift > 0 else t[:, :-1] for t in (labels, counted))
    if squash:
        logits = logits.softmax(axis)
    bits = -logits.log_softmax(axis).gather(-1, labels[..., None])[..., 0]  # (B, M)
    if over == "texts":
        return torch.stack([row[chosen].mean() for row, chosen in zip(bits, counted, strict=True)]).mean()
    total = (bits * counted).sum()
    number = {"hidden": counted.sum(), "all": counted.numel(), "real": real.sum(), "sum": 1}[over]
    return unit * total / number


def loss_properties(arguments):
    def shown_places(call):
        changed = arguments["logits"].clone()
        changed[arguments["ids"] != MASK] += 5 * torch.arange(changed.shape[-1], dtype=changed.dtype).cos()
        before, after = float(call(**arguments)), float(call(**arguments | {"logits": changed}))
        return math.isclose(before, after, rel_tol=1e-5), translated(
            "{before:.4f} before, {after:.4f} after", before=before, after=after
        )

    def uniform(call):
        even = float(call(**arguments | {"logits": torch.zeros_like(arguments["logits"])}))
        wanted = math.log(arguments["logits"].shape[-1])
        return math.isclose(even, wanted, rel_tol=1e-5), translated(
            "expected ln {V} = {wanted:.4f}, got {got:.4f}", V=SIZES["V"], wanted=wanted, got=even
        )

    yield "scores at positions that were not hidden have no effect", shown_places
    yield "with all scores equal, the loss is ln V", uniform


def loss_in_model(function, report):
    """The docstring's loss, the loss of the hidden bytes, and the learner's, of the pretrained model."""
    model, tokenizer = pretrained(), ByteTokenizer()
    texts = ["He was one of the first to come.", "She opened the door and went into the house."]
    M = model.config.max_position_embeddings
    original, mask = (tensor.to(model.device) for tensor in tokenizer.batch(texts, pad_to=M))
    ids = original.clone()
    ids[0, 14:18] = ids[1, 29:34] = MASK  # " the" and " into"
    with torch.no_grad():
        logits = model(ids, mask)
    labels = original.masked_fill(ids != MASK, IGNORE)
    wanted = float(F.cross_entropy(logits.flatten(0, 1), labels.flatten()))
    everything = float(F.cross_entropy(logits.flatten(0, 1), original.flatten()))
    yours = float(call(function, {"logits": logits, "ids": ids, "original": original}))
    rows = [
        (translated("labels = all ids, as in Hugging Face's docstring"), f"{2 * M}", f"{everything:.4f}"),
        (
            translated("labels = the hidden bytes, -100 elsewhere"),
            f"{int((ids == MASK).sum())}",
            f"{wanted:.4f}",
        ),
        (translated("yours"), "", f"{yours:.4f}"),
    ]
    report.table(
        (
            translated("the whole model, two texts with a hole"),
            translated("positions counted"),
            translated("loss (nats)"),
        ),
        rows,
    )
    return abs(yours - wanted) < 1e-4 * max(1.0, wanted)


EXERCISE = Exercise(
    title="the loss of the hidden bytes",
    about="5 minutes · medium · appendix F.3",
    name="masked_loss",
    cases=loss_cases,
    variant=loss_variant,
    mistakes={
        "count": {
            "all": "Every position is counted, hidden or not, and padding, too. This is the loss in Hugging "
            "Face's docstring, most of which comes from padding, where there was nothing to predict.",
            "real": "The visible bytes are counted, too. Only the hidden ones are targets.",
            "shown": "The condition is inverted: the visible bytes are counted, and the hidden ones are not.",
            "changed": "A visible byte that was changed is counted, too. Only those that are [MASK] in `ids` "
            "count.",
        },
        "over": {
            "all": "The sum is right, but it is divided by the number of all positions, including padding. "
            "Divide by the number of hidden bytes.",
            "real": "The sum is right, but it is divided by the number of real bytes. Divide by the number "
            "of hidden bytes.",
            "texts": "The mean is taken in each text first, then over the texts. A text with one hidden byte "
            "then counts as much as one with four, so average over all hidden bytes at once.",
            "sum": "This is the sum. Return the mean over the hidden bytes.",
        },
        "axis": {
            1: "The softmax runs over the positions. It should run over the V ids, the last axis, so that "
            "the probabilities at each position sum to 1.",
            0: "The softmax runs over the texts. It should run over the V ids, the last axis, so that the "
            "probabilities at each position sum to 1.",
        },
        "shift": {
            1: "The logits are shifted by one, as in a left-to-right model, which predicts the next byte. "
            "Here the logits at a position predict the byte at that position.",
            -1: "The logits are shifted by one, in the opposite direction to a left-to-right model. Here the "
            "logits at a position predict the byte at that position.",
        },
        "target": {
            "ids": "The target is [MASK] itself, because the labels come from `ids`. They must come from "
            "`original`."
        },
        "unit": {
            1 / math.log(2): "This is in bits (log₂). The loss is in nats, with the natural logarithm.",
            -1.0: "The sign is missing. A loss is minus the logarithm of a probability.",
        },
        "squash": {
            True: "You passed probabilities to `cross_entropy`, which expects scores. It applies a softmax "
            "itself, so yours is applied twice."
        },
    },
    properties=loss_properties,
    view=lambda loss, _: torch.tensor(loss, dtype=torch.float64) if isinstance(loss, float) else loss,
    sizes=lambda **_: SIZES,
    in_model=loss_in_model,
)
