"""Notebook 04: request any positions, in any order, and pay only for those."""

import re
from functools import lru_cache
from typing import NamedTuple

import torch

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import (
    Experiment,
    choice,
    embedded,
    line_box,
    or_loaded,
    readable,
    text_box,
    widget,
)
from perceiver_edu.course.widgets.hole import LONGER, TEXT, text_strip
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.costs import stage_costs
from perceiver_edu.instruments.plots.queries import byte_sign, byte_strips
from perceiver_edu.language import to_translate
from perceiver_edu.tokenizer import ByteTokenizer

SELECT = to_translate(
    "Select letters to query their positions. By keyboard, the arrow keys move, and with Shift they select."
)
NO_LETTER = [0, 0]
OWN = to_translate("my own")
PER_LINE, MOST = 24, 72  # queries in a line of the picture, and in all of it
PRESETS = {
    to_translate("in order"): "5-23",
    to_translate("backwards"): "23-5",
    to_translate("one position, again and again"): "12 12 12 12 12 12",
    to_translate("every third position"): "5-60/3",
    to_translate("beyond the text"): "80-100",
}


class Asked(NamedTuple):
    """What a list of queries gives."""

    places: list[int]
    best: list[int]  # the likeliest byte at each
    probabilities: list[float]  # its probability, out of all 262 ids
    difference: float  # the largest, in any score, from the same rows of all P queries
    cost: tuple[float, float]  # MFLOPs of decoder and head: for this list, and for all P positions
    note: str


def read_places(words: str, P: int) -> list[int]:
    """ "5-8, 3" -> [5, 6, 7, 8, 3]; "8-5" counts down; "5-20/3" takes every third.

    Raises: InputError for what is no such list, and for positions outside 0 … P - 1.
    """
    places = []
    for word in re.split(r"[\s,;]+", words.strip()):
        found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6})(?:/(\d{1,6}))?)?", word, re.ASCII)
        if not found:
            raise InputError(
                translated(
                    "{word!r} is not a position: write numbers and ranges, for example 5-23, 7, 40-10/3.",
                    word=word[:20],
                )
            )
        start = int(found[1])
        stop, step = int(found[2] or start), int(found[3] or 1)
        if max(start, stop) >= P or step == 0:
            raise InputError(
                translated(
                    "{word!r}: positions go from 0 to {last}, and a step must be at least 1.",
                    word=word[:20],
                    last=P - 1,
                )
            )
        places += range(start, stop + 1, step) if start <= stop else range(start, stop - 1, -step)
        if len(places) > MOST:
            raise InputError(translated("The picture has room for {most} queries: request fewer.", most=MOST))
    return places


@torch.no_grad()
def all_scores(model, text: str) -> tuple[torch.Tensor, torch.Tensor, int, str]:
    """-> latents (1, N, D), the scores of all P queries (P, V), the number of ids, and a note."""
    text, note = readable(model, text)
    ids, mask = (x.to(model.device) for x in ByteTokenizer().batch([text]))
    latents = model.processor(model.encoder(model.embedding(ids), mask))
    return latents, scores(model, latents, None), ids.shape[1], note


def scores(model, latents, positions) -> torch.Tensor:
    outputs = model.decoder(model.queries(positions), latents)
    return model.mlm_head(outputs, model.embedding.byte_embedding.weight)[0].float()  # (O, V)


@torch.no_grad()
def ask(model, scores_of, text: str, places: str) -> Asked:
    """`scores_of` text -> as `all_scores` gives it."""
    latents, everything, M, note = scores_of(text)
    P = len(everything)
    asked = read_places(places, P)
    rows = scores(model, latents, torch.tensor(asked, device=latents.device))  # (O, V)
    shares = rows.softmax(-1)[:, ByteTokenizer.BYTE_OFFSET : ByteTokenizer.VOCAB_SIZE]
    probabilities, best = shares.max(-1)
    difference = float((rows - everything[asked]).abs().max())
    costs = [{c.stage: c.flops for c in stage_costs(model.config, M, O)} for O in (len(asked), P)]
    few, all_ = ((flops["decoder"] + flops["mlm_head"]) / 1e6 for flops in costs)
    return Asked(asked, best.tolist(), probabilities.tolist(), difference, (few, all_), note)


def draw(figure, asked: Asked) -> str:
    starts = range(0, len(asked.places), PER_LINE)
    figure.set_size_inches(9, 0.85 * len(starts))
    ax = figure.add_axes((0, 0, 1, 1))
    byte_strips(ax, [("", asked.places[s : s + PER_LINE], asked.best[s : s + PER_LINE]) for s in starts])
    ax.set_xlim(-0.6, PER_LINE - 0.4)  # cells of one size, however many there are
    signs = "".join(map(byte_sign, asked.best[:PER_LINE]))
    return translated(
        "A cell for each of {number} queries, its position above it, its byte in it: {signs!a}.",
        number=len(asked.places),
        signs=signs,
    )


def tell(asked: Asked) -> Report:
    shown = zip(asked.places[:8], asked.best, asked.probabilities, strict=False)
    rows = [(place, byte_sign(byte), f"{p:.0%}") for place, byte, p in shown]
    report = Report("asked").table(
        (translated("position"), translated("byte"), translated("probability")), rows
    )
    if len(asked.places) > len(rows):
        report.say(translated("… and {number} more, in the picture.", number=len(asked.places) - len(rows)))
    few, all_ = asked.cost
    return report.say(
        translated(
            "With O = {number}, decoder and head take {few:,.1f} MFLOPs, and for all of the model's "
            "positions they take {all:,.1f}. The rows differ from the same rows of that run by at most "
            "{difference:.1e}.",
            number=len(asked.places),
            few=few,
            all=all_,
            difference=asked.difference,
        )
    )


@widget("04_decoder", "query-lab", needs="setup queries lab", example=lambda: [embedded(), TEXT])
def query_lab(model=None, text: str = LONGER, places: str = PRESETS["in order"]) -> Experiment:
    """Show which bytes the model predicts, for any list of positions."""
    model = or_loaded(model)
    controls = {
        "text": text_box("text", text, "The model's input. Type any text."),
        "preset": choice("list", [OWN, *PRESETS], "in order", "A list of positions to start with."),
        "places": line_box("positions", places,
                           "Numbers and ranges: 5-23 upwards, 23-5 downwards, 5-60/3 in steps."),
    }  # fmt: skip

    def fill(change):
        if change.new in PRESETS:
            controls["places"].value = PRESETS[change.new]

    def own(change):
        if change.new != "{}-{}".format(*strip.selected_places()):
            strip.hole = NO_LETTER
        if change.new != PRESETS.get(controls["preset"].value):
            controls["preset"].value = OWN

    def ask_for(first, last):
        if strip.hole != NO_LETTER:
            controls["places"].value = f"{first}-{last}"

    strip = text_strip(model, controls, ask=ask_for, label=SELECT)
    controls["preset"].observe(fill, "value")
    controls["places"].observe(own, "value")
    scores_of = lru_cache(maxsize=4)(lambda text: all_scores(model, text))  # the model runs once for a text

    def compute(text, preset, places):
        return ask(model, scores_of, text, places)

    return Experiment("query-lab", controls, compute, draw, tell, size=(9, 0.85), strip=strip)
