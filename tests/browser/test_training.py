"""The experiments of notebooks 07 and 08 in a browser, their numbers held to the library's."""

import csv

import pytest

from perceiver_edu import load_pretrained
from perceiver_edu.cli.shared import HELD_OUT
from perceiver_edu.pretrained import EMBEDDED
from perceiver_edu.training.batches import spread
from perceiver_edu.training.corpus import load_crops
from perceiver_edu.training.evaluate import evaluate

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]


def test_07_browse_run(lab_page, page, looks):
    page.set_default_timeout(120_000)  # the notebook evaluates
    lab = lab_page("07_pretraining")
    lab.run("setup", "recorded", "run-lab", "run-lab-still")
    view = lab.experiment("run-lab", "browse-run")
    with open(EMBEDDED / "log.csv", newline="") as file:
        log = {int(row["step"]): row for row in csv.DictReader(file)}
    scores = evaluate(
        load_pretrained("embedded"), spread(load_crops(HELD_OUT, 256, progress=False), 200)
    ).scores
    names = {"unigram": "unigram", "hole geometry": "geometry", "geometry + sides": "sides"}

    def is_the_librarys():
        step = view.state["step"]
        exam = max(known for known, row in log.items() if row["held_out_bits"] and known <= step)
        held_out = float(log[exam]["held_out_bits"])
        training = f"{float(log[step]['bits']):.2f}" if log[step]["bits"] else "nothing yet"
        first, second = view.tables()
        assert first == [
            [f"in training, step {step:,}", training],
            [f"held-out words, step {exam:,}", f"{held_out:.2f}"],
        ]
        for (name, bits, compared), (shown, key) in zip(second, names.items(), strict=True):
            gap = scores[key].bits - held_out
            assert (name, bits) == (shown, f"{scores[key].bits:.2f}")
            assert compared == f"{abs(gap):.2f} {'below' if gap > 0 else 'above'}"

    assert view.state == {"step": 150, "scale": "log"}
    is_the_librarys()
    assert lab.cell("run-lab-still").locator("img").evaluate("picture => picture.naturalWidth") > 400
    [step] = view.handles("step")
    for _ in range(14):
        view.press("ArrowRight", step)
    view.wait_for(step=850)
    is_the_librarys()
    view.press("ArrowRight", step)
    view.wait_for(step=900)
    is_the_librarys()
    view.press("Enter", view.buttons("scale")[0])
    view.wait_for(scale="linear")
    view.press("End", step)
    view.wait_for(step=28500)
    is_the_librarys()
    view.click_track("step", 0.7)
    view.wait_for_change(step=28500)
    is_the_librarys()
    view.press("Home", step)
    view.wait_for(step=0)
    is_the_librarys()
    looks(view)
