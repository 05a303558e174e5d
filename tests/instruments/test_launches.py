"""Kernels are counted and bounded as a GPU would run them, without one."""

import pytest
import torch

from perceiver_edu import PerceiverIOConfig
from perceiver_edu.instruments.costs import Cost, stage_costs, total
from perceiver_edu.instruments.datasheets import GPUS
from perceiver_edu.instruments.launches import Bounds, bounds, count_launches, kernels_of


def test_views_and_fresh_memory_launch_nothing():
    x = torch.ones(4, 6)
    assert not count_launches(lambda: (x.view(2, 12).transpose(0, 1)[3:], x.detach(), torch.empty(3)))
    assert count_launches(lambda: x.add_(1).mul_(2)) == {"add_": 1, "mul_": 1}
    assert sum(count_launches(lambda: torch.nn.functional.linear(x, x, x[:, 0])).values()) == 1


def test_a_batch_is_launched_as_one_text_is_and_its_flops_are_the_formulas():
    config, logs = PerceiverIOConfig(), {}
    for B in (1, 16):
        logs[B] = kernels_of(config, M=2048, B=B)
        flops = sum(kernel.flops for kernel in logs[B].kernels)
        assert flops == total(stage_costs(config, M=2048, O=2048, B=B)).flops
    assert logs[1].calls == logs[16].calls and len(logs[1].kernels) == logs[1].total
    assert logs[1].calls["addmm"] == 6 * 28 and logs[1].calls["attention"] == 28


def test_operation_by_operation_a_run_moves_more_than_its_layers():
    config = PerceiverIOConfig()
    for B, least, most in ((1, 2.0, 2.2), (16, 6.5, 7.0)):
        by_operation = sum(kernel.numbers_moved for kernel in kernels_of(config, M=2048, B=B).kernels)
        by_layer = total(stage_costs(config, M=2048, O=2048, B=B)).numbers_moved
        assert least < by_operation / by_layer < most


@pytest.mark.parametrize("word", Bounds._fields)
def test_the_longest_of_three_bounds_a_run(word):
    cost = Cost("all", flops=1000, parameters=0, numbers_moved=100)
    peaks = dict(seconds_per_launch=1e-9, flops_per_second=1e12, bytes_per_second=1e12, bytes_per_number=4)
    slow = {"launches": "seconds_per_launch", "arithmetic": "flops_per_second", "memory": "bytes_per_second"}
    found = bounds(10, cost, **peaks | {slow[word]: 1.0})
    assert (found.word, found.seconds) == (word, {"launches": 10, "arithmetic": 1000, "memory": 400}[word])


def test_datasheets_are_in_units_and_order():
    for gpu in GPUS.values():
        rates = [gpu.float32, gpu.tf32 or gpu.float32, gpu.bfloat16 or gpu.float16, gpu.float16]
        assert rates == sorted(rates) and 1e12 < rates[0] < 1e15 and "datasheet" in gpu.source
    assert GPUS["T4"].flops_per_second("bfloat16") is None
    assert [name for name, gpu in GPUS.items() if gpu.bfloat16] == ["L4", "A100", "H100", "H200", "B200"]
    assert len({gpu.bytes_per_second for gpu in GPUS.values()}) == len(GPUS)
