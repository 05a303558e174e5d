"""Bytes per character are those of UTF-8, and a hidden word has the colour of what was done to it."""

import torch
from matplotlib.colors import to_hex

from perceiver_edu import ByteTokenizer
from perceiver_edu.instruments.plots.bytes import bytes_per_character, lines_and_columns, masked_text
from perceiver_edu.instruments.plots.style import LATENT, OUTPUT, PURPLE, STAGE

MASK = ByteTokenizer.MASK


def test_bytes_per_character(ax):
    rates = bytes_per_character(ax, {"English": "cat", "both": "né", "Chinese": "猫"})
    assert rates == {"English": 1, "both": 1.5, "Chinese": 3}
    assert [bar.get_width() for bar in ax.patches] == [1, 1.5, 3]
    assert "1.50   (2 characters, 3 bytes)" in ax.texts[1].get_text()


def test_a_line_ends_between_two_words():
    ids = torch.tensor(ByteTokenizer().encode("to be, or not", add_special_tokens=False))
    places = lines_and_columns(ids, width=8)
    assert [line for line, _ in places] == [0] * 6 + [1] * 7  # "to be,", " or not"
    assert [column for _, column in places] == [*range(6), *range(7)]
    long = lines_and_columns(ids.repeat(3)[1:4], width=2)  # "o b": the blank begins a line
    assert long == [(0, 0), (1, 0), (1, 1)]
    assert lines_and_columns(torch.full((5,), 70), width=2)[-1] == (2, 0)  # a word longer than a line


def test_each_word_has_its_colour(ax):
    ids = torch.tensor(ByteTokenizer().encode("to be or not"))  # [CLS] 2 3 3 4 [SEP]
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    labels[3:13] = ids[3:13]  # " be", " or" and " not", side by side
    inputs[3:6] = MASK
    inputs[6:9] = torch.tensor([200, int(ids[7]), 201])  # random, one byte by chance the same
    masked_text(ax, ids, inputs, labels, width=9)
    cells = [patch for patch in ax.patches if patch.get_width()]
    assert [to_hex(cell.get_facecolor()).upper() for cell in cells] == (
        [STAGE] * 3 + [LATENT] * 3 + [PURPLE] * 3 + [OUTPUT] * 4 + [STAGE]
    )
    texts = [text.get_text() for text in ax.texts]
    assert texts[:9] == ["⟨", "t", "o", "␣", "▒", "b", "▒", "e", "▒"]  # was there, is read
    assert {cell.get_y() for cell in cells} == {-0.5, -1.85}  # nine in a line, then the last word
    legend = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert legend == ["[MASK]", "random bytes", "left as it is", "not a target"]


def test_the_legend_names_only_what_is_drawn(ax):
    ids = torch.tensor(ByteTokenizer().encode("to be"))
    labels = torch.full_like(ids, -100)
    labels[3:6] = ids[3:6]
    masked_text(ax, ids, ids.index_fill(0, torch.arange(3, 6), MASK), labels)
    legend = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert legend == ["[MASK]", "not a target"]
