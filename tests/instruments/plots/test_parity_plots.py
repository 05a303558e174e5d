"""The parity pictures show the numbers they were given."""

import pytest
import torch

from perceiver_edu.instruments.parity import difference
from perceiver_edu.instruments.plots.parity import caught_or_missed, differences_by_stage, share, two_models


def rows(*gaps, scale=4.0):
    theirs = torch.tensor([scale, 1.0], dtype=torch.float64)
    return [difference(f"stage {i}", theirs + gap, theirs) for i, gap in enumerate(gaps)]


def test_a_share_is_of_the_scale_or_of_one():
    assert share(rows(0.02)[0]) == pytest.approx(0.005)
    assert share(rows(0.02, scale=0.5)[0]) == pytest.approx(0.02)


def test_a_line_for_each_ledger_on_a_logarithmic_axis(ax):
    differences_by_stage(ax, {"right": rows(0, 4e-9)}, {"wrong": rows(0, 0.4)})
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert ax.get_yscale() == "log"
    assert lines["right"] == pytest.approx([1e-10, 1e-9]) and lines["wrong"] == pytest.approx([1e-10, 0.1])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["stage 0", "stage 1"]


def test_a_marker_for_each_mutation_and_fixture(ax):
    caught_or_missed(ax, {"lazy": {"a": 0.1, "b": 10.0}, "strict": {"a": 1e3, "b": 1e4}})
    seen = {points.get_label(): points.get_offsets()[:, 0].tolist() for points in ax.collections}
    assert seen == {"lazy": [0.1, 10.0], "strict": [1e3, 1e4]}
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]


def test_both_models_have_every_stage(ax):
    two_models(ax, ["encoder", "decoder"], ["encoded", "outputs"])
    words = [text.get_text() for text in ax.texts]
    assert words.count("encoder") == 2 and "encoded\nequal?" in words and "ours" in words
