"""What looks inside a model: tracing, parity, plots."""

from perceiver_edu.instruments.parity import Row, compare_stages, golden_check, huggingface_twin, ledger
from perceiver_edu.instruments.plots import (
    attention_entropy,
    attention_heads,
    attention_over_text,
    cross_attention,
    figure,
    pipeline,
)
from perceiver_edu.instruments.tracing import record

__all__ = [
    "Row",
    "attention_entropy",
    "attention_heads",
    "attention_over_text",
    "compare_stages",
    "cross_attention",
    "figure",
    "golden_check",
    "huggingface_twin",
    "ledger",
    "pipeline",
    "record",
]
