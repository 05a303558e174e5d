"""Exercise 05.planted_bugs: where five tiny models are broken, and what was done to them."""

import re

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.swap import call
from perceiver_edu.stages import STAGES

KINDS = ("places", "mask", "heads", "residual", "norm", "activation", "bias")
FOUND = "found"
# The ledger of these models. Above the first row that differs all agree, and below it none does.
LAYERS = [f"processed by layer {n}" for n in range(1, 6)]
ROWS = ["inputs", "encoded", *LAYERS, "processed", "outputs", "logits"]
ANSWERS = {
    "bug 1": ("outputs", "activation"),
    "bug 2": ("encoded", "mask"),
    "bug 3": ("processed by layer 4", "heads"),
    "bug 4": ("inputs", "places"),
    "bug 5": ("processed by layer 2", "norm"),
}
WHY = {
    "bug 1": "the decoder's MLP has the tanh form of GELU: `mlp.expand` agrees, `mlp.contract` does not",
    "bug 2": "the encoder drops its mask: with `mask=None` everything agrees",
    "bug 3": "layer 4 cuts its channels into heads in turn: query, key and value agree, `attention.output` "
    "does not, with a mask or without",
    "bug 4": "places are counted from 1: the inputs are wrong before anything has been computed",
    "bug 5": "one LayerNorm of layer 2 has eps 1e-12: `mlp_norm` differs though what it reads agrees. In "
    "float32 this hides below rounding",
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


def feedback(bug: str, place, kind) -> str:
    """What can be said of one answer without giving it away."""
    right_place, _ = ANSWERS[bug]
    place, kind = boundary(place), str(kind).strip().lower()
    if (place, kind) == ANSWERS[bug]:
        return FOUND
    if place == right_place:
        if kind in KINDS:
            return f"{place}: yes, but it is not the {kind}"
        return f"{place}: yes; {kind!r} is not one of the kinds"
    if place in ("none", "nothing", "nowhere", ""):
        return "nothing? In float64 there is a first divergence"
    if place not in ROWS:
        return f"{place!r}: no row of the ledger is called so"
    if place == "processed" and right_place.startswith("processed by"):
        return "processed: yes, but in which layer? Use layers=True"
    if ROWS.index(place) < ROWS.index(right_place):
        return f"{place}: the two agree there"
    return f"{place}: they differ there, but not there first"


def all_feedback(result, arguments):
    if result is None:
        raise Misfit("your function returned None: is the `return` missing?")
    if not isinstance(result, dict) or set(result) != set(ANSWERS):
        raise Misfit(f"expected a dict with the keys {', '.join(ANSWERS)}.")
    said = {}
    for bug, answer in result.items():
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Misfit(f'{bug}: expected a pair, such as ("encoded", "bias").')
        said[bug] = feedback(bug, *answer)
    return said


def bugs_variant(where="", **kinds):
    """The answers that a typical mistake leads to; `bug_5="norm"`: another kind, at the right place."""
    answers = {}
    for bug, (place, kind) in ANSWERS.items():
        layer = re.search(r"layer (\d)", place)
        if where == "last":
            place = "logits"
        elif layer and where:
            place = {"from 0": f"processed by layer {int(layer[1]) - 1}", "no layers": "processed"}[where]
        kind = kinds.get(bug.replace(" ", "_"), kind)
        answers[bug] = ("nothing" if kind == "nothing" else place, kind)
    return answers


def reveal(function, report):
    """What was planted, for each bug that is found."""
    said = all_feedback(call(function, {}), {})
    rows = [(bug, ANSWERS[bug][0], WHY[bug]) for bug in ANSWERS if said[bug] == FOUND]
    if rows:
        report.table(("found", "first divergence", "what was planted, and how it shows"), rows)
    return len(rows) == len(ANSWERS)


EXERCISE = Exercise(
    title="locate five bugs",
    about="10 minutes · hard · appendix E",
    name="located",
    cases=lambda: {"five bugs": {}},
    variant=bugs_variant,
    mistakes={
        "where": {
            "last": "You name the logits each time. There a bug arrives, whatever its place: look for the "
            "first row.",
            "from 0": "Your layers are counted from 0. In the ledger they are counted from 1; only "
            "`compare_parts` and the modules count from 0.",
            "no layers": "Two of the bugs are in the processor, and you do not say in which layer: "
            "`compare_stages(…, layers=True)`.",
        },
        "bug_5": {
            "nothing": "In float32 bug 5 hides below rounding. Get it with `planted_bug(5, torch.float64)`.",
            "residual": "Bug 5: a missing or a false residual would be a large difference. This one is about "
            "1e-7: what small number is in a norm?",
        },
        "bug_2": {
            "heads": "Bug 2: query, key and value agree and the output does not, so it is between them. "
            "Heads or mask? Compare once more without a mask."
        },
        "bug_3": {
            "mask": "Bug 3 is not the mask: the processor has none. Query, key and value agree; what else "
            "lies between them and the output?"
        },
        "bug_1": {
            "norm": "Bug 1 is not a norm: `mlp_norm` agrees, and so does `mlp.expand`. What comes between "
            "that and `mlp.contract`?",
            "residual": "Bug 1 is not a residual: then `mlp_norm`, which reads the sum, would differ. Look "
            "at `mlp.expand` and `mlp.contract`.",
        },
    },
    view=all_feedback,
    in_model=reveal,
)
