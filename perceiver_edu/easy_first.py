"""A hole filled byte by byte, the most certain byte first: each byte is chosen knowing the ones before it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from perceiver_edu.errors import InputError
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.utf8_search import UTF8

BEAM = 5  # partly filled strings that are carried along; 8 find no more words (40 cloze, 60 held out)
NARROW = 0.03  # of the best one's probability: a string with less is dropped
OPEN = 256  # the value of a byte that is not filled yet

STATES = list(dict.fromkeys(state for line in UTF8 for state in (line[0], line[-1])))  # "border" is the first
MOVES = np.zeros(
    (257, len(STATES), len(STATES)), dtype=np.float32
)  # 1 where a byte leads from state to state
for state, low, high, to in UTF8:
    MOVES[[*range(low, high + 1), OPEN], STATES.index(state), STATES.index(to)] = 1


@torch.no_grad()
def easy_first(
    model: Callable[..., torch.Tensor], ids: list[int], hole: range, top_k: int, device: torch.device
) -> list[tuple[bytes, float]]:
    """Fillings of one hole, as `best_byte_strings` gives them, with bytes that depend on each other.

    The model runs once for each byte of the hole, on a batch of at most max(`BEAM`, top_k) strings. Each of
    these strings gets the byte of which the model is most certain, wherever it is in the hole; the most
    probable results go on to the next run. The position depends only on the string so far, so only one
    path leads to a filling, and the product of the path's probabilities is a probability of the filling.

    Args:
        model: `model(input_ids (W, M), mask=None, positions (O,)) -> logits (W, O, V)`.
        ids: the text, with [MASK] in the hole; other holes stay masked.
        hole: the hole's positions.
        top_k: how many fillings to return; fewer where the search has kept fewer.
    """
    strings, scores = np.full((1, len(hole)), OPEN), np.zeros(1)  # (W, L), (W,)
    for run in range(len(hole)):
        log_probs, position = surest_byte(model, ids, hole, strings, device)
        total = scores[:, None] + log_probs  # (W, 256)
        chosen = keep(total.ravel(), top_k, last=run == len(hole) - 1)
        if not len(chosen):
            return []
        parent, byte = np.divmod(chosen, 256)
        strings, scores = strings[parent], total.ravel()[chosen]
        strings[np.arange(len(strings)), position[parent]] = byte
    return [
        (bytes(string), float(score))
        for string, score in zip(strings.tolist()[:top_k], scores[:top_k], strict=True)
    ]


def surest_byte(
    model: Callable[..., torch.Tensor],
    ids: list[int],
    hole: range,
    strings: np.ndarray,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """One run: strings (W, L) -> the log-probabilities (W, 256) at the position of each string's most certain
    byte, -inf for a byte that no text has there; and these positions (W,)."""
    rows = torch.tensor(ids).repeat(len(strings), 1)  # (W, M)
    rows[:, list(hole)] = torch.from_numpy(
        np.where(strings == OPEN, ByteTokenizer.MASK, strings + ByteTokenizer.BYTE_OFFSET)
    )
    logits = model(rows.to(device), mask=None, positions=torch.tensor(hole, device=device))  # (W, L, V)
    log_probs = byte_log_probs(logits)  # (W, L, 256)
    log_probs[~allowed_bytes(strings) | (strings != OPEN)[..., None]] = -np.inf
    position = log_probs.max(-1).argmax(-1)  # (W,)
    return log_probs[np.arange(len(strings)), position], position


class Step(NamedTuple):
    """One byte of a filling."""

    position: int  # in the hole, from 0
    byte: int
    probability: float


@torch.no_grad()
def filling_path(model: nn.Module, ids: list[int], hole: range, filling: str) -> list[Step]:
    """In which order `easy_first` fills in the bytes of a filling, and how probable each is by then.

    The product of the probabilities is that of the filling.
    """
    device = next(model.parameters()).device
    strings, steps = np.full((1, len(hole)), OPEN), []
    for _ in hole:
        log_probs, position = surest_byte(model, ids, hole, strings, device)
        byte = filling.encode()[position[0]]
        steps.append(Step(int(position[0]), byte, float(np.exp(log_probs[0, byte]))))
        strings[0, position[0]] = byte
    return steps


def keep(scores: np.ndarray, top_k: int, last: bool) -> np.ndarray:
    """Which of these strings go on, best first: at most max(`BEAM`, top_k), and before the `last` byte none
    that is less probable than `NARROW` times the best."""
    best = np.argsort(-scores, kind="stable")[: max(BEAM, top_k)]
    lowest = -np.inf if last else scores[best[0]] + np.log(NARROW)
    return best[scores[best] > lowest]


def byte_log_probs(logits: torch.Tensor) -> np.ndarray:
    """logits (…, V) -> log-probabilities (…, 256) of the bytes; the special ids keep their probability."""
    log_probs = logits.cpu().double().log_softmax(-1).numpy()
    # No filling contains them, nor what a vocabulary that is padded to 264 has beyond the bytes.
    log_probs = log_probs[..., ByteTokenizer.BYTE_OFFSET : ByteTokenizer.VOCAB_SIZE]
    if not (log_probs < np.inf).all():
        raise InputError("the log-probabilities contain NaN or +inf: the model that returned them is broken")
    return log_probs


def allowed_bytes(strings: np.ndarray) -> np.ndarray:
    """Which bytes can be put where, so that a partly filled string can still become whole UTF-8 text.

    strings (W, L), a byte or `OPEN` -> (W, L, 256) bool. The `UTF8` machine is run over each string from both
    ends: a byte fits where it leads from a state that is reached from the left to one from which the right
    end is reached. At both ends it stands on the border between two characters.
    """
    steps, length = MOVES[strings], strings.shape[1]  # (W, L, S, S)
    left, right = (np.zeros((length + 1, len(strings), len(STATES)), dtype=np.float32) for _ in "ab")
    left[0, :, 0] = right[length, :, 0] = 1  # (L + 1, W, S)
    for position in range(length):
        left[position + 1] = (left[position][:, None] @ steps[:, position])[:, 0] > 0
        back = length - 1 - position
        right[back] = (steps[:, back] @ right[back + 1][..., None])[..., 0] > 0
    moves = MOVES[:OPEN].transpose(1, 0, 2).reshape(len(STATES), -1)  # (S, 256 · S)
    reached = (left[:-1] @ moves).reshape(*left[:-1].shape[:2], OPEN, -1)  # (L, W, 256, S)
    return ((reached @ right[1:][..., None])[..., 0] > 0).transpose(1, 0, 2)
