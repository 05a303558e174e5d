"""Stage 4: output queries (B, O, E) attend to the latents (B, N, D) -> outputs (B, O, E)."""

import torch
from torch import nn

from perceiver_edu.attention import CrossAttend


class OutputQueries(nn.Module):
    """A learned vector per output position, which requests the output for that position (section 3.2)."""

    def __init__(self, num_positions, d_queries):
        super().__init__()
        self.positions = nn.Parameter(0.02 * torch.randn(num_positions, d_queries))

    def forward(self, positions=None):
        """positions (O,) or (B, O) int64, None = all of them -> queries (1, O, E) or (B, O, E)."""
        if positions is None:
            return self.positions[None]
        queries = self.positions[positions]
        return queries[None] if positions.dim() == 1 else queries


class Decoder(nn.Module):
    """Any number of queries, in any order; each attends to the latents independently of the others.

    The query says *where* and the output says *what*, so the query is not added to the output (no query
    residual).
    """

    def __init__(self, d_queries, d_latents, query_residual=False, **cross_attend):
        super().__init__()
        self.cross_attend = CrossAttend(d_queries, d_latents, query_residual=query_residual, **cross_attend)

    def forward(self, queries, latents):
        """queries (B or 1, O, E), latents (B, N, D) -> outputs (B, O, E)."""
        return self.cross_attend(queries.expand(latents.shape[0], -1, -1), latents)
