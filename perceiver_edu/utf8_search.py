"""The most probable byte strings that are whole text: a k-best Viterbi search over a small UTF-8 machine."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from perceiver_edu.errors import InputError, whole_number

# UTF-8, read one byte at a time (RFC 3629). A line is (from, lowest byte, highest byte, to). The machine
# is on "border" between two characters, and on "1 more", "2 more", "3 more" while so many continuation
# bytes are due. Four lead bytes narrow the byte after them: this keeps out overlong forms (E0, F0),
# surrogates (ED) and everything above U+10FFFF (F4).
UTF8 = [
    ("border", 0x00, 0x7F, "border"),
    ("border", 0xC2, 0xDF, "1 more"),
    ("border", 0xE0, 0xE0, "after E0"),
    ("border", 0xE1, 0xEC, "2 more"),
    ("border", 0xED, 0xED, "after ED"),
    ("border", 0xEE, 0xEF, "2 more"),
    ("border", 0xF0, 0xF0, "after F0"),
    ("border", 0xF1, 0xF3, "3 more"),
    ("border", 0xF4, 0xF4, "after F4"),
    ("after E0", 0xA0, 0xBF, "1 more"),
    ("after ED", 0x80, 0x9F, "1 more"),
    ("after F0", 0x90, 0xBF, "2 more"),
    ("after F4", 0x80, 0x8F, "2 more"),
    ("3 more", 0x80, 0xBF, "2 more"),
    ("2 more", 0x80, 0xBF, "1 more"),
    ("1 more", 0x80, 0xBF, "border"),
]


def best_byte_strings(log_probs: ArrayLike, top_k: int) -> list[tuple[bytes, float]]:
    """The `top_k` most probable byte strings that are valid UTF-8, exactly, where bytes are independent.

    Byte by byte it keeps, for every state of the `UTF8` machine, the best `top_k` strings that end there. One
    that is not among them has `top_k` better ones that can go on in the same ways, so it never catches up.

    Args:
        log_probs: (L, 256), the log-probability of each byte at each of L positions; -inf = impossible.
        top_k: how many strings to return.

    Returns: a list of (bytes of length L, sum of its log-probabilities), best first; fewer than `top_k` where
    no more are possible. Which of several equals comes first is arbitrary, but always the same.

    Raises: InputError for log_probs of another shape or with NaN or +inf in it, and for a top_k below 1.
    """
    log_probs = np.asarray(log_probs, dtype=np.float64)
    if log_probs.ndim != 2 or log_probs.shape[1] != 256:
        raise InputError(f"log_probs must have shape (L, 256), got {log_probs.shape}")
    if not (log_probs < np.inf).all():
        raise InputError("the log-probabilities contain NaN or +inf: the model that returned them is broken")
    top_k = min(whole_number("top_k", top_k, 1), 2**31)

    moves = [  # (from, to, the bytes that lead there: (L, m), at each position the best first)
        (state, to, low + np.argsort(-log_probs[:, low : high + 1], kind="stable")[:, :top_k])
        for state, low, high, to in UTF8
    ]
    pairs = lru_cache(maxsize=16)(_pairs)  # the same few sizes come again and again

    # For each state the scores (n,) of its strings, best first, and their rows (n,) in the last table.
    best = {"border": (np.zeros(1), np.zeros(1, dtype=int))}
    steps = []  # for each position a table: row -> the row of the byte before, and the byte that was added
    for position, log_prob in enumerate(log_probs):
        arriving: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
        for state, to, ranked in moves:
            if state in best:
                scores, rows = best[state]
                i, j = pairs(len(scores), ranked.shape[1], top_k)
                added = ranked[position, j]
                arriving.setdefault(to, []).append((scores[i] + log_prob[added], rows[i], added))
        best, previous_rows, added_bytes, num_rows = {}, [], [], 0
        for state, groups in arriving.items():
            scores, rows, added = map(np.concatenate, zip(*groups, strict=True))
            keep = np.argsort(-scores, kind="stable")[:top_k]
            keep = keep[scores[keep] > -np.inf]
            best[state] = scores[keep], num_rows + np.arange(len(keep))
            previous_rows.append(rows[keep])
            added_bytes.append(added[keep])
            num_rows += len(keep)
        steps.append((np.concatenate(previous_rows), np.concatenate(added_bytes)))

    scores, rows = best["border"]  # whole characters only; read them from the last byte to the first
    strings = np.zeros((len(scores), len(steps)), dtype=np.uint8)  # (n, L)
    for position in reversed(range(len(steps))):
        rows_before, added = steps[position]
        strings[:, position] = added[rows]
        rows = rows_before[rows]
    return [(string.tobytes(), float(score)) for string, score in zip(strings, scores, strict=True)]


def _pairs(n: int, m: int, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """Which sums of two falling lists, of lengths n and m, can be among the `top_k` largest -> indices i, j.

    The sum of the i-th and the j-th (from 0) has (i + 1)(j + 1) - 1 others at least as large; it is out when
    those are `top_k` or more.
    """
    j_count = np.minimum(top_k // np.arange(1, min(n, top_k) + 1), m)  # for i = 0, 1, …: how many j
    i = np.repeat(np.arange(len(j_count)), j_count)
    j = np.arange(len(i)) - np.repeat(np.cumsum(j_count) - j_count, j_count)
    return i, j
