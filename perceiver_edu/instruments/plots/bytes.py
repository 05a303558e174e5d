"""Text as bytes: how many a character takes, and which of them are hidden."""

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from perceiver_edu.instruments.plots.attention import byte_labels
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, OUTPUT, PURPLE, STAGE
from perceiver_edu.tokenizer import ByteTokenizer


def bytes_per_character(ax: Axes, texts: dict[str, str]) -> dict[str, float]:
    """Draw a bar for each text: UTF-8 bytes per character. {label: text} -> {label: bytes / characters}."""
    rates = {label: len(text.encode()) / len(text) for label, text in texts.items()}
    ax.barh(list(rates), list(rates.values()), color=INPUT, ec=INK, lw=0.6, height=0.65)
    for row, (text, rate) in enumerate(zip(texts.values(), rates.values(), strict=True)):
        note = f" {rate:.2f}   ({len(text)} characters, {len(text.encode())} bytes)"
        ax.text(rate, row, note, va="center", fontsize=9)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.5 * max(rates.values()))
    ax.set_xticks(range(0, int(max(rates.values())) + 2))
    ax.set_xlabel("bytes per character")
    ax.tick_params(axis="y", length=0)
    return rates


def masked_text(
    ax: Axes, ids: torch.Tensor, inputs: torch.Tensor, labels: torch.Tensor, width: int = 64
) -> None:
    """Draw a text with its hidden words: a cell for each byte, with the original letter above the input.

    ids, inputs and labels (M,); `width`: bytes in a line, which ends before a word that does not fit. A byte
    that is a target has a colour: hidden by [MASK], replaced by a random byte, or left as it is.
    """
    kinds = {"[MASK]": LATENT, "random bytes": PURPLE, "left as it is": OUTPUT, "not a target": STAGE}
    cells, drawn = lines_and_columns(ids, width), set()
    for position, (sign, read) in enumerate(zip(signs(ids), signs(inputs), strict=True)):
        line, column = cells[position]
        if labels[position] < 0:
            kind = "not a target"
        elif inputs[position] == ByteTokenizer.MASK:
            kind = "[MASK]"
        else:
            word = word_around(ids, inputs, labels, position)
            kind = "left as it is" if inputs[word].equal(ids[word]) else "random bytes"
        drawn.add(kind)
        y = -1.35 * line
        box = (column, y - 0.5), 1, 1
        ax.add_patch(Rectangle(*box, fc=kinds[kind], ec="white", lw=0.8))
        ax.text(column + 0.5, y + 0.22, sign, ha="center", va="center", fontsize=8, family="monospace")
        if kind != "not a target":
            ax.text(column + 0.5, y - 0.24, read, ha="center", va="center", fontsize=8, family="monospace")
    for kind in filter(drawn.__contains__, kinds):
        ax.add_patch(Rectangle((0, 0), 0, 0, fc=kinds[kind], ec=INK, lw=0.5, label=kind))
    ax.set_xlim(0, width)
    ax.set_ylim(-1.35 * cells[-1][0] - 0.6, 0.6)
    ax.set_axis_off()
    ax.figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def signs(ids: torch.Tensor) -> list[str]:
    """As `byte_labels`, with a sign of its own for each special id in use."""
    special = {ByteTokenizer.MASK: "▒", ByteTokenizer.CLS: "⟨", ByteTokenizer.SEP: "⟩"}
    return [special.get(i, sign) for i, sign in zip(ids.tolist(), byte_labels(ids), strict=True)]


def lines_and_columns(ids: torch.Tensor, width: int) -> list[tuple[int, int]]:
    """Where each byte goes when lines of `width` bytes are broken between words, as far as words fit."""
    white = [i >= ByteTokenizer.BYTE_OFFSET and chr(i - ByteTokenizer.BYTE_OFFSET).isspace() for i in ids]
    starts = [0]  # of the lines
    for position in range(len(ids)):
        if position - starts[-1] == width:
            words = [start for start in range(starts[-1] + 1, position + 1) if white[start]]
            starts.append(words[-1] if words else position)
    line_of = [sum(start <= position for start in starts) - 1 for position in range(len(ids))]
    return [(line, position - starts[line]) for position, line in enumerate(line_of)]


def word_around(ids: torch.Tensor, inputs: torch.Tensor, labels: torch.Tensor, position: int) -> slice:
    """The bytes of one word that are targets and visible; a white space begins a word."""
    there = (labels >= 0) & (inputs != ByteTokenizer.MASK)
    white = [i >= ByteTokenizer.BYTE_OFFSET and chr(i - ByteTokenizer.BYTE_OFFSET).isspace() for i in ids]
    start, stop = position, position + 1
    while start > 0 and there[start - 1] and not white[start]:
        start -= 1
    while stop < len(ids) and there[stop] and not white[stop]:
        stop += 1
    return slice(start, stop)
