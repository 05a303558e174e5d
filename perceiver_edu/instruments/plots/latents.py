"""The latents in the processor: what flows, how it changes with depth, and what breaks when a part is out."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from perceiver_edu.instruments.latents import cosines
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, OUTPUT, PURPLE, STAGE, VERMILION
from perceiver_edu.model import PerceiverIOForMaskedLM

COLOURS = (LATENT, INPUT, OUTPUT, PURPLE, INK, VERMILION)
MARKS = "osD^vP"


def residual_stream_diagram(ax: Axes, model: PerceiverIOForMaskedLM) -> None:
    """Draw the processor as a residual stream to which every layer adds, with the sizes of `model`."""
    N, D = model.encoder.latents.shape
    shown = 2

    def box(x: float, y: float, name: str, width: float = 1.2) -> None:
        patch = FancyBboxPatch((x - width / 2, y - 0.2), width, 0.4, boxstyle="round,pad=0.04", fc=STAGE)
        patch.set(ec=INK, lw=0.8)
        ax.add_patch(patch)
        ax.text(x, y, name, ha="center", va="center", fontsize=9)

    def line(points: list[tuple[float, float]], arrow: bool = True) -> None:
        xs, ys = zip(*points, strict=True)
        ax.plot(xs, ys, color=INK, lw=1.1, zorder=0)
        if arrow:
            style = dict(arrowstyle="->", color=INK, lw=1.1, shrinkA=0, shrinkB=0)
            ax.annotate("", points[-1], points[-2], arrowprops=style)

    step, x = 4.4, 0.6
    for layer in range(shown):
        for name in ("attention", "MLP"):
            line([(x, 0), (x, 1.25)], arrow=False)
            box(x, 0.6, "norm", 0.75)
            line([(x, 1.25), (x + 0.22, 1.25)])
            box(x + 0.86, 1.25, name)
            line([(x + 1.5, 1.25), (x + 1.62, 1.25), (x + 1.62, 0.13)])
            ax.plot(x + 1.62, 0, "o", ms=13, mfc="white", mec=INK, zorder=3)
            ax.text(x + 1.62, -0.01, "+", ha="center", va="center", fontsize=12, zorder=4)
            x += step / 2
        ax.text(x - step / 2 - 0.24, 1.72, f"layer {layer}", ha="center", fontsize=9, weight="bold")
    end = x + 1.5
    ax.annotate("", (end, 0), (-0.6, 0), arrowprops=dict(arrowstyle="->", color=LATENT, lw=5))
    ax.text(x + 0.55, 0.3, f"… {len(model.processor.self_attends)} layers", ha="center", fontsize=9)
    ax.text(-0.6, -0.3, f"from the encoder\n({N} × {D})", ha="left", va="top", fontsize=9)
    ax.text(end, -0.3, f"to the decoder\n({N} × {D})", ha="right", va="top", fontsize=9)
    ax.text((end - 0.6) / 2, -0.3, "the residual stream", ha="center", va="top", fontsize=10, style="italic")
    ax.set_xlim(-0.9, end + 0.3)
    ax.set_ylim(-0.95, 2.0)
    ax.set_axis_off()


def latent_similarity(axes: np.ndarray, stream: torch.Tensor, depths: list[int]) -> torch.Tensor:
    """Draw a panel for each of these depths: the cosine of every latent with every other, for one text.

    stream (depth + 1, N, D). Blue is opposite, white unrelated, red alike. -> the cosines drawn
    (panels, N, N).
    """
    panels = cosines(stream[depths].float().cpu())
    for ax, k, panel in zip(axes.flat, depths, panels, strict=True):
        image = ax.imshow(panel.numpy(), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        ax.set_title(f"after {k} layers" if k else "from the encoder", fontsize=10)
        ax.set_xlabel("latent")
        ax.label_outer()
    axes.flat[0].set_ylabel("latent")
    axes.flat[0].figure.colorbar(image, ax=list(axes.flat), label="cosine", pad=0.01)
    return panels


def by_depth(
    ax: Axes, lines: dict[str, list[float]], ylabel: str, references: Mapping[str, float] | None = None
) -> None:
    """Draw a line for each name: a value after 0, 1, … layers. A value that does not exist is NaN.

    references: {name: value}, dashed across the picture.
    """
    for (name, values), colour, mark in zip(lines.items(), COLOURS, MARKS, strict=False):
        ax.plot(
            range(len(values)), values, color=colour, marker=mark, ms=5, mec=INK, mew=0.4, lw=2, label=name
        )
    for (name, value), style in zip((references or {}).items(), ("--", ":", "-."), strict=False):
        ax.axhline(value, color=INK, ls=style, lw=1.2, label=name)
    ax.set(xlabel="layers passed", ylabel=ylabel)
    deepest = max(len(values) for values in lines.values()) - 1
    ax.set_xticks(range(0, deepest + 1, max(1, deepest // 8)))
    if len(lines) + len(references or {}) > 1:
        ax.legend(frameon=False, fontsize=9)


def damage(
    ax: Axes,
    bars: dict[str, float],
    ylabel: str,
    errors: Iterable[float] | None = None,
    marked: Collection[str] = (),
) -> None:
    """Draw a bar for each ablated part; `marked` ones are hatched and in a different colour.

    errors: the standard error of each bar, if known.
    """
    places, heights = range(len(bars)), list(bars.values())
    looks = [(INPUT, "//") if name in marked else (LATENT, None) for name in bars]
    for place, height, (colour, hatch) in zip(places, heights, looks, strict=True):
        ax.bar(place, height, color=colour, ec=INK, lw=0.8, hatch=hatch)
    if errors is not None:
        ax.errorbar(places, heights, list(errors), fmt="none", ecolor=INK, capsize=3, lw=1)
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xticks(places, list(bars))
    ax.set_ylabel(ylabel)


def latents_by_group(axes: Sequence[Axes], maps: dict[str, torch.Tensor], groups: torch.Tensor) -> None:
    """Draw attention maps (N, M) by name, a panel for each, on one scale, with positions sorted by group.

    groups (M,): the number of each position's group.
    """
    order = groups.argsort(stable=True)
    largest = max(float(weights.max()) for weights in maps.values())
    for ax, (name, weights) in zip(axes, maps.items(), strict=True):
        shades = weights[:, order].float().cpu().numpy()
        image = ax.imshow(shades, aspect="auto", cmap="Greys", vmin=0, vmax=largest, interpolation="nearest")
        ends = groups.bincount().cumsum(0).tolist()
        for end in ends[:-1]:
            ax.axvline(end - 0.5, color=INPUT, lw=1.5)
        middles = [end - size / 2 - 0.5 for end, size in zip(ends, groups.bincount().tolist(), strict=True)]
        ax.set_xticks(middles, [str(group) for group in range(len(ends))])
        ax.tick_params(axis="x", length=0)
        ax.set(xlabel="positions, sorted by group", ylabel="latent", yticks=range(len(weights)))
        ax.set_title(name, fontsize=10)
        ax.label_outer()
    axes[0].figure.colorbar(image, ax=list(axes), label="attention weight", pad=0.01)


def paired_bars(
    ax: Axes, bars: dict[str, dict[str, tuple[float, float]]], ylabel: str, xlabel: str = ""
) -> None:
    """Draw bars of several series side by side: {group: {series: (mean, standard error)}}."""
    names = list(next(iter(bars.values())))
    looks = zip(names, COLOURS, ("", "//", "..", "xx"), strict=False)
    for number, (name, colour, hatch) in enumerate(looks):
        places = [i + (number - (len(names) - 1) / 2) * 0.8 / len(names) for i in range(len(bars))]
        heights, errors = zip(*(series[name] for series in bars.values()), strict=True)
        ax.bar(places, heights, 0.8 / len(names), color=colour, hatch=hatch, ec=INK, lw=0.8, label=name)
        ax.errorbar(places, heights, errors, fmt="none", ecolor=INK, capsize=3, lw=1)
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xticks(range(len(bars)), list(bars))
    ax.set(ylabel=ylabel, xlabel=xlabel)
    ax.legend(frameon=False, fontsize=9)
