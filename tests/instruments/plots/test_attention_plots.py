"""The attention pictures show the numbers they were given, and what they return is what they draw."""

import torch
from matplotlib.figure import Figure

from perceiver_edu import ByteTokenizer
from perceiver_edu.instruments.plots.attention import (
    attention_entropy,
    attention_heads,
    attention_over_text,
    byte_labels,
    heads_over_text,
    kinds_by_head,
    lines_of,
    patterns_over_texts,
    text_shaded,
)


def test_every_byte_has_one_readable_sign():
    ids = torch.tensor(ByteTokenizer().encode("a b\né[MASK]"))
    assert byte_labels(ids) == ["⟨", "a", "␣", "b", "⏎", "é", "◂", "▒", "⟩"]


def test_what_has_no_sign_is_marked_byte_by_byte():
    offset, rocket = ByteTokenizer.BYTE_OFFSET, "🚀".encode()
    ids = torch.tensor([*(b + offset for b in rocket), 0xE9 + offset, ord("a") + offset, ByteTokenizer.MASK])
    assert byte_labels(ids) == ["▪", "◂", "◂", "◂", "▪", "a", "▒"]
    cut = torch.tensor([0xC3 + offset, ByteTokenizer.MASK, 0xC3 + offset])
    assert byte_labels(cut) == ["▪", "▒", "▪"]
    for number in range(256):
        assert len(byte_labels(torch.tensor([number + offset]))) == 1


def test_lines_end_between_words():
    signs = list("one␣two␣three␣extraordinarily")
    assert ["".join(signs[a:b]) for a, b in lines_of(signs, 8)] == [
        "one␣two␣",
        "three␣",
        "extraord",
        "inarily",
    ]


def test_text_and_heat_map_share_their_columns():
    ids = torch.tensor(ByteTokenizer().encode("of the old house " * 8))
    weights = torch.rand(3, len(ids)).softmax(-1)
    ax = Figure(figsize=(9, 4), dpi=96).subplots()
    heads_over_text(ax, ids, weights, head=1, width=60)
    maps, shades = ax.images[0::2], ax.images[1::2]
    for heat, shade, text in zip(maps, shades, ax.texts, strict=True):
        assert heat.get_array().shape[1] == shade.get_array().shape[1] == len(text.get_text()) <= 60
        assert heat.get_extent()[:2] == shade.get_extent()[:2] == [-0.5, len(text.get_text()) - 0.5]
        assert text.get_text().endswith(("␣", "⟩"))
    columns = torch.cat([torch.tensor(heat.get_array().data) for heat in maps], 1)
    torch.testing.assert_close(columns, weights.sqrt())


def test_the_text_stands_under_its_columns(ax):
    ids = torch.tensor(ByteTokenizer().encode("to be"))
    weights = torch.rand(3, len(ids)).softmax(-1)
    attention_over_text(ax, weights, ids, ["head 0", "head 1", "head 2"])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list("⟨to␣be⟩")
    torch.testing.assert_close(torch.tensor(ax.images[0].get_array().data), weights)


def test_a_panel_for_each_head_and_one_scale():
    axes = Figure().subplots(1, 2)
    weights = torch.rand(8, 5, 9) / 10
    attention_heads(axes, weights, [6, 3])
    assert [panel.get_title() for panel in axes.flat] == ["head 6", "head 3"]
    torch.testing.assert_close(torch.tensor(axes[0].images[0].get_array().data), weights[6])
    assert {panel.images[0].get_clim() for panel in axes} == {(0, 1)}


def test_entropy_is_that_of_the_rows(ax):
    uniform = torch.full((2, 3, 16), 1 / 16)
    torch.testing.assert_close(attention_entropy(ax, uniform), torch.full((2, 3), 4.0, dtype=torch.float64))
    one = torch.zeros(1, 1, 16)
    one[..., 3] = 1
    assert attention_entropy(ax, one).item() == 0
    assert "uniform attention, 4.0 bits" in [text.get_text() for text in ax.get_legend().get_texts()]


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


def test_kinds_are_counted_by_head():
    axes = Figure().subplots(1, 2)
    rows = [["position", "content", "position"], ["other", "other", "special"]]
    kinds_by_head(axes, {"a model": rows, "another": rows[::-1]})
    widths = [bar.get_width() for bar in axes[0].patches]  # kind by kind, the heads of each
    assert widths == [2, 0, 0, 0, 1, 0, 0, 2, 0, 1]
    assert [ax.get_title() for ax in axes] == ["a model", "another"]


def test_a_pattern_is_shown_over_the_letters_of_each_text():
    axes = Figure().subplots(2, 1)
    ids = torch.tensor([ByteTokenizer().encode("x" * 90 + text) for text in ("one tree", "two cars")])
    weights = torch.zeros(ids.shape)
    weights[:, 95] = 1
    patterns_over_texts(axes, {"a": (ids, weights), "b": (ids, weights)}, texts=2)
    letters = "".join(text.get_text() for text in axes[0].texts)
    assert len(letters) == 120 and ("one␣t" in letters or "ne␣tree" in letters)
    shown = axes[0].images[0].get_array()
    assert shown.shape == (2, 60) and shown.sum() == 2
