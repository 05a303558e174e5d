"""Images, sounds and motion: what goes in, what the latents attend to, and what comes out."""

import math
from collections.abc import Iterable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.patches import FancyArrowPatch, Rectangle

from perceiver_edu.instruments.plots.style import GREY, INK, INPUT, LATENT, OUTPUT, STAGE


def one_core(ax: Axes, rows: Sequence[tuple[str, str, str]], core: str) -> None:
    """Adapters on the left, queries on the right, the same core between them, and outputs below.

    rows: (raw data, what the adapter makes of it, the queries), from the top. core: the text in the middle.
    """
    height = len(rows)

    def box(x: float, y: float, width: float, tall: float, text: str, colour: str) -> None:
        ax.add_patch(Rectangle((x, y - tall / 2), width, tall, fc=STAGE, ec=colour, lw=2))
        ax.text(x + width / 2, y, text, ha="center", va="center", fontsize=9.5)

    def arrow(x0: float, y0: float, x1: float, y1: float) -> None:
        ax.add_patch(FancyArrowPatch((x0, y0), (x1, y1), arrowstyle="-|>", mutation_scale=12, color=INK))

    middle = (height - 1) / 2
    box(5.0, middle, 2.2, height - 0.25, core, LATENT)
    for number, (raw, adapter, requested) in enumerate(rows):
        y = height - 1 - number
        ax.text(1.15, y, raw, ha="right", va="center", fontsize=9.5)
        box(1.5, y, 2.7, 0.7, adapter, INPUT)
        box(8.0, y, 2.9, 0.7, requested, OUTPUT)
        arrow(1.2, y, 1.5, y)
        arrow(4.2, y, 5.0, y)
        arrow(8.0, y, 7.2, y)  # a query goes in, and one output for each comes out below
    bottom = middle - (height - 0.25) / 2
    arrow(6.1, bottom, 6.1, bottom - 0.5)
    ax.text(6.1, bottom - 0.55, "one output per query", ha="center", va="top", fontsize=9.5)
    ax.set_xlim(-1.3, 11)
    ax.set_ylim(bottom - 1, height - 0.4)
    ax.set_axis_off()


def bars(
    ax: Axes,
    groups: Sequence[str],
    series: Sequence[str],
    shares: Iterable[Sequence[float]],
    chance: float | None = None,
) -> None:
    """Grouped bars with their numbers: shares[series][group], from 0 to 1; `chance` is drawn as a line."""
    colours, hatches = (INPUT, LATENT, OUTPUT), ("", "//", "..")
    width = 0.8 / len(series)
    for k, (name, row) in enumerate(zip(series, shares, strict=True)):
        places = [g + (k - (len(series) - 1) / 2) * width for g in range(len(groups))]
        drawn = ax.bar(places, row, width, label=name, color=colours[k], ec="white", hatch=hatches[k])
        ax.bar_label(drawn, [f"{share:.0%}" for share in row], fontsize=9)
    if chance is not None:
        ax.axhline(chance, color=INK, ls=":", lw=1)
    ax.set_xticks(range(len(groups)), groups)
    ax.set(ylim=(0, 1.12), ylabel="accuracy on held-out examples")
    ax.legend(frameon=False, ncols=len(series), loc="upper center", bbox_to_anchor=(0.5, -0.1))


def panels(
    axes: Iterable[Axes], pictures: Iterable[torch.Tensor], titles: Iterable[str], cmap: str = "Greys"
) -> None:
    """Small maps side by side, each in shades of its own range."""
    for ax, picture, title in zip(axes, pictures, titles, strict=True):
        ax.imshow(torch.as_tensor(picture).float().numpy(), cmap=cmap, interpolation="nearest")
        framed(ax, title)


def framed(ax: Axes, title: str) -> None:
    """A picture without ticks, in a thin grey frame: white edges are seen on white paper."""
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=GREY, linewidth=0.6)


def flow_colours(flow: torch.Tensor, fastest: float) -> torch.Tensor:
    """flow (..., 2) in pixels, (x, y) -> RGB (..., 3): hue is the direction, white is rest."""
    hue = (torch.atan2(flow[..., 1], flow[..., 0]) / (2 * math.pi)) % 1
    strength = (flow.norm(dim=-1) / fastest).clamp(max=1)
    return torch.as_tensor(hsv_to_rgb(torch.stack([hue, strength, torch.ones_like(hue)], -1).numpy()))


def flow_wheel(ax: Axes, size: int = 101) -> None:
    """The key to `flow_colours`: a pixel's colour is the motion from the centre to it."""
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    flow = torch.stack([x, y], -1)
    colours = flow_colours(flow, 1.0)
    colours[flow.norm(dim=-1) > 1] = 1.0
    ax.imshow(colours.numpy(), extent=(-1, 1, 1, -1))
    for right, down, word in (
        (1.08, 0.0, "right"),
        (-1.08, 0.0, "left"),
        (0.0, -1.12, "up"),
        (0.0, 1.12, "down"),
    ):
        side = {1.08: "left", -1.08: "right"}.get(right, "center")
        ax.text(right, down, word, ha=side, va="center", fontsize=9)
    ax.set_xlim(-1.7, 1.7)
    ax.set_axis_off()
