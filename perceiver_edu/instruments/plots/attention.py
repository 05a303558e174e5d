"""What is attended to, and how widely."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from unicodedata import combining

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle

from perceiver_edu.instruments.plots.style import GREY, INK, INPUT, LATENT, OUTPUT, STAGE
from perceiver_edu.tokenizer import ByteTokenizer

T = ByteTokenizer
SPECIAL = {T.PAD: "□", T.MASK: "▒", T.CLS: "⟨", T.SEP: "⟩", T.BOS: "⟨", T.EOS: "⟩"}


def byte_labels(ids: torch.Tensor) -> list[str]:
    """Return a sign for each of the ids (M,): the character at its first byte, ◂ for its further bytes.

    ␣ is a space, ⏎ a new line, and ▪ a byte or a character for which there is no sign. ⟨ and ⟩ are where a
    text begins and ends, ▒ is [MASK] and □ is [PAD].
    """
    values = ids.tolist()
    labels: list[str] = []
    while len(labels) < len(values):
        first = values[len(labels)]
        if first in SPECIAL:
            labels.append(SPECIAL[first])
            continue
        value = first - T.BYTE_OFFSET
        size = 1 if value < 0xC0 else 2 if value < 0xE0 else 3 if value < 0xF0 else 4
        character = [i - T.BYTE_OFFSET for i in values[len(labels) : len(labels) + size]]
        try:
            sign = _sign(bytes(character).decode())
        except ValueError:  # a special id cuts the character off, or the bytes are not UTF-8
            labels.append("▪")
        else:
            labels += [sign, *"◂" * (size - 1)]
    return labels


@cache
def _sign(character: str) -> str:
    if character in " \n":
        return "␣" if character == " " else "⏎"
    narrow = character.isprintable() and not combining(character)
    drawn = get_font(findfont("DejaVu Sans Mono")).get_char_index(ord(character))
    return character if narrow and drawn else "▪"


def lines_of(signs: list[str], width: int) -> list[tuple[int, int]]:
    """Where lines of at most `width` signs begin and end: between words, where a word is not too long."""
    lines, start = [], 0
    while start < len(signs):
        stop = min(start + width, len(signs))
        spaces = [i for i in range(start + 1, stop) if signs[i] in "␣⏎"]
        if stop < len(signs) and spaces:
            stop = spaces[-1] + 1
        lines.append((start, stop))
        start = stop
    return lines


def attention_over_text(ax: Axes, weights: torch.Tensor, ids: torch.Tensor, row_labels: list[str]) -> None:
    """Draw attention weights (rows, M) as shades, with the text below, a sign for each column.

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
    ax.figure.colorbar(image, ax=ax, label="attention weight", pad=0.01)


def text_shaded(ax: Axes, ids: torch.Tensor, weights: torch.Tensor, width: int = 64) -> None:
    """Draw the text in lines of at most `width` signs; a deeper colour means a larger attention weight.

    ids (M,); weights (M,), relative to the largest. Quick to draw: one text for each line. Signs and shades
    meet only where the figure is saved at its own dpi.
    """
    signs = byte_labels(ids)
    lines = lines_of(signs, width)
    shades, relative = torch.zeros(len(lines), width), (weights / weights.max()).float().cpu()
    for line, (start, stop) in enumerate(lines):
        shades[line, : stop - start] = relative[start:stop]
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
    for line, (start, stop) in enumerate(lines):
        row = "".join(signs[start:stop])
        ax.text(-0.5, line, row, family="monospace", fontsize=size, va="center_baseline", parse_math=False)
    ax.set_axis_off()


