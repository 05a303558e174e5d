"""Exercise 02.by_hand: one row of attention with pencil and paper, two latents and three bytes."""

import torch
import torch.nn.functional as F

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call

# Four channels: vowel, consonant, early, late. The keys belong to the bytes of "cat".
QUERIES = [[0.0, 0, 2, 0], [2.0, 0, 0, 1]]  # (N, d) = (2, 4)
KEYS = [[0.0, 2, 2, 0], [2.0, 0, 1, 1], [0.0, 2, 0, 2]]  # (M, d) = (3, 4)
VALUES = [[3.0, 0], [0.0, 2], [1.0, 1]]  # (M, v) = (3, 2)
ROUNDING = 0.011  # what two decimals, and sums of such numbers, may be off by


def by_hand_variant(wrong=""):
    """The row of latent 1 -> {"scores", "weights", "result", "masked"}, with one mistake or none."""
    q, k, v = (torch.tensor(rows, dtype=torch.float64) for rows in (QUERIES, KEYS, VALUES))
    latent = 0 if wrong == "latent 0" else 1
    scores = q @ k.T / {"no root": 1, "d": 4}.get(wrong, 2)  # (N, M)
    weights = scores.softmax(0 if wrong == "other axis" else 1)
    if wrong == "no exp":
        weights = scores / scores.sum(1, keepdim=True)
    padded = scores.clone()
    padded[:, 2] = 0 if wrong == "score 0" else -torch.inf
    masked = padded.softmax(1)
    if wrong == "masked later":
        masked = weights * torch.tensor([1, 1, 0])
    result = weights @ v
    if wrong == "sum":
        result = v.sum(0).expand_as(result)
    if wrong == "largest":
        result = v[weights.argmax(1)]
    arrays = {"scores": scores, "weights": weights, "result": result, "masked": masked}
    return {name: array[latent].tolist() for name, array in arrays.items()}


MISTAKES = {
    "no root": "The scores are not divided by √d. Here d = 4, so √d = 2.",
    "d": "The scores are divided by d = 4. Divide them by √d = 2.",
    "other axis": "The softmax runs down the column, over the latents. It should run along the row, so that "
    "the weights of one latent sum to 1.",
    "no exp": "The weights are proportional to the scores. Softmax makes them proportional to exp(score).",
    "masked later": "Under `masked`, the third weight is set to 0 after the softmax, so the row no longer "
    "sums to 1. Apply the mask before the softmax.",
    "score 0": "Under `masked`, the score of the third byte is 0, and exp(0) is 1. A masked score must be "
    "far below all others, so that its weight is 0.",
    "latent 0": "This is the row of latent 0, which the text worked out. Give the row of latent 1.",
    "sum": "`result` is the plain sum of the values. Multiply each value by its weight first.",
    "largest": "`result` is the value of the byte with the largest weight. Attention adds up all three "
    "values, each multiplied by its weight.",
}


def within_rounding(row, arguments):
    """Each part of the row that is a known one up to rounding becomes that one, with two decimals."""
    known = [by_hand_variant(wrong) for wrong in ("", *MISTAKES)]
    if not isinstance(row, dict):
        return row
    known = [{key: [round(number, 2) for number in part] for key, part in k.items()} for k in known]
    return {key: next((k[key] for k in known if close(part, k.get(key))), part) for key, part in row.items()}


def close(part, known) -> bool:
    try:
        return all(abs(float(a) - b) <= ROUNDING for a, b in zip(part, known, strict=True))
    except (TypeError, ValueError):
        return False


def by_hand_in_torch(function, report):
    """The learner's row beside what torch's attention computes of the same numbers."""
    q, k, v = (torch.tensor([rows]) for rows in (QUERIES, KEYS, VALUES))
    mask = torch.tensor([[True, True, False]])
    masks = {translated("all three bytes"): None, translated("the third masked, from your weights"): mask}
    theirs = {name: F.scaled_dot_product_attention(q, k, v, m)[0, 1] for name, m in masks.items()}
    row = {name: torch.tensor([float(x) for x in part]) for name, part in call(function, {}).items()}
    yours = dict(zip(theirs, (row["result"], row["masked"] @ torch.tensor(VALUES)), strict=True))
    rows = [
        (name, *(", ".join(f"{x:.2f}" for x in r[name].tolist()) for r in (theirs, yours))) for name in theirs
    ]
    report.table((translated("the result of latent 1"), "torch", translated("yours")), rows)
    return True


EXERCISE = Exercise(
    title="one row of attention, by hand",
    about="8 minutes · easy · appendix E",
    name="last_row",
    cases=lambda: {"latent 1": {}},
    variant=by_hand_variant,
    mistakes={"wrong": MISTAKES},
    view=within_rounding,
    folds=True,
    in_model=by_hand_in_torch,
)
