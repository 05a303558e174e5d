"""What looks inside a model: tracing and parity."""

from perceiver_edu.instruments.parity import Row, compare_stages, golden_check, huggingface_twin, ledger
from perceiver_edu.instruments.tracing import record

__all__ = ["Row", "compare_stages", "golden_check", "huggingface_twin", "ledger", "record"]
