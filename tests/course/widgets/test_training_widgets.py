"""The widgets of notebooks 08 and 09 say what was recorded and measured; without a browser."""

import csv
import statistics

import pytest
from test_experiments import tables

from perceiver_edu import InputError, instruments
from perceiver_edu.course import widgets
from perceiver_edu.course.widgets import runs, thawing
from perceiver_edu.course.widgets.thawing import EXAMPLE as SCORES
from perceiver_edu.weights.pretrained import EMBEDDED


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_every_moment_of_the_embedded_run_is_its_log(scale):
    with open(EMBEDDED / "log.csv", newline="") as file:
        log = {int(row["step"]): row for row in csv.DictReader(file)}
    experiment = widgets.WIDGETS["browse-run"].try_out()
    stops = [step for _, step in experiment.controls["step"].options]
    assert stops[0] == 0 and stops[-1] == 28500 == experiment.state["step"]
    assert stops[1:21] == list(range(50, 1001, 50)) and 1050 not in stops
    experiment.state = {"scale": scale}
    for step in (850, 15000, 28500):
        experiment.state = {"step": step}
        now = experiment.result
        assert experiment.problem == "" and not now.run.samples
        assert now.in_training == (float(log[step]["bits"]) if log[step]["bits"] else None)
        evaluated = max(known for known, row in log.items() if row["held_out_bits"] and known <= step)
        assert (now.evaluated, now.held_out) == (evaluated, float(log[evaluated]["held_out_bits"]))
        assert f"{now.held_out:.2f}" in experiment.alt
        training = "nothing yet" if now.in_training is None else f"{now.in_training:.2f}"
        first, second = tables(runs.tell(now))
        assert first == [
            [f"in training, step {step:,}", training],
            [f"held-out words, step {evaluated:,}", f"{now.held_out:.2f}"],
        ]
        for (name, bits), row in zip(now.baselines.items(), second, strict=True):
            side = "below" if now.held_out < bits else "above"
            assert row == [name, f"{bits:.2f}", f"{abs(bits - now.held_out):.2f} {side}"]
    experiment.state = {"step": 0}
    assert "6.18 above" in experiment.view.value and "nothing yet" in experiment.view.value


def samples(now):
    return now.run.samples[now.evaluated]


def test_a_run_of_ones_own_shows_its_samples_escaped(tmp_path):
    log = "step,bits,held_out_bits,learning_rate\n0,,8.0,\n5,7.5,,0.1\n9,7,6.5,0.2\n"
    (tmp_path / "log.csv").write_text(log)
    (tmp_path / "samples.txt").write_text("0\tThe c[MASK]t.\t'<b>' 0.10\n9\tThe c[MASK]t.\t'a' 0.90\n")
    run = instruments.read_run(tmp_path)
    experiment = widgets.browse_run(run, {"unigram": 7.25}, step=5)
    assert samples(experiment.result) == [("The c[MASK]t.", "'<b>' 0.10")]
    assert "&lt;b&gt;" in experiment.view.value and "<b>" not in experiment.view.value
    assert "1.0e-01" in experiment.view.value and "0.75 above" in experiment.view.value
    experiment.state = {"step": 9}
    assert samples(experiment.result) == [("The c[MASK]t.", "'a' 0.90")]
    with pytest.raises(InputError, match="no held-out bits"):
        widgets.browse_run(run._replace(held_out={}), {"unigram": 7.25})


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("labels", [20, 80])
@pytest.mark.parametrize("way", ["frozen query", "thawed query"])
@pytest.mark.parametrize("other", ["probe", "TF-IDF"])
def test_a_duel_is_that_of_the_scores(way, other, labels, seeds):
    words = " ".join(repr(thawing.tell(thawing.duel(SCORES, 0.5, way, other, labels, seeds))).split())
    for values in (by_size[labels][:seeds] for by_size in SCORES.values()):
        assert ", ".join(f"{value:.2f}" for value in values) in words
        assert f"{statistics.fmean(values):.2f}" in words
    differences = [a - b for a, b in zip(SCORES[way][labels], SCORES[other][labels], strict=True)][:seeds]
    assert f"{statistics.fmean(differences):+.2f}" in words
    if seeds == 1:
        assert "this may be chance" in words
    else:
        error = statistics.stdev(differences) / seeds**0.5
        decided = abs(statistics.fmean(differences)) > thawing.LIMITS[seeds] * error
        assert f"error {error:.3f}" in words and ("We do not know" in words) != decided


def test_both_verdicts_occur_and_the_better_one_is_named():
    experiment = widgets.frozen_or_thawed(SCORES, 0.5)
    assert (experiment.state["way"], experiment.state["other"]) == ("thawed query", "probe")
    assert "We do not know" in experiment.view.value
    experiment.state = {"other": "TF-IDF"}
    assert "thawed query is better" in experiment.view.value
    experiment.state = {"way": "frozen query", "other": "frozen query"}
    assert experiment.problem == "frozen query cannot be compared with itself: choose another method."


def test_only_sizes_and_seeds_that_all_methods_have_can_be_chosen():
    scores = SCORES | {"probe": SCORES["probe"] | {400: [0.8] * 5}}
    scores |= {"TF-IDF": {80: [0.5] * 5, 20: [0.5] * 4}}
    controls = widgets.frozen_or_thawed(scores, 0.5).controls
    assert list(controls["labels"].options) == [20, 80] and controls["seeds"].max == 3
