"""Perceiver IO for masked language modelling: the paper's figure, five lines."""

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.compiler import is_compiling

from perceiver_edu.config import (
    DECODER_HEADS,
    DECODER_QK_CHANNELS,
    GELU_FORMS,
    PerceiverIOConfig,
    attention_widths,
)
from perceiver_edu.decoder import Decoder, OutputQueries
from perceiver_edu.embedding import Embedding
from perceiver_edu.encoder import Encoder
from perceiver_edu.errors import InputError, brief
from perceiver_edu.mlm_head import MLMHead
from perceiver_edu.processor import Processor

if TYPE_CHECKING:
    from transformers import PerceiverConfig


class PerceiverIOForMaskedLM(nn.Module):
    """Perceiver IO as a masked language model: ids in, a score for each byte at each requested position out.

    Jaegle et al. 2021, sections 3 and 4.1.
    """

    def __init__(self, config: PerceiverIOConfig):
        super().__init__()
        self.config = c = config
        self.embedding = Embedding(c.vocab_size, c.max_position_embeddings, c.d_model)
        self.encoder, self.processor, decoder = build_stages(
            c,
            d_inputs=c.d_model,
            d_queries=c.d_model,
            qk_channels=DECODER_QK_CHANNELS,
            v_channels=c.d_model,
            num_heads=DECODER_HEADS,
        )
        self.queries = OutputQueries(c.max_position_embeddings, c.d_model)
        self.decoder = decoder
        self.mlm_head = MLMHead(c.vocab_size)
        initialize(self, c.initializer_range)

    def forward(self, input_ids, mask=None, positions=None):
        """Ids -> scores for each byte.

        Args:
            input_ids: (B, M) int64, M ≤ `config.max_position_embeddings`.
            mask: (B, M) bool, True = a real id, False = padding; None = all real.
            positions: (O,) or (B, O) int64, the output positions to decode; None = all
                `config.max_position_embeddings` of them, as Hugging Face does.

        Returns: logits (B, O, V).

        Raises: InputError for ids, mask or positions of a wrong shape, type or range.
        """
        check_inputs(self.config, input_ids, mask, positions)
        inputs = self.embedding(input_ids)  # (B, M, C)
        latents = self.encoder(inputs, mask)  # (B, N, D)
        latents = self.processor(latents)  # (B, N, D)
        outputs = self.decoder(self.queries(positions), latents)  # (B, O, E)
        return self.mlm_head(outputs, self.embedding.byte_embedding.weight)  # (B, O, V)

    @property
    def device(self) -> torch.device:
        return self.mlm_head.bias.device


def build_stages(
    config: "PerceiverIOConfig | PerceiverConfig", d_inputs: int, d_queries: int, **decoder: int
) -> tuple[Encoder, Processor, Decoder]:
    """The three stages of every Perceiver IO, in the sizes of `config`: for text, classifiers and modalities.

    Args:
        config: ours or Hugging Face's, whose fields have the same names.
        d_inputs, d_queries: C and E, the channels of the inputs and of the output queries.
        decoder: what the config leaves open, as the decoder's `CrossAttend` takes it: qk_channels, v_channels
            and num_heads, and query_residual where it is True.

    Raises: InputError for a GELU that is not known, or heads that do not divide their channels.
    """
    if config.hidden_act not in GELU_FORMS:
        raise InputError(f"hidden_act {config.hidden_act!r} is not supported; known: {', '.join(GELU_FORMS)}")
    shared = {"gelu": GELU_FORMS[config.hidden_act], "dropout": config.attention_probs_dropout_prob}
    widths = attention_widths(config, d_inputs)
    used = [(widths.encoder_qk, widths.encoder_v, config.num_cross_attention_heads)]
    if config.num_self_attends_per_block:
        used.append((widths.processor_qk, widths.processor_v, config.num_self_attention_heads))
    for qk, v, heads in used:
        if qk % heads or v % heads:
            raise InputError(f"{heads} heads do not divide {qk} or {v} channels")
    encoder = Encoder(
        config.num_latents,
        config.d_latents,
        d_inputs,
        qk_channels=widths.encoder_qk,
        v_channels=widths.encoder_v,
        num_heads=config.num_cross_attention_heads,
        widening_factor=config.cross_attention_widening_factor,
        query_residual=config.use_query_residual,
        **shared,
    )
    processor = Processor(
        config.num_self_attends_per_block,
        config.d_latents,
        config.num_blocks,
        qk_channels=widths.processor_qk,
        v_channels=widths.processor_v,
        num_heads=config.num_self_attention_heads,
        widening_factor=config.self_attention_widening_factor,
        **shared,
    )
    return encoder, processor, Decoder(d_queries, config.d_latents, **decoder, **shared)


