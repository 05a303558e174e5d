"""What is read, and how widely."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT
from perceiver_edu.tokenizer import ByteTokenizer

T = ByteTokenizer
SPECIAL = {T.PAD: "□", T.MASK: "▒", T.CLS: "⟨", T.SEP: "⟩", T.BOS: "⟨", T.EOS: "⟩"}


def byte_labels(ids: torch.Tensor) -> list[str]:
    """ids (M,) -> a sign for each: a letter at its first byte, ␣ for a space, · for a byte without a letter.

    ⟨ and ⟩ are where a text begins and ends, ▒ is [MASK] and □ is [PAD].
    """
    labels, values = [], ids.tolist()
    for i, after in zip(values, [*values[1:], 0], strict=True):
        letter = SPECIAL.get(i) or chr(i - T.BYTE_OFFSET)
        if "\x7f" < letter <= "\xff":  # perhaps the first of the two bytes of a letter that the font has
            pair = bytes([ord(letter), max(0, after - T.BYTE_OFFSET)]).decode(errors="replace")
            drawn = "\x7f" < pair < "Ǆ" or "Ά" <= pair < "Ϗ" or "Ѐ" <= pair < "Ѡ"
            letter = pair if drawn and len(pair) == 1 and pair.isalpha() else "·"
        labels.append("␣" if letter == " " else letter if letter > " " and letter != "\x7f" else "·")
    return labels


def attention_over_text(ax: Axes, weights: torch.Tensor, ids: torch.Tensor, row_labels: list[str]) -> None:
    """Who reads which byte: weights (rows, M) as shades, with the text itself below, a sign per column.

    weights (rows, M), each row sums to 1; ids (M,); a label for each row. Black is the largest weight.
    """
    weights = weights.float().cpu()
    image = ax.imshow(weights.numpy(), aspect="auto", cmap="Greys", vmin=0, interpolation="nearest")
    ax.set_xticks(range(len(ids)), byte_labels(ids), family="monospace", fontsize=9)
    ax.tick_params(axis="x", length=0)
    ax.set_yticks(range(len(row_labels)), row_labels)
    ax.set_yticks([row + 0.5 for row in range(len(row_labels) - 1)], minor=True)
    ax.grid(axis="y", which="minor", color="#BBBBBB", lw=0.5)
    ax.tick_params(axis="y", which="minor", length=0)
    ax.figure.colorbar(image, ax=ax, label="attention", pad=0.01)


def text_lines(ids: torch.Tensor, width: int) -> list[tuple[int, int]]:
    """Lines of at most `width` signs, as (from, up to): broken behind a space where there is one."""
    signs, lines = byte_labels(ids), [(0, 0)]
    while (start := lines[-1][1]) < len(signs):
        stop = min(start + width, len(signs))
        spaces = [place for place in range(start, stop) if signs[place] == "␣"]
        if stop < len(signs) and spaces:
            stop = spaces[-1] + 1
        lines.append((start, stop))
    return lines[1:]


def text_shaded(ax: Axes, ids: torch.Tensor, weights: torch.Tensor, width: int = 64) -> None:
    """The text itself in lines of at most `width` signs, each in a deeper colour the more it is read.

    ids (M,); weights (M,), as shares of the largest. Quick to draw: one text for each line. Signs and shades
    meet only where the figure is saved at its own dpi.
    """
    lines = text_lines(ids, width)
    shades, shares = torch.zeros(len(lines), width), (weights / weights.max()).float().cpu()
    for line, (start, stop) in enumerate(lines):
        shades[line, : stop - start] = shares[start:stop]
    ax.imshow(
        shades.numpy(),
        cmap=LinearSegmentedColormap.from_list("", ["white", INPUT]),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
    )
    # A monospace sign is 0.602 times as wide as its size, and rounded to whole pixels: so are the cells.
    figure = ax.get_figure(root=True)
    assert figure is not None
    pixels = ax.get_position().width * figure.get_size_inches()[0] * figure.dpi
    cell = int(pixels // width)
    size = 72 / figure.dpi * cell / 0.602
    ax.set_xlim(-0.5, pixels / cell - 0.5)
    signs = byte_labels(ids)
    for line, (start, stop) in enumerate(lines):
        row = "".join(signs[start:stop])
        ax.text(-0.5, line, row, family="monospace", fontsize=size, va="center_baseline", parse_math=False)
    ax.set_axis_off()


def attention_heads(axes: np.ndarray, weights: torch.Tensor) -> None:
    """One panel per head: weights (heads, N, M), a row for each latent, a column for each byte.

    Shades are of the square root, so that faint attention is seen too.
    """
    for head, (ax, panel) in enumerate(zip(axes.flat, weights.float().cpu(), strict=True)):
        ax.imshow(panel.sqrt().numpy(), aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(f"head {head}", fontsize=10)
        ax.label_outer()
    for ax in axes[-1]:
        ax.set_xlabel("byte")
    for ax in axes[:, 0]:
        ax.set_ylabel("latent")


def attention_entropy(ax: Axes, weights: torch.Tensor) -> torch.Tensor:
    """How spread out each latent reads, in bits, beside attention that is the same everywhere.

    weights (heads, N, M) -> entropies (heads, N). All M are taken to be real bytes: cut padding off first.
    """
    weights = weights.double().cpu()
    bits = -torch.xlogy(weights, weights).sum(-1) / torch.log(torch.tensor(2.0))
    uniform = float(torch.tensor(float(weights.shape[-1])).log2())
    for head, row in enumerate(bits):
        across = head + torch.linspace(-0.3, 0.3, len(row))
        ax.scatter(across, row, s=9, color=LATENT, ec=INK, lw=0.3, label="a latent" if head == 0 else None)
        ax.plot(
            [head - 0.35, head + 0.35], [row.mean()] * 2, color=INK, lw=2, label="mean" if head == 0 else None
        )
    ax.axhline(uniform, color=INPUT, lw=2, ls="--", label=f"uniform: {uniform:.1f} bits")
    ax.set_xticks(range(len(bits)))
    ax.set(xlabel="head", ylabel="entropy (bits)", ylim=(0, uniform + 0.7))
    ax.legend(loc="upper right", ncols=3, frameon=False, fontsize=9)
    return bits
