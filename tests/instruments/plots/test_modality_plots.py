import torch
from matplotlib.figure import Figure

from perceiver_edu.instruments.plots import modalities as plots


def test_flow_colours():
    flow = torch.tensor([[0.0, 0], [2, 0], [-2, 0], [0, 2], [9, 0]])
    rest, right, left, down, beyond = plots.flow_colours(flow, 2.0)
    assert rest.tolist() == [1, 1, 1] and right.tolist() == [1, 0, 0]
    torch.testing.assert_close(left, 1 - right)  # opposite directions, opposite colours
    assert not torch.allclose(down, right) and torch.equal(beyond, right)


def test_pictures_draw_what_they_are_given():
    axes = Figure().subplots(ncols=4)
    plots.one_core(axes[0], [("a", "b", "c"), ("d", "e", "f")], "core")
    assert {text.get_text() for text in axes[0].texts} == {"core", "one output per query", *"abcdef"}
    plots.bars(axes[1], ["x", "y"], ["one", "two"], [[0.5, 1.0], [0.25, 0.75]], chance=0.1)
    assert [patch.get_height() for patch in axes[1].patches] == [0.5, 1.0, 0.25, 0.75]
    plots.panels(axes[2:3], [torch.eye(3)], ["eye"])
    assert axes[2].images[0].get_array().shape == (3, 3)
    plots.flow_wheel(axes[3])
    assert {text.get_text() for text in axes[3].texts} == {"left", "right", "up", "down"}
