"""Pictures, one module a subject; all of them draw on axes that `figure` opens."""

from perceiver_edu.instruments.plots.attention import attention_entropy, attention_heads, attention_over_text
from perceiver_edu.instruments.plots.diagrams import cross_attention, pipeline
from perceiver_edu.instruments.plots.style import figure

__all__ = [
    "attention_entropy",
    "attention_heads",
    "attention_over_text",
    "cross_attention",
    "figure",
    "pipeline",
]
