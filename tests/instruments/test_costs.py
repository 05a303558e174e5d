"""The formulas give what torch counts, and the parameters that there are."""

import pytest
import torch
from tiny import TINY

from perceiver_edu import PerceiverIOConfig, PerceiverIOForMaskedLM
from perceiver_edu.instruments.costs import count_multiply_adds, stage_costs, total

CONFIGS = {
    "tiny": PerceiverIOConfig(**TINY),
    "two blocks": PerceiverIOConfig(**TINY | {"num_blocks": 2}),
    "no layers": PerceiverIOConfig(**TINY | {"num_self_attends_per_block": 0}),
    "DeepMind's": PerceiverIOConfig(),
}


@pytest.mark.parametrize(("M", "O"), [(29, 29), (7, 2)])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_flops_and_parameters_are_those_that_torch_counts(config, M, O):
    costs = stage_costs(config, M, O)
    counted = {"embedding": 0} | count_multiply_adds(config, M, O)
    assert counted == {cost.stage: cost.flops / 2 for cost in [*costs, total(costs)]}
    with torch.device("meta"):
        model = PerceiverIOForMaskedLM(config)
    assert total(costs).parameters == sum(parameter.numel() for parameter in model.parameters())


def test_a_count_that_is_changed_is_counted_again_as_it_was():
    counted = count_multiply_adds(CONFIGS["tiny"], 7, 2)
    before = dict(counted)
    counted["decoder"] = 0
    assert count_multiply_adds(CONFIGS["tiny"], 7, 2) == before


def test_the_published_size():
    """What the course quotes: 120.95 GFLOP for one text of 2048 bytes, all outputs."""
    whole = total(stage_costs(PerceiverIOConfig(), M=2048, O=2048))
    assert round(whole.flops / 1e9, 2) == 120.95 and whole.parameters == 201_108_230


def test_a_batch_reads_the_weights_once():
    one, many = (total(stage_costs(CONFIGS["tiny"], M=29, O=29, B=B)) for B in (1, 64))
    assert many.flops == 64 * one.flops
    assert many.numbers_moved < 64 * one.numbers_moved and many.intensity > one.intensity
