"""Stage 1: ids (B, M) -> inputs (B, M, C)."""

import torch
from torch import nn


class Embedding(nn.Module):
    """What each byte is, plus where it stands: the input array (paper, section 3.1)."""

    def __init__(self, vocab_size, num_positions, d_model):
        super().__init__()
        self.byte_embedding = nn.Embedding(vocab_size, d_model)
        self.position_embedding = nn.Embedding(num_positions, d_model)

    def forward(self, input_ids):
        """input_ids (B, M) int64 -> inputs (B, M, C)."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)  # (M,)
        return self.byte_embedding(input_ids) + self.position_embedding(positions)  # (B, M, C) + (M, C)
