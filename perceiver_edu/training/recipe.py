"""What a run does, as one value. The same recipe on the same data and machine gives the same numbers."""

import hashlib
import math
from dataclasses import dataclass, field

import torch

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.initialization import locality_aligned_start
from perceiver_edu.training.masking import mask_bytes, mask_mixture, mask_words
from perceiver_edu.weights.pretrained import load_pretrained

SIZES = {  # what is not named here is as in `deepmind/language-perceiver`
    "tiny": dict(
        max_position_embeddings=96, d_model=64, num_latents=24, d_latents=96, num_self_attends_per_block=2
    ),
    "small": dict(
        max_position_embeddings=256, d_model=96, num_latents=64, d_latents=192, num_self_attends_per_block=4
    ),
    "full": dict(qk_channels=256, v_channels=1280, attention_probs_dropout_prob=0.1),
}
MASKS = {"words": mask_words, "bytes": mask_bytes, "mixture": mask_mixture}
STARTS = ("aligned", "usual")


def choose(what: str, name: str, choices):
    """Raises: InputError for a name that is not among the choices."""
    if name not in choices:
        raise InputError(f"no {what} {name!r}; there is {', '.join(choices)}")


def sized(size: str) -> PerceiverIOConfig:
    """One of SIZES by its name -> config. Raises: InputError for a name that is not there."""
    choose("size", size, SIZES)
    widths = dict(qk_channels=None, v_channels=None, cross_attention_shape_for_attention="q")
    return PerceiverIOConfig(**(widths | dict(attention_probs_dropout_prob=0.0) | SIZES[size]))


@dataclass(frozen=True)
class Recipe:
    """What is learned, and how; not on what machine.

    Raises: InputError, naming the field, for a value with which nothing can be trained.
    """

    steps: int = 20_000
    batch_size: int = 64  # crops per step, over all processes and micro-batches
    learning_rate: float = 2e-3  # the peak; for the small sizes
    warmup: int = 200  # steps
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0  # largest norm of the gradient
    fraction: float = 0.15  # share of the bytes that is hidden
    masks: str = "mixture"  # "words", "bytes" or "mixture" of words, short spans and single bytes
    bytes_first: float = 0.1  # share of the steps, at the beginning, that hide single bytes only
    short: float = 0.25  # share of the crops that is cut to a random shorter length
    start: str = "aligned"  # "aligned" = locality-aligned, "usual" = N(0, initializer_range)
    weights: str | None = None  # instead of a fresh start: whose weights to go on from, see `load_pretrained`
    seed: int = 0
    config: PerceiverIOConfig = field(default_factory=lambda: sized("small"))

    def __post_init__(self):
        choose("masks", self.masks, MASKS)
        choose("start", self.start, STARTS)
        for name, low, high in (
            ("steps", 1, math.inf),
            ("batch_size", 1, math.inf),
            ("warmup", 0, math.inf),
            ("seed", 0, math.inf),
            ("weight_decay", 0, 1),
            ("bytes_first", 0, 1),
            ("short", 0, 1),
        ):
            if not low <= getattr(self, name) <= high:
                between = f"at least {low}" if high == math.inf else f"between {low} and {high}"
                raise InputError(f"{name} must be {between}, got {getattr(self, name)}")
        for name in ("learning_rate", "clip", "fraction"):
            if not 0 < getattr(self, name) <= (1 if name == "fraction" else 1e9):
                most = " and at most 1" if name == "fraction" else ""
                raise InputError(f"{name} must be more than 0{most}, got {getattr(self, name)}")
        if self.config.vocab_size < ByteTokenizer.VOCAB_SIZE:
            raise InputError(f"vocab_size must be at least {ByteTokenizer.VOCAB_SIZE}: 256 bytes + 6 special")


def seed_of(*parts) -> int:
    """A seed for each use, such as `seed_of(seed, "masks", step)`; a sum of the two would repeat itself."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=7).digest())


def new_model(recipe: Recipe) -> PerceiverIOForMaskedLM:
    """A model at its start.

    Raises: InputError if the weights to go on from cannot be loaded, or are of other sizes than the recipe's.
    """
    if recipe.weights:
        model = load_pretrained(recipe.weights)
        if model.config != recipe.config:
            raise InputError(f"{recipe.weights} has other sizes than this recipe: {model.config}")
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(recipe.seed, "weights"))
        model = PerceiverIOForMaskedLM(recipe.config)
        if recipe.start == "aligned":
            locality_aligned_start(model)
    return model


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to zero at the last step."""
    warm = (step + 1) / max(1, recipe.warmup)
    progress = min(1.0, step / recipe.steps)
    return recipe.learning_rate * min(warm, 0.5 * (1 + math.cos(math.pi * progress)))
