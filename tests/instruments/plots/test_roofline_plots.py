"""The pictures of notebook 06 show the numbers that they are given."""

import numpy as np
from matplotlib.figure import Figure

from perceiver_edu.instruments import bars, cost_against, ladder, roofline, two_costs
from perceiver_edu.instruments.machine import Peaks


def test_a_panel_for_each_size_and_a_line_for_each_stage():
    axes = Figure().subplots(ncols=2)
    sweeps = {
        "M": ([1, 2, 4], {"encoder": [1, 2, 3], "processor": [5, 5, 5]}),
        "N": ([2, 4], {"decoder": [7, 8]}),
    }
    cost_against(axes, sweeps)
    assert [ax.get_xlabel() for ax in axes] == ["M", "N"]
    assert [list(line.get_ydata()) for line in axes[0].lines] == [[1, 2, 3], [5, 5, 5]]


def test_the_roof_has_its_ridge_where_the_peaks_meet(ax):
    peaks = Peaks("cpu", "float32", flops_per_second=100e9, bytes_per_second=25e9)
    roofline(ax, peaks, {"B = 1": {"encoder": (2, 10e9)}, "B = 4": {"encoder": (8, 50e9)}})
    roof = ax.lines[0]
    x, y = roof.get_xdata(), roof.get_ydata()
    assert np.allclose(y[x < 4], 25 * x[x < 4]) and np.allclose(y[x > 4], 100)
    points = [tuple(map(float, (*line.get_xdata(), *line.get_ydata()))) for line in ax.lines[2:]]
    assert points == [(2, 10), (8, 50)]
    assert [text.get_text() for text in ax.get_legend().get_texts()][1:] == ["encoder", "B = 1", "B = 4"]


def test_bars_stand_side_by_side_with_their_notes(ax):
    bars(ax, ["a", "b"], {"floor": [1, 2], "measured": [3, 4]}, "ms", ["x", "y"], log=True)
    assert [bar.get_width() for bar in ax.patches] == [1, 2, 3, 4]
    assert [text.get_text().strip() for text in ax.texts] == ["x", "y"] and ax.get_xscale() == "log"


def test_the_crossing_is_marked(ax):
    two_costs(ax, [16, 64, 256], {"a": [1, 2, 3], "b": [3, 2, 1]}, 64)
    assert list(ax.lines[-1].get_xdata()) == [64, 64] and "64" in ax.texts[0].get_text()


def test_a_ladder_starts_at_one_and_names_what_is_drawn(ax):
    ladder(ax, {"crop": 0.5, "joined": 1.25}, ["-50%", "+25%"])
    ends = [
        [sorted(map(float, segment[:, 0])) for segment in lines.get_segments()] for lines in ax.collections
    ]
    assert ends == [[[0.5, 1.0]], [[1.0, 1.25]]] and ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["-50%", "+25%"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["saves time", "costs time"]
    ax.clear()
    ladder(ax, {"crop": 0.5}, ["-50%"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["saves time"]
