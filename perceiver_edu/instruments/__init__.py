"""What looks inside a model: tracing, parity, plots."""

from perceiver_edu.instruments.parity import Row, compare_stages, golden_check, huggingface_twin, ledger
from perceiver_edu.instruments.plots import figure, pipeline
from perceiver_edu.instruments.tracing import record

__all__ = [
    "Row",
    "compare_stages",
    "figure",
    "golden_check",
    "huggingface_twin",
    "ledger",
    "pipeline",
    "record",
]
