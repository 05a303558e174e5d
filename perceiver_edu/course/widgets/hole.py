"""Notebook 00: move a hole along a text, and see how the model fills it."""

from contextlib import suppress
from functools import partial
from typing import NamedTuple

import torch

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, or_loaded, range_slider, readable, text_box, widget
from perceiver_edu.course.widgets.strip import TextStrip, hole_after, middle_word
from perceiver_edu.errors import InputError
from perceiver_edu.filling import MASK_TOKEN, Filling, fill_in, fill_mask, hole_length
from perceiver_edu.instruments.plots.queries import byte_guesses
from perceiver_edu.instruments.tracing import record
from perceiver_edu.tokenizer import ByteTokenizer

TEXT, HOLE = "She opened the door and went into the house.", (28, 33)
LONGER = "She opened the door and went into the house, and then she sat down by the fire to read."
LONGEST = 24  # bytes in a hole: more would not fit into the picture


class Filled(NamedTuple):
    """The model's fillings of a hole."""

    with_hole: str  # the text, a ▒ for each hidden byte
    hidden: str
    fillings: list[Filling]
    by_byte: torch.Tensor  # (L, 256) probabilities, out of all 262 ids, of each byte on its own
    note: str


def hidden_part(model, text: str, hole, known: bool = False) -> tuple[str, tuple[int, int], str, str]:
    """-> as much of the text as is read, the hole in it, what is hidden, and a note where text was left out.

    Raises: InputError where nothing is hidden, or more than the picture has room for, or, if it has to be
    `known`, a [MASK].
    """
    text, note = readable(model, text)
    hole = hole[0], min(hole[1], len(text))
    hidden = text[slice(*hole)]
    if not hidden:
        raise InputError(translated("Nothing is hidden: type a text, and select some of its letters."))
    if hole_length(hidden) > LONGEST:
        raise InputError(
            translated(
                "This hole has {number} bytes. The picture has room for {longest}: make it shorter.",
                number=hole_length(hidden),
                longest=LONGEST,
            )
        )
    if known and MASK_TOKEN in hidden:
        raise InputError(translated("[MASK] has no known text behind it: select other letters."))
    return text, hole, hidden, note


def first_hidden(text: str, hole: tuple[int, int]) -> int:
    """Which of the ids that the model reads is the hole's first. Raises: InputError as the tokenizer."""
    return len(ByteTokenizer().encode(text[: hole[0]])) - 1  # [CLS] comes before it, [SEP] does not


def fill_span(model, text: str, hole: tuple[int, int]) -> Filled:
    """Hide the characters hole[0] to hole[1] - 1 of a text. Raises: InputError where that hides nothing."""
    text, hole, hidden, note = hidden_part(model, text, hole)
    with record(model, "mlm_head") as seen:  # `fill_mask` runs the model once, and decodes only the hole
        [fillings] = fill_mask(model, text, hole)
    by_byte = (
        seen["mlm_head"][0][0]
        .float()
        .cpu()
        .softmax(-1)[:, ByteTokenizer.BYTE_OFFSET : ByteTokenizer.VOCAB_SIZE]
    )  # (L, 256)
    return Filled(with_signs(text, hole), hidden, fillings, by_byte, note)


def with_signs(text: str, hole: tuple[int, int]) -> str:
    """The text with a ▒ for each hidden byte."""
    return fill_in(text, [hole], ["▒" * hole_length(text[slice(*hole)])])


def draw(figure, filled: Filled) -> str:
    ax = figure.add_axes((0.0, 0.0, 1.0, 0.94))
    byte_guesses(ax, filled.by_byte)
    ax.set_xlim(-0.9, max(9, len(filled.by_byte)) - 0.5)  # cells of one size, where the hole is short
    best = ascii(filled.fillings[0].text) if filled.fillings else translated("none")
    return translated(
        "A column for each of the {number} hidden bytes, with the four likeliest bytes there and "
        "their probabilities. The best filling of all: {best}.",
        number=len(filled.by_byte),
        best=best,
    )


def tell(filled: Filled) -> Report:
    report = Report("a filled hole").table((translated("what the model is given"),), [(filled.with_hole,)])
    ranking(report, filled.fillings, filled.hidden)
    if filled.hidden not in [filling.text for filling in filled.fillings]:
        report.say(
            translated(
                "The hidden text was {hidden!r}, which is not among the first {number} fillings.",
                hidden=filled.hidden,
                number=len(filled.fillings),
            )
        )
    return report


def ranking(report: Report, fillings: list[Filling], hidden: str) -> Report:
    """The table of the fillings, with a mark beside the one that was hidden."""
    rows = [
        (f"{rank}.", f"{100 * p:.3g} %", repr(text), translated("← this was hidden") * (text == hidden))
        for rank, (text, p) in enumerate(fillings, 1)
    ]
    return report.table((translated("rank"), translated("probability"), translated("filling"), ""), rows)


def hole_controls(model, text: str, hole: tuple[int, int]) -> dict:
    """A text, and the hole in it.

    The hole stays on its letters when the text is edited. Where they are gone, a word is hidden instead, and
    perhaps another one with the next key, until the reader hides something.
    """
    controls = {
        "text": text_box("text", text, "The model's input. Type any text."),
        "hole": range_slider("hide", hole, 0, len(text), "Where the hole starts and stops, in characters."),
    }
    span, chosen = controls["hole"], True

    def fit(change):
        nonlocal chosen
        kept = hole_after(change.old, change.new, span.value) if chosen else None
        found = kept or middle_word(change.new[: letters_read(model, change.new)], LONGEST)
        span.max = max(1, len(change.new))
        span.value = found
        chosen = kept is not None

    def choose(change):
        nonlocal chosen
        chosen = True

    controls["text"].observe(fit, "value")
    span.observe(choose, "value")
    return controls


def letters_read(model, text: str) -> int:
    with suppress(InputError):  # the experiment says what is wrong with this text
        return len(readable(model, text)[0])
    return len(text)


def text_strip(model, controls: dict, **options) -> TextStrip:
    """The text of these controls, in which its hole and the queried byte are chosen, where they have them."""
    held = (controls.get(name) for name in ("text", "hole", "position"))
    return TextStrip(partial(letters_read, model), *held, **options)


@widget("00_quickstart", "hole", needs="setup fill-word")
def mask_a_span(model=None, text: str = TEXT, hole: tuple[int, int] = HOLE) -> Experiment:
    """Hide a piece of a text, and see the ranked fillings. `hole`: (start, stop) in characters."""
    model = or_loaded(model)
    controls, compute = hole_controls(model, text, hole), partial(fill_span, model)
    strip = text_strip(model, controls)
    return Experiment("mask-a-span", controls, compute, draw, tell, size=(8, 2.6), strip=strip)
