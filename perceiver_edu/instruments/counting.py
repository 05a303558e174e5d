"""How many multiply-adds a forward pass takes: counted by torch on a model that has shapes and no memory."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.model import PerceiverIOForMaskedLM


def count_multiply_adds(config: PerceiverIOConfig, M: int, O: int) -> dict[str, int]:
    """For one text of M ids and O asked positions -> multiply-adds of each stage that multiplies, and "all".

    A multiply-add is two FLOPs. Products of matrices are counted; norms, softmax and sums are not: they are
    less than a hundredth. The weights do not matter, so there are none: 201 million parameters cost nothing.
    """
    with torch.device("meta"):
        model = PerceiverIOForMaskedLM(config).eval().requires_grad_(False)
        ids, positions = torch.zeros(1, M, dtype=torch.int64), torch.zeros(O, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        model(ids, positions=positions)
    whole = type(model).__name__
    counted = {name: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()}
    stages = ("encoder", "processor", "decoder", "mlm_head")
    return {stage: counted[f"{whole}.{stage}"] for stage in stages} | {"all": counted[whole]}
