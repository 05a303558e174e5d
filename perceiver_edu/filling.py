"""The main job: a text with holes -> ranked fillings for each hole."""

import re
from collections.abc import Iterable
from itertools import islice, pairwise, product
from operator import index
from reprlib import repr as shown
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from perceiver_edu.borrow import eval_mode
from perceiver_edu.easy_first import byte_log_probs, easy_first
from perceiver_edu.errors import InputError, brief, check_list, whole_number
from perceiver_edu.model import check_has_numbers
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.utf8_search import best_byte_strings

if TYPE_CHECKING:
    from perceiver_edu.fast import FastPerceiverIO
    from perceiver_edu.model import PerceiverIOForMaskedLM
    from perceiver_edu.openvino_engine import OpenVINOPerceiverIO

MASK_TOKEN = ByteTokenizer.SPECIAL_TOKENS[ByteTokenizer.MASK]  # "[MASK]"
HOW_TO_NAME_A_HOLE = "write [MASK] once for each missing byte, or name a part of the text to mask"

MOST_BYTES = 1_000_000  # of all fillings of a hole together: some ten seconds' work
MOST_JOINT = 64  # fillings of a hole that are searched for jointly: the model runs on so many texts at once

Hole = tuple[int, int]  # (start, stop) in the characters of a text
Span = str | tuple[int, int]  # how to name a hole: what it hides, or where it is


class Filling(NamedTuple):
    """One filling of one hole: its text, and the probability that the model gives it."""

    text: str
    probability: float  # product of the probabilities of its bytes, each out of all ids: see `fill_mask`


def fill_mask(
    model: "PerceiverIOForMaskedLM | FastPerceiverIO | OpenVINOPerceiverIO",
    text: str,
    spans: Span | Iterable[Span] | None = None,
    top_k: int = 5,
    joint: bool = False,
) -> list[list[Filling]]:
    """Fill the holes in a text, and return the most probable fillings of each.

    The model gets the text's ids without padding, and decodes only the masked positions. Without `joint` it
    runs once and predicts the bytes of a hole independently of each other, so the probability of a filling is
    a product, and the ranking over all byte strings that are valid UTF-8 is exact.

    Args:
        model: its training or eval mode is the same afterwards.
        text: the text to fill. A special token typed in it ("[CLS]", "[MASK]") is one id, as in
            `ByteTokenizer`.
        spans: which holes to make and fill.
            None: each [MASK] in the text is one byte, and adjacent ones form one hole.
            A str: this part of the text, which must occur only once.
            A pair (start, stop): these characters of the text.
            A list of those: several holes, none overlapping. Holes that touch are filled separately.
            A hole has as many bytes as the UTF-8 of what it hides; a [MASK] in it counts as one byte.
            A [MASK] outside the spans stays masked and is not filled.
        top_k: how many fillings to return for each hole; fewer if fewer exist.
        joint: fill the bytes of a hole one after another, the most certain byte first, each given those
            before it. The model runs once for each byte. The search keeps only the best few strings at every
            step, so it may miss a more probable one, and find fewer than `top_k`. Several holes are filled
            separately, each with the others masked. See `easy_first`.

    Returns: for each hole a list of `Filling`, most probable first. The holes come in the order of `spans`,
    and for None in the order of the text.

    Raises: InputError for a text, span or top_k that cannot be used, and for a text too long for the model.
    """
    holes = find_holes(text, spans)
    top_k = whole_number(
        "with joint=True, top_k" if joint else "top_k", top_k, 1, MOST_JOINT if joint else None
    )
    ids, positions = _ids_with_holes(text, holes)
    length = max(map(len, positions))
    if min(top_k, 256**length) * length > MOST_BYTES:
        most = MOST_BYTES // length
        raise InputError(f"top_k must be at most {most:,} for a hole of {length} bytes, got {brief(top_k)}")
    longest = model.config.max_position_embeddings
    if len(ids) > longest:
        raise InputError(
            f"the text is {len(ids) - 2} bytes long, but this model reads at most {longest - 2} ({longest} "
            "positions, two of them for [CLS] and [SEP]): shorten the text"
        )

    check_has_numbers(model)
    device = next(model.parameters()).device
    with eval_mode(model), torch.no_grad():
        if joint:
            ranked = [easy_first(model, ids, hole, top_k, device) for hole in positions]
        else:
            asked = torch.tensor([p for hole in positions for p in hole], device=device)  # (O,)
            logits = model(torch.tensor([ids], device=device), mask=None, positions=asked)  # (1, O, V)
            log_probs = byte_log_probs(logits[0])  # (O, 256)
            per_hole = np.split(log_probs, np.cumsum([len(hole) for hole in positions])[:-1])  # each (L, 256)
            ranked = [best_byte_strings(rows, top_k) for rows in per_hole]
    return [[Filling(raw.decode(), float(np.exp(score))) for raw, score in found] for found in ranked]


