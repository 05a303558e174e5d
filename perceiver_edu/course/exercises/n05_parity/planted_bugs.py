"""Exercise 05.planted_bugs: where five tiny models are broken, in what, and how."""

import re

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call
from perceiver_edu.language import to_translate
from perceiver_edu.stages import STAGES

CAUSES = {  # kind: what may have been done to it
    "positions": ("counted from 1", "counted from the end", "missing"),
    "mask": ("missing", "inverted", "after the softmax"),
    "heads": ("channels in turn", "not transposed", "one head"),
    "residual": ("missing", "added", "after the norm"),
    "norm": ("eps", "missing", "after the sum"),
    "activation": ("tanh GELU", "ReLU", "missing"),
    "bias": ("missing", "added twice"),
}
FOUND = to_translate("found")
# The ledger of these models. Above the first row that differs all agree, and below it none does.
LAYERS = [f"processed by layer {n}" for n in range(1, 6)]
BOUNDARIES = [stage.boundary for stage in STAGES.values()]
ROWS = [*BOUNDARIES[:2], *LAYERS, *BOUNDARIES[2:]]  # the layers follow the encoder
ANSWERS = {
    "bug 1": ("outputs", "activation", "tanh GELU"),
    "bug 2": ("encoded", "mask", "missing"),
    "bug 3": ("processed by layer 4", "heads", "channels in turn"),
    "bug 4": ("inputs", "positions", "counted from 1"),
    "bug 5": ("processed by layer 2", "norm", "eps"),
}
WHY = {
    "bug 1": to_translate(
        "the decoder's MLP uses the tanh form of GELU, so `mlp.expand` agrees and `mlp.contract` does not"
    ),
    "bug 2": to_translate("the encoder ignores its mask, so everything agrees with `mask=None`"),
    "bug 3": to_translate(
        "layer 4 deals its channels out to the heads in turn, so query, key and value agree and "
        "`attention.output` does not, with a mask or without"
    ),
    "bug 4": to_translate("positions are counted from 1, so the inputs are wrong from the very first array"),
    "bug 5": to_translate(
        "one LayerNorm of layer 2 has eps 1e-12, so `mlp_norm` differs although its input agrees. "
        "In float32 this hides below the rounding errors"
    ),
}


def boundary(name) -> str:
    """A boundary, a stage or a module of ours, as a learner may call it -> the ledger's word for it."""
    name = str(name).strip().lower()
    layer = re.fullmatch(r"(?:processed by )?layer (\d+)", name)
    if layer:
        return f"processed by layer {layer[1]}"
    layer = re.match(r"processor\.self_attends\.(\d+)", name)
    if layer:
        return f"processed by layer {int(layer[1]) + 1}"
    stage = {"head": "mlm_head"}.get(name, name).split(".")[0]
    return STAGES[stage].boundary if stage in STAGES else name


def feedback(bug: str, place, kind, cause) -> str:
    """What can be said of one answer without giving it away."""
    right_place, right_kind, right_cause = ANSWERS[bug]
    place, kind, cause = boundary(place), str(kind).strip().lower(), str(cause).strip()
    cause = {known.lower(): known for known in CAUSES.get(kind, ())}.get(cause.lower(), cause)
    if place == right_place and kind == right_kind:
        if cause == right_cause:
            return translated(FOUND)
        if cause in CAUSES[kind]:
            return translated(
                "{place}, {kind}: yes, but it is not {cause!r}. Plant that yourself and compare",
                place=place,
                kind=kind,
                cause=cause,
            )
        return translated(
            "{place}, {kind}: yes; the causes to choose from are {causes}",
            place=place,
            kind=kind,
            causes=", ".join(CAUSES[kind]),
        )
    if place == right_place:
        if kind in CAUSES:
            return translated("{place}: yes, but it is not the {kind}", place=place, kind=kind)
        return translated("{place}: yes; {kind!r} is not one of the kinds", place=place, kind=kind)
    if place in ("none", "nothing", "nowhere", ""):
        return translated("nothing? In float64 there is a first divergence")
    if place not in ROWS:
        return translated("{place!r}: the ledger has no such row", place=place)
    if place == "processed" and right_place.startswith("processed by"):
        return translated("processed: yes, but in which layer? Use layers=True")
    if ROWS.index(place) < ROWS.index(right_place):
        return translated("{place}: the two models agree there", place=place)
    return translated("{place}: the two models differ there, but not for the first time", place=place)


