"""Notebook 11: runs of a model, whole and changed, and of other weights for comparison; no widget."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from math import log
from typing import NamedTuple

import torch

from perceiver_edu.course.place import translated
from perceiver_edu.course.widgets.base import counted
from perceiver_edu.course.widgets.bugs import untrained_like
from perceiver_edu.course.widgets.hole import first_hidden, hidden_part
from perceiver_edu.errors import InputError
from perceiver_edu.filling import MASK_TOKEN, Filling, fill_in, fill_mask, hole_length
from perceiver_edu.instruments.interventions import ablate_heads, ablate_latents, stop_after
from perceiver_edu.instruments.latents import depth
from perceiver_edu.instruments.plots.diagrams import PARTS
from perceiver_edu.instruments.tracing import DECODER_MAP, ENCODER_MAP, record
from perceiver_edu.language import to_translate
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.weights.pretrained import load_pretrained

UNTOUCHED, CHANGED = to_translate("untouched"), to_translate("changed")
SECOND = to_translate("second weights")
NOTHING, HALF = to_translate("nothing"), to_translate("half its layers")
UNTRAINED, NAMED = to_translate("untrained"), to_translate("named weights")
SECONDS = [NOTHING, HALF, UNTRAINED, NAMED]


class Change(NamedTuple):
    """What is taken out of the processor. A pair is from, up to but not including; equal: none."""

    k: int  # layers that run
    zeroed: tuple[int, int] = (0, 0)  # latents, right after the encoder
    layer: int = 0
    silenced: tuple[int, int] = (0, 0)  # heads of that layer

    def parts(self, layers: int) -> dict[str, Callable]:
        """What of it changes a model of so many layers: in words -> model -> a block with that change."""
        parts = {}
        if self.silenced[0] < self.silenced[1]:
            words = translated(
                "heads silenced in layer {layer}: {silenced}",
                layer=self.layer,
                silenced=counted(self.silenced),
            )
            parts[words] = lambda model: ablate_heads(model, self.layer, range(*self.silenced))
        if self.zeroed[0] < self.zeroed[1]:
            words = translated("latents zeroed after the encoder: {zeroed}", zeroed=counted(self.zeroed))
            parts[words] = lambda model: ablate_latents(model, range(*self.zeroed))
        if self.k < layers:
            parts[translated("{number} of {all} layers run", number=self.k, all=layers)] = lambda model: (
                stop_after(model, self.k)
            )
        return parts


class ForwardPass(NamedTuple):
    """What one run of a model makes of a text with a hole."""

    ids: torch.Tensor  # (M,) with [MASK] in the hole
    arrays: dict[str, torch.Tensor]  # what leaves each of `PARTS`
    norms: dict[str, float]  # of each of them: the mean norm of its rows
    bits: float  # for each hidden byte
    fillings: list[Filling]
    weights: torch.Tensor  # (heads, N, M) the encoder's attention
    asked: torch.Tensor  # (L, N) the decoder's, mean of its heads: a row for the query of each hidden byte
    first: int  # where in ids the hole begins

    @property
    def shapes(self) -> dict[str, tuple]:
        """Of "ids" and each of the arrays."""
        return {"ids": (1, len(self.ids))} | {part: tuple(array.shape) for part, array in self.arrays.items()}

    def query(self, position: int) -> torch.Tensor | None:
        """(N,) the attention weights of the query at this position; None where no byte is hidden."""
        row = position - self.first
        return self.asked[row] if 0 <= row < len(self.asked) else None

    def difference(self, other: "ForwardPass", part: str) -> float | None:
        """The difference of an array from that of another run, relative to it; None: the shapes differ."""
        if self.shapes[part] != other.shapes[part]:
            return None
        return float((self.arrays[part] - other.arrays[part]).norm() / other.arrays[part].norm())


class Explored(NamedTuple):
    """All that the playground shows, and the state it belongs to."""

    runs: dict[str, ForwardPass]  # UNTOUCHED, then CHANGED and SECOND where they are requested
    text: str
    hole: tuple[int, int]
    hidden: str
    latent: int
    head: int
    position: int
    change: Change
    beside: str
    second: str  # the name of the second weights
    weights: str  # the name of the first
    layers: int  # of the first, when none is left out
    note: str


class ForwardPasses:
    """Runs of a model, and of the weights beside it, each made once."""

    def __init__(self, model, name: str):
        self.model, self.name, self.layers = model, name, depth(model)
        self.run = lru_cache(maxsize=16)(self._run)
        self.untrained = lru_cache(maxsize=1)(lambda: untrained_like(model).to(model.mlm_head.bias))
        self.named = lru_cache(maxsize=1)(load_pretrained)

    def _run(self, text, hole, change: Change, beside: str = NOTHING, second: str = "") -> ForwardPass:
        if beside == HALF:
            return self.run(text, hole, Change(self.layers // 2))
        if beside == UNTRAINED:
            return run_once(self.untrained(), text, hole)
        if beside != NAMED:
            return run_once(self.model, text, hole, change)
        if not second.strip():
            raise InputError(
                translated('Name the second weights: "embedded", "random", a folder or a hub id.')
            )
        return run_once(self.named(second.strip()), text, hole)


@torch.no_grad()
def run_once(model, text: str, hole: tuple[int, int], change: Change | None = None) -> ForwardPass:
    """One run with the characters hole[0] to hole[1] - 1 hidden. Raises: InputError as `fill_mask`."""
    encode = ByteTokenizer().encode
    with ExitStack() as stack:
        for block_with in change.parts(depth(model)).values() if change else ():
            stack.enter_context(block_with(model))
        seen = stack.enter_context(record(model, [*PARTS, ENCODER_MAP, DECODER_MAP]))
        [fillings] = fill_mask(model, text, hole)
    hidden = text[slice(*hole)]
    ids = encode(fill_in(text, [hole], [MASK_TOKEN * hole_length(hidden)]))
    arrays = {part: seen[part][-1].float().cpu() for part in PARTS}
    scores = arrays["mlm_head"][0].log_softmax(-1)  # (O, V)
    right = scores[range(len(scores)), encode(hidden, add_special_tokens=False)]  # (O,)
    return ForwardPass(
        torch.tensor(ids),
        arrays,
        {part: float(array.norm(dim=-1).mean()) for part, array in arrays.items()},
        float(-right.mean() / log(2)),
        fillings,
        seen[ENCODER_MAP][0][0].float().cpu(),
        seen[DECODER_MAP][0][0].float().cpu().mean(0),
        first_hidden(text, hole),
    )


def explore(
    runs: ForwardPasses, text, hole, latent, head, position, zeroed, k, layer, silenced, beside, second
) -> Explored:
    """The arguments are the playground's controls. Raises: InputError for what cannot be shown."""
    text, hole, hidden, note = hidden_part(runs.model, text, hole, known=True)
    change = Change(k, tuple(zeroed), layer, tuple(silenced))
    found = {UNTOUCHED: runs.run(text, hole, Change(runs.layers))}
    if change.parts(runs.layers):
        found[CHANGED] = runs.run(text, hole, change)
    if beside != NOTHING:
        found[SECOND] = runs.run(text, hole, Change(runs.layers), beside, second if beside == NAMED else "")
    position = min(position, len(found[UNTOUCHED].ids) - 1)
    chosen = text, hole, hidden, latent, head, position
    return Explored(found, *chosen, change, beside, second, runs.name, runs.layers, note)


def described(found: Explored) -> str:
    """What is changed, and what the second weights are, in a sentence each."""
    parts = reversed(found.change.parts(found.layers))
    said = (
        translated("Changed: {parts}.", parts=translated("; ").join(parts))
        if CHANGED in found.runs
        else translated("Nothing is changed.")
    )
    second = {UNTRAINED: translated("the same sizes, untrained")}
    second[HALF] = translated("the same, stopped after {number} layers", number=found.layers // 2)
    if found.beside != NOTHING:
        said += translated(" Second weights: {second}.", second=second.get(found.beside, found.second))
    return said
