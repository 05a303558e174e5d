"""Exercise 06.ladder: what is left to compute after each step that leaves out what nobody asked for."""

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.exercise import Exercise, Mistake
from perceiver_edu.course.exercises.profiling.crossings import SMALL
from perceiver_edu.course.guard import run
from perceiver_edu.instruments.costs import count_multiply_adds, stage_costs, total


class BatchPrice:
    """FLOPs of B texts of M ids, O asked of each: `cost(M, O, B)`."""

    def __init__(self, config):
        self.config = config

    def __call__(self, M, O, B):
        return total(stage_costs(self.config, M, O, B)).flops

    def __deepcopy__(self, memo):
        return self


def ladder_cases():
    few = dict(lengths=[12, 40, 9, 33, 21, 10], asked=4, longest=64, size=2, cost=BatchPrice(SMALL))
    many = [62, 250, 31, 180, 90, 45, 120, 1800]
    real = dict(lengths=many, asked=9, longest=2048, size=4, cost=BatchPrice(PerceiverIOConfig()))
    return {"six short texts": few, "eight texts in the real model": real}


def ladder_variant(lengths, asked, longest, size, cost, crop="", outputs="", groups=""):
    """FLOPs -> {"padded": …, "cropped": …, "asked": …, "sorted": …}."""
    B = len(lengths)
    cut = {"": max(lengths), "mean": sum(lengths) / B, "shortest": min(lengths)}[crop]
    out = {"all texts": asked * B, "cut": cut}.get(outputs, asked)
    if groups == "all":
        chunks = [sorted(lengths)]
    elif groups == "unsorted":
        chunks = [lengths[i : i + size] for i in range(0, B, size)]
    elif groups == "one by one":
        chunks = [[length] for length in lengths]
    else:
        ordered = sorted(lengths)
        chunks = [ordered[i : i + size] for i in range(0, B, size)]
    return {
        "padded": cost(longest, longest, B),
        "cropped": cost(cut, cut if outputs == "crop too" else longest, B),
        "asked": cost(cut, out, B),
        "sorted": sum(cost(max(chunk), asked, len(chunk)) for chunk in chunks),
    }


def ladder_in_model(function, report):
    """The first three rungs as torch counts them."""
    arguments = ladder_cases()["six short texts"]
    yours = run(function, arguments, quiet=True).value
    lengths, longest, asked, B = arguments["lengths"], arguments["longest"], arguments["asked"], 6
    sizes = {"padded": (longest, longest), "cropped": (max(lengths), longest), "asked": (max(lengths), asked)}
    counted = {rung: 2 * B * count_multiply_adds(SMALL, *size)["all"] for rung, size in sizes.items()}
    rows = [(rung, f"{counted[rung]:,}", f"{yours[rung]:,}") for rung in sizes]
    report.table(("six short texts, FLOPs", "counted by torch", "yours"), rows)
    return all(counted[rung] == yours[rung] for rung in counted)


LADDER = Exercise(
    id="06.ladder",
    title="pay for nothing that was not asked",
    minutes=8,
    difficulty=2,
    paper="section 3.2",
    name="rungs",
    cases=ladder_cases,
    reference=ladder_variant,
    variant=ladder_variant,
    mistakes={
        "mean": Mistake(
            "The batch is cut to the *mean* length. Then the longer texts lose their ends: it can be "
            "cut to the longest one only.",
            {"crop": "mean"},
        ),
        "shortest": Mistake(
            "The batch is cut to the shortest text. The others lose their ends.", {"crop": "shortest"}
        ),
        "crop too": Mistake(
            "With the cropped inputs you cropped the outputs too. `cropped` still decodes all "
            "`longest` of them; leaving those out is the next step.",
            {"outputs": "crop too"},
        ),
        "all texts": Mistake(
            "`cost` takes the outputs of *each* text. You asked for those of all texts together.",
            {"outputs": "all texts"},
        ),
        "cut": Mistake(
            "In `asked` as many outputs are decoded as ids are read. Asked are `asked`.", {"outputs": "cut"}
        ),
        "unsorted": Mistake(
            "The groups are not sorted by length: one long text makes its neighbours long.",
            {"groups": "unsorted"},
        ),
        "all": Mistake(
            "`sorted` is still one batch, so all texts are as long as the longest. Cut it into batches "
            "of `size`.",
            {"groups": "all"},
        ),
        "one by one": Mistake(
            "You took the texts one by one. Asked are batches of `size`.", {"groups": "one by one"}
        ),
    },
    in_model=ladder_in_model,
)
