"""What a training run does, as one value. The same value on the same data and machine gives the same numbers.

A variable of either class is called `settings`; `config` is always a model's sizes.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError, brief, check_list, choose, whole_number
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.classify import HEADS
from perceiver_edu.training.initialization import locality_aligned_start
from perceiver_edu.training.lamb import Lamb
from perceiver_edu.training.masking import mask_bytes, mask_each_word, mask_mixture, mask_words
from perceiver_edu.weights.pretrained import load_pretrained, without_memory

SIZES: dict[str, dict[str, Any]] = {  # what is not named here is as in `deepmind/language-perceiver`
    "tiny": dict(
        max_position_embeddings=96, d_model=64, num_latents=24, d_latents=96, num_self_attends_per_block=2
    ),
    "small": dict(
        max_position_embeddings=256, d_model=96, num_latents=64, d_latents=192, num_self_attends_per_block=4
    ),
    "full": dict(qk_channels=256, v_channels=1280, attention_probs_dropout_prob=0.1),
}
WORD_MASKS = {"coin": mask_each_word, "words": mask_words}
MASKS = {**WORD_MASKS, "bytes": mask_bytes, "mixture": mask_mixture}
STARTS = ("aligned", "usual")
OPTIMIZERS = ("adamw", "lamb")
MOST_STEPS, MOST_EPOCHS, MOST_ROWS, MOST_SEED = 10**12, 10**6, 2**16, 10**15


def sized(size: str) -> PerceiverIOConfig:
    """One of SIZES by its name -> config. Raises: InputError for a name that is not there."""
    choose("size", size, SIZES)
    widths = dict(qk_channels=None, v_channels=None, cross_attention_shape_for_attention="q")
    return PerceiverIOConfig(**(widths | dict(attention_probs_dropout_prob=0.0) | SIZES[size]))


def check_whole(settings: object, **bounds: tuple[int, int]) -> None:
    """Make these fields ints. Raises: InputError for one that is no whole number within its bounds."""
    for name, (low, high) in bounds.items():
        object.__setattr__(settings, name, whole_number(name, getattr(settings, name), low, high))


def number(value: object) -> float:
    """The value itself; NaN, which is within no bounds, for what is no number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def check_bounds(settings: object, **bounds: tuple[float, float]) -> None:
    """Raises: InputError, naming the field, for one that is not within its (lowest, highest) value."""
    for name, (low, high) in bounds.items():
        value = getattr(settings, name)
        if not low <= number(value) <= high:
            raise InputError(f"{name} must be between {low:,g} and {high:,.15g}, got {value!r:.40}")


def check_positive(settings: object, *names: str) -> None:
    """Raises: InputError, naming the field, for one that is not more than 0 and finite."""
    for name in names:
        value = getattr(settings, name)
        if not 0 < number(value) < math.inf:
            raise InputError(f"{name} must be more than 0 and finite, got {brief(value)}")


def check_betas(betas: Any) -> None:
    """Raises: InputError for what is no pair of numbers in [0, 1)."""
    pair = isinstance(betas, tuple | list) and len(betas) == 2
    if not (pair and all(0 <= number(beta) < 1 for beta in betas)):
        raise InputError(f"betas must be two numbers, each at least 0 and below 1, got {brief(betas)}")


@dataclass(frozen=True)
class PretrainConfig:
    """What a pre-training run learns, and how; not on what machine.

    Raises: InputError, naming the field, for a value with which nothing can be trained.
    """

    steps: int = 20_000
    batch_size: int = 64  # crops per step, over all processes and micro-batches
    learning_rate: float = 2e-3  # the peak; for the small sizes
    warmup: int = 200  # steps
    optimizer: str = "adamw"  # or "lamb"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0  # largest norm of the gradient
    fraction: float = 0.15  # share of the bytes that is hidden; by "coin" each word's chance
    masks: str = (
        "mixture"  # of words, short spans and single bytes; or "bytes"; "coin" (the paper's), "words"
    )
    bytes_first: float = 0.1  # share of the steps, at the beginning, that hide single bytes only
    short: float = 0.25  # share of the crops that is cut to a random shorter length
    start: str = "aligned"  # "aligned" = locality-aligned, "usual" = N(0, initializer_range)
    weights: str | None = None  # instead of a fresh start: whose weights to go on from, see `load_pretrained`
    seed: int = 0
    config: PerceiverIOConfig = field(default_factory=lambda: sized("small"))

    def __post_init__(self) -> None:
        choose("masks", self.masks, MASKS)
        choose("start", self.start, STARTS)
        choose("optimizer", self.optimizer, OPTIMIZERS)
        share = (0, 1)
        check_whole(self, steps=(1, MOST_STEPS), batch_size=(1, MOST_ROWS))
        check_whole(self, warmup=(0, MOST_STEPS), seed=(0, MOST_SEED))
        check_bounds(self, weight_decay=share, bytes_first=share, short=share)
        check_positive(self, "learning_rate", "clip")
        check_bounds(self, learning_rate=share)
        if not 0 < number(self.fraction) <= 1:
            raise InputError(f"fraction must be more than 0 and at most 1, got {brief(self.fraction)}")
        check_betas(self.betas)
        if self.config.vocab_size < ByteTokenizer.VOCAB_SIZE:
            raise InputError(f"vocab_size must be at least {ByteTokenizer.VOCAB_SIZE}: 256 bytes + 6 special")
        without_memory(self.config, "config", PerceiverIOForMaskedLM)  # what it trains, it must save and load


