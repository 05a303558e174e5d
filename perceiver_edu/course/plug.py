"""The pretrained model that a learner's stage is put into."""

from functools import lru_cache

import torch

from perceiver_edu.course.guard import bind
from perceiver_edu.course.report import Report
from perceiver_edu.course.swap import swap_stage
from perceiver_edu.instruments.tracing import record
from perceiver_edu.pretrained import load_pretrained, weights_name


def pretrained():
    """The weights that the notebooks use, loaded once."""
    return _load(weights_name())


@lru_cache(maxsize=1)
def _load(name):
    return load_pretrained(name)


def call(function, arguments: dict):
    """The learner's function with these arguments, by name or by position; what it raises passes through."""
    return bind(function, arguments)()


def into_model(stage: str, replacement, report: Report) -> bool:
    """Swap the stage in the pretrained model and show what it does there -> is the model unchanged?"""
    model = pretrained()
    with swap_stage(model, stage, replacement) as swap:
        pass
    report.say(f"In the whole model ({weights_name()} weights), your code in the place of `{stage}`:")
    swap.describe(report)
    if not swap.ok:
        report.say("One sentence is no proof: a wrong stage may fill a hole alike. The ledger decides.")
    return swap.ok


@torch.no_grad()
def counted_multiply_adds(attention, M: int, config) -> int:
    """What torch counts in one attention that reads M inputs: FLOPs / 2."""
    from torch.utils.flop_counter import FlopCounterMode

    x_q, x_kv = torch.zeros(1, config.num_latents, config.d_latents), torch.zeros(1, M, config.d_model)
    device, dtype = attention.query.weight.device, attention.query.weight.dtype
    counter = FlopCounterMode(display=False)
    with record(attention, "attention_map"), counter:  # recorded: the products are explicit, and counted
        attention(x_q.to(device, dtype), x_kv.to(device, dtype))
    return counter.get_total_flops() // 2
