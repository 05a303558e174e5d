"""Masking: cut holes into byte sequences, and remember what was there.

A *unit* is what is hidden as a whole or not at all: a byte, a word or a short span. Three functions number
the units of a batch, each its own way. Which units are hidden follows one of two rules:

    `hide`        as many units of a row as cover 15 % of its bytes
    `hide_each`   a coin for each unit, which shows "hide" with a chance of 15 %: the paper's rule for words

The embedded checkpoint was trained by the first. In a short row it hides a short word more often than a
long one, because a long word seldom fits into what is left of the 15 %. A coin treats all words equally.

All of it is arithmetic on whole tensors: it runs wherever `ids` are, on the CPU or the GPU; a `generator`
must be on the same device.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from perceiver_edu.errors import InputError, warn
from perceiver_edu.tokenizer import ByteTokenizer

IGNORE = -100  # the label of a byte that is not a target; cross_entropy ignores it by default
LONGEST_WORD = 50  # bytes; a longer run without white space is not one word but many characters

Masked = tuple[Tensor, Tensor]  # inputs and labels, see `hide`
Mask = Callable[..., Masked]  # one of the four functions that follow


def mask_words(
    ids: Tensor, fraction: float = 0.15, generator: Generator | None = None, always_mask: bool = False
) -> Masked:
    """Hides whole words, each with the space before it: ids (B, M) -> inputs, labels (B, M); see `hide`."""
    return hide(ids, word_units(ids), fraction, generator, always_mask)


def mask_each_word(
    ids: Tensor, fraction: float = 0.15, generator: Generator | None = None, always_mask: bool = False
) -> Masked:
    """Flips a coin for each word, as the paper does (F.3): ids (B, M) -> inputs, labels (B, M).

    Every word has the same chance, `fraction`, whatever its length and the row's. How much of a row gets
    hidden varies, and of a short row it is often nothing. See `hide_each`.
    """
    return hide_each(ids, word_units(ids), fraction, generator, always_mask)


def mask_bytes(
    ids: Tensor, fraction: float = 0.15, generator: Generator | None = None, always_mask: bool = False
) -> Masked:
    """Hides single bytes: ids (B, M) -> inputs, labels (B, M); see `hide`."""
    return hide(ids, byte_units(ids), fraction, generator, always_mask)


def mask_mixture(
    ids: Tensor,
    fraction: float = 0.15,
    generator: Generator | None = None,
    always_mask: bool = False,
    *,
    words: float = 0.5,
    spans: float = 0.25,
    mean_span: float = 4,
) -> Masked:
    """Hides words in some rows, short spans in others, single bytes in the rest; see `hide`.

    Each row draws its kind: `words` and `spans` are probabilities, single bytes have what is left. A model
    trained on words alone forgets how to fill one byte; this keeps both. `mean_span`: bytes.

    ids (B, M) int64 -> inputs, labels (B, M).

    Raises: InputError if the probabilities do not fit in 0..1.
    """
    if min(words, spans) < 0 or words + spans > 1:
        raise InputError(f"words={words} and spans={spans} must be probabilities whose sum is at most 1")
    kind = torch.rand(len(ids), 1, generator=generator, device=ids.device)  # (B, 1)
    units = torch.where(kind < words + spans, span_units(ids, mean_span, generator), byte_units(ids))
    units = torch.where(kind < words, word_units(ids), units)  # (B, M)
    return hide(ids, units, fraction, generator, always_mask)


def byte_units(ids: Tensor) -> Tensor:
    """Every byte is a unit: ids (B, M) -> unit numbers (B, M): 1, 2, … in each row, 0 for special ids."""
    real = ids >= ByteTokenizer.BYTE_OFFSET
    return number(real, starts=real)


def span_units(ids: Tensor, mean_length: float, generator: Generator | None = None) -> Tensor:
    """Cuts rows at random, into spans of geometric length: ids (B, M) -> unit numbers (B, M) as above."""
    real = ids >= ByteTokenizer.BYTE_OFFSET
    cut = torch.rand(ids.shape, generator=generator, device=ids.device) < 1 / mean_length
    return number(real, starts=cut | ~shift(real, 1))  # a span also starts after each special id


def word_units(ids: Tensor) -> Tensor:
    """A word is a run of bytes without white space, and the one white-space byte before it.

    b"two  words" has the words b"two" and b" words". Special ids belong to no word and end one; so does white
    space that no word follows. In a run of more than LONGEST_WORD bytes, as in scripts without spaces, in DNA
    or in minified code, each character is a word.

    ids (B, M) -> unit numbers (B, M), 1, 2, … in each row; 0 for what is in no word.
    """
    space = is_white_space(ids)
    letter = (ids >= ByteTokenizer.BYTE_OFFSET) & ~space
    leading_space = space & shift(letter, -1)
    word = letter | leading_space
    starts = leading_space | (letter & ~shift(word, 1))
    units = number(word, starts)
    bytes_of = torch.zeros(len(ids), ids.shape[1] + 1, dtype=torch.int64, device=ids.device)
    bytes_of = bytes_of.scatter_add(1, units, word.long())  # (B, M + 1), of each unit
    long = bytes_of.gather(1, units) > LONGEST_WORD  # (B, M)
    continues = (ids - ByteTokenizer.BYTE_OFFSET) & 0b1100_0000 == 0b1000_0000  # a character of UTF-8
    return number(word, starts | (long & letter & ~continues & ~shift(leading_space, 1)))


def is_white_space(ids: Tensor) -> Tensor:
    """As `bytes.isspace`: a space or one of b"\\t\\n\\v\\f\\r"; ids of any shape -> bool of the same."""
    byte = ids - ByteTokenizer.BYTE_OFFSET
    return (byte == ord(" ")) | ((byte >= ord("\t")) & (byte <= ord("\r")))


def number(member: Tensor, starts: Tensor) -> Tensor:
    """Numbers the units: `member` and `starts` (B, M) bool -> (B, M) int64, 0 where `member` is False."""
    return (member & starts).cumsum(1) * member


def shift(flags: Tensor, by: int) -> Tensor:
    """flags (B, M) bool, moved right by 1 or left by -1, False where nothing comes in -> (B, M) bool."""
    moved = flags.roll(by, dims=1)
    moved[:, 0 if by > 0 else -1] = False
    return moved


def hide(
    ids: Tensor,
    units: Tensor,
    fraction: float = 0.15,
    generator: Generator | None = None,
    always_mask: bool = False,
) -> Masked:
    """Hides randomly chosen units until `fraction` of each row's real bytes is covered.

    The units of a row are put in random order, and taken while they fit into `fraction` × real bytes. The
    unit that straddles the limit is taken with the probability (room left / its length), so that the expected
    number of hidden bytes is exactly the limit. What replaces them: see `replace`.

    ids and units (B, M) int64 -> inputs and labels (B, M).

    Raises: InputError for a `fraction` outside 0..1.
    """
    check_fraction(fraction)
    score = draw_per_unit(units, generator).masked_fill(units == 0, 2.0)  # (B, M); what is in no unit: last
    limit = fraction * (ids >= ByteTokenizer.BYTE_OFFSET).sum(1, keepdim=True)  # (B, 1), in bytes
    lowest = score.topk(min(int(fraction * ids.shape[1]) + 1, ids.shape[1]), largest=False).values  # sorted
    edge = lowest.gather(1, limit.long().clamp(max=lowest.shape[1] - 1))  # (B, 1), the unit at the limit
    before, straddles = score < edge, score == edge  # (B, M)
    room = (limit - before.sum(1, keepdim=True)) / straddles.sum(1, keepdim=True)  # (B, 1), a probability
    take_edge = torch.rand(room.shape, generator=generator, device=ids.device) < room
    chosen = (before | (straddles & take_edge)) & (units > 0)
    return replace(ids, units, chosen, generator, always_mask)


def hide_each(
    ids: Tensor,
    units: Tensor,
    fraction: float = 0.15,
    generator: Generator | None = None,
    always_mask: bool = False,
) -> Masked:
    """Hide each unit independently with the same probability, `fraction`; see `replace`.

    ids and units (B, M) int64 -> inputs and labels (B, M).

    Raises: InputError for a `fraction` outside 0..1.
    """
    check_fraction(fraction)
    chosen = (draw_per_unit(units, generator) < fraction) & (units > 0)
    return replace(ids, units, chosen, generator, always_mask)


def check_fraction(fraction: float) -> None:
    """Raises: InputError for a number outside 0..1."""
    if not 0 <= fraction <= 1:
        raise InputError(f"fraction must be between 0 and 1, not {fraction}")


def draw_per_unit(units: Tensor, generator: Generator | None) -> Tensor:
    """One uniform number for each unit, the same for all its bytes: units (B, M) -> (B, M)."""
    draws = torch.rand(len(units), units.shape[1] + 1, generator=generator, device=units.device)
    return draws.gather(1, units)


def replace(
    ids: Tensor, units: Tensor, chosen: Tensor, generator: Generator | None, always_mask: bool
) -> Masked:
    """Puts something else where `chosen` (B, M) bool is True, which is all of a unit or nothing.

    What it is, is drawn once per unit: 80 % become [MASK] throughout, 10 % random bytes, 10 % stay. BERT
    draws per token; its tokens are word pieces, so the unit, not the byte, is what corresponds. Drawn per
    byte, most words would keep or garble a letter, and a hole in use, which is [MASK] throughout, would be
    rare in training. `always_mask=True`, for evaluation: [MASK] throughout, always.

    ids and units (B, M) int64 -> inputs (B, M), ids with the chosen units replaced, and labels (B, M), ids
    where a unit was chosen and -100 elsewhere.
    """
    how = draw_per_unit(units, generator) * (0.8 if always_mask else 1.0)
    all_bytes = ByteTokenizer.BYTE_OFFSET, ByteTokenizer.VOCAB_SIZE
    random_bytes = torch.randint(*all_bytes, ids.shape, generator=generator, device=ids.device)
    inputs = ids.masked_fill(chosen & (how < 0.8), ByteTokenizer.MASK)
    inputs = torch.where(chosen & (how >= 0.9), random_bytes, inputs)
    labels = ids.masked_fill(~chosen, IGNORE)
    return inputs, labels


def warn_of_large_units(ids: Tensor, fraction: float = 0.15) -> None:
    """Warns where `mask_words` would hide more than a tenth of the rows wholly or not at all: then the words
    are too large for the rows, and little can be learned, or measured, from context.

    Rows in which a word or two is more than `fraction` of the text do not count. ids (B, M).
    """
    _, labels = mask_words(ids, fraction, Generator(ids.device).manual_seed(0))
    real, hidden = (ids >= ByteTokenizer.BYTE_OFFSET).sum(1), (labels != IGNORE).sum(1)
    roomy = real * fraction >= 8  # bytes
    odd = roomy & ((hidden == 0) | (hidden == real))
    if odd.sum() > 0.1 * roomy.sum():
        warn(
            f"{int(odd.sum())} of {int(roomy.sum())} rows are hidden wholly or not at all: this text has few "
            "spaces, so its words are long; what is learned or measured on it says little about context"
        )


def hole_positions(labels: Tensor, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Lists where the labels are, so that only those positions need decoding.

    `size` fixes O, for a compiled model that wants one shape: a row with more labels loses its last ones. By
    default O is the largest number of labels in a row. Shorter lists are filled up with positions whose
    target is -100.

    labels (B, M) -> positions (B, O) and targets (B, O), both int64.
    """
    asked = labels != IGNORE
    size = size or int(asked.sum(1).max())
    positions = asked.int().argsort(dim=1, descending=True, stable=True)[:, :size]  # (B, O)
    return positions, labels.gather(1, positions)
