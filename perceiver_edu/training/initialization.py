"""An initialisation from which a small Perceiver IO learns at once: latents and queries attend nearby.

With the usual initialisation, N(0, 0.02), attention is uniform, so every latent gets the same average of all
inputs, and a small model sits at the entropy of single bytes for a very long time. Here only initial values
change.
"""

import math

import torch
from torch import Tensor, nn

from perceiver_edu.model import PerceiverIOForMaskedLM


def sinusoids(positions: Tensor, channels: int, longest: float) -> Tensor:
    """sin and cos of each position at channels/2 frequencies, from 1 down to 1/longest.

    positions (P,) float -> (P, channels), channel 2i the sine and 2i+1 the cosine of frequency i.
    """
    frequencies = torch.logspace(0, -math.log10(longest), channels // 2)  # radians per byte
    angles = positions[:, None] * frequencies  # (P, channels/2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (P, channels)


def picks(linear: nn.Linear, channels: int, num_heads: int, scale: float) -> None:
    """Let each head copy its share of channels 0..channels-1; the heads are dealt the frequencies in turn."""
    rows_per_head = linear.out_features // num_heads
    for head in range(num_heads):
        frequencies = range(head, channels // 2, num_heads)
        picked = [channel for f in frequencies for channel in (2 * f, 2 * f + 1)][:rows_per_head]
        rows = head * rows_per_head + torch.arange(len(picked))
        linear.weight[rows] = 0.0
        linear.weight[rows, picked] = scale


@torch.no_grad()
def locality_aligned_start(model: PerceiverIOForMaskedLM, scale: float = 1.6) -> None:
    """Set the initial weights of `model` in place, so that q·k is a bump around each latent's centre.

    Inputs and output queries carry sinusoids of their position, latent n the sinusoid of its centre
    (n + ½)·M/N, and the query and key projections of encoder and decoder copy those channels. Values and
    outputs start large enough to pass on what the latents attend to.
    """
    c = model.config
    channels = min(c.d_model, c.d_latents)
    length = c.max_position_embeddings
    positions = sinusoids(torch.arange(length).float(), c.d_model, length)  # (M, C)
    centres = (torch.arange(c.num_latents) + 0.5) * length / c.num_latents  # (N,)
    model.embedding.byte_embedding.weight.normal_(std=0.7)
    model.embedding.position_embedding.weight.copy_(positions)
    model.queries.positions.copy_(positions)
    model.encoder.latents[:, :channels] = sinusoids(centres, c.d_model, length)[:, :channels]
    for stage, gain in ((model.encoder, 1.0), (model.decoder, 0.2)):
        attention = stage.cross_attend.attention
        picks(attention.query, channels, attention.num_heads, scale)
        picks(attention.key, channels, attention.num_heads, scale)
        attention.value.weight.normal_(std=attention.value.in_features**-0.5)
        attention.output.weight.normal_(std=gain * attention.output.in_features**-0.5)
