"""Pictures, one module a subject; all of them draw on axes that `figure` opens."""

from perceiver_edu.instruments.plots.attention import attention_entropy, attention_heads, attention_over_text
from perceiver_edu.instruments.plots.bytes import bytes_per_character, masked_text
from perceiver_edu.instruments.plots.costs import cost_by_length, parameter_shares
from perceiver_edu.instruments.plots.diagrams import cross_attention, pipeline
from perceiver_edu.instruments.plots.latents import (
    by_depth,
    damage,
    latent_similarity,
    residual_stream_diagram,
)
from perceiver_edu.instruments.plots.packing import packing_strip, packing_waste
from perceiver_edu.instruments.plots.parity import caught_or_missed, differences_by_stage, two_models
from perceiver_edu.instruments.plots.queries import (
    between_places,
    byte_guesses,
    byte_strips,
    same_latents,
    similarity_by_distance,
)
from perceiver_edu.instruments.plots.style import figure

__all__ = [
    "attention_entropy",
    "attention_heads",
    "attention_over_text",
    "between_places",
    "by_depth",
    "byte_guesses",
    "byte_strips",
    "bytes_per_character",
    "caught_or_missed",
    "cost_by_length",
    "cross_attention",
    "damage",
    "differences_by_stage",
    "figure",
    "latent_similarity",
    "masked_text",
    "packing_strip",
    "packing_waste",
    "parameter_shares",
    "pipeline",
    "residual_stream_diagram",
    "same_latents",
    "similarity_by_distance",
    "two_models",
]