def heads_over_text(ax: Axes, ids: torch.Tensor, weights: torch.Tensor, head: int, width: int = 80) -> None:
    """Draw the text in lines of at most `width` signs, each below a row of shades for every head, column over
    sign; the text is blue where `head`, which is framed, attends.

    ids (M,); weights (heads, M). Shades are of the square root. Quick to draw: one text for each line. Signs
    and shades meet only where the figure is saved at its own dpi.
    """
    weights, signs = weights.float().cpu(), byte_labels(ids)
    blue = LinearSegmentedColormap.from_list("", ["white", INPUT])
    heads, lines = len(weights), lines_of(signs, width)
    # A monospace sign is 0.602 times as wide as its size, and rounded to whole pixels: so are the cells.
    figure = ax.get_figure(root=True)
    assert figure is not None
    pixels = ax.get_position().width * figure.get_size_inches()[0] * figure.dpi
    cell = int(pixels // width)
    size, height = 72 / figure.dpi * cell / 0.602, heads + 4.0
    for number, (start, stop) in enumerate(lines):
        top, right = number * height, stop - start - 0.5
        shades: list[tuple] = [(weights[:, start:stop].sqrt(), top, top + heads, "Greys", 1.0)]
        shades += [
            (
                weights[head, None, start:stop],
                top + heads + 0.2,
                top + heads + 2.8,
                blue,
                float(weights[head].max()),
            )
        ]
        for array, y0, y1, colours, most in shades:
            ax.imshow(array.numpy(), aspect="auto", cmap=colours, vmin=0, vmax=most, interpolation="nearest",
                      extent=(-0.5, right, y1, y0))  # fmt: skip
        frame = (-0.5, top + head), stop - start, 1
        ax.add_patch(Rectangle(*frame, fc="none", ec=LATENT, lw=1.5, zorder=3))
        row = "".join(signs[start:stop])
        y = top + heads + 1.5
        ax.text(-0.5, y, row, family="monospace", fontsize=size, va="center_baseline", parse_math=False)
    ax.set_xlim(-0.8, pixels / cell - 0.5)
    ax.set_ylim(len(lines) * height - 1, -0.3)
    ax.set_axis_off()


def attention_heads(axes: np.ndarray, weights: torch.Tensor, heads: Sequence[int]) -> None:
    """Draw a panel for each of these heads, on one scale: weights (all heads, N, M), a row for each latent, a
    column for each position.

    Shades are of the square root, so that faint attention is seen too; the colour bar says what they mean.
    """
    norm = PowerNorm(0.5, vmin=0, vmax=1)
    for head, ax in zip(heads, axes.flat, strict=True):
        image = ax.imshow(weights[head].float().cpu().numpy(), aspect="auto", cmap="Greys", norm=norm,
                          interpolation="nearest")  # fmt: skip
        ax.set_title(f"head {head}", fontsize=10)
        ax.set(xlabel="position", ylabel="latent")
        ax.label_outer()
    axes.flat[0].figure.colorbar(image, ax=list(axes.flat), label="attention weight", pad=0.01)


def patterns_over_texts(
    axes: Sequence[Axes], patterns: dict[str, tuple[torch.Tensor, torch.Tensor]], texts: int = 4
) -> None:
    """Draw what a latent attends to in several texts: a panel for each pattern, a row for each text.

    patterns: title -> ids (T, M) and attention weights (T, M). The first `texts` of them are shown, in a
    stretch of 60 bytes that holds as much of their attention as possible; darker is more.
    """
    for ax, (title, (ids, weights)) in zip(axes, patterns.items(), strict=True):
        width = min(60, ids.shape[1])
        start = int(weights.mean(0).unfold(0, width, 1).sum(-1).argmax())
        shown = weights[:texts, start : start + width].float().cpu()
        ax.imshow(shown.sqrt().numpy(), aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
        for row, column in product(range(len(shown)), range(width)):
            sign = byte_labels(ids[row, start + column][None])[0]
            ink = "white" if shown[row, column] > 0.3 else INK
            ax.text(column, row, sign, ha="center", va="center", family="monospace", fontsize=9, color=ink,
                    parse_math=False)  # fmt: skip
        ax.set_title(title, fontsize=10, loc="left")
        ax.set_yticks(range(len(shown)), [f"text {row}" for row in range(len(shown))])
        ax.set_xticks(range(0, width, 10), [str(start + m) for m in range(0, width, 10)])
        ax.tick_params(length=0)
    axes[-1].set_xlabel("position in the text (bytes)")


def kinds_by_head(axes: Sequence[Axes], kinds: dict[str, list[list[str]]]) -> None:
    """Draw how many latents of each head are of which kind: a panel for each model, a bar for each head."""
    colours = {"position": LATENT, "periodic": OUTPUT, "content": INPUT, "other": STAGE, "special": GREY}
    for ax, (name, by_head) in zip(axes, kinds.items(), strict=True):
        left = np.zeros(len(by_head))
        for (kind, colour), hatch in zip(colours.items(), ("", "..", "//", "", "xx"), strict=True):
            numbers = np.array([row.count(kind) for row in by_head])
            label = "on [CLS] or [SEP]" if kind == "special" else kind
            bars = ax.barh(range(len(by_head)), numbers, left=left, color=colour, hatch=hatch, ec=INK, lw=0.5)
            bars.set_label(label)
            left += numbers
        ax.set_title(name, fontsize=10)
        ax.set(xlabel="latents", xlim=(0, len(by_head[0])), yticks=range(len(by_head)))
        ax.label_outer()
        ax.invert_yaxis()
    axes[0].set_ylabel("head")
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)


def attention_entropy(ax: Axes, weights: torch.Tensor) -> torch.Tensor:
    """Draw the attention entropy of each latent, in bits, next to that of uniform attention.

    weights (heads, N, M) -> entropies (heads, N). All M must be real bytes: remove padding first.
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
    ax.axhline(uniform, color=INPUT, lw=2, ls="--", label=f"uniform attention, {uniform:.1f} bits")
    ax.set_xticks(range(len(bits)))
    ax.set(xlabel="head", ylabel="entropy (bits)", ylim=(0, uniform + 0.7))
    ax.legend(loc="upper right", ncols=3, frameon=False, fontsize=9)
    return bits
