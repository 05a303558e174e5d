"""Exercise 05.planted_bugs: where five tiny models are broken, in what, and how."""

import re

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.swap import call
from perceiver_edu.stages import STAGES

CAUSES = {  # kind: what may have been done to it
    "places": ("counted from 1", "counted from the end", "missing"),
    "mask": ("missing", "inverted", "after the softmax"),
    "heads": ("channels in turn", "not transposed", "one head"),
    "residual": ("missing", "added", "after the norm"),
    "norm": ("eps", "missing", "after the sum"),
    "activation": ("tanh GELU", "ReLU", "missing"),
    "bias": ("missing", "added twice"),
}
FOUND = "found"
# The ledger of these models. Above the first row that differs all agree, and below it none does.
LAYERS = [f"processed by layer {n}" for n in range(1, 6)]
ROWS = ["inputs", "encoded", *LAYERS, "processed", "outputs", "logits"]
ANSWERS = {
    "bug 1": ("outputs", "activation", "tanh GELU"),
    "bug 2": ("encoded", "mask", "missing"),
    "bug 3": ("processed by layer 4", "heads", "channels in turn"),
    "bug 4": ("inputs", "places", "counted from 1"),
    "bug 5": ("processed by layer 2", "norm", "eps"),
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


def feedback(bug: str, place, kind, cause) -> str:
    """What can be said of one answer without giving it away."""
    right_place, right_kind, right_cause = ANSWERS[bug]
    place, kind, cause = boundary(place), str(kind).strip().lower(), str(cause).strip()
    cause = {known.lower(): known for known in CAUSES.get(kind, ())}.get(cause.lower(), cause)
    if place == right_place and kind == right_kind:
        if cause == right_cause:
            return FOUND
        if cause in CAUSES[kind]:
            return f"{place}, {kind}: yes, but it is not {cause!r}: plant that yourself, and compare"
        return f"{place}, {kind}: yes; of the causes of {kind} there is {', '.join(CAUSES[kind])}"
    if place == right_place:
        if kind in CAUSES:
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
        if not isinstance(answer, tuple | list) or len(answer) != 3:
            raise Misfit(f'{bug}: expected three words, such as ("encoded", "bias", "missing").')
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
    rows = [(bug, ANSWERS[bug][0], WHY[bug]) for bug in ANSWERS if said[bug] == FOUND]
    if rows:
        report.table(("found", "first divergence", "what was planted, and how it shows"), rows)
    return len(rows) == len(ANSWERS)


EXERCISE = Exercise(
    title="locate five bugs",
    about="30 minutes · hard · appendix E",
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
        "cause_1": {
            "ReLU": "Bug 1 is no ReLU, which differs by a tenth and more of what the activation puts out. "
            "This difference is a thousandth: which form of GELU is so close to the exact one?",
        },
        "cause_2": {
            "inverted": "Bug 2 is not an inverted mask, with which the text without padding could attend to "
            "nothing real. Which rows of the batch differ?",
            "after the softmax": "Bug 2: a mask after the softmax would keep the weights of padding from "
            "the result. Change the padded ids, and see whether `encoded` changes.",
        },
        "cause_3": {
            "one head": "Bug 3 is not a single head, with which the scores would have another √d, too. "
            "Plant each of the three causes, and compare with the broken model.",
            "not transposed": "Bug 3: heads that are not transposed mix positions. Plant each of the three, "
            "and compare with the broken model.",
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
