"""How good is a masked language model? Its predictions of hidden words, next to those of baselines."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from perceiver_edu.borrow import eval_mode
from perceiver_edu.errors import InputError, brief, choose, whole_number
from perceiver_edu.instruments.tracing import ENCODER_MAP, record
from perceiver_edu.model import PerceiverIOForMaskedLM, check_answers
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.baselines import Baselines, load_counts
from perceiver_edu.training.configs import WORD_MASKS
from perceiver_edu.training.masking import (
    IGNORE,
    hole_positions,
    is_white_space,
    warn_of_large_units,
    word_units,
)

SHUFFLED = "model, words shuffled"


@dataclass
class Score:
    """One predictor's scores on the hidden words; `letter_…`: without the space before each word."""

    bits: float  # per hidden byte: mean of -log2 of the probability given to the true byte
    accuracy: float  # share of the hidden bytes that are the first guess
    exact_words: float  # share of the hidden words whose bytes are all first guesses
    letter_bits: float
    letter_accuracy: float
    letter_exact_words: float


@dataclass
class Evaluation:
    """What `evaluate` found, and on what. As a string: a table."""

    scores: dict[str, Score]  # "model", perhaps `SHUFFLED`, and the names of the baselines
    num_crops: int
    crop_length: int  # ids, [CLS] and [SEP] included
    num_words: int  # hidden ones
    num_bytes: int  # hidden ones
    fraction: float  # by "coin" each word's chance to be hidden, by "words" the share of each crop's bytes
    seed: int
    masks: str  # by which rule: "coin" or "words", see `masking.py`

    def gain_over(self, name: str) -> float:
        """The bits per hidden byte by which the model is better than another predictor."""
        return self.scores[name].bits - self.scores["model"].bits

    def asked(self) -> str:
        """What was hidden, and where."""
        which = "a coin per word" if self.masks == "coin" else "words up to a fraction of the bytes"
        return (
            f"{self.num_words:,} hidden words = {self.num_bytes:,} bytes, each [MASK]; {which}, "
            f"{self.fraction:.0%}; {self.num_crops:,} crops of {self.crop_length} ids; seed {self.seed}"
        )

    def remarks(self) -> list[str]:
        """The comparison of the model with each baseline, a sentence for each."""
        lines = []
        for name, meaning in [
            ("geometry", "hole geometry"),
            ("sides", "geometry and the bytes beside the hole"),
        ]:
            gain = self.gain_over(name)
            lines.append(f"{abs(gain):.3f} bits {'below' if gain > 0 else 'ABOVE'} {meaning}")
        if self.scores["geometry"].bits > 8:  # a uniform baseline would be better
            lines.append(
                "the baselines were counted on a different kind of text, so they say nothing about this one"
            )
        if SHUFFLED in self.scores:
            lines += [f"shuffling the visible words costs {self.gain_over(SHUFFLED):.3f} bits"]
        return lines

    def __str__(self) -> str:
        lines = [
            self.asked(),
            "",
            f"{'':22}|  with the leading space   |     without it",
            f"{'right first guesses':22}|   bits   bytes   words    |   bits   bytes   words",
        ]
        for name, s in self.scores.items():
            whole = f"{s.bits:7.3f} {s.accuracy:7.1%} {s.exact_words:7.1%}"
            letters = f"{s.letter_bits:7.3f} {s.letter_accuracy:7.1%} {s.letter_exact_words:7.1%}"
            lines.append(f"{name:22}|{whole}    |{letters}")
        return "\n".join([*lines, "", *self.remarks()])


@torch.no_grad()
def evaluate(
    model: nn.Module,
    crops: Tensor,
    seed: int = 0,
    *,
    fraction: float = 0.15,
    masks: str = "coin",
    baselines: Baselines | None = None,
    shuffle: bool = True,
    batch_size: int = 64,
    progress: bool = False,
) -> Evaluation:
    """Score a model and the baselines on hidden words, every byte of which is [MASK].

    The holes depend on `crops`, `fraction`, `masks` and `seed` only, not on model, device or batch size.

    Args:
        model: `model(input_ids (B, M), mask (B, M) bool, positions (B, O)) -> logits (B, O, V)`,
            on `model.device`.
        crops: (num_crops, M), as `load_crops` gives them.
        masks: which words are hidden. "coin", the paper's rule: each word with probability `fraction`.
            "words": as many as cover `fraction` of a crop's bytes, which in short crops prefers short words.
        baselines: `Baselines` of counts from other text; None = the ones that come with the package.
        shuffle: also score the model with every visible word replaced; see `shuffle_context`.

    Raises: InputError if nothing in `crops` gets hidden, there is no such rule, a number is out of range, or
        the model returns NaN or infinity.
    """
    whole_number("seed", seed, -(2**63), 2**64 - 1)  # what torch takes
    whole_number("batch_size", batch_size, 1, 2**20)
    if not isinstance(fraction, int | float) or not 0 < fraction <= 1:
        raise InputError(f"fraction must be more than 0 and at most 1, got {brief(fraction)}")
    choose("rule", masks, WORD_MASKS)
    crops = crops.long()
    generator = torch.Generator().manual_seed(seed)
    inputs, labels = WORD_MASKS[masks](crops, fraction, generator, always_mask=True)
    words = word_units(crops)
    if not (labels != IGNORE).any():
        raise InputError("no word of these crops was chosen to be hidden: give more text")
    warn_of_large_units(crops, fraction)
    shuffled = shuffle_context(inputs, labels, generator) if shuffle else None
    baselines = baselines or Baselines(load_counts())

    totals = torch.zeros(6, dtype=torch.float64)  # what `tally` counts
    sums: dict[str, Tensor] = {}  # by predictor, the same, (6,)
    with eval_mode(model):
        for start in tqdm(range(0, len(crops), batch_size), desc="evaluating", disable=not progress):
            rows = slice(start, start + batch_size)
            hidden = labels[rows] != IGNORE
            targets = labels[rows][hidden]  # (n,)
            word = (words[rows] + crops.shape[1] * torch.arange(len(hidden))[:, None])[hidden]  # (n,)
            guesses = {"model": decode_holes(model, inputs[rows], labels[rows])}
            if shuffled is not None:
                guesses[SHUFFLED] = decode_holes(model, shuffled[rows], labels[rows])
            guesses |= baselines(inputs[rows], labels[rows])
            for name, log_probs in guesses.items():
                sums[name] = sums.get(name, torch.zeros_like(totals)) + tally(log_probs, targets, word)
            letters, num_words = (~is_white_space(targets)).sum(), len(word.unique())
            totals += torch.tensor([len(targets), len(targets), num_words, letters, letters, num_words])
    return Evaluation(
        scores={name: Score(*(sum_ / totals).tolist()) for name, sum_ in sums.items()},
        num_crops=len(crops),
        crop_length=crops.shape[1],
        num_words=int(totals[2]),
        num_bytes=int(totals[0]),
        fraction=fraction,
        seed=seed,
        masks=masks,
    )


