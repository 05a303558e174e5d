"""A live curve over a training loop in a notebook: steps, the time that is left, and the loss so far."""

import html
import os
import sys
import time
from collections.abc import Iterator
from math import ceil, isfinite
from statistics import fmean as mean
from typing import Any

DELAY = 2.0  # seconds before anything is shown: what is over sooner needs no curve
EVERY = 0.5  # seconds between two pictures
WIDTH, HEIGHT, POINTS = 480, 100, 120


class TrainingProgress:
    """The numbers of the steps, to loop over; see `training_progress`."""

    def __init__(self, steps: int, what: str):
        self.steps, self.what, self.done = steps, what, 0
        self.noted: list[tuple[int, Any]] = []  # (step, value); tensors wait on their device until drawn
        self._started = self._shown = 0.0
        self._handle: Any = None

    def __iter__(self) -> Iterator[int]:
        self._started, self.done, self.noted = time.perf_counter(), 0, []
        self._shown, visible = self._started + DELAY - EVERY, in_notebook()
        try:
            for step in range(self.steps):
                yield step
                self.done = step + 1
                if visible and time.perf_counter() >= self._shown + EVERY:
                    self._show()
        finally:
            if self._handle is not None:
                self._show()

    def note(self, value: Any) -> None:
        """A point of the curve: a number, or a tensor of one number."""
        self.noted.append((self.done + 1, value.detach() if hasattr(value, "detach") else value))

    def _show(self) -> None:
        from IPython.display import display

        text = self.as_text()
        data = {"text/plain": text, "text/html": self.as_html(html.escape(text))}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
        self._shown = time.perf_counter()

    def as_text(self) -> str:
        """Steps, time and the last value, in one line."""
        seconds = time.perf_counter() - self._started
        left = seconds / max(1, self.done) * (self.steps - self.done)
        when = f"about {duration(left)} left" if self.done < self.steps else f"done in {duration(seconds)}"
        last = f", {self.what} {float(self.noted[-1][1]):.3g}" if self.noted else ""
        return f"step {self.done:,} of {self.steps:,}, {when}{last}"

    def as_html(self, text: str) -> str:
        """This text beside a bar, and the curve below them."""
        bar = f'<progress max="{self.steps}" value="{self.done}" aria-label="{text}"></progress> {text}'
        return f'<div style="font-variant-numeric:tabular-nums">{bar}<br>{self._curve()}</div>'

    def _curve(self) -> str:
        """The mean of what was noted, in at most POINTS parts, as a line."""
        self.noted = [(step, float(value)) for step, value in self.noted]
        length = ceil(len(self.noted) / POINTS) or 1
        parts = [self.noted[i : i + length] for i in range(0, len(self.noted), length)]
        points = [(mean(step for step, _ in part), mean(value for _, value in part)) for part in parts]
        points = [(step, value) for step, value in points if isfinite(value)]
        if len(points) < 2:
            return ""
        low, high = (bound(value for _, value in points) for bound in (min, max))
        scale = (HEIGHT - 20) / ((high - low) or 1)
        places = " ".join(f"{WIDTH * x / self.steps:.1f},{10 + (high - y) * scale:.1f}" for x, y in points)
        what = html.escape(self.what)
        return (
            f'<svg role="img" aria-label="{what} from {points[0][1]:.3g} to {points[-1][1]:.3g}" '
            f'width="{WIDTH + 90}" height="{HEIGHT}" fill="currentColor" font-size="12">'
            f'<polyline points="{places}" fill="none" stroke="#0072B2" stroke-width="2"/>'
            f'<text x="{WIDTH + 6}" y="14">{high:.3g} {what}</text>'
            f'<text x="{WIDTH + 6}" y="{HEIGHT - 6}">{low:.3g}</text></svg>'
        )


def training_progress(steps: int, what: str = "loss") -> TrainingProgress:
    """The numbers of the steps of a training loop, under a curve of what the loop notes.

        progress = training_progress(800, "bits")
        for step in progress:
            ...
            progress.note(loss)

    It appears in a notebook once two seconds have passed, and shows the steps and the time that is left.
    """
    return TrainingProgress(steps, what)


def in_notebook() -> bool:
    """Is there somebody who sees the curve? TQDM_DISABLE turns it off, as it does bars of progress."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel") and not os.environ.get("TQDM_DISABLE")


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
