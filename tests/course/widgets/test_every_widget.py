"""What holds for every widget that is registered; without a browser."""

import ast
import html
import random
import re
from functools import cache, reduce
from inspect import isfunction, signature
from io import BytesIO
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from perceiver_edu.course.widgets import WIDGETS, Experiment
from perceiver_edu.course.widgets.base import DPI, LOOK
from perceiver_edu.instruments.plots.style import STYLE

UNUSUAL = ["", " ", "a" * 3000, "🙂" * 750, "<script>alert(1)</script>", "مرحبا بالعالم", "[MASK]", "\ud800"]
UNUSUAL += ["e\u0301\n\0", "$x$ costs $5", "'''\"\"\"\\{x}\\n", "a\u202eb\u2028c", "é🙂 <b>[MASK]</b> " * 9]
NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
TEXTS = [*UNUSUAL, "a short one", "b" * 300, "She opened the door and went into the house."]
every_widget = pytest.mark.parametrize("name", WIDGETS)
WITH_TEXT = [name for name, widget in WIDGETS.items() if "text" in signature(widget.make).parameters]
made = cache(lambda name: WIDGETS[name].try_out())


def anything(control, chance):
    """Some value that this control can have."""
    if isinstance(control, ipywidgets.IntRangeSlider):
        return tuple(sorted(chance.randint(control.min, control.max) for _ in range(2)))
    if isinstance(control, ipywidgets.IntSlider):
        return chance.randint(control.min, control.max)
    if isinstance(control, ipywidgets.SelectionSlider | ipywidgets.ToggleButtons):
        choice = chance.choice(control.options)  # a value, or a pair of label and value
        return choice[1] if isinstance(choice, tuple) else choice
    return chance.choice(TEXTS)


@every_widget
def test_every_control_has_a_label_and_a_tooltip_and_the_picture_an_alt_text(name):
    experiment = WIDGETS[name].try_out()
    assert experiment.name == name and experiment.problem == ""
    for control in experiment.controls.values():
        assert control.description and control.tooltip
    assert experiment.alt and 'alt="' in experiment.view.value


@every_widget
def test_the_still_is_the_picture_with_its_alt_text(name, monkeypatch):
    shown, experiment = [], WIDGETS[name].try_out()
    monkeypatch.setattr("IPython.display.display", shown.append)
    experiment.still()
    [image] = shown
    data, about = image._repr_mimebundle_()
    assert data["image/png"] and about["image/png"]["alt"] == experiment.alt
    assert f'alt="{html.escape(experiment.alt)}"' in data["text/html"], "JupyterLab shows only this one"
    assert image.least * image.smallest >= 9 * image.size[0], "no letter is smaller than 9 pixels"


@every_widget
def test_state_after_random_state_is_drawn_or_refused_in_one_sentence(name):
    experiment, chance, drawn = WIDGETS[name].try_out(), random.Random(0), 0
    while drawn < 5:
        for control in chance.sample(list(experiment.controls.values()), k=chance.randint(1, 2)):
            control.value = anything(control, chance)
        assert "stopped the experiment" not in experiment.problem
        assert ('class="perceiver-stale"' in experiment.view.value) == bool(experiment.problem)
        if not experiment.problem:  # it is drawn as on a new figure, to the pixel
            new, png = Figure(figsize=experiment.figure.get_size_inches(), dpi=DPI), BytesIO()
            with torch.no_grad(), plt.rc_context(STYLE):
                experiment._draw(new, experiment.result)
                new.savefig(png, format="png", pil_kwargs={"compress_level": 1})
            assert png.getvalue() == experiment.picture.png
        drawn += not experiment.problem


@pytest.mark.parametrize("name", WITH_TEXT)
@settings(deadline=None, max_examples=6)
@given(text=st.sampled_from(UNUSUAL) | st.text(max_size=300), chance=st.randoms(use_true_random=False))
def test_any_text_is_shown_escaped_or_refused_in_one_sentence(name, text, chance):
    experiment = made(name)
    experiment.state = {"text": TEXTS[-1]}  # what is left of the example before has no effect
    experiment.state = {"text": text}
    if "position" in experiment.controls:  # the playground frames a byte of any text
        experiment.state = {"position": anything(experiment.controls["position"], chance)}
    assert "stopped the experiment" not in experiment.problem
    view = experiment.view.value.replace(LOOK, "")
    assert ('class="perceiver-stale"' in view) == bool(experiment.problem) and "<img " in view
    assert set(re.findall(r"<(\w+)", view)) <= {"div", "img", "p", "table", "tr", "th", "td", "code"}


@pytest.mark.parametrize("name", [name for name, widget in WIDGETS.items() if not widget.needs])
def test_its_cell_may_be_the_first_that_a_fresh_kernel_runs(name):
    widget = WIDGETS[name]
    cells = nbformat.read(NOTEBOOKS / f"{widget.notebook}.ipynb", as_version=4).cells
    [source] = [cell.source for cell in cells if cell.id == widget.cell]
    *lines, value = source.splitlines()
    names: dict = {}
    exec("\n".join(lines), names)
    experiment = eval(value, names)
    assert isinstance(experiment, Experiment) and (experiment.name, experiment.problem) == (name, "")


def makers_called(source: str, names: dict) -> set:
    """The functions that this source calls to make an experiment; its imports of widgets go into `names`."""
    nodes = list(ast.walk(ast.parse(source)))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("perceiver_edu.course."):
            exec(ast.unparse(node), names)  # a name may be a module that nothing has imported so far
    called = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            first, *attributes = ast.unparse(node.func).split(".")
            called.add(reduce(lambda thing, name: getattr(thing, name, None), attributes, names.get(first)))
    functions = filter(isfunction, called)
    return {function for function in functions if signature(function).return_annotation is Experiment}


def test_the_experiments_of_the_notebooks_are_those_that_are_registered():
    used = set()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        names, cells = {}, nbformat.read(path, as_version=4).cells
        for cell in cells:
            if cell.cell_type == "code":
                makers = makers_called(cell.source, names)
                used |= {(path.stem, cell.id.removesuffix("-still"), maker) for maker in makers}
        for widget in WIDGETS.values():
            if widget.notebook == path.stem:
                needed = {widget.cell, f"{widget.cell}-still", *widget.needs.split()}
                assert needed <= {cell.id for cell in cells}, widget
    assert used == {(widget.notebook, widget.cell, widget.make) for widget in WIDGETS.values()}
