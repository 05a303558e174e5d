import random
from io import BytesIO

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure

from perceiver_edu.course.widgets.base import DPI
from perceiver_edu.instruments.plots.style import STYLE

TEXTS = [
    "",
    "a short one",
    "b" * 300,
    "é🙂 <b>[MASK]</b> " * 9,
    "She opened the door and went into the house.",
]


def anything(control, chance):
    """Some value that this control can have."""
    if isinstance(control, ipywidgets.IntRangeSlider):
        return tuple(sorted(chance.randint(control.min, control.max) for _ in range(2)))
    if isinstance(control, ipywidgets.IntSlider):
        return chance.randint(control.min, control.max)
    if isinstance(control, ipywidgets.SelectionSlider | ipywidgets.ToggleButtons):
        return chance.choice([value for _, value in control._options_full])
    return chance.choice(TEXTS)


@pytest.fixture
def drawn_as_new():
    """experiment -> whether, state after random state, it shows what a new figure would, to the pixel."""

    def walk(experiment, drawings=5, fixed=()):
        chance, moved = random.Random(0), [name for name in experiment.controls if name not in fixed]
        while drawings:
            for name in chance.sample(moved, k=chance.randint(1, 2)):
                experiment.controls[name].value = anything(experiment.controls[name], chance)
            assert "stopped the experiment" not in experiment.problem
            if experiment.problem:  # a state that is refused
                continue
            new, png = Figure(figsize=experiment.figure.get_size_inches(), dpi=DPI), BytesIO()
            with torch.no_grad(), plt.rc_context(STYLE):
                experiment._draw(new, experiment.result)
                new.savefig(png, format="png", pil_kwargs={"compress_level": 1})
            if png.getvalue() != experiment._png:
                return False
            drawings -= 1
        return True

    return walk
