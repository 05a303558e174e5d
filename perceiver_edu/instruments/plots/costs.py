"""Where the parameters are, and what each stage costs."""

from typing import Any

from matplotlib.axes import Axes

from perceiver_edu.instruments.plots.style import INK, OUTPUT
from perceiver_edu.stages import STAGES


def line_of(stage: str) -> dict[str, Any]:
    """How `ax.plot` draws a stage's line."""
    s = STAGES[stage]
    return dict(marker=s.marker, color=s.colour, ls=s.line, mec=INK, mew=0.4, lw=2)


def parameter_shares(ax: Axes, models: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    """Draw a bar for each model, split into parts: {name: {part: parameters}} -> {name: {part: fraction}}.

    Every bar stands for 100 %, whatever the size of the model; the label gives the total.
    """
    shares = {}
    for row, (name, parts) in enumerate(models.items()):
        total, left = sum(parts.values()), 0.0
        shares[name] = {part: number / total for part, number in parts.items()}
        for part, share in shares[name].items():
            colour, hatch = (OUTPUT, "") if part == "queries" else (STAGES[part].colour, STAGES[part].hatch)
            label = part if row == 0 else None
            ax.barh(
                row, share, left=left, color=colour, hatch=hatch, ec=INK, lw=0.6, label=label, height=0.55
            )
            if share > 0.03:
                box = dict(fc="white", ec="none", pad=1.2, alpha=0.85)
                ax.text(left + share / 2, row, f"{share:.0%}", ha="center", va="center", fontsize=9, bbox=box)
            left += share
    totals = [sum(parts.values()) for parts in models.values()]
    labels = [f"{name}\n{total / 1e6:.1f} M" for name, total in zip(models, totals, strict=True)]
    ax.set_yticks(range(len(models)), labels)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel="share of the parameters")
    ax.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.28), ncols=6, frameon=False, fontsize=9)
    return shares


def cost_by_length(ax: Axes, lengths: list[int], costs: dict[str, list[float]], ylabel: str) -> None:
    """Draw a line for each stage against the length of the text in bytes, on logarithmic axes."""
    for stage, values in costs.items():
        ax.plot(lengths, values, **line_of(stage), ms=6, label=stage)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(lengths, [f"{length:,}" for length in lengths])
    ax.set(xlabel="length of the text, M = O (bytes)", ylabel=ylabel)
    ax.legend(frameon=False, fontsize=9)
