"""The benchmarks compare what they say: the same texts, the same loss, the same weights after a step."""

import json
from pathlib import Path

import pytest
import torch
from tiny import tiny_models

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def small_model():
    return tiny_models(dtype=torch.float32)[0]


@pytest.mark.slow
def test_every_contender_answers_in_the_order_of_the_texts(small_model):
    from bench import race
    from contenders import Job, contenders

    texts = ["a long sentence.", "b", "the middle", "cc"]
    job = Job("", "four texts", texts, range(3), batch_size=2)
    rows = race("four texts", contenders(job, small_model, ["fp32"], "cpu", everyone=False), 2, "cpu")
    found = {row.contender: row for row in rows}
    assert {"HF eager, padded", "HF in OpenVINO", "optimize() in OpenVINO"} <= found.keys()
    assert all(row.error < 1e-4 for row in rows), "the texts differ by much more"
    assert all(0 < row.fastest <= row.seconds <= row.slowest for row in rows)
    assert found["optimize() in torch"].peak_bytes < found["HF eager, padded"].peak_bytes


def test_a_training_step_has_one_loss_and_leaves_the_weights(small_model):
    from contenders import training_contenders

    before = [parameter.clone() for parameter in small_model.parameters()]
    runners = list(training_contenders(small_model, ["fp32"], "cpu", batch_size=2, compiled=False))
    theirs, ours = (runner.parts[0]() for runner in runners)
    assert ours.abs().max() > 0
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()
    assert torch.equal(runners[1].parts[0](), ours), "the same step again"
    assert all(torch.equal(*pair) for pair in zip(before, small_model.parameters(), strict=True))


def test_the_recorded_picture_is_the_record_drawn(tmp_path):
    from plot import draw

    record = sorted((FOLDER / "results").glob("cpu-*.json"))[-1]
    draw(json.loads(record.read_text("utf-8")), tmp_path / "cpu.png")
    assert (tmp_path / "cpu.png").read_bytes()[:4] == b"\x89PNG"
    assert record.with_suffix(".png").exists(), "the newest record has its picture beside it"


def test_the_pages_hold_the_numbers_of_the_newest_record():
    from report import BEGIN, pages

    for path, text in pages().items():
        assert BEGIN in text, f"{path} has lost the comment before its numbers"
        assert path.read_text("utf-8") == text, "python benchmarks/report.py"


def test_a_ratio_is_a_tie_where_its_quartiles_lie_on_both_sides_of_one():
    from bench import Row, ratio

    def row(*turns):
        return Row("job", "name", True, "fp32", 1.0, 1.0, 1.0, 0.0, turns=turns)

    assert str(ratio(row(1, 2, 1, 2, 1), row(2, 4, 3, 4, 3))) == "2.00 [2.00, 3.00]"
    assert "(a tie)" in str(ratio(row(*5 * [1]), row(0.8, 0.9, 1.0, 1.1, 1.2)))
    assert "(a tie)" not in str(ratio(row(*5 * [1]), row(0.5, 0.6, 0.7, 0.8, 0.9)))
    assert str(ratio(row(1, 2, 1), row(2, 4, 3))) == "2.00 (3 turns)"  # too few for quartiles


def test_the_best_peer_is_the_one_that_comes_closest_turn_against_turn():
    from bench import Row, best_peer

    def row(name, *turns, ours=False):
        return Row("job", name, ours, "fp32", sorted(turns)[1], 0.0, 0.0, 0.0, turns=turns)

    ours = row("ours", 1, 4, 2, ours=True)
    lucky, strong = row("lucky", 2, 2, 6), row("strong", 1.1, 4.4, 2.2)  # lucky has the smaller median time
    assert lucky.seconds < strong.seconds
    assert best_peer(ours, [ours, lucky, strong]) is strong
