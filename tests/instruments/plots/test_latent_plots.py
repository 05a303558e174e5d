"""The pictures of notebook 03 draw the numbers they were given."""

import pytest
import torch
from matplotlib.figure import Figure

from perceiver_edu.instruments import (
    by_depth,
    cosines,
    cost_by_length,
    damage,
    latent_similarity,
    latents_by_group,
    paired_bars,
    parameter_shares,
    residual_stream_diagram,
)


def test_a_panel_of_cosines_for_each_depth():
    stream = torch.randn(5, 7, 12, generator=torch.Generator().manual_seed(0))
    axes = Figure().subplots(1, 3)
    drawn = latent_similarity(axes, stream, [0, 2, 4])
    assert [ax.get_title() for ax in axes] == ["from the encoder", "after 2 layers", "after 4 layers"]
    torch.testing.assert_close(drawn, cosines(stream)[[0, 2, 4]])
    for ax, panel in zip(axes, drawn, strict=True):
        torch.testing.assert_close(torch.tensor(ax.images[0].get_array().data), panel)


def test_a_line_over_depth_and_its_reference(ax):
    by_depth(ax, {"early": [4.0, 3.0, 2.0]}, "bits", {"blind": 3.5})
    assert ax.lines[0].get_ydata().tolist() == [4.0, 3.0, 2.0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["early", "blind"]
    assert set(ax.lines[1].get_ydata()) == {3.5}


def test_a_bar_for_each_part_and_the_marked_one_hatched(ax):
    damage(ax, {"a": 1.0, "b": -2.0}, "bits", errors=[0.1, 0.2], marked=["b"])
    bars = ax.patches
    assert [bar.get_height() for bar in bars] == [1.0, -2.0]
    assert [bar.get_hatch() for bar in bars] == [None, "//"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]


def test_shares_sum_to_one_and_fill_the_bar(ax):
    parts = {"embedding": 10, "encoder": 20, "processor": 60, "queries": 5, "decoder": 4, "mlm_head": 1}
    shares = parameter_shares(ax, {"one": parts, "two": parts | {"processor": 160}})
    assert shares["one"]["processor"] == 0.6 and shares["two"]["processor"] == 0.8
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(2)
    assert "60%" in [text.get_text() for text in ax.texts]


def test_the_costs_are_drawn_on_logarithmic_axes(ax):
    cost_by_length(
        ax, [256, 512], {"encoder": [1, 2], "processor": [5, 5], "decoder": [1, 3]}, "multiply-adds"
    )
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [line.get_ydata()[-1] for line in ax.lines] == [2, 5, 3]


def test_the_diagram_has_the_models_sizes(ax, model):
    residual_stream_diagram(ax, model)
    words = " ".join(text.get_text() for text in ax.texts)
    assert "5 × 12" in words and "3 layers" in words
    assert words.count("attention") == words.count("MLP") == 2 and words.count("norm") == 4


def test_positions_are_sorted_by_their_group():
    axes = Figure().subplots(1, 2)
    weights, groups = torch.rand(3, 6), torch.tensor([2, 0, 1, 0, 2, 2])
    latents_by_group(axes, {"before": weights / 2, "after": weights}, groups)
    drawn = torch.tensor(axes[1].images[0].get_array().data)
    torch.testing.assert_close(drawn, weights[:, [1, 3, 2, 0, 4, 5]])
    assert axes[0].images[0].get_clim() == axes[1].images[0].get_clim()
    assert len(axes[1].lines) == 2  # between three groups


def test_bars_of_several_series_stand_side_by_side(ax):
    paired_bars(
        ax, {"here": {"a": (1.0, 0.1), "b": (2.0, 0.2)}, "there": {"a": (3.0, 0.1), "b": (4.0, 0.2)}}, "bits"
    )
    bars = sorted((bar.get_x(), bar.get_height()) for bar in ax.patches)
    assert [height for _, height in bars] == [1, 2, 3, 4]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
