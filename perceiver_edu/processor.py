"""Stage 3: the latents attend to each other, latents (B, N, D) -> latents (B, N, D)."""

from torch import nn

from perceiver_edu.attention import SelfAttend


class Processor(nn.Module):
    """A deep stack over N latents (paper, section 3.1). The inputs are out of sight: M costs nothing here.

    `num_blocks` > 1 applies the same stack, with the same weights, again.
    """

    def __init__(self, num_layers, d_latents, num_blocks=1, **self_attend):
        super().__init__()
        self.num_blocks = num_blocks
        self.self_attends = nn.ModuleList(SelfAttend(d_latents, **self_attend) for _ in range(num_layers))

    def forward(self, latents):
        """latents (B, N, D) -> latents (B, N, D)."""
        for _ in range(self.num_blocks):
            for self_attend in self.self_attends:
                latents = self_attend(latents)
        return latents
