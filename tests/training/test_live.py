"""The live curve over a training loop."""

from itertools import count
from types import SimpleNamespace

import pytest
import torch

from perceiver_edu.training import live
from perceiver_edu.training.live import training_progress


@pytest.fixture
def shown(monkeypatch):
    """What a notebook shows of a loop whose steps take a second each."""
    seen, clock = [], count()
    handle = SimpleNamespace(update=lambda data, raw: seen.append(data))
    monkeypatch.setattr("IPython.display.display", lambda data, **more: seen.append(data) or handle)
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=None))
    monkeypatch.setattr(live, "time", SimpleNamespace(perf_counter=lambda: next(clock) / 4))
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    return seen


def test_steps_time_left_and_curve(shown):
    progress = training_progress(40, "bits <b>")
    for step in progress:
        progress.note(torch.tensor(8.0 - step / 10, requires_grad=True))
    assert 5 < len(shown) < 40
    first, last = shown[0], shown[-1]
    assert "of 40, about " in first["text/plain"] and first["text/plain"].endswith("bits <b> 7.3")
    assert "step 40 of 40, done in " in last["text/plain"] and "bits <b> 4.1" in last["text/plain"]
    assert last["text/html"].count(",") >= 40 and "<b>" not in last["text/html"]
    assert 'aria-label="bits &lt;b&gt; from 8 to 4.1"' in last["text/html"]


def test_a_loop_that_breaks_off_shows_where(shown):
    progress = training_progress(100)
    for step in progress:
        if step == 30:
            break
    assert "step 30 of 100" in shown[-1]["text/plain"] and "<svg" not in shown[-1]["text/html"]
    progress = training_progress(500)
    for step in progress:
        progress.note(float("nan") if step == 7 else step)
    assert shown[-1]["text/html"].count(",") < 200, "a long curve stays small"


def test_where_nobody_looks_nothing_is_shown(shown, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert list(training_progress(100)) == list(range(100)) and shown == []
    assert list(training_progress(0)) == []
