"""The one mechanism under all widgets: controls, one picture, and the same numbers as text.

A widget is three functions. The first is the experiment itself and knows nothing of widgets, so a test, or a
learner, can call it; the other two show what it found:

    compute(**state) -> result     what happens, for the values of the controls
    draw(figure, result) -> str    a picture on a matplotlib Figure; returns its alt text, with the numbers
    tell(result) -> Report         the same numbers in words and tables; a Report escapes what it is given

A result may have a `note`, such as `readable` gives: where it is not empty, it is the last sentence.

    controls = {"k": slider("layers", 8, 0, 8, "How many layers of the processor run.")}
    Experiment("early-stop", controls, compute, draw, tell, size=(8, 3))

`@widget` above the function that makes the experiment registers it. The package finds it there, and so do the
tests that hold for every widget, in the browser too. They try it on the embedded model, or on what `example`
gives: small arguments.

    @widget("03_processor", "stop-lab", needs="setup lens")
    def early_stop(model) -> Experiment: ...

`compute` raises InputError for what cannot be done; the learner reads its sentence under the controls. Draw
no text that a learner typed (fonts lack signs): put it in `tell`. In a test, `state` sets controls by name,
and `result`, `alt`, `problem` and `seconds` say what is on the screen; `figure` can be saved as SVG.

In a notebook the experiment is the value of its cell. The cell imports what it calls, and a maker loads
what it is not given (`or_loaded`), so the cell may be the first that a fresh kernel runs. Where an experiment
shows what only the cells above can compute, it is made inside `from_above(lambda: …)`. The next cell runs
`still()`, which shows the same picture to readers without a kernel; the learner's copy leaves that cell out.

What is slow and does not depend on every control (a run of the model on the text) goes into a function with
`lru_cache` that the widget's maker hands to `compute`; see `heads.py`.
"""

import asyncio
import html
import json
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from typing import NamedTuple

import ipywidgets
import matplotlib.pyplot as plt
import torch
from IPython import get_ipython

from perceiver_edu.course.place import learner_at_work, translated
from perceiver_edu.course.shown import Asleep, Shown
from perceiver_edu.course.widgets.redrawn import RedrawnFigure
from perceiver_edu.course.widgets.strip import TextStrip
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.plots.style import LOOK as PICTURE_LOOK
from perceiver_edu.instruments.plots.style import STYLE, Picture, add_chinese_fonts
from perceiver_edu.language import to_translate
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.weights.pretrained import load_pretrained, weights_name

DEBOUNCE = 0.06  # seconds without a further event before the picture is drawn
DPI = 96
DRAWING = threading.RLock()  # JupyterLab sends what a control says to a thread beside that of the cells
WORKING = to_translate("working …")

LOOK = (
    """<style>
.perceiver-view {position: relative}
.perceiver-view.perceiver-busy::before {content: "working …"; position: absolute; top: .5em; right: .5em;
    padding: .2em .7em; border-radius: 4px; background: #222222; color: white; visibility: hidden;
    animation: perceiver-busy 0s .5s forwards; z-index: 1}
.perceiver-view.perceiver-busy p[role=alert] {animation: perceiver-old 0s .5s forwards}
@keyframes perceiver-busy {to {visibility: visible}}
@keyframes perceiver-old {to {visibility: hidden}}
.perceiver-view .widget-html-content {min-width: 0}
.perceiver-view .perceiver-words {overflow-x: auto; line-height: 1.5; overflow-wrap: break-word}
.perceiver-view td, .perceiver-view th {padding: 0 1em 0 0; unicode-bidi: plaintext; white-space: pre-wrap}
.perceiver-view p {margin: .4em 0; unicode-bidi: plaintext}
.perceiver-view .perceiver-headline {font-weight: bold; line-height: 1.5; min-height: 1.5em}
.perceiver-view p[role=alert] {border-left: 4px solid #D55E00; padding-left: .7em}
.perceiver-view .perceiver-stale {opacity: .35}
</style>"""
    + PICTURE_LOOK
)


FLOW = {"display": "flex", "flex_flow": "row wrap", "width": "auto", "overflow": "hidden"}  # of controls


