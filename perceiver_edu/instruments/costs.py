"""What a forward pass must cost: by formula from the sizes, and as torch counts it. No weights, no clock."""

from functools import lru_cache
from typing import NamedTuple

import torch

from perceiver_edu.attention import MultiHeadAttention
from perceiver_edu.config import DECODER_QK_CHANNELS, PerceiverIOConfig
from perceiver_edu.instruments.tracing import record
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.stages import STAGES


class Cost(NamedTuple):
    """The cost of one stage, for a whole batch."""

    stage: str
    flops: int  # of matrix products, 2 per multiply-add; norms, softmax and sums are below a hundredth
    parameters: int
    numbers_moved: int  # an estimate: each weight, and what each layer reads and writes, counted once

    @property
    def intensity(self) -> float:
        """The FLOPs for each number moved: a low value means memory-bound, a high one compute-bound."""
        return self.flops / self.numbers_moved


def stage_costs(config: PerceiverIOConfig, M: int, O: int, B: int = 1) -> list[Cost]:
    """Return the `Cost` of each of the five stages, for B texts of M ids with O outputs each; see `total`.

    FLOPs equal what `torch.utils.flop_counter` counts in matrix products.
    """
    c = config
    N, D, C, V = c.num_latents, c.d_latents, c.d_model, c.vocab_size
    L, blocks = c.num_self_attends_per_block, c.num_blocks

    encoder = attend(N, D, M, C, c.encoder_qk, c.encoder_v, c.cross_attention_widening_factor, False)
    layer = attend(N, D, N, D, c.processor_qk, c.processor_v, c.self_attention_widening_factor, True)
    decoder = attend(O, C, N, D, DECODER_QK_CHANNELS, C, 1, False)
    flops = {
        "embedding": 0,
        "encoder": encoder.flops,
        "processor": blocks * L * layer.flops,
        "decoder": decoder.flops,
        "mlm_head": 2 * O * C * V,
    }
    parameters = {
        "embedding": (V + c.max_position_embeddings) * C,
        "encoder": N * D + encoder.parameters,
        "processor": L * layer.parameters,
        "decoder": c.max_position_embeddings * C + decoder.parameters,  # with the output queries
        "mlm_head": V,  # the matrix is the embedding's
    }
    weights_read = {  # numbers, whatever the batch
        "embedding": 0,
        "encoder": parameters["encoder"],
        "processor": blocks * parameters["processor"],
        "decoder": decoder.parameters,
        "mlm_head": V * C + V,
    }
    arrays = {  # numbers in and out, for one text
        "embedding": 3 * M * C,
        "encoder": M * C + N * D,
        "processor": 2 * blocks * L * N * D,
        "decoder": O * C + N * D + O * C,
        "mlm_head": O * C + O * V,
    }
    return [
        Cost(stage, B * flops[stage], parameters[stage], weights_read[stage] + B * arrays[stage])
        for stage in flops
    ]


def total(costs: list[Cost]) -> Cost:
    """Return the sum of all stages, named "all"."""
    return Cost("all", *(sum(column) for column in zip(*(cost[1:] for cost in costs), strict=True)))


def attend(
    Q: int,
    q_dim: int,
    K: int,
    kv_dim: int,
    qk_channels: int,
    v_channels: int,
    widening_factor: int,
    self_attention: bool,
) -> Cost:
    """A `CrossAttend` or `SelfAttend` on one text: Q rows of q_dim channels read K rows of kv_dim."""
    hidden = widening_factor * q_dim
    multiply_adds = {
        "query": Q * q_dim * qk_channels,
        "key and value": K * kv_dim * (qk_channels + v_channels),
        "map": Q * K * (qk_channels + v_channels),
        "output": Q * v_channels * q_dim,
        "mlp": 2 * Q * q_dim * hidden,
    }
    weights = q_dim * qk_channels + kv_dim * (qk_channels + v_channels) + v_channels * q_dim
    biases = 2 * qk_channels + v_channels + q_dim
    mlp = 2 * q_dim * hidden + hidden + q_dim
    norms = 2 * q_dim + 2 * q_dim + (0 if self_attention else 2 * kv_dim)
    parameters = weights + biases + mlp + norms
    moved = parameters + Q * q_dim + K * kv_dim + Q * q_dim
    return Cost("attend", 2 * sum(multiply_adds.values()), parameters, moved)


def count_multiply_adds(config: PerceiverIOConfig, M: int, O: int) -> dict[str, int]:
    """Return the multiply-adds of each stage that multiplies matrices, and of "all", for M ids and O outputs.

    A multiply-add is two FLOPs. Matrix products are counted; norms, softmax and sums, which are less than a
    hundredth, are not. The count does not depend on the weights, so none are allocated.
    """
    return dict(counted_by_torch(config, M, O))  # a copy, because the count is kept


@lru_cache
def counted_by_torch(config: PerceiverIOConfig, M: int, O: int) -> dict[str, int]:
    """The same, counted once for each configuration and sizes."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = PerceiverIOForMaskedLM(config).eval().requires_grad_(False)
        ids, positions = torch.zeros(1, M, dtype=torch.int64), torch.zeros(O, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        model(ids, positions=positions)
    whole = type(model).__name__
    counted = {name: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()}
    multiply = [*STAGES][1:]  # an embedding does not
    return {stage: counted.get(f"{whole}.{stage}", 0) for stage in multiply} | {"all": counted[whole]}


@torch.no_grad()
def count_attention_multiply_adds(attention: MultiHeadAttention, M: int, config: PerceiverIOConfig) -> int:
    """What torch counts in one attention that reads M inputs: FLOPs / 2."""
    from torch.utils.flop_counter import FlopCounterMode

    x_q, x_kv = torch.zeros(1, config.num_latents, config.d_latents), torch.zeros(1, M, config.d_model)
    device, dtype = attention.query.weight.device, attention.query.weight.dtype
    counter = FlopCounterMode(display=False)
    with record(attention, "attention_map"), counter:  # recorded: the products are explicit, and counted
        attention(x_q.to(device, dtype), x_kv.to(device, dtype))
    return counter.get_total_flops() // 2
