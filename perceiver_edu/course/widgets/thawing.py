"""Notebook 09: frozen or thawed, with how many labels and seeds, and is it better than a baseline?"""

import statistics
from functools import partial
from typing import NamedTuple

from perceiver_edu.course.exercises.n09_finetuning.compare import compare_variant
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, choice, slider, stops, widget
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.plots.labels import accuracy_by_labels
from perceiver_edu.instruments.plots.style import INK
from perceiver_edu.language import to_translate

# Student's t, two-sided 95 %: so many standard errors a difference must have, by the number of seeds
LIMITS = {2: 12.7, 3: 4.3, 4: 3.2, 5: 2.8, 6: 2.6, 7: 2.4, 8: 2.4, 9: 2.3, 10: 2.3}


EXAMPLE = {
    "probe": {20: [0.60, 0.70, 0.65], 80: [0.70, 0.72, 0.74]},
    "TF-IDF": {20: [0.50, 0.50, 0.53], 80: [0.55, 0.58, 0.52]},
    "frozen query": {20: [0.55, 0.56, 0.60], 80: [0.60, 0.71, 0.68]},
    "thawed query": {20: [0.52, 0.51, 0.58], 80: [0.71, 0.69, 0.75]},
}


class Duel(NamedTuple):
    """Compare one way of fine-tuning with another method: the same labelled texts and seeds for both."""

    scores: dict[str, dict[int, list[float]]]  # method -> {number of labels: accuracy of each seed looked at}
    chance: float
    way: str
    other: str
    labels: int
    seeds: int


def duel(scores, chance: float, way: str, other: str, labels: int, seeds: int) -> Duel:
    """Raises: InputError where a method is compared with itself."""
    if way == other:
        raise InputError(translated("{way} cannot be compared with itself: choose another method.", way=way))
    seen = {
        name: {size: values[:seeds] for size, values in by_size.items()} for name, by_size in scores.items()
    }
    return Duel(seen, chance, way, other, labels, seeds)


def draw(figure, result: Duel) -> str:
    ax = figure.subplots()
    figure.subplots_adjust(0.09, 0.16, 0.72, 0.92)
    accuracy_by_labels(ax, result.scores, result.chance, "")
    for line in ax.get_lines():  # what is compared stands out
        if line.get_label() in result.scores and line.get_label() not in (result.way, result.other):
            line.set_alpha(0.35)
    ax.axvline(result.labels, color=INK, ls="--", lw=1.2, zorder=0)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))
    means = [statistics.fmean(result.scores[name][result.labels]) for name in (result.way, result.other)]
    return translated(
        "Accuracy against the number of labels, a line for each of {number} methods, a dot for "
        "each seed. With {labels} labels: {way} ≈ {mean:.2f}, {other} ≈ {other_mean:.2f}.",
        number=len(result.scores),
        labels=result.labels,
        way=result.way,
        mean=means[0],
        other=result.other,
        other_mean=means[1],
    )


def tell(result: Duel) -> Report:
    rows = []
    for name in dict.fromkeys((result.way, result.other, *result.scores)):
        values = result.scores[name].get(result.labels)
        if values:
            spread = f" ± {statistics.stdev(values):.2f}" if result.seeds > 1 else ""
            each = ", ".join(f"{value:.2f}" for value in values)
            rows.append((name, each, f"{statistics.fmean(values):.2f}{spread}"))
    report = Report("frozen or thawed").table(
        (
            translated("with {labels} labels", labels=result.labels),
            translated("each seed"),
            translated("mean"),
        ),
        rows,
    )
    return report.say(verdict(result))


def verdict(result: Duel) -> str:
    ours, baseline = (result.scores[name][result.labels] for name in (result.way, result.other))
    if result.seeds == 1:
        return translated(
            "{way} - {other}: {difference:+.2f}. One seed: this may be chance.",
            way=result.way,
            other=result.other,
            difference=ours[0] - baseline[0],
        )
    limit = LIMITS[min(result.seeds, max(LIMITS))]
    found = compare_variant(ours, baseline, limit)
    words = translated(
        "{way} - {other}, seed by seed: mean {difference:+.2f}, standard error {error:.3f}; the limit is "
        "{limit} errors. ",
        way=result.way,
        other=result.other,
        difference=found["difference"],
        error=found["error"],
        limit=limit,
    )
    if not found["decided"]:
        return words + translated("We do not know which is better.")
    return words + translated(
        "{better} is better on these test texts.",
        better=result.way if found["difference"] > 0 else result.other,
    )


@widget(
    "09_finetuning",
    "thaw-lab",
    needs="setup data leak tasks features curves classifier frozen",
    example=lambda: [EXAMPLE, 0.5],
)
def frozen_or_thawed(scores: dict[str, dict[int, list[float]]], chance: float) -> Experiment:
    """A classifier on the frozen or on the thawed model against every other method.

    scores: method -> {number of labels: the accuracy of each seed}; all with the same seeds, in the same
    order, and on the same test texts.
    """
    sizes = sorted(set.intersection(*(set(by_size) for by_size in scores.values())))
    seeds = min(len(by_size[size]) for by_size in scores.values() for size in sizes)
    others = [name for name in scores if name != "thawed query"]
    ways = [(to_translate("frozen"), "frozen query"), (to_translate("thawed"), "thawed query")]
    controls = {
        "way": choice("the model", ways, "thawed query",
                      "Frozen: only the new query, decoder and head are trained. Thawed: everything is."),
        "other": choice("against", others, others[0], "The method with which it is compared."),
        "labels": stops("labels", sizes, sizes[-1], "The number of labelled texts that both were trained "
        "on."),
        "seeds": slider("seeds", seeds, 1, seeds, "How many random draws of labelled texts are used."),
    }  # fmt: skip
    compute = partial(duel, scores, chance)
    return Experiment("frozen-or-thawed", controls, compute, draw, tell, size=(9, 3.6))
