"""The latents on their way through the processor: what each layer makes of them."""

import torch
import torch.nn.functional as F

from perceiver_edu.borrow import eval_mode
from perceiver_edu.instruments.tracing import record
from perceiver_edu.model import PerceiverIOForMaskedLM


def depth(model: PerceiverIOForMaskedLM) -> int:
    """Return how many layers the latents pass: num_blocks · L, because every block runs the same L layers."""
    return model.processor.num_blocks * len(model.processor.self_attends)


@torch.no_grad()
def residual_stream(
    model: PerceiverIOForMaskedLM, ids: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the latents of one run at every depth: [0] leaves the encoder, and [k] leaves layer k.

    ids (B, M) int64, mask (B, M) bool or None -> (depth + 1, B, N, D). Under `stop_after(model, k)` it ends
    at k.
    """
    layers = [f"processor.self_attends.{i}" for i in range(len(model.processor.self_attends))]
    with eval_mode(model), record(model, ["encoder", *layers]) as seen:
        model(ids, mask, positions=torch.zeros(1, dtype=torch.int64, device=ids.device))
    latents = list(seen["encoder"])
    for block in range(model.processor.num_blocks):
        latents += [seen[layer][block] for layer in layers if len(seen[layer]) > block]
    return torch.stack(latents)


def cosines(latents: torch.Tensor) -> torch.Tensor:
    """Return the cosine similarity of every two latents: (…, N, D) -> (…, N, N)."""
    directions = F.normalize(latents, dim=-1)
    return directions @ directions.transpose(-2, -1)
