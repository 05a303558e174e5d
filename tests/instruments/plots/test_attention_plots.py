"""The attention pictures show the numbers they were given, and what they return is what they draw."""

import torch
from matplotlib.figure import Figure

from perceiver_edu import ByteTokenizer
from perceiver_edu.instruments.plots.attention import (
    attention_entropy,
    attention_heads,
    attention_over_text,
    byte_labels,
    text_shaded,
)


def test_every_byte_has_one_readable_sign():
    ids = torch.tensor(ByteTokenizer().encode("a b\néж中[MASK]"))
    assert byte_labels(ids) == list("⟨a␣b·é·ж····▒⟩")
    assert byte_labels(torch.tensor([ByteTokenizer.PAD, 6 + 0xC3])) == ["□", "·"]


def test_the_text_stands_under_its_columns(ax):
    ids = torch.tensor(ByteTokenizer().encode("to be"))
    weights = torch.rand(3, len(ids)).softmax(-1)
    attention_over_text(ax, weights, ids, ["head 0", "head 1", "head 2"])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list("⟨to␣be⟩")
    torch.testing.assert_close(torch.tensor(ax.images[0].get_array().data), weights)


def test_a_panel_for_each_head():
    axes = Figure().subplots(2, 4)
    attention_heads(axes, torch.rand(8, 5, 9))
    assert [panel.get_title() for panel in axes.flat] == [f"head {i}" for i in range(8)]


def test_entropy_is_that_of_the_rows(ax):
    uniform = torch.full((2, 3, 16), 1 / 16)
    torch.testing.assert_close(attention_entropy(ax, uniform), torch.full((2, 3), 4.0, dtype=torch.float64))
    one = torch.zeros(1, 1, 16)
    one[..., 3] = 1
    assert attention_entropy(ax, one).item() == 0
    assert "uniform: 4.0 bits" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_text_is_shaded_where_it_is_read():
    ids = torch.tensor(ByteTokenizer().encode("a b" * 30))  # 92 ids: two lines of 64 at most
    weights = torch.zeros(len(ids))
    weights[70] = 0.5
    weights[3] = 0.25
    ax = Figure(figsize=(8, 2)).subplots()
    text_shaded(ax, ids, weights)
    [image] = ax.get_images()
    shades = image.get_array()
    assert shades.shape == (2, 64) and shades[1, 70 - 63] == 1 and shades[0, 3] == 0.5
    assert [len(line.get_text()) for line in ax.texts] == [63, 92 - 63], "a line ends behind a space"
    assert ax.texts[0].get_text().startswith("⟨a␣ba␣b") and ax.texts[1].get_text().endswith("⟩")
