"""Baselines that do not read the text: they see the holes, and at most the bytes next to them.

A masked language model is only as good as its distance from these. Each of them counts, over training text,
how often each byte occurred in a hole:

    unigram    nothing else is known
    left       the nearest visible byte on the left, and how far away it is
    right      the same on the right
    geometry   how far away both ends of the hole are; no text at all
    sides      all of that: geometry, and the nearest visible byte on either side

Two masked words side by side are one hole, so a distance is to the nearest byte that the model can see too.
"""

import zlib
from os import PathLike
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from perceiver_edu.data import BASELINES
from perceiver_edu.errors import InputError
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.masking import IGNORE, Mask, mask_words
from perceiver_edu.writing import whole_file

Counts = dict[str, Tensor]  # by name of the predictor: (*SHAPES[name], V) int64
V = ByteTokenizer.VOCAB_SIZE
FAR = 24  # bytes; a distance beyond counts as this one
SHAPES: dict[str, tuple[int, ...]] = {
    "unigram": (1,),
    "left": (V, FAR + 1),
    "right": (V, FAR + 1),
    "geometry": (FAR + 1, FAR + 1),
}


def contexts(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """What each predictor sees of each hidden byte, as an index into its counts.

    inputs, labels (B, M), as masked -> {name: (n,) int64}, one entry for each of the n labels, row by row.
    """
    hidden = labels != IGNORE  # (B, M)
    M = labels.shape[1]
    position = torch.arange(M, device=labels.device).expand_as(labels)
    # Where the nearest visible id is: left and right (B, M); -1 and M where there is none.
    left = position.masked_fill(hidden, -1).cummax(1).values
    right = position.masked_fill(hidden, M).flip(1).cummin(1).values.flip(1)
    left_byte = inputs.gather(1, left.clamp(min=0)).masked_fill(left < 0, ByteTokenizer.PAD)[hidden]  # (n,)
    right_byte = inputs.gather(1, right.clamp(max=M - 1)).masked_fill(right == M, ByteTokenizer.PAD)[hidden]
    left_distance = (position - left)[hidden].clamp(max=FAR)  # (n,), 1..FAR
    right_distance = (right - position)[hidden].clamp(max=FAR)
    return {
        "unigram": torch.zeros_like(left_byte),
        "left": left_byte * (FAR + 1) + left_distance,
        "right": right_byte * (FAR + 1) + right_distance,
        "geometry": left_distance * (FAR + 1) + right_distance,
    }


def count_holes(crops: Tensor, seed: int = 0, fraction: float = 0.15, mask: Mask = mask_words) -> Counts:
    """Mask training crops and count the bytes in the holes; `mask` is a function of `masking.py`.

    crops (num_crops, M) -> {name: counts (*SHAPES[name], V) int64}.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = {name: torch.zeros((*shape, V), dtype=torch.int64) for name, shape in SHAPES.items()}
    for ids in crops.split(4096):
        inputs, labels = mask(ids.long(), fraction, generator, always_mask=True)
        for name, context in contexts(inputs, labels).items():
            cells = context * V + labels[labels != IGNORE]
            counts[name] += torch.bincount(cells, minlength=counts[name].numel()).view_as(counts[name])
    return counts


def save_counts(counts: Counts, path: str | PathLike, at_least: int = 2) -> None:
    """Write the counts as a compressed `.npz`, leaving out what was seen fewer than `at_least` times."""
    sparse: dict[str, Any] = {}  # of arrays
    for name, counted in counts.items():
        table = counted.flatten().numpy()
        cells = np.flatnonzero(table >= at_least)
        sparse |= {f"{name}_cells": cells.astype(np.uint32), f"{name}_counts": table[cells].astype(np.uint32)}
    with whole_file(path) as file:
        np.savez_compressed(file, **sparse)


def load_counts(path: str | PathLike = BASELINES) -> Counts:
    """Read what `save_counts` wrote. Raises: InputError for a file that is missing or something else."""
    try:
        with np.load(path) as sparse:
            counts = {name: torch.zeros((*shape, V), dtype=torch.int64) for name, shape in SHAPES.items()}
            for name, table in counts.items():
                cells = torch.from_numpy(sparse[f"{name}_cells"].astype(np.int64))
                table.view(-1)[cells] = torch.from_numpy(sparse[f"{name}_counts"].astype(np.int64))
    except (OSError, EOFError, ValueError, KeyError, IndexError, BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a file of baseline counts: {error}") from error
    return counts


class Baselines:
    """Turn counts into predictions: `Baselines(load_counts())(inputs, labels)`.

    A context that was seen n times is weighted n : `strength` against the prediction without it: left and
    right against their distance alone, that and geometry against unigram, unigram against uniform.
    """

    def __init__(self, counts: Counts, strength: float = 100):
        def smooth(counts: Tensor, expected: Tensor) -> Tensor:
            """(…, V) counts and the prediction without their context -> log-probabilities (…, V)."""
            total = counts.sum(-1, keepdim=True) + strength
            return ((counts + strength * expected) / total).log().float()

        unigram = smooth(counts["unigram"], torch.full((V,), 1 / V))  # (1, V)
        self.tables = {"unigram": unigram, "geometry": smooth(counts["geometry"], unigram.exp())}
        self.distance_tables = {}
        for side in ("left", "right"):
            by_distance = smooth(counts[side].sum(0), unigram.exp())  # (FAR + 1, V)
            self.tables[side] = smooth(counts[side], by_distance.exp())  # (V, FAR + 1, V)
            self.distance_tables[side] = by_distance

    def __call__(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """inputs, labels (B, M), as masked -> {name: log-probabilities (n, V)}, a row for each label.

        "sides" multiplies: geometry × (left / its distance alone) × (right / its distance alone). That is
        exact if the two neighbours tell independent things about the byte.
        """
        seen = contexts(inputs, labels)
        guess = {name: self.tables[name].view(-1, V)[context] for name, context in seen.items()}
        guess["sides"] = guess["geometry"].clone()
        for side, table in self.distance_tables.items():
            guess["sides"] += guess[side] - table[seen[side] % (FAR + 1)]
        guess["sides"] = guess["sides"].log_softmax(-1)
        return guess
