"""Notebook 03: stop at layer k, zero some latents, and watch how a prediction changes."""

import math
from contextlib import ExitStack
from functools import lru_cache
from typing import NamedTuple

import torch

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, counted, or_loaded, range_slider, slider, widget
from perceiver_edu.course.widgets.hole import (
    HOLE,
    TEXT,
    first_hidden,
    hidden_part,
    hole_controls,
    ranking,
    text_strip,
)
from perceiver_edu.filling import Filling, fill_mask
from perceiver_edu.instruments.interventions import ablate_latents, stop_after
from perceiver_edu.instruments.latents import depth, residual_stream
from perceiver_edu.instruments.plots.latents import by_depth
from perceiver_edu.instruments.plots.style import INK
from perceiver_edu.instruments.tracing import ENCODER_MAP, record
from perceiver_edu.tokenizer import ByteTokenizer


class Question(NamedTuple):
    """A hole, and what the whole model makes of it."""

    text: str
    hole: tuple[int, int]
    hidden: str
    ids: torch.Tensor  # (1, M) with [MASK] in the hole
    places: torch.Tensor  # (O,) of the hole
    targets: torch.Tensor  # (O,) the ids that were there
    whole: list[float]  # bits for each hidden byte after 0, 1, … layers, nothing zeroed
    readers: list[int]  # the two latents that attend most to the hole
    note: str


class Stopped(NamedTuple):
    """A hole filled after k layers, with some latents set to zero right after the encoder."""

    asked: Question
    k: int
    zeroed: tuple[int, int]  # from, up to but not including
    changed: list[float]  # as `asked.whole`, with the latents zeroed
    fillings: list[Filling]  # of the state that is set: k layers, latents zeroed
    note: str


@torch.no_grad()
def question(model, text: str, hole: tuple[int, int]) -> Question:
    """Raises: InputError where the hole hides nothing that is known."""
    text, hole, hidden, note = hidden_part(model, text, hole, known=True)
    encode = ByteTokenizer().encode
    ids = torch.tensor([encode(text)], device=model.device)
    first = first_hidden(text, hole)
    targets = torch.tensor(encode(hidden, add_special_tokens=False), device=model.device)  # (O,)
    places = torch.arange(first, first + len(targets), device=model.device)
    ids[0, places] = ByteTokenizer.MASK
    with record(model, ENCODER_MAP) as seen:
        whole = bits_by_depth(model, ids, places, targets)
    readers = seen[ENCODER_MAP][0].mean((0, 1))[:, places].sum(1).topk(2).indices.tolist()
    return Question(text, hole, hidden, ids, places, targets, whole, sorted(readers), note)


def bits_by_depth(model, ids, places, targets) -> list[float]:
    """One run, decoded after every layer: bits for each hidden byte."""
    latents = residual_stream(model, ids)[:, 0]  # (depth + 1, N, D)
    outputs = model.decoder(model.queries(places), latents)  # (depth + 1, O, E)
    scores = model.mlm_head(outputs, model.embedding.byte_embedding.weight).float().log_softmax(-1)
    right = scores[:, torch.arange(len(targets)), targets]  # (depth + 1, O)
    return (-right.mean(1) / math.log(2)).tolist()


@torch.no_grad()
def stop_and_zero(model, asked: Question, k: int, zeroed: tuple[int, int]) -> Stopped:
    """The hole filled after k layers, with the latents zeroed[0] to zeroed[1] - 1 set to zero."""
    changed = asked.whole
    with ExitStack() as stack:
        if zeroed[0] < zeroed[1]:
            stack.enter_context(ablate_latents(model, range(*zeroed), after=0))
            changed = bits_by_depth(model, asked.ids, asked.places, asked.targets)
        stack.enter_context(stop_after(model, k))
        [fillings] = fill_mask(model, asked.text, asked.hole)
    return Stopped(asked, k, zeroed, changed, fillings, asked.note)


def draw(figure, stopped: Stopped) -> str:
    ax = figure.subplots()
    figure.subplots_adjust(0.08, 0.16, 0.99, 0.97)
    lines = {"the whole model": stopped.asked.whole}
    if stopped.zeroed[0] < stopped.zeroed[1]:
        lines[f"with latents {counted(stopped.zeroed)} zeroed"] = stopped.changed
    by_depth(ax, lines, "bits per hidden byte")
    ax.axvline(stopped.k, color=INK, ls="--", lw=1.2)
    ax.set_ylim(bottom=0)
    k, whole = stopped.k, stopped.asked.whole
    return translated(
        "Bits per hidden byte when the decoder gets the latents after 0, 1, … layers. At the "
        "dashed line, at {k}, it is {bits:.2f}, and with latents zeroed ({zeroed}) {changed:.2f}.",
        k=k,
        bits=whole[k],
        zeroed=counted(stopped.zeroed),
        changed=stopped.changed[k],
    )


def tell(stopped: Stopped) -> Report:
    k, whole = stopped.k, stopped.asked.whole
    header = (
        translated("layers"),
        translated("zeroed"),
        translated("bits per hidden byte"),
        translated("with nothing zeroed"),
    )
    now = (k, counted(stopped.zeroed), f"{stopped.changed[k]:.2f}", f"{whole[k]:.2f}")
    report = Report("stopped").table(header, [now])
    ranking(report, stopped.fillings, stopped.asked.hidden)
    first, second = stopped.asked.readers
    return report.say(
        translated(
            "The latents that attend most to the hole are {first} and {second}.", first=first, second=second
        )
    )


@widget("03_processor", "cuts-lab", needs="setup lens")
def stop_and_ablate(model=None, text: str = TEXT, hole: tuple[int, int] = HOLE) -> Experiment:
    """Decode after k layers, with some of the latents set to zero after the encoder."""
    model = or_loaded(model)
    deepest, latents = depth(model), model.config.num_latents
    controls = hole_controls(model, text, hole) | {
        "k": slider("layers", deepest, 0, deepest, "The number of processor layers that run."),
        "zeroed": range_slider("zero latents", (0, 0), 0, latents,
                               "The latents that are set to zero after the encoder."),
    }  # fmt: skip
    asked_of = lru_cache(maxsize=4)(lambda text, hole: question(model, text, hole))

    def compute(text, hole, k, zeroed):
        return stop_and_zero(model, asked_of(text, hole), k, zeroed)

    strip = text_strip(model, controls)
    return Experiment("stop-and-ablate", controls, compute, draw, tell, size=(8, 3.1), strip=strip)