class Experiment(Shown):
    """Controls above, picture and words below. Events in a burst are answered once, with the last state.

    Args:
        name: its CSS class is "perceiver-" and this.
        controls: by the argument of `compute` that they set.
        compute, draw, tell: see the head of this file.
        size: of the picture, in inches.
        headline: result -> str, the answer in one line, between controls and picture.
        strip: the text as a control, in the place of the sliders that it names.
    """

    sentence = to_translate("An experiment with controls: run this cell to use it.")

    def __init__(self, name: str, controls: dict, compute, draw, tell, size, headline=None, strip=None):
        self.name, self.controls = name, controls
        self._compute, self._draw, self._tell, self._headline = compute, draw, tell, headline
        self.figure = RedrawnFigure(figsize=size, dpi=DPI)
        self._pending = None  # the drawing that waits for the end of a burst
        self.picture, self.alt, self.result, self.problem = None, "", None, ""
        self.draws, self.seconds = 0, 0.0  # how often it was drawn, and how long the last time took
        self.view = ipywidgets.HTML(layout={"width": "auto"})
        self.view.add_class("perceiver-view")
        self.strip = strip or TextStrip()
        rest = [control for key, control in controls.items() if key not in ("text", *self.strip.names)]
        text = [controls["text"]] if "text" in controls else []
        boxes = [ipywidgets.Box(part, layout=FLOW) for part in (text, rest) if part]
        super().__init__([*boxes[: len(text)], self.strip, *boxes[len(text) :], self.view])
        self.add_class("perceiver-widget").add_class(f"perceiver-{name}")
        for key, control in controls.items():
            control.add_class(f"perceiver-control-{key}")
            control.observe(self._changed, "value")
        self.update()

    @property
    def state(self) -> dict:
        return {key: control.value for key, control in self.controls.items()}

    @state.setter
    def state(self, values: dict):
        for key, value in values.items():
            self.controls[key].value = value

    def update(self) -> None:
        """Compute and draw the state of this moment. Whatever goes wrong is one sentence in the view."""
        with DRAWING:
            self._update()

    def _update(self) -> None:
        self._pending = None
        started, self.problem = time.perf_counter(), ""
        self.view.add_class("perceiver-busy")  # seen on the page when it lasts: weights that are loaded
        try:
            with torch.no_grad(), plt.rc_context(STYLE):
                self.result = self._compute(**self.state)
                self.figure.begin()
                self.alt = self._draw(self.figure, self.result)
                add_chinese_fonts(self.figure)
                self.figure.end()
                png = BytesIO()
                self.figure.savefig(png, format="png", pil_kwargs={"compress_level": 1})
            report = self._tell(self.result)
            if note := getattr(self.result, "note", ""):
                report.say(note)
            self.picture = Picture(png.getvalue(), self.alt, self.figure)
            self._words = report.parts_as_html()
            self._head = self._headline(self.result) if self._headline else ""
        except InputError as error:
            self.problem = str(error)
        except Exception as error:  # a widget goes on, whatever one state of it does
            self.problem = translated(
                "This state stopped the experiment: {name}: {error}", name=type(error).__name__, error=error
            )[:300]
        self.draws, self.seconds = self.draws + 1, time.perf_counter() - started
        self.view.value = LOOK.replace(WORKING, translated(WORKING)) + self._as_html()
        self.view.remove_class("perceiver-busy")

    def still(self) -> None:
        """Show the picture of this moment as an ordinary output: it stays where no kernel runs.

        A learner sees the experiment itself, so there nothing is shown again.
        """
        from IPython.display import display

        if learner_at_work():
            return
        if self.problem:
            print(self.problem)
        else:
            display(self.picture)

    def _changed(self, change) -> None:
        if getattr(get_ipython(), "kernel", None) is None:  # a plain program, whatever event loop it has
            return self.update()
        if self._pending is not None:
            self._pending.cancel()
        self._pending = asyncio.get_running_loop().call_later(DEBOUNCE, self.update)

    def _as_html(self) -> str:
        state = html.escape(json.dumps(self.state))
        parts = [f'<div data-state="{state}" data-draw="{self.draws}" data-ms="{1000 * self.seconds:.0f}">']
        line = f'role="alert">{html.escape(self.problem)}' if self.problem else f">{html.escape(self._head)}"
        parts.append(f'<p class="perceiver-headline" {line}</p>')
        if self.picture:  # the last one, dimmed, where this state has none: so the page does not jump
            stale = 'class="perceiver-stale" aria-hidden="true"' if self.problem else ""
            words = f'<div class="perceiver-words" aria-live="polite">{self._words}</div>'
            parts.append(f"<div {stale}>{self.picture.html()}{words}</div>")
        return "".join(parts) + "</div>"


