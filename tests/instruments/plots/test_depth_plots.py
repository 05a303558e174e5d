"""The picture of Table 1 has a bar for each layer, as high as the number of vectors it works on."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from perceiver_edu import PerceiverIOConfig
from perceiver_edu.instruments.costs import stage_costs, total
from perceiver_edu.instruments.paper import TABLE_1
from perceiver_edu.instruments.plots.depth import depth_at_equal_flops
from perceiver_edu.instruments.plots.style import INPUT, LATENT


def test_a_bar_for_each_layer_and_a_dot_for_each_score():
    layers, scores = axes = Figure().subplots(ncols=2, sharey=True)
    depth_at_equal_flops(axes, TABLE_1)
    rows = [list(container) for container in layers.containers]
    assert [len(bars) for bars in rows] == [12, 26, 6, 26]
    heights = [bars[0].get_height() for bars in rows]
    assert [height / heights[1] for height in heights] == pytest.approx([2, 1, 8, 1])  # 512, 256, 2048, 256
    middles = [bars[0].get_y() + bars[0].get_height() / 2 for bars in rows]
    assert middles == pytest.approx([0, 1, 2, 3])
    colours = [to_hex(bars[0].get_facecolor()).upper() for bars in rows]
    assert colours == [INPUT, LATENT, INPUT, LATENT]
    assert [line.get_xdata()[0] for line in scores.lines] == [81.1, 81.2, 71.5, 81.0]
    low, high = scores.get_xlim()
    assert all(low < model.glue < high for model in TABLE_1)


def test_the_row_of_this_architecture_has_the_sizes_of_the_default_configuration():
    row, c = TABLE_1[-1], PerceiverIOConfig()
    assert (row.M, row.N, row.layers) == (
        c.max_position_embeddings,
        c.num_latents,
        c.num_self_attends_per_block,
    )
    assert round(total(stage_costs(c, row.M, row.M)).parameters / 1e6) == row.parameters
