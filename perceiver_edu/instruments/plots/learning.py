"""How a model learns: curves next to baselines, attention maps, and the number of latents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, OUTPUT, PURPLE

COLOURS = (LATENT, INPUT, OUTPUT, PURPLE)
LINES = ("-", "--", "-.", ":")


def learning_curves(
    ax: Axes,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    baselines: dict[str, float],
    unit: str = "steps",
) -> None:
    """Draw held-out bits against steps, {name: [(step, bits), …]}, with a dashed line for each baseline.

    The axis begins below the best curve and ends above the worst baseline, so an untrained model, at 8 bits
    or more, is not shown.
    """
    last = max(step for curve in curves.values() for step, _ in curve)
    for (name, curve), colour, line in zip(curves.items(), COLOURS, LINES, strict=False):
        steps, bits = zip(*curve, strict=True)
        ax.plot(
            steps, bits, line, color=colour, lw=2.2, marker="o", ms=3 if len(steps) < 40 else 0, label=name
        )
    lowest = min(min(bits for _, bits in curve) for curve in curves.values())
    ax.set_ylim(min(lowest, *baselines.values()) - 0.2, max(baselines.values()) + 0.4)
    dashed(ax, baselines)
    ax.set_xlim(0, last)
    ax.set(xlabel=unit, ylabel="bits per hidden byte, held out")
    columns = len(curves) if sum(map(len, curves)) < 60 else 2  # a legend above the lines, no wider than they
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, frameon=False)


def dashed(ax: Axes, baselines: dict[str, float]) -> None:
    """Draw a dashed line for each baseline, with its name and bits at the right edge.

    Names of lines that are close move apart, by the limits of the axis, so these are set before.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    low, high = ax.get_ylim()
    height = ax.get_position().height * figure.get_figheight() * 72  # of the axes, in points
    apart, y = 12 * (high - low) / height, -float("inf")
    for name, bits in sorted(baselines.items(), key=lambda pair: pair[1]):
        ax.axhline(bits, color=INK, lw=0.9, ls=(0, (4, 3)), zorder=0)
        y = max(bits, y + apart)
        ax.text(1.01, y, f"{name} {bits:.2f}", transform=ax.get_yaxis_transform(), va="center", fontsize=9)


def attention_panels(axes: np.ndarray, maps: dict[str, torch.Tensor]) -> None:
    """Draw a panel for each map (N, M), a row for each latent and a column for each position, on one scale.

    Shades are of the square root, so that faint attention is seen too.
    """
    largest = max(float(weights.max()) for weights in maps.values()) ** 0.5
    for ax, (name, weights) in zip(axes.flat, maps.items(), strict=True):
        shades = weights.float().cpu().sqrt().numpy()
        ax.imshow(shades, aspect="auto", cmap="Greys", vmin=0, vmax=largest, interpolation="nearest")
        ax.set_title(name, fontsize=10)
        ax.set(xlabel="position", ylabel="latent")
        ax.label_outer()


def bits_by_latents(ax: Axes, rows: list[dict[str, Any]], baselines: dict[str, float]) -> dict[int, float]:
    """Draw held-out bits against N, a dot for each seed, and return {N: mean bits}.

    rows: each has `num_latents` and `bits`.
    """
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(row["num_latents"], []).append(row["bits"])
    means = {num: sum(bits) / len(bits) for num, bits in found.items()}
    for num, bits in found.items():
        ax.plot([num] * len(bits), bits, "o", color=LATENT, mec=INK, mew=0.6, ms=6)
    ax.plot(list(means), list(means.values()), color=LATENT, lw=1.5, zorder=0)
    dashed(ax, baselines)
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(found), [str(num) for num in found])
    ax.set(xlabel="N, number of latents", ylabel="bits per hidden byte, held out")
    return means
