"""Exercise 08.loss: the loss of a batch that comes in parts, with -100 where nothing is asked."""

import math

import torch
import torch.nn.functional as F

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.passages import PASSAGES
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.masking import IGNORE, hole_positions, mask_words

SIZES = {"B": 5, "O": 7, "V": 11}


def loss_cases():
    """logits (B, O, V), targets (B, O) with -100, size = rows of a part."""
    generator = torch.Generator().manual_seed(3)
    B, O, V = SIZES.values()
    logits = 2 * torch.randn(B, O, V, generator=generator, dtype=torch.float64)
    targets = torch.randint(1, V, (B, O), generator=generator)
    some = targets.clone()
    for row, asked in enumerate((2, 5, 1, 3, 6)):
        some[row, asked:] = IGNORE
    empty = some.clone()
    empty[2:4] = IGNORE
    return {
        "one part, a target everywhere": dict(logits=logits, targets=targets, size=B),
        "parts of two rows, with -100": dict(logits=logits, targets=some, size=2),
        "a part without targets": dict(logits=logits, targets=empty, size=2),
    }


def loss_variant(logits, targets, size, over="asked", ignore="-100", unit=1.0):
    """The loss of each part, -> (parts,); their sum is the mean over all asked bytes of the batch."""
    labels = targets if ignore == "-100" else targets.clamp(min=0)
    nats = F.cross_entropy(logits.movedim(-1, 1), labels, reduction="none")  # (B, O), 0 where ignored
    parts, asked = nats.split(size), (targets != IGNORE).split(size)
    sums = torch.stack([part.sum() for part in parts])
    number = torch.stack([part.sum() for part in asked])
    losses = {
        "asked": sums / number.sum(),
        "part": sums / number,
        "part, guarded": sums / number.clamp(min=1),
        "parts": sums / number / len(parts),
        "parts, guarded": sums / number.clamp(min=1) / len(parts),
        "weighted": sums / number * number / number.sum(),
        "all": sums / targets.numel(),
        "rows": sums / len(targets),
        "sum": sums,
    }
    return unit * losses[over]


def as_tensor(losses, arguments=None):
    """A list of numbers or of tensors without axes, one for each part -> (parts,); all else as it is."""
    if losses is None or losses is ... or isinstance(losses, torch.Tensor):
        return losses
    try:
        return torch.stack([torch.as_tensor(loss, dtype=torch.float64).reshape(()) for loss in losses])
    except (TypeError, ValueError, RuntimeError):
        raise Misfit(
            translated("expected one loss for each part, got {losses}.", losses=shown(losses))
        ) from None


def loss_properties(arguments):
    def whole(call):
        together = float(as_tensor(call(**arguments | {"size": len(arguments["logits"])})).sum())
        apart = float(as_tensor(call(**arguments | {"size": 2})).sum())
        return math.isclose(together, apart, rel_tol=1e-5), translated(
            "{together:.4f} in one part, {apart:.4f} in several", together=together, apart=apart
        )

    yield "the losses add up to the same number, however the batch is split", whole


def loss_in_model(function, report):
    """Six texts with holes of different lengths, in parts of two, in the pretrained model."""
    model, tokenizer = pretrained(), ByteTokenizer()
    texts = [passage[: 30 + 25 * i] for i, passage in enumerate(PASSAGES[:6])]
    ids, mask = tokenizer.batch(texts)
    inputs, labels = mask_words(ids, generator=torch.Generator().manual_seed(2), always_mask=True)
    positions, targets = (t.to(model.device) for t in hole_positions(labels))
    with torch.no_grad():
        logits = model(inputs.to(model.device), mask.to(model.device), positions)
    wanted = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    means = loss_variant(logits, targets, 2, over="parts").sum()
    yours = as_tensor(call(function, {"logits": logits, "targets": targets, "size": 2})).sum()
    rows = [
        (translated("the whole batch at once"), f"{float(wanted):.4f}"),
        (translated("three parts, the mean of their means"), f"{float(means):.4f}"),
        (translated("three parts, yours"), f"{float(yours):.4f}"),
    ]
    report.table(
        (translated("the whole model, six texts of different length"), translated("loss (nats)")), rows
    )
    return abs(float(yours - wanted)) < 1e-4 * max(1.0, float(wanted))


EXERCISE = Exercise(
    title="the loss of a batch in parts",
    about="6 minutes · medium · section 4.1",
    name="part_losses",
    cases=loss_cases,
    variant=loss_variant,
    mistakes={
        "over": {
            "part": "Each part is divided by its own number of targets, so the sum grows with the number of "
            "parts. Divide by the number in the whole batch.",
            "part, guarded": "Each part is divided by its own number of targets (by 1 if it has none), so "
            "the sum grows with the number of parts. Divide by the number in the whole batch.",
            "parts": "This is the mean of the parts' means, in which a part with one target counts as much "
            "as a part with nine. Divide each sum by the number of targets in the whole batch.",
            "parts, guarded": "This is the mean of the parts' means, in which a part without targets counts "
            "as 0. Divide each sum by the number of targets in the whole batch.",
            "weighted": "You multiply the mean of a part by its fraction of the targets. That is right until "
            "a part has none: its mean is 0 / 0, NaN, and one NaN spoils all weights. Use sums.",
            "all": "The sum is divided by all B × O positions, including those with -100. Only the others "
            "are targets.",
            "rows": "The sum is divided by the number of texts. Divide by the number of targets instead.",
            "sum": "These are sums. They must add up to a mean over all targets.",
        },
        "ignore": {
            "clamp": "-100 is replaced by id 0, so those positions are counted, too. `cross_entropy` ignores "
            "-100 by itself, so leave it in."
        },
        "unit": {
            1 / math.log(2): "This is in bits. The loss should be in nats, which is what `cross_entropy` "
            "returns."
        },
    },
    properties=loss_properties,
    view=as_tensor,
    sizes=lambda **_: SIZES,
    trains=True,
    in_model=loss_in_model,
)
