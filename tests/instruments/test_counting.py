"""Multiply-adds: what torch counts is what the formulas say."""

from perceiver_edu import PerceiverIOConfig
from perceiver_edu.instruments import count_multiply_adds


def formula(c, M, O):
    """From the sizes alone, layer by layer; the decoder's widths are 256 and C."""
    N, C, D, V = c.num_latents, c.d_model, c.d_latents, c.vocab_size
    qk, v = c.encoder_qk, c.encoder_v
    encoder = N * D * qk + M * C * (qk + v) + N * M * (qk + v) + N * v * D
    encoder += 2 * N * c.cross_attention_widening_factor * D * D
    qk, v = c.processor_qk, c.processor_v
    layer = N * D * (2 * qk + v) + N * N * (qk + v) + N * v * D
    layer += 2 * N * c.self_attention_widening_factor * D * D
    decoder = O * C * 256 + N * D * (256 + C) + O * N * (256 + C) + O * C * C + 2 * O * C * C
    counted = {
        "encoder": encoder,
        "processor": layer * c.num_self_attends_per_block * c.num_blocks,
        "decoder": decoder,
        "mlm_head": O * C * V,
    }
    return counted | {"all": sum(counted.values())}


def test_the_count_is_the_formula():
    small = PerceiverIOConfig(
        max_position_embeddings=29, d_model=16, num_latents=5, d_latents=12, num_blocks=2,
        num_self_attends_per_block=3, num_self_attention_heads=3, num_cross_attention_heads=2, qk_channels=6,
        v_channels=12, cross_attention_widening_factor=2, self_attention_widening_factor=4,
    )  # fmt: skip
    for config, M, O in ((small, 21, 7), (PerceiverIOConfig(), 2048, 2048), (PerceiverIOConfig(), 62, 9)):
        assert count_multiply_adds(config, M, O) == formula(config, M, O)
