"""How good methods are: against the number of labels, and side by side."""

import statistics

from matplotlib.axes import Axes

from perceiver_edu.instruments.plots.latents import COLOURS, MARKS
from perceiver_edu.instruments.plots.style import GREY, INK, OUTPUT

LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1)), (0, (1, 1)))


def accuracy_by_labels(
    ax: Axes, scores: dict[str, dict[int, list[float]]], chance: float, title: str
) -> None:
    """Draw a line for each method, the mean over seeds, with a dot for each seed.

    scores: method -> {number of labels: the accuracy of each seed}.
    """
    sizes = sorted({size for by_size in scores.values() for size in by_size})
    for (name, by_size), colour, mark, line in zip(scores.items(), COLOURS, MARKS, LINES, strict=False):
        means = [statistics.fmean(values) for values in by_size.values()]
        ax.plot(list(by_size), means, color=colour, ls=line, marker=mark, label=name, lw=2)
        for size, values in by_size.items():
            ax.plot([size] * len(values), values, ".", color=colour, ms=4)
    ax.axhline(chance, color=GREY, lw=1)
    ax.text(sizes[0], chance - 0.012, "chance", va="top", fontsize=8, color=INK)
    ax.set_ylim(bottom=min(ax.get_ylim()[0], chance - 0.06))  # room for the word
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="number of labelled texts", ylabel="accuracy on held-out texts", title=title)


def accuracy_of_seeds(ax: Axes, scores: dict[str, list[float]], chance: float) -> None:
    """Draw a row for each method, with a dot for each seed and a bar at their mean."""
    for y, (_, values) in enumerate(scores.items()):
        ax.plot(values, [y] * len(values), "o", color=OUTPUT, alpha=0.7)
        mean = statistics.fmean(values)
        ax.plot([mean, mean], [y - 0.25, y + 0.25], color=INK, lw=2)
        ax.text(mean, y + 0.3, f"{mean:.2f}", ha="center", va="bottom", fontsize=9)
    ax.set_yticks(range(len(scores)), list(scores))
    ax.set_ylim(-0.6, len(scores) - 0.3)
    ax.axvline(chance, color=GREY, lw=1)
    ax.set_xlabel("accuracy on held-out texts (the grey line is chance)")
