"""Pictures, one module a subject; all of them draw on axes that `figure` opens."""

from perceiver_edu.instruments.plots.attention import attention_entropy, attention_heads, attention_over_text
from perceiver_edu.instruments.plots.bytes import bytes_per_character, masked_text
from perceiver_edu.instruments.plots.costs import cost_by_length, parameter_shares
from perceiver_edu.instruments.plots.diagrams import cross_attention, pipeline
from perceiver_edu.instruments.plots.labels import accuracy_by_labels, accuracy_of_seeds
from perceiver_edu.instruments.plots.latents import (
    by_depth,
    damage,
    latent_similarity,
    residual_stream_diagram,
)
from perceiver_edu.instruments.plots.learning import bits_by_latents, learning_curves, who_reads_where
from perceiver_edu.instruments.plots.packing import packing_strip, packing_waste
from perceiver_edu.instruments.plots.parity import caught_or_missed, differences_by_stage, two_models
from perceiver_edu.instruments.plots.queries import (
    between_places,
    byte_guesses,
    byte_strips,
    same_latents,
    similarity_by_distance,
)
from perceiver_edu.instruments.plots.roofline import bars, cost_against, roofline, two_costs
from perceiver_edu.instruments.plots.style import figure

__all__ = [
    "accuracy_by_labels",
    "accuracy_of_seeds",
    "attention_entropy",
    "attention_heads",
    "attention_over_text",
    "bars",
    "between_places",
    "bits_by_latents",
    "by_depth",
    "byte_guesses",
    "byte_strips",
    "bytes_per_character",
    "caught_or_missed",
    "cost_against",
    "cost_by_length",
    "cross_attention",
    "damage",
    "differences_by_stage",
    "figure",
    "latent_similarity",
    "learning_curves",
    "masked_text",
    "packing_strip",
    "packing_waste",
    "parameter_shares",
    "pipeline",
    "residual_stream_diagram",
    "roofline",
    "same_latents",
    "similarity_by_distance",
    "two_costs",
    "two_models",
    "who_reads_where",
]
