"""Exercise 05.first_divergence: tensors by name, of two models -> the first name where they differ."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.parity import BOUNDARIES, difference, ledger
from perceiver_edu.instruments.tracing import record
from perceiver_edu.tokenizer import ByteTokenizer

NOTHING = "nothing diverges"
SHAPES = {"inputs": (2, 9, 6), "encoded": (2, 4, 7), "processed": (2, 4, 7), "outputs": (2, 5, 6)}
SHAPES |= {"logits": (2, 5, 11)}
SCALES = {"inputs": 2.0, "encoded": 40.0, "processed": 900.0, "outputs": 3.0, "logits": 30.0}


def pair(seed, scales=SCALES):
    """Two models' tensors that agree up to rounding: 1e-6 of the scale, or of 1."""
    generator = torch.Generator().manual_seed(seed)
    theirs, ours = {}, {}
    for name, shape in SHAPES.items():
        tensor = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
        tensor = tensor / tensor.abs().max()
        noise = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
        theirs[name] = scales[name] * tensor
        ours[name] = theirs[name] + 1e-6 * max(1.0, scales[name]) * noise / noise.abs().max()
    return ours, theirs


def wrong(seed, sizes):
    """The same, with differences of these sizes, as shares of the scale, of alternating sign."""
    ours, theirs = pair(seed)
    for name, size in sizes.items():
        sign = (-1.0) ** torch.arange(theirs[name].numel()).reshape(theirs[name].shape)
        ours[name] = theirs[name] + size * SCALES[name] * sign
    return ours, theirs


def divergence_cases():
    one, theirs_one = pair(3)
    for name, sign in {"outputs": -1, "logits": 1}.items():  # too small at first: no sign may hide it
        one[name] = theirs_one[name].clone()
        one[name][1, 2, 3] += sign * 6e-5 * SCALES[name]
    nan, theirs_nan = pair(4)
    nan["outputs"][0, 1, 2] = theirs_nan["outputs"][0, 1, 2] = nan["logits"][0, 1] = torch.nan
    thin, theirs_thin = wrong(5, {name: 1e-3 for name in SHAPES})
    theirs_thin["inputs"] = theirs_thin["inputs"][:1].expand(2, -1, -1).clone()
    thin["inputs"] = theirs_thin["inputs"][:1].clone()
    agree = pair(1, SCALES | {"inputs": 0.02})
    for tensors in agree:  # all below 0, and the largest of them close to it
        tensors["processed"] = -tensors["processed"].abs()
    _, same = pair(6)
    large = {name: 1.5 * tensor for name, tensor in same.items()}
    large |= {"outputs": 1.8 * same["outputs"], "logits": 2 * same["logits"]}
    cases = {
        "rounding everywhere": agree,
        "a bug in the processor": wrong(2, {"processed": 2e-4, "outputs": 0.02, "logits": 0.01}),
        "one wrong number among many": (one, theirs_one),
        "NaN in both": (nan, theirs_nan),
        "a shape that only broadcasts": (thin, theirs_thin),
    }
    cases = {k: {"ours": ours, "theirs": theirs, "tolerance": 1e-5} for k, (ours, theirs) in cases.items()}
    turned = same | {"processed": same["processed"].reshape(2, 7, 4)}
    cases["tolerance 0, and the same numbers in another shape"] = dict(
        ours=turned, theirs=same, tolerance=0.0
    )
    return cases | {"a wide tolerance": dict(ours=large, theirs=same, tolerance=0.7)}


def divergence_variant(ours, theirs, tolerance, rule="largest", pick="first", nan="caught", shape="caught"):
    found = {}
    for name, reference in theirs.items():
        if ours[name].shape != reference.shape and (
            shape == "caught" or ours[name].shape[1:] != reference.shape[1:]  # nothing stretches these
        ):
            found[name] = float("inf")
            continue
        gap, size = ours[name] - reference, reference.abs()
        seen, allowed = {
            "largest": (gap.abs().max(), tolerance * size.max().clamp(min=1)),
            "absolute": (gap.abs().max(), torch.tensor(tolerance)),
            "no floor": (gap.abs().max(), tolerance * size.max()),
            "each": ((gap.abs() / size).max(), torch.tensor(tolerance)),
            "allclose": ((gap.abs() - tolerance * size).max(), torch.tensor(tolerance)),
            "one side": (gap.max(), tolerance * size.max().clamp(min=1)),
            "ours": (gap.abs().max(), tolerance * ours[name].abs().max().clamp(min=1)),
            "sum": (gap.abs().max(), tolerance * (1 + size.max())),
            "signed scale": (gap.abs().max(), tolerance * reference.max().clamp(min=1)),
            "mean": (gap.abs().mean(), tolerance * size.max().clamp(min=1)),
            "signed": (gap.sum().abs(), tolerance * size.max().clamp(min=1)),
        }[rule]
        both = nan == "both" and ours[name].isnan().equal(reference.isnan())
        if seen > allowed or (nan != "passes" and not both and not seen <= allowed):
            found[name] = float(seen)
    names = list(found)
    if pick == "agrees":
        names = [name for name in theirs if name not in found]
    if not names or pick == "never":
        return None
    return {
        "first": names[0],
        "last": names[-1],
        "largest": max(names, key=lambda name: found.get(name, 0)),
        "alphabet": min(names),
        "agrees": names[0],
        "before": list(theirs)[max(0, list(theirs).index(names[0]) - 1)],
        "never": None,
    }[pick]


