"""Tiny models whose every size is different, with Hugging Face's model beside each, and two texts."""

from copy import deepcopy
from functools import cache

import torch

from perceiver_edu.course import planted

TEXTS = ["Read é, 中 and 🙂.", "A b."]  # 21 and 4 bytes: the second row of a batch is padded

TINY = dict(  # no two sizes are equal unless they must be, so a transposed axis fails
    max_position_embeddings=29,
    d_model=16,
    num_latents=5,
    d_latents=12,
    num_blocks=1,
    num_self_attends_per_block=3,
    num_self_attention_heads=3,
    num_cross_attention_heads=2,
    qk_channels=6,
    v_channels=12,
    cross_attention_widening_factor=2,
    self_attention_widening_factor=4,
)

SMALL = dict(  # for 94 bytes
    max_position_embeddings=96, d_model=24, num_latents=7, d_latents=40, num_self_attends_per_block=2,
    num_self_attention_heads=4, num_cross_attention_heads=2, qk_channels=16, v_channels=40,
)  # fmt: skip


made = cache(planted.tiny_pair)  # building one takes much longer than copying it


def tiny_models(dtype=torch.float64, **changes):
    """Our model and Hugging Face's with the same weights: every parameter is redrawn from N(0, 0.5)."""
    torch.manual_seed(0)  # for what a test draws after this
    return deepcopy(made(dtype=dtype, **(TINY | changes)))


def tiny_hf_model(dtype=torch.float64, **changes):
    return tiny_models(dtype, **changes)[1]
