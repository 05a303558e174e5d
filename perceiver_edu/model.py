"""Perceiver IO for masked language modelling: the paper's figure, five lines."""

import torch
from torch import nn

from perceiver_edu.config import DECODER_HEADS, DECODER_QK_CHANNELS, PerceiverIOConfig
from perceiver_edu.decoder import Decoder, OutputQueries
from perceiver_edu.embedding import Embedding
from perceiver_edu.encoder import Encoder
from perceiver_edu.errors import InputError
from perceiver_edu.mlm_head import MLMHead
from perceiver_edu.processor import Processor


class PerceiverIOForMaskedLM(nn.Module):
    """Bytes in, a score for each byte at each asked position out (Jaegle et al. 2021, sections 3 and 4.1)."""

    def __init__(self, config: PerceiverIOConfig):
        super().__init__()
        self.config = c = config
        shared = {"gelu": c.gelu, "dropout": c.attention_probs_dropout_prob}
        self.embedding = Embedding(c.vocab_size, c.max_position_embeddings, c.d_model)
        self.encoder = Encoder(
            c.num_latents,
            c.d_latents,
            c.d_model,
            qk_channels=c.encoder_qk,
            v_channels=c.encoder_v,
            num_heads=c.num_cross_attention_heads,
            widening_factor=c.cross_attention_widening_factor,
            query_residual=c.use_query_residual,
            **shared,
        )
        self.processor = Processor(
            c.num_self_attends_per_block,
            c.d_latents,
            c.num_blocks,
            qk_channels=c.processor_qk,
            v_channels=c.processor_v,
            num_heads=c.num_self_attention_heads,
            widening_factor=c.self_attention_widening_factor,
            **shared,
        )
        self.queries = OutputQueries(c.max_position_embeddings, c.d_model)
        self.decoder = Decoder(
            c.d_model,
            c.d_latents,
            qk_channels=DECODER_QK_CHANNELS,
            v_channels=c.d_model,
            num_heads=DECODER_HEADS,
            **shared,
        )
        self.mlm_head = MLMHead(c.vocab_size)
        self.apply(self._initialize)

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
        self._check(input_ids, mask, positions)
        inputs = self.embedding(input_ids)  # (B, M, C)
        latents = self.encoder(inputs, mask)  # (B, N, D)
        latents = self.processor(latents)  # (B, N, D)
        outputs = self.decoder(self.queries(positions), latents)  # (B, O, E)
        return self.mlm_head(outputs, self.embedding.byte_embedding.weight)  # (B, O, V)

    @property
    def device(self) -> torch.device:
        return self.mlm_head.bias.device

    def _initialize(self, module):
        """Fresh weights as Hugging Face draws them: N(0, initializer_range), biases 0, norms 1."""
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        elif isinstance(module, Encoder):
            nn.init.normal_(module.latents, std=std)
        elif isinstance(module, OutputQueries):
            nn.init.normal_(module.positions, std=std)

    def _check(self, input_ids, mask, positions):
        """Shapes and types only: looking at values would make a GPU wait."""
        if input_ids.dim() != 2 or input_ids.dtype not in (torch.int64, torch.int32):
            raise InputError(
                "input_ids must be int64 of shape (B, M), "
                f"got {input_ids.dtype} of shape {tuple(input_ids.shape)}"
            )
        longest = self.config.max_position_embeddings
        if input_ids.shape[1] > longest:
            raise InputError(
                f"input_ids has {input_ids.shape[1]} positions, this model reads at most {longest}"
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