def initialize(model: nn.Module, std: float) -> None:
    """Fresh weights as Hugging Face's classes draw them: weights, latents and learned queries from N(0, std),
    biases 0. Norms start at 1, as torch makes them.
    """

    def fresh(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
            bias = getattr(module, "bias", None)
            if bias is not None:
                nn.init.zeros_(bias)
        for name in ("latents", "positions"):  # of the encoder; of queries, and of an adapter's inputs
            if isinstance(getattr(module, name, None), nn.Parameter):
                nn.init.normal_(getattr(module, name), std=std)
        if isinstance(module, nn.ParameterDict):  # what pads and masks modalities
            for parameter in module.values():
                nn.init.normal_(parameter, std=std)

    model.apply(fresh)


def check_has_numbers(model: nn.Module) -> None:
    """Raises: InputError for a model on the device "meta", whose tensors have shapes and no numbers."""
    if next(model.parameters()).is_meta:
        raise InputError(
            'the model is on the device "meta", which holds no numbers: load it on another device'
        )


def check_answers(answers: torch.Tensor) -> None:
    """Raises: InputError for NaN or infinity, of which nothing can be reported."""
    if not answers.isfinite().all():
        raise InputError("the model returns NaN or infinity, so its weights are broken or too large")


def check_inputs(
    config: PerceiverIOConfig,
    input_ids: torch.Tensor,
    mask: torch.Tensor | None,
    positions: torch.Tensor | None,
) -> None:
    """Shapes and types, and on a CPU ranges: looking at values would make a GPU wait, or a compiler stop.

    Raises: InputError for what `PerceiverIOForMaskedLM.forward` does not take.
    """
    given = {"input_ids": input_ids, "mask": mask, "positions": positions}
    for name, tensor in given.items():
        if not isinstance(tensor, torch.Tensor) and not (tensor is None and name != "input_ids"):
            raise InputError(f"{name} must be a tensor, got {brief(tensor)}")
    if input_ids.dim() != 2 or input_ids.dtype not in (torch.int64, torch.int32):
        raise InputError(
            "input_ids must be int64 of shape (B, M), "
            f"got {input_ids.dtype} of shape {tuple(input_ids.shape)}"
        )
    longest = config.max_position_embeddings
    if input_ids.shape[1] > longest:
        raise InputError(
            f"input_ids has {input_ids.shape[1]} positions, but this model reads at most {longest}"
        )
    if mask is not None and (mask.dtype != torch.bool or mask.shape != input_ids.shape):
        raise InputError(
            f"mask must be bool of the shape of input_ids {tuple(input_ids.shape)}, True = a real id; "
            f"got {mask.dtype} of shape {tuple(mask.shape)}"
        )
    if positions is not None and (
        positions.dtype != torch.int64
        or positions.dim() not in (1, 2)
        or (positions.dim() == 2 and len(positions) != len(input_ids))
    ):
        raise InputError(
            f"positions must be int64 of shape (O,) or (B = {len(input_ids)}, O), "
            f"got {positions.dtype} of shape {tuple(positions.shape)}"
        )
    for name, tensor, end in (
        ("input_ids", input_ids, config.vocab_size),
        ("positions", positions, config.max_position_embeddings),
    ):
        if tensor is None or not tensor.numel() or tensor.device.type != "cpu" or is_compiling():
            continue
        low, high = (int(value) for value in tensor.aminmax())
        if low < 0 or high >= end:
            raise InputError(f"{name} must be from 0 to {end - 1}, got {low if low < 0 else high}")
