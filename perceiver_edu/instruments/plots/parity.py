"""Where two models differ, by how much, and which fixture detects it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from perceiver_edu.instruments.parity import Row
from perceiver_edu.instruments.plots.style import GREY, INK, INPUT, LATENT, OUTPUT, STAGE, VERMILION

ARROW: dict[str, Any] = dict(arrowstyle="-|>", mutation_scale=11, color=INK, lw=1)
STYLES = {  # what a curve shows -> colour, line, marker
    "right": ((INPUT, "-", "o"), (OUTPUT, "-", "s"), (LATENT, "-", "D")),
    "wrong": ((VERMILION, "-", "^"), (INK, ":", "v")),
}


def two_models(ax: Axes, stages: Sequence[str], boundaries: Iterable[str]) -> None:
    """Draw two rows of the same stages, fed by one text; at each boundary the two tensors are compared."""
    width, gap = 1.25, 0.75
    for y, name in ((1.0, "ours"), (-1.0, "the reference")):
        ax.text(-0.75, y, name, ha="right", va="center", fontsize=11)
        for i, stage in enumerate(stages):
            x = i * (width + gap)
            ax.add_patch(Rectangle((x, y - 0.32), width, 0.64, fc=STAGE, ec=INK))
            ax.text(x + width / 2, y, stage, ha="center", va="center", fontsize=10)
            ax.add_patch(FancyArrowPatch((x - gap + 0.05, y), (x - 0.02, y), **ARROW))
        end = len(stages) * (width + gap)
        ax.add_patch(FancyArrowPatch((end - gap, y), (end - 0.05, y), **ARROW))
    ax.text(-0.4, 0, "the same\nweights,\nthe same text", ha="center", va="center", fontsize=9)
    for i, boundary in enumerate(boundaries):
        x = i * (width + gap) + width + gap / 2
        ax.plot([x, x], [0.96, 0.36], color=OUTPUT, lw=2)
        ax.plot([x, x], [-0.96, -0.36], color=OUTPUT, lw=2)
        ax.text(x, 0, f"{boundary}\nequal?", ha="center", va="center", fontsize=10, color=INK)
    ax.set_xlim(-2.1, len(stages) * (width + gap) + 0.1)
    ax.set_ylim(-1.45, 1.45)
    ax.set_axis_off()


def share(row: Row) -> float:
    """Return a row's difference relative to the scale: the largest number, but at least 1."""
    return row.max_abs / max(1.0, row.scale)


def differences_by_stage(ax: Axes, right: Mapping[str, list[Row]], wrong: Mapping[str, list[Row]]) -> None:
    """Draw the difference at each boundary, relative to the scale, on a logarithmic axis: a line per ledger.

    right, wrong: label -> rows of `compare_stages`, all of the same boundaries. A difference of exactly 0
    cannot appear on such an axis, so it is drawn on the lower edge.
    """
    ledgers = [("right", *pair) for pair in right.items()] + [("wrong", *pair) for pair in wrong.items()]
    drawn = {"right": 0, "wrong": 0}
    stages = [row.stage for row in ledgers[0][2]]
    values = [share(row) for _, _, rows in ledgers for row in rows if row.max_abs > 0]
    floor = min(values) / 10
    for kind, label, rows in ledgers:
        colour, line, marker = STYLES[kind][drawn[kind] % len(STYLES[kind])]
        drawn[kind] += 1
        heights = [max(share(row), floor) for row in rows]
        ax.plot(range(len(rows)), heights, color=colour, ls=line, marker=marker, lw=2, ms=6, label=label)
    ax.set_yscale("log")
    ax.axhline(floor, color=GREY, lw=0.8)
    ax.annotate("exactly 0", (len(stages) - 0.6, floor), ha="right", va="bottom", fontsize=8, color="#666666")
    names = [stage.replace("processed by layer ", "layer ") for stage in stages]
    slanted: dict[str, Any] = {"rotation": 40, "ha": "right"} if len(names) > 8 else {}
    ax.set_xticks(range(len(names)), names, **slanted)
    ax.set(ylabel="largest difference / scale")
    ax.grid(axis="y", lw=0.4, color="#CCCCCC")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))


def caught_or_missed(ax: Axes, fixtures: Mapping[str, Mapping[str, float]]) -> None:
    """Draw how far each mutation exceeds the tolerance: a row for each mutation, a marker for each fixture.

    fixtures: name -> {mutation: largest difference / what is allowed}. Right of the line it is detected.
    """
    mutations = list(next(iter(fixtures.values())))
    for (name, ratios), colour, marker in zip(fixtures.items(), (VERMILION, OUTPUT), ("X", "o"), strict=True):
        y = range(len(mutations))
        ax.scatter([ratios[m] for m in mutations], y, s=70, color=colour, marker=marker, label=name, zorder=3)
    ax.axvline(1, color=INK, lw=1.5)
    ax.set_xscale("log")
    ax.set_yticks(range(len(mutations)), mutations)
    ax.invert_yaxis()
    ax.set_xlabel("largest difference / allowed (logarithmic)")
    for words, side, points in (("not detected", "right", -6), ("detected", "left", 6)):
        ax.annotate(words, (1, -0.7), (points, 0), textcoords="offset points", ha=side, fontsize=9)
    ax.set_ylim(len(mutations) - 0.5, -1.1)
    ax.grid(axis="y", lw=0.4, color="#CCCCCC")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