def all_feedback(result, arguments):
    if result is None:
        raise Misfit(translated("your function returned None: is the `return` missing?"))
    if not isinstance(result, dict) or set(result) != set(ANSWERS):
        raise Misfit(translated("expected a dict with the keys {keys}.", keys=", ".join(ANSWERS)))
    said = {}
    for bug, answer in result.items():
        if not isinstance(answer, tuple | list) or len(answer) != 3:
            raise Misfit(
                translated('{bug}: expected three words, such as ("encoded", "bias", "missing").', bug=bug)
            )
        said[bug] = feedback(bug, *answer)
    return said


def bugs_variant(where="", **others):
    """The answers that a typical mistake leads to; `bug_5="residual"`: another kind, at the right place, and
    `cause_1="ReLU"`: another cause of the right kind."""
    answers = {}
    for bug, (place, kind, cause) in ANSWERS.items():
        layer = re.search(r"layer (\d)", place)
        if where == "last":
            place = "logits"
        elif layer and where:
            place = {"from 0": f"processed by layer {int(layer[1]) - 1}", "no layers": "processed"}[where]
        kind = others.get(bug.replace(" ", "_"), kind)
        cause = others.get(bug.replace("bug ", "cause_"), cause)
        answers[bug] = ("nothing" if kind == "nothing" else place, kind, cause)
    return answers


def reveal(function, report):
    """What was planted, for each bug that is found."""
    said = all_feedback(call(function, {}), {})
    rows = [(bug, ANSWERS[bug][0], translated(WHY[bug])) for bug in ANSWERS if said[bug] == translated(FOUND)]
    if rows:
        report.table(
            (
                translated(FOUND),
                translated("first divergence"),
                translated("what was planted, and how it shows"),
            ),
            rows,
        )
    return len(rows) == len(ANSWERS)


EXERCISE = Exercise(
    title="locate five bugs",
    about="30 minutes · hard · appendix E",
    name="located",
    cases=lambda: {"five bugs": {}},
    variant=bugs_variant,
    mistakes={
        "where": {
            "last": "You name the logits each time. Every bug reaches the logits, wherever it is, so look "
            "for the first row that differs.",
            "from 0": "You count the layers from 0. The ledger counts them from 1; only `compare_parts` and "
            "the modules count from 0.",
            "no layers": "Two of the bugs are in the processor, and you do not say in which layer. Use "
            "`compare_stages(…, layers=True)`.",
        },
        "cause_1": {
            "ReLU": "Bug 1 is not ReLU, which differs from GELU by a tenth of the activation or more. This "
            "difference is a thousandth. Which form of GELU is that close to the exact one?",
        },
        "cause_2": {
            "inverted": "Bug 2 is not an inverted mask, with which the text without padding would have "
            "nothing real to attend to. Which rows of the batch differ?",
            "after the softmax": "Bug 2 is not a mask after the softmax, which would keep the content of "
            "padding out of the result. Change the padded ids, and see whether `encoded` changes.",
        },
        "cause_3": {
            "one head": "Bug 3 is not a single head, with which √d would differ, too. Plant each of the "
            "three causes in a correct model and compare it with the broken one.",
            "not transposed": "Bug 3 is not a missing transpose, which would mix positions. Plant each of "
            "the three causes in a correct model and compare it with the broken one.",
        },
        "bug_5": {
            "nothing": "In float32, bug 5 hides below the rounding errors. Get it with `planted_bug(5, "
            "torch.float64)`.",
            "residual": "Bug 5 is not a missing or wrong residual, which would make a large difference. This "
            "one is about 1e-7. Which small number does a norm contain?",
        },
        "bug_2": {
            "heads": "Bug 2: query, key and value agree and the output does not, so the bug is between them. "
            "Is it the heads or the mask? Compare once more without a mask."
        },
        "bug_3": {
            "mask": "Bug 3 is not the mask, because the processor has none. Query, key and value agree; what "
            "else is between them and the output?"
        },
        "bug_1": {
            "norm": "Bug 1 is not a norm, because `mlp_norm` agrees, and so does `mlp.expand`. What comes "
            "between that and `mlp.contract`?",
            "residual": "Bug 1 is not a residual, because then `mlp_norm`, which gets the sum, would differ. "
            "Look at `mlp.expand` and `mlp.contract`.",
        },
    },
    view=all_feedback,
    in_model=reveal,
)
