"""Exercise 06.ladder: what is left to compute after each step that leaves out what nobody asked for."""

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import SMALL, beside
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call
from perceiver_edu.instruments.costs import count_multiply_adds, stage_costs, total


def batch_price(config):
    """-> cost(M, O, B): the FLOPs of B texts of M ids, with O queries each."""
    return lambda M, O, B: total(stage_costs(config, M, O, B)).flops


def ladder_cases():
    few = dict(lengths=[12, 40, 9, 33, 21, 10], asked=4, longest=64, size=4, cost=batch_price(SMALL))
    many = [62, 250, 31, 180, 90, 45, 120, 1800]
    real = dict(lengths=many, asked=9, longest=2048, size=3, cost=batch_price(PerceiverIOConfig()))
    return {"six short texts": few, "eight texts in the real model": real}


def ladder_variant(lengths, asked, longest, size, cost, crop="", outputs="", groups=""):
    """FLOPs -> {"padded": …, "cropped": …, "asked": …, "sorted": …}."""
    B = len(lengths)
    cut = {"": max(lengths), "mean": sum(lengths) / B, "shortest": min(lengths)}[crop]
    out = {"all texts": asked * B, "cut": cut}.get(outputs, asked)
    step = {"all": B, "one by one": 1}.get(groups, size)
    ordered = lengths if groups == "unsorted" else sorted(lengths, reverse=groups == "longest first")
    chunks = [ordered[i : i + step] for i in range(0, B - (step - 1 if groups == "dropped" else 0), step)]
    return {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, cut if outputs == "crop too" else longest, B),
        "asked": cost(cut, out, B),
        "sorted": sum(cost(max(c), asked, step if groups == "filled up" else len(c)) for c in chunks),
    }


def ladder_in_model(function, report):
    """The first three rungs as torch counts them."""
    arguments = ladder_cases()["six short texts"]
    yours = call(function, arguments)
    lengths, longest, asked, B = arguments["lengths"], arguments["longest"], arguments["asked"], 6
    sizes = {"padded": (longest, longest), "cropped": (max(lengths), longest), "asked": (max(lengths), asked)}
    counted = {rung: 2 * B * count_multiply_adds(SMALL, *size)["all"] for rung, size in sizes.items()}
    rows = [(rung, counted[rung], yours[rung]) for rung in sizes]
    return beside(
        report,
        (translated("six short texts, FLOPs"), translated("counted by torch"), translated("yours")),
        rows,
    )


EXERCISE = Exercise(
    title="pay only for what is requested",
    about="8 minutes · medium · section 3.2",
    name="rungs",
    cases=ladder_cases,
    variant=ladder_variant,
    mistakes={
        "crop": {
            "mean": "This is the cost of texts cropped to their *mean* length, or each to its own. A batch "
            "is a rectangle, so it can only be cropped to its longest text.",
            "shortest": "The batch is cropped to its shortest text, so the other texts are truncated. Crop "
            "it to the longest.",
        },
        "outputs": {
            "crop too": "You reduced the outputs together with the inputs. `cropped` still decodes all "
            "`longest` outputs; leaving those out is the next step.",
            "all texts": "`cost` takes the number of outputs of *each* text. You passed that of all texts "
            "together.",
            "cut": "In `asked` you decode as many outputs as there are ids. Decode only the `asked` outputs.",
        },
        "groups": {
            "unsorted": "The groups are not sorted by length, so one long text pads all the others in its "
            "group.",
            "all": "`sorted` is still one batch, so every text is padded to the longest. Split it into "
            "batches of `size`.",
            "longest first": "The texts are sorted from long to short. Sort them from short to long.",
            "dropped": "The last batch has fewer texts than `size`, and you left it out.",
            "filled up": "The last batch has fewer texts than `size`. Count only the texts that it has.",
            "one by one": "You took the texts one by one. Use batches of `size`.",
        },
    },
    in_model=ladder_in_model,
)
