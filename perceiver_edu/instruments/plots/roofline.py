"""What costs how much: against the sizes, against a machine's peaks, and one thing beside another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from perceiver_edu.instruments.machine import Peaks
from perceiver_edu.instruments.plots.costs import line_of
from perceiver_edu.instruments.plots.style import GREY, INK, INPUT, LATENT, OUTPUT

CURVES = ((INPUT, "--"), (LATENT, "-"), (OUTPUT, ":"))
SERIES = ((INPUT, ""), (LATENT, "//"), (OUTPUT, ".."))


def cost_against(axes: np.ndarray, sweeps: dict[str, tuple[list[int], dict[str, list[float]]]]) -> None:
    """Draw a panel for each size that is changed, with logarithmic axes.

    sweeps: {"M": (values, {stage: GFLOPs}), …}.
    """
    for ax, (name, (values, costs)) in zip(axes, sweeps.items(), strict=True):
        for stage, numbers in costs.items():
            ax.plot(values, numbers, **line_of(stage), label=stage)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks(values[::2], [f"{value:,}" for value in values[::2]])
        ax.minorticks_off()
        ax.set(xlabel=name)
    axes[0].set_ylabel("GFLOPs for one text")
    axes[0].legend(frameon=False, fontsize=9)


def two_costs(ax: Axes, lengths: Sequence[int], curves: dict[str, list[float]], crossing: float) -> None:
    """Draw the GFLOPs of several models against the length of the text, and where two are equal."""
    for (name, numbers), (colour, style) in zip(curves.items(), CURVES, strict=False):
        ax.plot(lengths, numbers, color=colour, ls=style, lw=2.4, label=name)
    ax.axvline(crossing, color=INK, lw=1, ls=":")
    label = f" equal at {crossing:,.0f} bytes"
    ax.text(crossing, 0.02, label, transform=ax.get_xaxis_transform(), va="bottom")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ticks = [length for length in lengths if length.bit_count() == 1][::2]
    ax.set_xticks(ticks, [f"{length:,}" for length in ticks])
    ax.set(xlabel="length of the text, M = O (bytes)", ylabel="GFLOPs for one text")
    ax.legend(frameon=False, fontsize=9)


def roofline(ax: Axes, peaks: Peaks, points: dict[str, dict[str, tuple[float, float]]]) -> None:
    """Draw FLOP/s against FLOPs per byte under the roof of `peaks`: {batch: {stage: (intensity, rate)}}.

    The roof slopes where a run is memory-bound, and is flat where it is compute-bound. Markers grow from
    batch to batch.
    """
    intensities = [x for stages in points.values() for x, _ in stages.values()]
    ridge = peaks.flops_per_second / peaks.bytes_per_second
    x = np.geomspace(min([*intensities, ridge]) / 3, max([*intensities, ridge]) * 3, 200)
    roof = np.minimum(peaks.flops_per_second, x * peaks.bytes_per_second)
    ax.plot(x, roof / 1e9, color=INK, lw=2.4, label="roof from this machine's measured peaks")
    ax.axvline(ridge, color=INK, lw=0.8, ls=":")
    label = f"ridge at {ridge:.1f} FLOPs per byte"
    ax.text(ridge * 1.06, float(roof[-1]) / 1.1e9, label, fontsize=9, rotation=90, va="top")
    for row, stages in enumerate(points.values()):
        for stage, (intensity, rate) in stages.items():
            look = line_of(stage) | dict(ls="", mew=1, ms=6 + 3 * row)
            ax.plot(intensity, rate / 1e9, **look, label=stage if row == 0 else None)
    ax.set(xscale="log", yscale="log", xlabel="arithmetic intensity (FLOPs per byte)", ylabel="GFLOP/s")
    round_numbers(ax.yaxis)
    handles, _ = ax.get_legend_handles_labels()
    grey: dict[str, Any] = dict(marker="o", color=GREY, ls="", mec=INK)
    handles += [Line2D([], [], **grey, ms=6 + 3 * row, label=batch) for row, batch in enumerate(points)]
    ax.legend(handles=handles, frameon=False, fontsize=9, loc="lower right")


def round_numbers(axis: Axis) -> None:
    """1, 2, 5, 10, 20, … on a logarithmic axis, instead of powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_formatter(NullFormatter())


def ladder(ax: Axes, ratios: dict[str, float], notes: Sequence[str]) -> None:
    """How long each step of a ladder takes, relative to the step that it builds on; `notes` on the right.

    A line starts at 1, where nothing changes: to the left a step saves time, to the right it costs time.
    """
    rows = np.arange(len(ratios))
    values = np.array(list(ratios.values()))
    for saves, shade, mark, label in ((True, INPUT, "o", "saves time"), (False, LATENT, "s", "costs time")):
        chosen = (values < 1) == saves
        if chosen.any():
            ax.hlines(rows[chosen], 1, values[chosen], color=shade, lw=5)
            ax.plot(values[chosen], rows[chosen], mark, color=shade, mec=INK, ms=10, label=label)
    ax.axvline(1, color=INK, lw=1.2)
    for row, note in zip(rows, notes, strict=True):
        ax.text(1.02, float(row), note, transform=ax.get_yaxis_transform(), va="center", fontsize=10)
    ax.set_yticks(rows, list(ratios))
    ax.set(xscale="log", ylim=(len(ratios) - 0.5, -0.5), xlabel="time, relative to the step it builds on")
    ax.set_xlim(min(0.5, values.min() / 1.2), max(2, values.max() * 1.2))
    round_numbers(ax.xaxis)
    ax.grid(axis="x", color=GREY, lw=0.4, alpha=0.5)
    ax.tick_params(axis="y", length=0)
    ax.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.1)


def bars(
    ax: Axes,
    names: list[str],
    series: dict[str, list[float]],
    xlabel: str,
    notes: Sequence[str] = (),
    log: bool = False,
) -> None:
    """Draw a horizontal bar for each name, or one for each series; `notes` are written at their ends."""
    height = 0.8 / len(series)
    for row, ((label, values), (colour, hatch)) in enumerate(zip(series.items(), SERIES, strict=False)):
        places = np.arange(len(names)) + row * height
        ax.barh(places, values, height, color=colour, hatch=hatch, ec=INK, lw=0.6, label=label)
    ends = [max(column) for column in zip(*series.values(), strict=True)]
    for row, (end, note) in enumerate(zip(ends, notes, strict=False)):
        ax.text(end, row + height * (len(series) - 1) / 2, f"  {note}", va="center", fontsize=9)
    ax.set_yticks(np.arange(len(names)) + height * (len(series) - 1) / 2, names)
    ax.invert_yaxis()
    if log:
        ax.set_xscale("log")
    ax.margins(x=0.3 if notes else 0.05)
    ax.set_xlabel(xlabel)
    if len(series) > 1:
        ax.legend(frameon=False, fontsize=9)
