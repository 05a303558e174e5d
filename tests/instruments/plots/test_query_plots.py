"""The pictures of the decoder show the numbers they were given, and what they return is what they draw."""

import numpy as np
import torch
from matplotlib.figure import Figure

from perceiver_edu.instruments.plots.queries import (
    between_positions,
    byte_guesses,
    byte_sign,
    byte_strips,
    same_latents,
    similarity_by_distance,
)


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_every_byte_has_one_sign():
    assert [byte_sign(byte) for byte in b"a \n\xc3~\x7f"] == ["a", "␣", "⏎", "C3", "~", "7F"]


def test_similarity_is_the_mean_cosine_at_each_distance(ax):
    turning = torch.arange(12) * torch.pi / 6  # each row turned by 30 degrees against the one before
    rows = torch.stack([turning.cos(), turning.sin()], dim=1)
    curves = similarity_by_distance(ax, {"turning": rows, "the same": 3 * rows})
    expected = (torch.arange(7) * torch.pi / 6).cos()
    torch.testing.assert_close(curves["turning"], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(curves["the same"], curves["turning"])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected, atol=1e-6)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["turning", "the same"]


def test_a_close_up_shows_its_distances_alone(ax):
    rows = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    curves = similarity_by_distance(ax, {"drawn": rows}, close_up=range(2, 6))
    assert len(curves["drawn"]) == 7
    assert list(ax.lines[0].get_xdata()) == [2, 3, 4, 5]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), curves["drawn"][2:6])


def test_a_cell_for_each_query(ax):
    byte_strips(ax, [("in order", range(5, 8), b"to "), ("one", [9], b"x")])
    assert words(ax) == ["in order", "t", "5", "o", "6", "␣", "7", "one", "x", "9"]
    assert len(ax.patches) == 4


def test_the_third_line_is_what_is_left(ax):
    steps = torch.linspace(0, 1, 3)
    between_positions(ax, steps, torch.tensor([0.9, 0.3, 0.0]), torch.tensor([0.0, 0.5, 0.8]))
    np.testing.assert_allclose(ax.lines[2].get_ydata(), [0.1, 0.2, 0.2], atol=1e-6)


def test_each_row_of_a_map_has_its_own_black():
    axes = Figure().subplots(ncols=2)
    written, read = torch.rand(4, 3), torch.rand(4, 3).softmax(-1)
    same_latents(axes, written, read)
    for ax, weights in zip(axes, (written, read), strict=True):
        drawn = torch.tensor(np.asarray(ax.images[0].get_array()))
        torch.testing.assert_close(drawn.amax(-1), torch.ones(4))
        torch.testing.assert_close(drawn**2, weights / weights.amax(-1, keepdim=True))


def test_the_likeliest_bytes_stand_on_top(ax):
    shares = torch.full((2, 256), 0.0005)
    shares[0, ord("h")], shares[0, ord("b")], shares[1, 0xC3], shares[1, ord("e")] = 0.6, 0.2, 0.5, 0.3
    assert byte_guesses(ax, shares, top=2) == [[ord("h"), ord("b")], [0xC3, ord("e")]]
    assert words(ax)[:8] == ["h", "60%", "b", "20%", "C3", "50%", "e", "30%"]
