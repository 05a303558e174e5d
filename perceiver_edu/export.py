"""The model as an ONNX file, for ONNX Runtime on a server, in an app or in a browser.

write_whole("model.onnx", export(model))
write_whole("stages.onnx", export(model, stages=True))  # with everything that passes through the model

The graph has three inputs of any size: `input_ids` (B, M) int64, `mask` (B, M) bool, True = a real id, and
`positions` (B, O) int64, the output positions to decode. Its output is `logits` (B, O, V) float32.

With `stages=True` it has one more input, `layers` (K,) int64: after how many layers of the processor the
decoder reads the latents. With K > 1 numbers, what leaves the processor and the decoder has K·B rows, for all
texts after the first number of layers, then for all texts after the second. The further outputs are named in
`output_names`.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from perceiver_edu.attention import MultiHeadAttention
from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError, library
from perceiver_edu.model import PerceiverIOForMaskedLM, check_has_numbers
from perceiver_edu.stages import STAGES

INPUTS = ["input_ids", "mask", "positions"]
LARGEST = 2**31 - 2**24  # bytes of weights; one ONNX file holds less than 2 GiB, the graph included


def num_layers(config: PerceiverIOConfig) -> int:
    """How many layers the processor runs; those of a stack that is applied again count again."""
    return config.num_blocks * config.num_self_attends_per_block


def output_names(config: PerceiverIOConfig, stages: bool = False) -> list[str]:
    """The graph's outputs: `logits`, and with `stages` what leads to them.

    inputs (B, M, C); encoded (B, N, D); layer_1, layer_2, … (B, N, D), the latents after each layer;
    processed (K·B, N, D), those that the decoder reads; outputs (K·B, O, E); then logits have K·B rows, too.
    encoder_attention (B, heads, N, M); layer_1_attention, … (B, heads, N, N); decoder_attention (K·B, heads,
    O, N).
    """
    inputs, encoded, processed, outputs, logits = (stage.boundary for stage in STAGES.values())
    if not stages:
        return [logits]
    layers = [f"layer_{number}" for number in range(1, num_layers(config) + 1)]
    maps = ["encoder_attention", *(f"{layer}_attention" for layer in layers), "decoder_attention"]
    return [logits, inputs, encoded, *layers, processed, outputs, *maps]


def export(model: PerceiverIOForMaskedLM, stages: bool = False) -> bytes:
    """Return the content of an ONNX file that computes what the model computes, in float32.

    Raises: InputError for another class of model, one without numbers or too large for a single file, and
    where a library is not installed.
    """
    if not isinstance(model, PerceiverIOForMaskedLM):
        raise InputError(f"export takes a PerceiverIOForMaskedLM, got {type(model).__name__}")
    check_has_numbers(model)
    size = 4 * sum(parameter.numel() for parameter in model.parameters())
    if size > LARGEST:
        raise InputError(
            f"the weights take {size:,} bytes, and one ONNX file holds 2 GiB: export fewer layers"
        )
    library("onnx", "export")
    library("onnxscript", "export")

    config = model.config
    ids, positions = torch.zeros(2, 8, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.int64)
    given = [ids, ids == 0, positions] + [torch.tensor([0, 1, 1])] * stages
    B, O, K = (torch.export.Dim(name) for name in "BOK")
    M = torch.export.Dim("M", max=config.max_position_embeddings)
    same = torch.export.Dim.DYNAMIC  # as the first input has: a name that occurs twice gives a warning
    sizes = ({0: B, 1: M}, {0: same, 1: same}, {0: same, 1: O}, *[{0: K}] * stages)
    with quiet():
        program = torch.onnx.export(
            ForExport(model, stages).eval(),
            tuple(given),
            dynamo=True,
            dynamic_shapes=sizes,
            input_names=INPUTS + ["layers"] * stages,
            output_names=output_names(config, stages),
            verbose=False,
        )
    assert program is not None
    content = program.model_proto
    for part in (*content.graph.node, *content.graph.value_info, *content.graph.input, *content.graph.output):
        part.ClearField("metadata_props")  # where in our code it comes from, with the paths of this machine
        part.ClearField("doc_string")
    return content.SerializeToString()


@contextmanager
def quiet() -> Iterator[None]:
    """What torch says of itself while it exports, such as that torchvision is not installed, is left out."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class ForExport(nn.Module):
    """A copy of the model whose inputs are all given, and which returns what `output_names` names."""

    def __init__(self, model: PerceiverIOForMaskedLM, stages: bool):
        super().__init__()
        self.model = deepcopy(model).float().cpu().requires_grad_(False)
        self.stages = stages
        self.attentions = [part for part in self.model.modules() if isinstance(part, MultiHeadAttention)]
        for attention in self.attentions:
            attention.fused = not stages

    def forward(
        self, input_ids: Tensor, mask: Tensor, positions: Tensor, layers: Tensor | None = None
    ) -> Any:
        """(B, M), (B, M), (B, O), (K,) -> the tensors of `output_names`."""
        model, maps = self.model, []
        hooks = [
            attention.attention_map.register_forward_hook(lambda module, args, weights: maps.append(weights))
            for attention in self.attentions
        ]
        inputs = model.embedding(input_ids)  # (B, M, C)
        latents = [model.encoder(inputs, mask)]  # (B, N, D)
        for _ in range(model.processor.num_blocks):
            for self_attend in model.processor.self_attends:
                latents.append(self_attend(latents[-1]))  # (B, N, D)
        processed, queries = latents[-1], model.queries(positions)  # (B, N, D), (B, O, E)
        if layers is not None:
            processed = torch.stack(latents).index_select(0, layers).flatten(0, 1)  # (K·B, N, D)
            queries = queries.repeat(layers.shape[0], 1, 1)  # (K·B, O, E)
        outputs = model.decoder(queries, processed)  # (B or K·B, O, E)
        logits = model.mlm_head(outputs, model.embedding.byte_embedding.weight)  # (B or K·B, O, V)
        for hook in hooks:
            hook.remove()
        return (logits, inputs, *latents, processed, outputs, *maps) if self.stages else (logits,)