def decode_holes(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Decodes only where the labels are: inputs, labels (B, M) -> log-probabilities (n, V), on the CPU."""
    positions, targets = hole_positions(labels)  # (B, O)
    if not positions.numel():
        return torch.empty(0, ByteTokenizer.VOCAB_SIZE)
    mask = inputs != ByteTokenizer.PAD
    device = cast(torch.device, model.device)
    logits = model(inputs.to(device), mask.to(device), positions.to(device))  # (B, O, V)
    log_probs = logits.float().log_softmax(-1).cpu()
    check_answers(log_probs.exp())  # an impossible byte may have -inf
    return log_probs[targets != IGNORE]


def tally(log_probs: Tensor, targets: Tensor, words: Tensor) -> Tensor:
    """Adds up one batch: log_probs (n, V), targets and each one's word number (n,) -> (6,) as in `Score`."""
    bits = -log_probs.gather(1, targets[:, None]).squeeze(1).double() / math.log(2)  # (n,)
    right = log_probs.argmax(1) == targets
    letter = ~is_white_space(targets)
    _, word = words.unique(return_inverse=True)  # (n,), now numbered 0, 1, 2, …
    sums = []
    for asked in (torch.ones_like(letter), letter):
        misses = torch.bincount(word, weights=(asked & ~right).double())  # (number of words,)
        sums += [bits[asked].sum(), right[asked].sum(), (misses == 0).sum()]
    return torch.tensor(sums, dtype=torch.float64)


def shuffle_context(inputs: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Swaps the visible words for each other, all over the crops: inputs, labels (B, M) -> inputs (B, M).

    A word is moved only to the position of a word of the same length, with or without a space before it.
    Holes, spaces, word lengths and word statistics stay the same; only the context of each word changes.
    Whatever the model loses by that, it had learned from the visible words.
    """
    text = torch.where(labels == IGNORE, inputs, labels)  # (B, M), as it was before masking
    units = word_units(text)
    visible = (units > 0) & (labels == IGNORE)
    number = units + text.shape[1] * torch.arange(len(text))[:, None]  # (B, M), differs from word to word
    letters = text[visible]  # (n,)
    _, word, length = number[visible].unique_consecutive(return_inverse=True, return_counts=True)
    first = length.cumsum(0) - length  # (W,), where each of the W words begins among the n bytes

    kind = 2 * length + is_white_space(letters[first])  # (W,)
    draws = torch.rand(len(kind), generator=generator, dtype=torch.float64)
    source = torch.empty_like(kind)
    source[kind.argsort(stable=True)] = (kind + draws).argsort()  # both sort by kind, one at random within it
    offset = torch.arange(len(letters)) - first[word]  # (n,), from the beginning of the word
    shuffled = inputs.clone()
    shuffled[visible] = letters[first[source[word]] + offset]
    return shuffled


@dataclass
class Reading:
    """How spread out the latents' attention is, over (crop, head, latent). As a string: one sentence."""

    bits: float  # mean entropy of an attention row
    uniform: float  # bits, if attention were uniform over a crop
    narrow: float  # share of the rows below half of `uniform`

    def __str__(self) -> str:
        return (
            f"a latent's attention has an entropy of {self.bits:.2f} bits on average (uniform over "
            f"{2**self.uniform:.0f} bytes, it would be {self.uniform:.2f}); {self.narrow:.1%} of the latents "
            "stay below half of that"
        )


@torch.no_grad()
def reading_entropy(model: PerceiverIOForMaskedLM, crops: Tensor, num_crops: int = 64) -> Reading:
    """The entropy of the encoder's attention on the first full crops: (num_crops, M) ids.

    Raises: InputError if no crop is full; on padding, entropies could not be compared.
    """
    full = crops[(crops != ByteTokenizer.PAD).all(1)][:num_crops].long().to(model.device)
    if not len(full):
        raise InputError(
            "none of these crops is full, and entropies can be compared only between crops of the same "
            "length: give more text"
        )
    with eval_mode(model), record(model, ENCODER_MAP) as seen:
        model(full, positions=torch.tensor([0], device=model.device))
    weights = seen[ENCODER_MAP][0].double()  # (num_crops, heads, N, M)
    entropy = -torch.xlogy(weights, weights).sum(-1) / math.log(2)  # (num_crops, heads, N)
    uniform = math.log2(weights.shape[-1])
    return Reading(float(entropy.mean()), uniform, float((entropy < uniform / 2).double().mean()))
