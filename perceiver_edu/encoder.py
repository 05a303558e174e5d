"""Stage 2: the latents attend to the inputs, inputs (B, M, C) -> latents (B, N, D)."""

import torch
from torch import nn

from perceiver_edu.attention import CrossAttend


class Encoder(nn.Module):
    """N learned latents ask, M inputs answer: the only stage that costs N × M (paper, section 3.1)."""

    def __init__(self, num_latents, d_latents, d_inputs, **cross_attend):
        super().__init__()
        self.latents = nn.Parameter(0.02 * torch.randn(num_latents, d_latents))
        self.cross_attend = CrossAttend(d_latents, d_inputs, **cross_attend)

    def forward(self, inputs, mask=None):
        """inputs (B, M, C), mask (B, M) bool, True = real -> latents (B, N, D)."""
        latents = self.latents.expand(inputs.shape[0], -1, -1)  # (B, N, D), the same start for every text
        return self.cross_attend(latents, inputs, mask)