class Widget(NamedTuple):
    """What is registered of a function that makes an experiment."""

    name: str  # the experiment's
    make: Callable[..., Experiment]
    notebook: str
    cell: str  # the id of the cell that shows the experiment; `cell`-still shows its picture
    needs: str  # the ids of the cells that have to run before it
    example: Callable[[], Sequence]  # arguments of `make` to try it on, small ones

    def try_out(self) -> Experiment:
        return self.make(*self.example())


WIDGETS: dict[str, Widget] = {}  # by name


loaded = cache(load_pretrained)


def embedded():
    """The model of the embedded weights, for examples."""
    return loaded("embedded")


def or_loaded(model):
    """The model, or else that of `load_pretrained()`, which is loaded once."""
    return loaded(weights_name()) if model is None else model


def from_above(make: Callable[[], Experiment]) -> Experiment | Asleep:
    """The experiment; or, where a name of this call is not defined, a sentence that says what to run.

    from_above(lambda: frozen_or_thawed(right, chance=0.5))
    """
    try:
        return make()
    except NameError as error:
        inside = error.__traceback__ and error.__traceback__.tb_next
        if inside is None or inside.tb_next is not None:  # it comes from further in
            raise
        return Asleep(error.name or translated("a name"))


def widget(notebook: str, cell: str, *, needs: str = "", example=lambda: [embedded()]) -> Callable:
    """Register the function below this line; `def mask_a_span` makes the experiment "mask-a-span".

    Without `needs` its cell runs first in a fresh kernel; tests hold it to that.
    """

    def register(make):
        name = make.__name__.replace("_", "-")
        WIDGETS[name] = Widget(name, make, notebook, cell, needs, example)
        return make

    return register


# The controls, each with a label, a tooltip, and room to shrink in a narrow window.


def _control(kind, label: str, tip: str, width: str, **traits):
    layout = {"width": width, "max_width": "100%", "min_width": "12em"}
    style = {"description_width": "initial"}
    return kind(description=translated(label), tooltip=translated(tip), layout=layout, style=style, **traits)


def slider(label: str, value: int, low: int, high: int, tip: str, step: int = 1):
    return _control(ipywidgets.IntSlider, label, tip, "24em", value=value, min=low, max=high, step=step)


def range_slider(label: str, value: tuple[int, int], low: int, high: int, tip: str):
    """From, up to but not including; the label says what that is: "latents: 7–8", or "none"."""
    traits = dict(value=value, min=low, max=high, readout=False)
    control = _control(ipywidgets.IntRangeSlider, label, tip, "24em", **traits)
    control.style.description_width = "12em"  # so that the slider stays where it is

    def count(change=None):
        control.description = translated(
            "{label}: {interval}", label=translated(label), interval=counted(control.value)
        )

    control.observe(count, "value")
    count()
    return control


def counted(interval: tuple[int, int]) -> str:
    """What lies from one number up to, but not including, another."""
    start, stop = interval
    return translated("none") if start >= stop else str(start) if stop - start == 1 else f"{start}–{stop - 1}"


def stops(label: str, options, value, tip: str):
    """A slider that stops at these values, or at these (label, value) pairs."""
    return _control(ipywidgets.SelectionSlider, label, tip, "24em", options=options, value=value)


def choice(label: str, options, value, tip: str):
    """Buttons, one of which is pressed: values, or (label, value) pairs.

    Not a drop-down list: JupyterLab takes its arrow keys and letters for commands of its own.
    """
    pairs = [option if isinstance(option, tuple) else (option, option) for option in options]
    labelled = [(translated(label), value) for label, value in pairs]
    control = _control(ipywidgets.ToggleButtons, label, tip, "auto", options=labelled, value=value)
    control.style.button_width = "auto"
    return control


def text_box(label: str, value: str, tip: str):
    return _control(ipywidgets.Textarea, label, tip, "48em", value=value, rows=2)


def line_box(label: str, value: str, tip: str):
    return _control(ipywidgets.Text, label, tip, "24em", value=value)


# What several experiments need.


def readable(model, text: str) -> tuple[str, str]:
    """As much of a text as the model reads, and a sentence where that is not all of it."""
    tokenizer, longest = ByteTokenizer(), model.config.max_position_embeddings - 2  # [CLS] and [SEP]
    ids = tokenizer.encode(text, add_special_tokens=False)
    if len(ids) <= longest:
        return text, ""
    kept = tokenizer.decode(ids[:longest])
    while not text.startswith(kept):  # the cut may have gone through a character
        kept = kept[:-1]
    said = translated(
        "This model reads {longest} bytes: the first {kept} of {all:,} characters are used.",
        longest=longest,
        kept=len(kept),
        all=len(text),
    )
    return kept, said
