"""A training loop that shows life in a notebook: its steps, the time that is left, and a curve.

    progress = training_progress(800, "usual initialisation", "bits")
    for step in progress:
        ...
        progress.note(bits)

All loops of a cell share one output, and when the cell has ended, that is empty.
"""

import html
import os
import sys
import time
from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np

from perceiver_edu.course.place import translated
from perceiver_edu.course.prediction import stop_while_open
from perceiver_edu.language import to_translate

DELAY = 1.0  # seconds before anything is shown: what is over sooner needs no curve
EVERY = 0.5  # seconds between two pictures
WIDTH, HEIGHT, MARGIN, POINTS = 360, 100, 90, 120
OUTPUT: dict[str, Any] = {}  # of the cell that runs


class TrainingProgress:
    """The numbers of the steps, to loop over; see `training_progress`."""

    def __init__(self, steps: int, name: str, what: str):
        self.steps, self.name, self.what, self.done = steps, name, what, 0
        self.noted: list[tuple[int, float]] = []  # (step, value)
        self.started = 0.0

    def __iter__(self) -> Iterator[int]:
        stop_while_open()
        self.started, self.done, self.noted = time.perf_counter(), 0, []
        next_picture = self.started + (0 if OUTPUT else DELAY)
        visible = in_notebook()
        for step in range(self.steps):
            yield step
            self.done = step + 1
            if visible and (time.perf_counter() >= next_picture or (OUTPUT and self.done == self.steps)):
                show({"text/plain": self.as_text(), "text/html": self.as_html()})
                next_picture = time.perf_counter() + EVERY

    def note(self, value: float) -> None:
        """A point of the curve."""
        self.noted.append((self.done + 1, float(value)))

    def as_text(self) -> str:
        """All but the curve, in one line."""
        left = (time.perf_counter() - self.started) / max(1, self.done) * (self.steps - self.done)
        parts = [
            self.name,
            translated("step {done:,} of {all:,}", done=self.done, all=self.steps),
            translated("about {seconds:.0f} s left", seconds=left)
            if left < 90
            else translated("about {minutes:.0f} min left", minutes=left / 60),
        ]
        parts += [f"{translated(self.what)} {value:.3g}" for _, value in self.noted[-1:]]
        return " · ".join(filter(None, parts))

    def as_html(self) -> str:
        wide = f"min({WIDTH}px, {100 * WIDTH / (WIDTH + MARGIN):.0f}%)"  # as wide as the curve will be
        bar = f'<progress max="{self.steps}" value="{self.done}" style="width: {wide}"></progress>'
        text = html.escape(self.as_text())
        return f'<label style="font-variant-numeric: tabular-nums">{text}<br>{bar}</label><br>{self.curve()}'

    def curve(self) -> str:
        """What was noted, as a line; of many points, means of some in a row."""
        points = [(step, value) for step, value in self.noted if isfinite(value)]
        if len(points) < 2:
            return ""
        parts = np.array_split(np.array(points), min(len(points), POINTS))
        x, y = np.array([part.mean(0) for part in parts]).T
        down = 10 + (y.max() - y) * (HEIGHT - 20) / (np.ptp(y) or 1)
        places = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(WIDTH * x / self.steps, down, strict=True))
        what = translated(self.what)
        said = translated("{what} from {first:.3g} to {last:.3g}", what=what, first=y[0], last=y[-1])
        what, wide = html.escape(what), WIDTH + MARGIN
        return (
            f'<svg role="img" aria-label="{html.escape(said)}" width="{wide}" viewBox="0 0 {wide} {HEIGHT}" '
            'style="max-width: 100%" fill="currentColor" font-size="12">'
            f'<polyline points="{places}" fill="none" stroke="currentColor" stroke-width="2"/>'
            f'<text x="{WIDTH + 6}" y="14">{what} {y.max():.3g}</text>'
            f'<text x="{WIDTH + 6}" y="{HEIGHT - 6}">{what} {y.min():.3g}</text></svg>'
        )


def training_progress(steps: int, name: str = "", what: str = to_translate("loss")) -> TrainingProgress:
    """The numbers of the steps of a training loop, to loop over under a curve of what the loop notes.

    In a notebook it appears after a second, with the steps and the time that is left, and is gone when the
    cell has ended. Elsewhere, and where TQDM_DISABLE is set, nothing is shown. A loop does not begin while
    the prediction above it is open.

    Args:
        name: of what is trained, such as "usual initialisation".
        what: the quantity that `progress.note(value)` gets.
    """
    return TrainingProgress(steps, name, what)


def in_notebook() -> bool:
    """Is there somebody who sees the curve? TQDM_DISABLE turns it off, as it does bars of progress."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel") and not os.environ.get("TQDM_DISABLE")


def show(data: dict[str, str]) -> None:
    """In the output of the cell that runs, which is emptied when it ends, also by an error."""
    from IPython import get_ipython
    from IPython.display import display

    if OUTPUT:
        return OUTPUT["handle"].update(data, raw=True)
    OUTPUT["handle"] = display(data, raw=True, display_id=True)
    get_ipython().events.register("post_run_cell", remove)


def remove(result: Any) -> None:
    from IPython import get_ipython

    get_ipython().events.unregister("post_run_cell", remove)
    OUTPUT.pop("handle").update({"text/plain": "", "text/html": ""}, raw=True)
