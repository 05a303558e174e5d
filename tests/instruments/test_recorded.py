"""Recorded benchmarks: read as they are written, refused where they are something else."""

import json

import pytest

from perceiver_edu import InputError
from perceiver_edu.instruments import read_run, recorded_runs


def record(date, seconds):
    row = dict(job="fill one hole, embedded weights", contender="optimize()", ours=True, precision="fp32")
    return {
        "machine": {"date": date, "device": "NVIDIA X"},
        "rows": [row | dict(seconds=seconds, peak_bytes=None)],
    }


def test_runs_of_one_kind_oldest_first(tmp_path):
    for name, date, seconds in (
        ("cuda-2026-02-01", "2026-02-01", 0.2),
        ("cuda-2026-01-01", "2026-01-01", 0.1),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(record(date, seconds)))
    (tmp_path / "cpu-2026-01-01.json").write_text(json.dumps(record("2026-01-01", 0.3)))
    (tmp_path / "ablate_latents.json").write_text("[]")
    runs = recorded_runs(tmp_path, "cuda")
    job = "fill one hole, embedded weights"
    assert [run.seconds(job, "optimize()") for run in runs] == [0.1, 0.2]
    assert (
        runs[0].device == "NVIDIA X"
        and runs[0].date == "2026-01-01"
        and runs[0].file == "cuda-2026-01-01.json"
    )
    assert runs[0].seconds(job, "optimize()", "bf16") is None
    assert runs[0].seconds("embedded weights", "optimize()") is None  # jobs have whole names


def test_no_folder_no_runs(tmp_path):
    assert recorded_runs(tmp_path / "nowhere", "cuda") == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": {}, "rows": []}', '{"machine": 1, "rows": 2}'])
def test_another_file_is_named(tmp_path, text):
    (tmp_path / "cuda-x.json").write_text(text)
    with pytest.raises(InputError, match=r"cuda-x\.json is not a record"):
        recorded_runs(tmp_path, "cuda")
    (tmp_path / "cuda-x.json").write_text('{"machine": {"date": "", "device": ""}, "rows": [{}]}')
    with pytest.raises(InputError, match=r"cuda-x\.json is not a record"):
        recorded_runs(tmp_path, "cuda")


HEAD = "step,bits,held_out_bits,learning_rate\n"


def test_a_training_run_is_read_as_it_is_logged(tmp_path):
    (tmp_path / "log.csv").write_text(HEAD + "0,,8.5,\n50,4.5,,0.1\n100,4,3.5,0.2\n")
    run = read_run(tmp_path)
    assert run.training == {50: 4.5, 100: 4.0} and run.held_out == {0: 8.5, 100: 3.5}
    assert run.learning_rate == {50: 0.1, 100: 0.2} and run.samples == {} and run.steps == [0, 50, 100]
    (tmp_path / "samples.txt").write_text("100\tThe c[MASK]t\t'a' 0.9 'u' 0.1\n100\tl[MASK]ng\t'o' 1.0\n")
    assert read_run(tmp_path).samples == {
        100: [("The c[MASK]t", "'a' 0.9 'u' 0.1"), ("l[MASK]ng", "'o' 1.0")]
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", "step,loss\n1,2\n"),
        ("log.csv", HEAD + "1,much,,\n"),
        ("log.csv", HEAD + "1\n"),
        ("log.csv", None),
        ("samples.txt", "no tabs here\n"),
    ],
)
def test_what_is_no_training_run_is_refused_by_name(tmp_path, name, content):
    (tmp_path / "log.csv").write_text(HEAD + "0,,8.5,\n")
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name} is not the record of a training run"):
        read_run(tmp_path)
