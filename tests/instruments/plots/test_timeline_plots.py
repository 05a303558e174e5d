"""The pictures of notebook 07 show the events that they are given, and their legends nothing else."""

from perceiver_edu.instruments import draw_timeline, launch_bound
from perceiver_edu.instruments.timeline import Event


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_timeline_has_a_row_for_each_kind_and_names_what_fits(ax):
    events = [
        Event("encoder", "user_annotation", 0, 100),
        Event("aten::linear", "cpu_op", 0, 40),
        Event("aten::gelu", "cpu_op", 41, 42),
    ]
    draw_timeline(ax, events)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["stage", "CPU calls"]
    assert [text.get_text() for text in ax.texts] == ["encoder", "linear"]
    assert legend(ax) == ["product or attention", "other operation"]
    ax.clear()
    draw_timeline(ax, [*events[:2], Event("Memcpy DtoH", "gpu_memcpy", 50, 60)])
    assert ax.get_yticklabels()[-1].get_text() == "GPU runs"
    assert legend(ax) == ["product or attention", "copy"]


def test_the_legend_names_only_the_bounds_that_occur(ax):
    launch_bound(ax, [1, 2], {"H100": [1.0, 1.5]}, {"H100": ["launches", "arithmetic"]})
    assert legend(ax) == ["H100", "bound by launches", "bound by arithmetic"]
