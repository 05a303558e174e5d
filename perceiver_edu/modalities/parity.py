"""Is a model of `modalities` the same function as Hugging Face's? Tensor by tensor, stage by stage."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from perceiver_edu.borrow import eval_mode
from perceiver_edu.instruments import parity
from perceiver_edu.instruments.parity import Row, difference
from perceiver_edu.instruments.tracing import record
from perceiver_edu.modalities.model import PerceiverIO

if TYPE_CHECKING:
    from transformers import PerceiverPreTrainedModel

# As for text, but for the names of two modules: an adapter instead of the embedding, and Hugging Face's
# decoder inside another.
BOUNDARIES = {
    boundary: (ours.replace("embedding", "inputs"), theirs.replace(".decoder.", ".decoder.decoder."))
    for boundary, (ours, theirs) in parity.BOUNDARIES.items()
    if boundary != "logits"
}


@torch.no_grad()
def compare_with_huggingface(
    model: PerceiverIO,
    hf_model: "PerceiverPreTrainedModel",
    x: torch.Tensor | Mapping[str, torch.Tensor],
    points: Mapping[str, torch.Tensor | None] | None = None,
) -> list[Row]:
    """Compare what leaves the adapter, the three stages and the head of both models, on the same raw data.

    points: None, or {modality: (O_k,) int64 or None} for multimodal autoencoding. Both models run in eval
    mode, and are left in their own mode.
    """
    with (
        eval_mode(model),
        eval_mode(hf_model),
        record(model, [ours for ours, _ in BOUNDARIES.values()]) as here,
        record(hf_model, [theirs for _, theirs in BOUNDARIES.values()]) as there,
    ):
        answer = model(x, points=points)
        asked = {"subsampled_output_points": points} if points else {}
        expected = hf_model(inputs=x, return_dict=False, **asked)[0]
    rows = [difference(stage, here[a][0], there[b][0]) for stage, (a, b) in BOUNDARIES.items()]
    if not points:
        return [*rows, difference("answer", answer, expected)]
    return rows + [difference(f"answer: {name}", answer[name], expected[name]) for name in sorted(points)]