def one_name(result, arguments):
    if isinstance(result, list | tuple | int):
        raise Misfit(
            translated(
                "expected one name, a str, or None where nothing diverges; got {result}.",
                result=shown(result),
            )
        )
    return NOTHING if result is None else result


def divergence_in_model(function, report):
    """The pretrained model against itself with a residual in the decoder, by the learner's function."""
    model, names = pretrained(), {boundary: ours for boundary, (ours, _) in BOUNDARIES.items()}
    ids, mask = (tensor.to(model.device) for tensor in ByteTokenizer().batch(["She opened the door.", "So."]))

    def tensors():
        with torch.no_grad(), record(model, names.values()) as seen:
            model(ids, mask)
        return {boundary: seen[name][0] for boundary, name in names.items()}

    healthy, part = tensors(), model.decoder.cross_attend
    was, part.query_residual = part.query_residual, True
    try:
        broken = tensors()
    finally:
        part.query_residual = was
    found = call(function, {"ours": broken, "theirs": healthy, "tolerance": 1e-5})
    report.say(
        translated(
            "The whole model, with the query residual added in its decoder, against itself without it:"
        )
    )
    report.pre(ledger([difference(name, broken[name], healthy[name]) for name in names]))
    report.say(translated("Your function says: `{found}`.", found=found))
    return found == "outputs"


EXERCISE = Exercise(
    title="find the first tensor that differs",
    about="5 minutes · easy",
    name="first_divergence",
    cases=divergence_cases,
    variant=divergence_variant,
    mistakes={
        "pick": {
            "never": "Your function always returns None. Is the `return` missing, or is it never reached?",
            "last": "This is the last tensor that differs. Everything after the first difference is wrong "
            "because its input is.",
            "largest": "This is the tensor with the largest difference. A bug's effect may grow or shrink on "
            "its way, so the first difference counts.",
            "alphabet": "You sorted the names alphabetically. The dict is in the order of the data flow, so "
            "keep that order.",
            "agrees": "This is the first tensor that agrees. Return the first that differs.",
            "before": "This is the last tensor before the divergence. Return the one after it, the first "
            "that differs.",
        },
        "rule": {
            "absolute": "The tolerance is used as it is. Where the numbers are large, rounding errors are "
            "large, too, so multiply the tolerance by the largest number in `theirs`.",
            "no floor": "The tolerance is multiplied by the scale even where that is tiny. The scale should "
            "be at least 1: `max(1.0, scale)`.",
            "each": "Each number is compared relative to its own size. A number near 0 can be the difference "
            "of large ones and has their rounding error, so compare with the largest number of the tensor.",
            "allclose": "This is the rule of `torch.allclose`, whose limit grows with each number's own "
            "size. A number near 0 can be the difference of large ones and has their rounding error, so use "
            "the largest number of the tensor.",
            "one side": "A number that is too small passes. Take `abs` of the difference before you take the "
            "largest.",
            "ours": "The scale is taken from `ours`. Take it from `theirs`, which is the trusted one.",
            "sum": "You allow `tolerance` × (1 + the largest number). Use the larger of the two instead: "
            "`max(1.0, scale)`.",
            "signed scale": "The scale is taken without `abs`, so too little is allowed where the largest "
            "number is negative.",
            "mean": "The differences are averaged. One wrong number among many disappears in a mean, so take "
            "the largest.",
            "signed": "The differences are added with their signs, so they cancel. Take `abs` first, then "
            "the largest.",
        },
        "nan": {
            "passes": "A NaN passes, because `nan > limit` is False. Test the opposite: `not difference <= "
            "limit`.",
            "both": "A NaN passes where both tensors have one, as with `equal_nan=True`. A NaN never agrees.",
        },
        "shape": {
            "passes": "Two different shapes pass, because one is broadcast to the other when you subtract. "
            "Compare the shapes first."
        },
    },
    view=one_name,
    in_model=divergence_in_model,
    terse=True,
)