def find_holes(text: str, spans: Span | Iterable[Span] | None = None) -> list[Hole]:
    """Where the holes of a text are. For `spans` see `fill_mask`.

    Raises: InputError for a text or a span that cannot be used; the message says why.
    """
    if not isinstance(text, str):
        raise InputError(f"the text must be a str, got {type(text).__name__}")
    if not text:
        raise InputError("the text is empty: give a sentence with a hole in it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        place = error.start
        raise InputError(
            f"the text has no UTF-8 form: character {place} is a lone surrogate, {text[place]!a}"
        ) from None

    masks = [found.span() for found in re.finditer(re.escape(MASK_TOKEN), text)]
    if spans is None:
        if not masks:
            raise InputError(f"nothing to fill: {HOW_TO_NAME_A_HOLE}")
        return [found.span() for found in re.finditer(f"(?:{re.escape(MASK_TOKEN)})+", text)]

    holes = [_find_hole(text, span) for span in _as_list(spans, len(text) + 3)]  # so many overlap
    if not holes:
        raise InputError(f"spans is an empty list: {HOW_TO_NAME_A_HOLE}")
    for hole, next_hole in pairwise(sorted(holes)):
        if next_hole[0] < hole[1]:
            raise InputError(f"holes {hole} and {next_hole} overlap: mask each part of the text once")
    for hole, mask in product(holes, masks):
        if any(mask[0] < border < mask[1] for border in hole):
            raise InputError(f"hole {hole} cuts through the [MASK] at {mask}: include all of it or none")
    return holes


def hole_length(hidden: str) -> int:
    """How many bytes a hole has that hides this text: those of its UTF-8, and one for each [MASK] in it."""
    return len(hidden.replace(MASK_TOKEN, "?").encode())


def fill_in(text: str, holes: Iterable[Hole], fillings: Iterable[str]) -> str:
    """The text with one filling in each hole; `holes` as `find_holes` gives them."""
    for (start, stop), filling in sorted(zip(holes, fillings, strict=True), reverse=True):
        text = text[:start] + filling + text[stop:]
    return text


def _find_hole(text: str, span: Any) -> Hole:
    """A substring or a pair of characters -> (start, stop) in the text."""
    if isinstance(span, str):
        if not span:
            raise InputError(f"an empty str names no hole: {HOW_TO_NAME_A_HOLE}")
        starts = [place for place in range(len(text)) if text.startswith(span, place)]
        if not starts:
            raise InputError(f"{shown(span)} does not occur in the text: check spaces and capitals")
        if len(starts) > 1:
            places = [str((start, start + len(span))) for start in starts[:8]] + ["…"] * (len(starts) > 8)
            raise InputError(
                f"{shown(span)} occurs {len(starts)} times: choose one by spans=(start, stop), or --span "
                f"START:STOP, in characters, here {', '.join(places)}"
            )
        return starts[0], starts[0] + len(span)
    pair = _pair(span)
    if pair is None:
        raise InputError(
            f"a span is a part of the text or a pair (start, stop) of integers, got {shown(span)}"
        )
    start, stop = pair
    if start >= stop:
        raise InputError(f"span {pair} is empty: start must come before stop")
    if start < 0 or stop > len(text):
        raise InputError(f"span {pair} is not within the text, which has characters 0 to {len(text)}")
    return pair


def _pair(span: Any) -> Hole | None:
    """(start, stop) where the span is a pair of integers, else None."""
    try:
        start, stop = map(index, span)
    except (TypeError, ValueError):
        return None
    return start, stop


def _as_list(spans: Any, most: int) -> list:
    """One span or several -> a list of spans, the first `most` of them: an iterator may have no end."""
    if isinstance(spans, str):
        return [spans]
    check_list("spans", spans)
    try:
        listed = list(islice(spans, most))
        return [listed] if _pair(listed) else listed
    except TypeError:
        raise InputError(
            f"spans is a part of the text, a pair (start, stop), or a list of those; got {shown(spans)}"
        ) from None


def _ids_with_holes(text: str, holes: list[Hole]) -> tuple[list[int], list[range]]:
    """The text's ids with [CLS], [SEP] and, in the holes, [MASK]; and the positions of each hole in them."""
    tokenizer = ByteTokenizer()
    ids, done, positions = [tokenizer.CLS], 0, {}
    for start, stop in sorted(holes):
        ids += tokenizer.encode(text[done:start], add_special_tokens=False)
        length = hole_length(text[start:stop])
        positions[start] = range(len(ids), len(ids) + length)
        ids += [tokenizer.MASK] * length
        done = stop
    ids += [*tokenizer.encode(text[done:], add_special_tokens=False), tokenizer.SEP]
    return ids, [positions[start] for start, _ in holes]


def fill_masks(
    model: "PerceiverIOForMaskedLM | FastPerceiverIO",
    texts: Iterable[str],
    top_k: int = 5,
    batch_size: int = 32,
) -> list[list[list[Filling]]]:
    """Fill the [MASK]s of several texts: for each text, in order, what `fill_mask` returns.

    Texts of similar length run together, `batch_size` at a time, so there is little padding. The results
    equal those of `fill_mask` up to rounding.

    Raises: InputError as `fill_mask` does; the message gives the number of the text, counted from 0.
    """
    check_list("texts", texts)
    whole_number("batch_size", batch_size, 1, 2**20)
    top_k = whole_number("top_k", top_k, 1)
    longest, rows = model.config.max_position_embeddings, []
    for number, text in enumerate(texts):
        try:
            ids, holes = _ids_with_holes(text, find_holes(text))
        except InputError as error:
            raise InputError(f"text {number}: {error}") from None
        most = max(map(len, holes))
        if len(ids) > longest or min(top_k, 256**most) * most > MOST_BYTES:
            limit = (
                f"{longest} ids at most" if len(ids) > longest else f"top_k {MOST_BYTES // most:,} at most"
            )
            raise InputError(f"text {number}: {len(ids)} ids, a hole of {most} bytes; this takes {limit}")
        rows.append((ids, holes))
    check_has_numbers(model)
    device = next(model.parameters()).device
    order = sorted(range(len(rows)), key=lambda number: len(rows[number][0]))
    found: list[list[list[Filling]]] = [[] for _ in rows]
    with eval_mode(model), torch.no_grad():
        for start in range(0, len(rows), batch_size):
            chosen = order[start : start + batch_size]
            batch = [rows[number][0] for number in chosen]
            asked = [[place for hole in rows[number][1] for place in hole] for number in chosen]
            inputs, positions = (
                torch.tensor([row + [0] * (max(map(len, part)) - len(row)) for row in part], device=device)
                for part in (batch, asked)
            )  # (B, M) and (B, O), filled up with [PAD], and with position 0, which is ignored
            mask = torch.arange(inputs.shape[1]) < torch.tensor([[len(row)] for row in batch])  # (B, M)
            log_probs = byte_log_probs(model(inputs, mask.to(device), positions))  # (B, O, 256)
            for number, own in zip(chosen, log_probs, strict=True):
                ends = np.cumsum([len(hole) for hole in rows[number][1]])
                for per_byte in np.split(own[: ends[-1]], ends[:-1]):  # each (L, 256)
                    ranked = best_byte_strings(per_byte, top_k)
                    found[number].append([Filling(raw.decode(), float(np.exp(s))) for raw, s in ranked])
    return found
