"""The experiments of notebooks 08 and 09 in a browser: a recorded run, and frozen against thawed."""

import statistics

import pytest

from perceiver_edu.course.exercises.n09_finetuning.compare import compare_variant
from perceiver_edu.course.widgets import WIDGETS
from perceiver_edu.course.widgets.base import embedded
from perceiver_edu.course.widgets.thawing import LIMITS
from perceiver_edu.data import HELD_OUT
from perceiver_edu.instruments import read_run
from perceiver_edu.training.batches import spread
from perceiver_edu.training.corpus import load_crops
from perceiver_edu.training.evaluate import evaluate
from perceiver_edu.weights.pretrained import EMBEDDED

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]


def test_07_browse_run(show, page, looks):
    page.set_default_timeout(120_000)  # the notebook evaluates
    view = show("browse-run")
    books = spread(load_crops(HELD_OUT, 256, progress=False), 200)
    scores = evaluate(embedded(), books, masks="words").scores
    names = {"unigram": "unigram", "hole geometry": "geometry", "geometry + sides": "sides"}
    baselines = {name: scores[key].bits for name, key in names.items()}
    assert view.state == {"step": 150, "scale": "log"}
    view.mirrors(WIDGETS["browse-run"].make(read_run(EMBEDDED), baselines))
    [step] = view.handles("step")
    view.press("ArrowRight", step, times=14, step=850)
    view.press("ArrowRight", step, step=900)
    view.press("Enter", view.buttons("scale")[0], scale="linear")
    view.press("End", step, step=28500)
    view.click_track("step", 0.7)
    view.press("Home", step, step=0)
    looks(view)


def test_08_frozen_or_thawed(show, page, looks):
    page.set_default_timeout(300_000)  # the notebook trains
    view = show("frozen-or-thawed")
    printed = view.lab.cell("frozen").locator(".jp-OutputArea-output pre").all_inner_texts()

    def is_the_notebooks():
        """What the notebook printed of its own runs, and what the exercise's function makes of them."""
        state, [rows] = view.state, view.tables()
        accuracies = {name: [float(one) for one in each.split(", ")] for name, each, _ in rows}
        assert [len(each) for each in accuracies.values()] == [state["seeds"]] * 4
        for name, _, mean in rows:
            assert mean.startswith(f"{statistics.fmean(accuracies[name]):.2f}")
            if state["seeds"] == 3:
                line = f"{state['labels']} labels  {name:13} ≈ {mean.replace('± ', '± ≈ ')}"
                assert any(line in text for text in printed), (line, printed)
        pair = accuracies[state["way"]], accuracies[state["other"]]
        if state["seeds"] == 1:
            assert f"{pair[0][0] - pair[1][0]:+.2f}. One seed: this may be chance." in view.words()
        else:
            found = compare_variant(*pair, LIMITS[state["seeds"]])
            assert f"mean {found['difference']:+.2f}, standard error {found['error']:.3f}" in view.words()
            assert ("We do not know" in view.words()) != found["decided"]

    assert view.state == {"way": "thawed query", "other": "probe", "labels": 60, "seeds": 3}
    view.holds(is_the_notebooks)
    [labels], [seeds] = view.handles("labels"), view.handles("seeds")
    view.press("ArrowLeft", labels, labels=20)
    for number in (2, 1):
        view.press("ArrowLeft", seeds, seeds=number)
    view.buttons("other")[1].click()
    view.wait_for(other="TF-IDF")
    view.press("Enter", view.buttons("way")[0], way="frozen query")
    view.buttons("other")[2].click()
    view.wait_for("frozen query cannot be compared with itself", other="frozen query")
    view.buttons("other")[0].click()
    view.wait_for(other="probe")
    view.click_track("seeds", 0.95)
    view.wait_for(seeds=3)
    looks(view)
