"""Stage 5: outputs (B, O, E) -> a score for each byte (B, O, V)."""

import torch
from torch import nn


class MLMHead(nn.Module):
    """Compare each output with every byte's embedding: the head is tied to stage 1 and owns only a bias."""

    def __init__(self, vocab_size):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, outputs, byte_embeddings):
        """outputs (B, O, E), byte_embeddings (V, E) -> logits (B, O, V)."""
        return outputs @ byte_embeddings.T + self.bias
