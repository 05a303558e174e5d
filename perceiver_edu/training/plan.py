"""What a fine-tuning run does, as one value."""

import math
from dataclasses import dataclass

from perceiver_edu.errors import InputError


@dataclass(frozen=True)
class Plan:
    """What is learned, and how; not on what machine.

    Raises: InputError, naming the field, for a value with which nothing can be trained.
    """

    weights: str = "embedded"  # whose trunk to start from, see `load_pretrained`
    epochs: int = 3
    batch_size: int = 32  # texts per step, over all processes and micro-batches
    learning_rate: float = 3e-4  # the peak; for the embedded checkpoint
    warmup: float = 0.1  # share of the steps
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    freeze: bool = False  # only the new query, decoder and head learn
    patience: int | None = None  # stop after so many epochs without a better validation score
    metrics: tuple[str, ...] = ()  # whose mean is the score; empty: the first of `SCORES`
    seed: int = 0

    def __post_init__(self):
        for name, low, high in (
            ("epochs", 1, 1e6),
            ("batch_size", 1, 1e6),
            ("warmup", 0, 1),
            ("seed", 0, 1e15),
        ):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} must be between {low:g} and {high:g}, got {getattr(self, name)}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be more than 0, got {getattr(self, name)}")
        if not 0 <= self.weight_decay <= 1:
            raise InputError(f"weight_decay must be between 0 and 1, got {self.weight_decay}")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1 epoch, got {self.patience}")
