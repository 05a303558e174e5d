"""The live curve over a training loop."""

from itertools import count
from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from perceiver_edu.course import live, predict, prediction, training_progress
from perceiver_edu.language import speaking

EMPTY = {"text/plain": "", "text/html": ""}


@pytest.fixture
def shell(monkeypatch):
    """A kernel whose loops take a quarter of a second a step; `shell.seen` is what its page has shown."""
    shell, clock = InteractiveShell(), count()
    shell.kernel, shell.seen, shell.outputs = None, [], 0
    handle = SimpleNamespace(update=lambda data, raw: shell.seen.append(data))

    def display(data, raw, display_id):
        shell.outputs += 1
        shell.seen.append(data)
        return handle

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr(live, "time", SimpleNamespace(perf_counter=lambda: next(clock) / 4))
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(prediction, "ASKED_HERE", {})
    shell.push({"training_progress": training_progress})
    return shell


LOOP = """
progress = training_progress(40, "usual <b>", "bits & more")
for step in progress:
    progress.note(8 - step / 10)
    if step == {last}:
        raise ValueError
"""


def test_name_steps_time_left_and_curve_until_the_cell_has_ended(shell):
    assert shell.run_cell(LOOP.format(last=40)).success
    *shown, last, end = shell.seen
    assert 5 < len(shown) < 40 and shell.outputs == 1 and end == EMPTY
    assert "usual <b> · step " in shown[0]["text/plain"] and " of 40 · about " in shown[0]["text/plain"]
    assert last["text/plain"] == "usual <b> · step 40 of 40 · about 0 s left · bits & more 4.1"
    page = last["text/html"]
    assert page.count(",") >= 40 and "<b>" not in page and "& " not in page
    assert 'role="img" aria-label="bits &amp; more from 8 to 4.1"' in page
    assert 'stroke="currentColor"' in page, "it is seen on a light page and on a dark one"


def test_an_error_in_the_loop_removes_it(shell, capsys):
    assert isinstance(shell.run_cell(LOOP.format(last=30)).error_in_exec, ValueError)
    assert "step 30 of 40" in shell.seen[-2]["text/plain"] and shell.seen[-1] == EMPTY
    assert live.OUTPUT == {} and live.remove not in shell.events.callbacks["post_run_cell"]


def test_the_loops_of_a_cell_share_one_output_and_the_next_cell_has_another(shell):
    twice = "for seed in range(2):\n    for step in training_progress(20, f'seed {seed}'): pass"
    shell.run_cell(twice)
    names = [shown["text/plain"].partition(" · ")[0] for shown in shell.seen]
    assert shell.outputs == 1 and sorted({*names}) == ["", "seed 0", "seed 1"] and names[-1] == ""
    assert "seed 1 · step 1 of 20" in "".join(shown["text/plain"] for shown in shell.seen), "without a delay"
    shell.run_cell(twice)
    assert shell.outputs == 2
    assert not any("<svg" in shown["text/html"] for shown in shell.seen), "nothing was noted"


def test_a_long_curve_stays_small_and_leaves_out_what_is_no_number(shell):
    progress = training_progress(500)
    for step in progress:
        progress.note(float("nan") if step == 7 else step)
    page = progress.as_html()
    assert "polyline" in page and "nan" not in page and page.count(",") < 200
    live.remove(None)


def test_where_nobody_looks_nothing_is_shown(shell, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert list(training_progress(100)) == list(range(100))
    monkeypatch.delenv("TQDM_DISABLE")
    del shell.kernel
    assert list(training_progress(100)) == list(range(100)) and list(training_progress(0)) == []
    assert shell.seen == []


def test_it_speaks_the_language_of_the_course(shell):
    progress = training_progress(1200)
    progress.done = 1100
    with speaking("zh_CN"):
        assert progress.as_text() == "第 1,100 步，共 1,200 步 · 约剩余 0 秒"


def test_a_loop_does_not_begin_while_the_prediction_above_is_open(monkeypatch, file):
    monkeypatch.setattr(prediction, "ASKED_HERE", {})
    monkeypatch.setattr(prediction, "learner_at_work", lambda: True)
    box = predict("00.a", "How many bits?", number="bits")
    with pytest.raises(prediction.NotPredicted, match="Answer or skip the prediction above"):
        list(training_progress(3))
    box.skip.click()
    assert list(training_progress(3)) == [0, 1, 2]
    predict("00.b", "How many bits now?", number="bits")
    predict("00.a", "How many bits?", number="bits")  # again: now it is the one above
    assert list(training_progress(3)) == [0, 1, 2]