@dataclass(frozen=True)
class FinetuneConfig:
    """What a fine-tuning run learns, and how; not on what machine.

    Raises: InputError, naming the field, for a value with which nothing can be trained.
    """

    weights: str = "embedded"  # whose trunk to start from, see `load_pretrained`
    epochs: int = 3
    batch_size: int = 32  # texts per step, over all processes and micro-batches
    learning_rate: float = 3e-4  # the peak; for the embedded checkpoint
    warmup: float = 0.1  # share of the steps; above 1, steps
    optimizer: str = "adamw"  # or "lamb"
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    head: str = "linear"  # from the query's output to scores; "tanh": two layers, as in the paper
    freeze: bool = False  # only the new query, decoder and head learn
    patience: int | None = None  # stop after so many epochs without a better validation score
    metrics: tuple[str, ...] = ()  # whose mean is the score; empty: the first of `SCORES`
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(self, epochs=(1, MOST_EPOCHS), batch_size=(1, MOST_ROWS), seed=(0, MOST_SEED))
        check_bounds(self, warmup=(0, MOST_STEPS))
        choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("head", self.head, HEADS)
        check_positive(self, "learning_rate", "clip")
        check_bounds(self, weight_decay=(0, 1), learning_rate=(0, 1))
        if self.patience is not None:
            check_whole(self, patience=(1, MOST_EPOCHS))
        check_list("metrics", self.metrics)


# The paper's own recipes, by name (Jaegle et al. 2021, the ICLR version). What it does not say is ours: β and
# clipping of the gradient, and where in the grid of its fine-tuning to begin.
PRETRAINING: dict[str, dict[str, Any]] = {
    "paper": dict(  # Table 12; together with the text of --mixture c4-wikipedia and the sizes "full"
        steps=500_000, batch_size=2048, optimizer="lamb", learning_rate=1.25e-3, warmup=1000,
        weight_decay=0.01, betas=(0.9, 0.999), masks="coin", fraction=0.15, bytes_first=0.0, short=0.0,
        start="usual",
    ),
}  # fmt: skip
FINETUNING: dict[str, dict[str, Any]] = {
    "paper": dict(  # Table 13
        epochs=10, batch_size=32, optimizer="lamb", learning_rate=5e-5, warmup=200, weight_decay=0.01,
        head="tanh",
    ),
}  # fmt: skip
FINETUNING_GRID = {  # the paper tries all twelve, and reports each task's best development score
    "batch_size": (16, 32, 64),
    "learning_rate": (1e-4, 5e-5, 2e-5, 1e-5),
}


def pretraining_preset(name: str, **changes: Any) -> PretrainConfig:
    """A recipe of PRETRAINING in the sizes "full", with `changes`. Raises: InputError for another name."""
    choose("preset", name, PRETRAINING)
    return PretrainConfig(**({"config": sized("full")} | PRETRAINING[name] | changes))


def finetuning_preset(name: str, **changes: Any) -> FinetuneConfig:
    """A recipe of FINETUNING, with `changes`. Raises: InputError for a name that is not there."""
    choose("preset", name, FINETUNING)
    return FinetuneConfig(**(FINETUNING[name] | changes))


def new_optimizer(
    settings: PretrainConfig | FinetuneConfig, parameters: Iterable[torch.Tensor], **options: Any
) -> torch.optim.Optimizer:
    """The optimizer that the settings name; `options` are AdamW's alone, such as `fused`."""
    common: dict[str, Any] = dict(weight_decay=settings.weight_decay)
    if isinstance(settings, PretrainConfig):
        common["betas"] = settings.betas
    if settings.optimizer == "lamb":
        return Lamb(parameters, **common)
    return torch.optim.AdamW(parameters, **common, **options)


def seed_of(*parts: object) -> int:
    """A seed for each use, such as `seed_of(seed, "masks", step)`; a sum of the two would repeat itself."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=7).digest())


def new_model(settings: PretrainConfig) -> PerceiverIOForMaskedLM:
    """A model with its initial weights.

    Raises: InputError if the weights to go on from cannot be loaded, or are of other sizes than `settings`.
    """
    if settings.weights:
        model = load_pretrained(settings.weights)
        if model.config != settings.config:
            raise InputError(f"{settings.weights} has other sizes than this run: {model.config}")
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(settings.seed, "weights"))
        model = PerceiverIOForMaskedLM(settings.config)
        if settings.start == "aligned":
            locality_aligned_start(model)
    return model
