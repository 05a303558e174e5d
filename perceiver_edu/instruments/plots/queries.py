"""What output queries attend to, how similar they are, and what comes out of them."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from perceiver_edu.easy_first import Step
from perceiver_edu.instruments.plots.style import GREY, INK, INPUT, LATENT, OUTPUT, STAGE


def byte_sign(byte: int) -> str:
    """Return a sign for a byte: the letter, ␣ for a space, ⏎ for a new line, else two hexadecimal digits."""
    letter = chr(byte)
    return {" ": "␣", "\n": "⏎"}.get(letter, letter if "!" <= letter <= "~" else f"{byte:02X}")


def similarity_by_distance(
    ax: Axes, arrays: dict[str, torch.Tensor], close_up: range | None = None, farthest: int = 64
) -> dict[str, torch.Tensor]:
    """Draw the cosine similarity of two rows of an array against the distance of their positions.

    arrays: name -> (P, E); close_up: show only these distances, with a grid; farthest: the largest distance
    that is shown otherwise. Returns name -> the mean cosine at each distance 0, 1, …, P/2.
    """
    curves = {}
    styles = zip((OUTPUT, LATENT, GREY, INPUT), ("-", "--", ":", "-."), strict=True)
    for (name, rows), (colour, line) in zip(arrays.items(), styles, strict=False):
        unit = F.normalize(rows.detach().float().cpu(), dim=-1)
        cosines = unit @ unit.T  # (P, P)
        half = len(rows) // 2 + 1
        curves[name] = torch.stack([cosines.diagonal(distance).mean() for distance in range(half)])
        drawn = close_up or range(min(farthest + 1, half))
        ax.plot(drawn, curves[name][drawn], color=colour, ls=line, lw=2, label=name)
    if close_up:
        ax.set(xlabel="distance of two positions (bytes)", ylabel="mean cosine", xticks=close_up[::4])
        ax.grid(axis="x", lw=0.5)
        return curves
    ax.set(xlabel="distance of two positions (bytes)", ylabel="mean cosine", xticks=drawn[::8])
    ax.legend(frameon=False)
    return curves


def byte_strips(ax: Axes, rows: Sequence[tuple[str, Sequence[object], Sequence[int]]]) -> None:
    """Draw what a list of queries gives: for each row a label, the queried positions and the resulting bytes.

    Each cell is one query, with the byte in it and its position above.
    """
    for number, (label, positions, byte_values) in enumerate(rows):
        y = -1.5 * number
        ax.text(-0.6, y, label, ha="right", va="center", fontsize=10)
        for x, (position, byte) in enumerate(zip(positions, byte_values, strict=True)):
            ax.add_patch(Rectangle((x - 0.45, y - 0.4), 0.9, 0.8, fc=STAGE, ec=OUTPUT, lw=1.2))
            ax.text(x, y, byte_sign(byte), ha="center", va="center", family="monospace", fontsize=11)
            ax.text(x, y + 0.47, f"{position}", ha="center", va="bottom", fontsize=8)
    ax.set_xlim(-0.6, max(len(positions) for _, positions, _ in rows) - 0.4)
    ax.set_ylim(-1.5 * (len(rows) - 1) - 0.6, 0.9)
    ax.set_axis_off()


def between_positions(ax: Axes, steps: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """Draw the outputs between two queries: steps (S,) from 0 to 1; probabilities (S,) of the two bytes."""
    ax.plot(steps, left, color=INPUT, lw=2.5, marker="o", label="the byte at the left position")
    ax.plot(steps, right, color=LATENT, lw=2.5, marker="s", label="the byte at the right position")
    ax.plot(steps, 1 - left - right, color=GREY, lw=2, ls="--", label="any other byte")
    ax.set(
        xlabel="interpolation from left to right query (0 to 1)",
        ylabel="mean probability",
        ylim=(-0.03, 1.03),
    )
    ax.legend(frameon=False, loc="center left")


def same_latents(axes: Iterable[Axes], written: torch.Tensor, read: torch.Tensor) -> None:
    """Draw two maps side by side, with a row for each position and a column for each latent.

    Black is the largest number of each row; shades are of the square root, so that faint ones are seen too.

    written (M, N): attention weight of latent n on byte m; read (M, N): that of query m on latent n.
    """
    titles = (
        "attention weight of each latent on the byte (encoder)",
        "attention weight of the query on each latent (decoder)",
    )
    for ax, title, weights in zip(axes, titles, (written, read), strict=True):
        weights = weights.float().cpu()
        weights = weights / weights.amax(-1, keepdim=True)
        ax.imshow(
            weights.sqrt().numpy(), aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest"
        )
        ax.set_title(title, fontsize=11)
        ax.set(xlabel="latent", ylabel="position in the text (bytes)")


def byte_guesses(ax: Axes, probabilities: torch.Tensor, top: int = 4) -> list[list[int]]:
    """Draw the most probable bytes at each position of a hole, a column for each; darker is more probable.

    probabilities (L, 256), over bytes. Returns the bytes drawn: a list for each position, the best first.
    """
    values, byte_values = probabilities.float().cpu().topk(top, dim=-1)  # (L, top)
    for x, (shares, ranked) in enumerate(zip(values.tolist(), byte_values.tolist(), strict=True)):
        for y, (share, byte) in enumerate(zip(shares, ranked, strict=True)):
            shade = 1 - 0.75 * share**0.5
            cell = Rectangle((x - 0.45, -y - 0.42), 0.9, 0.84, fc=str(shade), ec=INK, lw=0.6)
            ax.add_artist(cell)  # `add_patch` would also look for the limits, which are set below
            ink = "white" if shade < 0.55 else INK
            sign = byte_sign(byte)
            ax.text(x, -y + 0.1, sign, ha="center", va="center", family="monospace", fontsize=14, color=ink)
            ax.text(x, -y - 0.26, f"{share:.0%}", ha="center", va="center", fontsize=8, color=ink)
    for y in range(top):
        ax.text(-0.6, -y, f"{y + 1}.", ha="right", va="center")
    ax.set_xlim(-0.9, len(byte_values) - 0.5)
    ax.set_ylim(-top + 0.5, 0.5)
    ax.set_axis_off()
    return byte_values.tolist()


def filling_order(ax: Axes, steps: Sequence[Step]) -> None:
    """Draw how a hole is filled, a row for each run of the model, with the new byte in colour."""
    filled: dict[int, int] = {}
    for row, step in enumerate(steps):
        filled[step.position] = step.byte
        ax.text(-0.7, -row, f"run {row + 1}", ha="right", va="center", fontsize=10)
        for position in range(len(steps)):
            new = position == step.position
            colour = OUTPUT if new else STAGE if position in filled else "none"
            ax.add_patch(Rectangle((position - 0.45, -row - 0.4), 0.9, 0.8, fc=colour, ec=INK, lw=0.8))
            if position in filled:
                ink = "white" if new else INK
                sign = byte_sign(filled[position])
                ax.text(
                    position, -row, sign, ha="center", va="center", family="monospace", fontsize=13, color=ink
                )
        ax.text(len(steps) - 0.2, -row, f"{step.probability:.0%}", ha="left", va="center", fontsize=10)
    ax.text(len(steps) - 0.2, 0.75, "probability of the new byte", ha="left", va="center", fontsize=10)
    ax.set_xlim(-1.8, len(steps) + 2.5)
    ax.set_ylim(-len(steps) + 0.4, 1.1)
    ax.set_axis_off()
