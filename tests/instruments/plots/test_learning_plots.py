"""The pictures of training draw the numbers they were given."""

import pytest
import torch
from matplotlib.figure import Figure

from perceiver_edu.instruments.plots.learning import (
    attention_panels,
    bits_by_latents,
    dashed,
    learning_curves,
)

BASELINES = {"unigram": 4.4, "left": 3.5}


def test_curves_and_baselines_are_where_they_belong(ax):
    curves = {"one": [(0, 9.0), (50, 4.5), (100, 3.0)], "other": [(50, 4.6), (100, 4.4)]}
    learning_curves(ax, curves, BASELINES)
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["one"].get_xydata().tolist() == [[0, 9.0], [50, 4.5], [100, 3.0]]
    assert lines["other"].get_linestyle() != lines["one"].get_linestyle()
    drawn = {line.get_ydata()[0] for line in ax.lines if str(line.get_label()).startswith("_")}
    assert drawn == {4.4, 3.5}
    labels = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert labels == {"unigram 4.40": 4.4, "left 3.50": 3.5}
    dashed(ax, {"one": 3.9, "almost the same": 3.91})
    low, high = sorted(text.get_position()[1] for text in ax.texts[2:])
    bottom, top = ax.get_ylim()
    assert low == 3.9 and high - low > 0.03 * (top - bottom), "names do not lie on each other"
    low, high = ax.get_ylim()
    assert low < 3.0 and 4.6 < high < 9.0  # an untrained model is left out


def test_maps_share_one_scale():
    axes = Figure().subplots(1, 2)
    maps = {"even": torch.full((3, 5), 0.2), "sharp": torch.eye(3, 5)}
    attention_panels(axes, maps)
    images = [ax.images[0] for ax in axes]
    assert [image.get_array().shape for image in images] == [(3, 5), (3, 5)]
    assert images[0].get_clim() == images[1].get_clim() == (0, 1)
    assert torch.allclose(torch.tensor(images[1].get_array()), torch.eye(3, 5))
    assert [ax.get_title() for ax in axes] == list(maps)


def test_a_dot_for_each_seed_and_the_mean_of_each_size(ax):
    rows = [{"num_latents": n, "bits": bits} for n, bits in ((2, 4.0), (2, 4.2), (8, 3.0), (8, 3.4))]
    means = bits_by_latents(ax, rows, BASELINES)
    assert means == pytest.approx({2: 4.1, 8: 3.2})
    dots = [list(line.get_ydata()) for line in ax.lines if line.get_marker() == "o"]
    assert dots == [[4.0, 4.2], [3.0, 3.4]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "8"]
