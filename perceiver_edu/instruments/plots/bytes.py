"""Text as bytes: how many a character takes, and which of them are hidden."""

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from perceiver_edu.instruments.plots.attention import byte_labels
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, OUTPUT, PURPLE, STAGE
from perceiver_edu.tokenizer import ByteTokenizer


def bytes_per_character(ax: Axes, texts: dict[str, str]) -> dict[str, float]:
    """A bar for each text: UTF-8 bytes per character. {label: text} -> {label: bytes / characters}."""
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
    """A text with its hidden words: a cell for each byte, the letter that was there above what is read now.

    ids, inputs and labels (M,); `width`: bytes in a line. A byte that is asked for has a colour: hidden by
    [MASK], replaced by a random byte, or left as it is.
    """
    now = byte_labels(inputs)
    kinds = {"[MASK]": LATENT, "random bytes": PURPLE, "left as it is": OUTPUT, "not asked for": STAGE}
    for place, (sign, read) in enumerate(zip(byte_labels(ids), now, strict=True)):
        line, column = divmod(place, width)
        if labels[place] < 0:
            kind = "not asked for"
        elif inputs[place] == ByteTokenizer.MASK:
            kind = "[MASK]"
        else:
            word = word_around(ids, inputs, labels, place)
            kind = "left as it is" if inputs[word].equal(ids[word]) else "random bytes"
        y = -1.35 * line
        box = (column, y - 0.5), 1, 1
        ax.add_patch(Rectangle(*box, fc=kinds[kind], ec="white", lw=0.8))
        ax.text(column + 0.5, y + 0.22, sign, ha="center", va="center", fontsize=8, family="monospace")
        if kind != "not asked for":
            ax.text(column + 0.5, y - 0.24, read, ha="center", va="center", fontsize=8, family="monospace")
    for kind, colour in kinds.items():
        ax.add_patch(Rectangle((0, 0), 0, 0, fc=colour, ec=INK, lw=0.5, label=kind))
    ax.set_xlim(0, width)
    ax.set_ylim(-1.35 * ((len(ids) - 1) // width) - 0.6, 0.6)
    ax.set_axis_off()
    ax.figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def word_around(ids: torch.Tensor, inputs: torch.Tensor, labels: torch.Tensor, place: int) -> slice:
    """The bytes of one word that are asked for and can be read; a white space begins a word."""
    there = (labels >= 0) & (inputs != ByteTokenizer.MASK)
    white = [i >= ByteTokenizer.BYTE_OFFSET and chr(i - ByteTokenizer.BYTE_OFFSET).isspace() for i in ids]
    start, stop = place, place + 1
    while start > 0 and there[start - 1] and not white[start]:
        start -= 1
    while stop < len(ids) and there[stop] and not white[stop]:
        stop += 1
    return slice(start, stop)
