"""Exercise 08.geometry: how far each hidden byte is from what can be seen."""

import math

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.passages import PASSAGES
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.baselines import FAR, Baselines, V, load_counts
from perceiver_edu.training.evaluate import decode_holes
from perceiver_edu.training.masking import IGNORE, mask_words

SIZES = {"sides": 2, "B": 3, "M": 12}


def geometry_cases():
    """hidden (B, M) bool."""

    def hide(*rows):
        hidden = torch.zeros(len(rows), SIZES["M"], dtype=torch.bool)
        for row, places in enumerate(rows):
            hidden[row, list(places)] = True
        return hidden

    return {
        "one text, one hole": dict(hidden=hide([4, 5, 6])),
        "three texts, one with nothing hidden": dict(hidden=hide([1, 2, 5], [3, 4, 5, 6, 9, 10], [])),
        "a text that is hidden completely": dict(hidden=hide(range(SIZES["M"]))),
        "holes at both ends": dict(hidden=hide([0, 1, 6], [2, 9, 10, 11], [0, 4, 5, 11])),
    }


def geometry_variant(hidden, wrong=""):
    """hidden (B, M) bool -> (2, B, M): distance to the nearest visible place on the left, on the right."""
    B, M = hidden.shape
    shape = (1, B * M) if wrong == "texts" else (B, M)
    flags = hidden.reshape(shape)
    place = torch.arange(shape[1]).expand(shape)
    left = place - place.masked_fill(flags, -1).cummax(1).values
    right = place.masked_fill(flags, shape[1]).flip(1).cummin(1).values.flip(1) - place
    left, right = left.reshape(B, M), right.reshape(B, M)
    both = torch.stack([left, right])
    if wrong == "edge":
        from_zero = place - place.masked_fill(flags, 0).cummax(1).values
        to_last = place.masked_fill(flags, M - 1).flip(1).cummin(1).values.flip(1) - place
        both = torch.stack([from_zero, to_last])
    return {
        "swapped": both.flip(0),
        "inside": (both - 1).clamp(min=0),
        "left twice": torch.stack([left, left]),
        "nearest": torch.minimum(left, right).expand(2, B, M),
        "length": ((left + right - 1) * hidden).expand(2, B, M),
        "last axis": both.movedim(0, -1),
    }.get(wrong, both)


def as_tensor(found, arguments=None):
    """Two tensors (B, M) -> one (2, B, M); all else as it is."""
    pair = isinstance(found, tuple | list) and all(isinstance(side, torch.Tensor) for side in found)
    return torch.stack(list(found)) if pair else found


def geometry_properties(arguments):
    def visible(call):
        found = as_tensor(call(**arguments))
        return not found[:, ~arguments["hidden"]].any(), translated(
            "{largest} at most", largest=found[:, ~arguments["hidden"]].max()
        )

    def mirrored(call):
        there, back = as_tensor(call(**arguments)), as_tensor(call(hidden=arguments["hidden"].flip(1)))
        return torch.equal(there[0], back[1].flip(1)), translated(
            "if the text is reversed, left and right are swapped"
        )

    yield "the distances are 0 wherever the byte is visible", visible
    yield "left and right are mirror images", mirrored


@torch.no_grad()
def geometry_in_model(function, report):
    """Hidden words of twelve passages: what the hole's shape alone tells, and what the model knows."""
    model, tokenizer = pretrained(), ByteTokenizer()
    ids, _ = tokenizer.batch([passage[:200] for passage in PASSAGES])
    inputs, labels = mask_words(ids, generator=torch.Generator().manual_seed(0), always_mask=True)
    hidden, targets = labels != IGNORE, labels[labels != IGNORE]
    baselines = Baselines(load_counts())
    known = baselines(inputs, labels)

    def bits(log_probs):
        return float(-log_probs.gather(1, targets[:, None]).mean()) / math.log(2)

    left, right = as_tensor(call(function, {"hidden": hidden})).long().clamp(max=FAR)[:, hidden]
    by_shape = baselines.tables["geometry"].view(-1, V)[left * (FAR + 1) + right]
    model_bits = bits(decode_holes(model, inputs, labels))
    rows = [
        (translated("unigram: how often each byte is hidden"), f"{bits(known['unigram']):.3f}"),
        (translated("hole geometry, from your distances"), f"{bits(by_shape):.3f}"),
        (translated("the model"), f"{model_bits:.3f}"),
    ]
    report.table((translated("hidden words of twelve passages"), translated("bits per hidden byte")), rows)
    below = bits(by_shape) - model_bits
    ok = abs(bits(by_shape) - bits(known["geometry"])) < 1e-4
    if ok:
        says = translated("The model is {bits:.2f} bits below the hole's shape.", bits=abs(below))
        above = translated("The model is {bits:.2f} bits ABOVE the hole's shape.", bits=abs(below))
        report.say(says if below > 0 else above)
    return ok


EXERCISE = Exercise(
    title="what a hole tells by its shape",
    about="8 minutes · medium · section 4.1",
    name="hole_distances",
    cases=geometry_cases,
    variant=geometry_variant,
    mistakes={
        "wrong": {
            "inside": "Each distance is one too small, because you counted the hidden bytes in between. A "
            "visible position right next to the byte is at distance 1.",
            "swapped": "Left and right are swapped. The distance to the left comes first.",
            "left twice": "Both rows hold the distance to the left.",
            "nearest": "Both rows hold the smaller of the two distances. Keep the two sides apart.",
            "length": "This is the length of the hole, the same for all its bytes. Return the distances from "
            "each byte to the visible positions on both sides.",
            "texts": "The texts are treated as one, so a hole at the end of a text continues in the next. "
            "Work along the last axis only.",
            "edge": "For a hole that touches the end of the text, you measured to its first or last byte, "
            "which is hidden, too. There, the positions -1 and M count as visible.",
            "last axis": "The two sides are on the last axis, (B, M, 2). They should be on the first, (2, B, "
            "M).",
        }
    },
    properties=geometry_properties,
    view=as_tensor,
    sizes=lambda **_: SIZES,
    in_model=geometry_in_model,
)
