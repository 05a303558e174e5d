"""Fine-tuning: learns, goes on exactly, survives being killed, and refuses bad data before it writes."""

import csv
import json
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import runs
import torch
from runs import ENVIRONMENT, RANKS, cut_off, log_rows
from safetensors.torch import load_file

from perceiver_edu import ByteTokenizer, PerceiverIOForMaskedLM, cli
from perceiver_edu.errors import InputError, InputWarning
from perceiver_edu.training.classify import Task, load_classifier
from perceiver_edu.training.configs import FinetuneConfig
from perceiver_edu.training.finetune import Finetuning, finetune
from perceiver_edu.training.judge import write_confusion
from perceiver_edu.training.labelled import Column, read_labelled
from perceiver_edu.training.scores import save_confusion, task_scores
from perceiver_edu.training.seeds import finetune_seeds
from perceiver_edu.training.tasks import Encoded, split_off, tasks_of
from perceiver_edu.weights.pretrained import save_pretrained

CONFIG = replace(runs.CONFIG, attention_probs_dropout_prob=0.1, initializer_range=0.3)
COMMAND = [sys.executable, "-m", "perceiver_edu.cli", "finetune"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    save_pretrained(PerceiverIOForMaskedLM(CONFIG), folder)
    return str(folder)


def rows(number=60):
    """Texts of one letter: which letter is the topic, how many are the length; two tags."""
    made = []
    for i in range(number):
        letter, length = "xoz"[i % 3], 4 + i % 17
        tags = [tag for tag, there in (("long", length > 12), ("x", letter == "x")) if there]
        made.append({"text": letter * length, "topic": letter, "length": length / 10, "tags": tags})
    return made


def write_csv(path, table):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        for row in table:
            writer.writerow({k: "|".join(v) if isinstance(v, list) else v for k, v in row.items()})
    return path


def write_json(path, table):
    path.write_text("".join(json.dumps(row) + "\n" for row in table), "utf-8")
    return path


@pytest.fixture
def file(tmp_path):
    return write_csv(tmp_path / "data.csv", rows())


def read(file, *columns):
    return read_labelled(file, ["text"], [Column(*column.split(":")) for column in columns or ["topic"]])


def halves(data):
    return data.take(list(range(0, len(data), 2))), data.take(list(range(1, len(data), 2)))


def settings(weights, **changes):
    return FinetuneConfig(**(dict(weights=weights, epochs=3, batch_size=8, learning_rate=0.02) | changes))


def assert_same_run(one, other):
    runs.assert_same_run(one, other, "results.json")


# ---------------------------------------------------------------- learning


def test_a_classifier_learns_and_transformers_gives_the_same_answers(file, weights, tmp_path):
    from transformers import AutoTokenizer, PerceiverForSequenceClassification

    training, validation = halves(read(file))
    out = tmp_path / "run"
    wanted = settings(weights, epochs=12)
    results = finetune(training, validation, out, wanted, test=validation, progress=False)
    assert results["score"] >= 0.9 > 0.5 > results["most_common"]["topic"]
    assert results["test"]["scores"] == results["validation"]["scores"]  # the very same texts
    theirs = PerceiverForSequenceClassification.from_pretrained(out / "model").eval()
    inputs = AutoTokenizer.from_pretrained(out / "model")(validation.texts, padding=True, return_tensors="pt")
    answers = theirs(**inputs).logits.argmax(-1).tolist()
    right = [theirs.config.id2label[a] == t for a, t in zip(answers, validation.values["topic"], strict=True)]
    assert sum(right) / len(right) == pytest.approx(results["score"])
    with open(out / "confusion-topic.csv", newline="") as table:
        counts = [list(map(int, row[1:])) for row in list(csv.reader(table))[1:]]
    assert sum(map(sum, counts)) == len(validation) and sum(counts[i][i] for i in range(3)) == sum(right)
    assert all((out / name).stat().st_size > 5000 for name in ("curves.png", "confusion-topic.png"))
    assert not list(out.glob("checkpoint-*"))


def test_three_kinds_of_task_at_once_a_query_for_each(tmp_path, weights):
    table = rows()
    for number, row in enumerate(table):
        if number % 4 == 0:
            row["topic"] = None  # this row says nothing about this one
    data = read(write_json(tmp_path / "data.jsonl", table), "topic", "tags:multi", "length:regression")
    assert [(task.name, task.kind, len(task.labels)) for task in tasks_of(data)] == [
        ("topic", "single", 3), ("tags", "multi", 2), ("length", "regression", 1)]  # fmt: skip
    results = finetune(*halves(data), tmp_path / "run", settings(weights, epochs=15), progress=False)
    scores = results["validation"]["scores"]
    each = scores["topic"]["accuracy"], scores["tags"]["f1"], scores["length"]["pearson"]
    assert each[0] > 0.7 and each[1] > 0.6 and each[2] > 0.5
    assert results["score"] == pytest.approx(sum(each) / 3)
    for name in ("topic", "tags", "length"):
        assert load_classifier(tmp_path / "run" / "model" / name).tasks[0].name == name


@pytest.mark.parametrize("labels", [("a",), ("a", "b")])
def test_f1_of_a_label_that_is_never_predicted_is_0(labels):
    truth = np.array([[1] * len(labels)] + [[0] * len(labels)] * 9)
    for guess, f1 in ((np.full(truth.shape, -1.0), 0), (truth - 0.5, 1)):
        assert task_scores(Task("t", labels, "multi"), guess, truth)["f1"] == f1


@pytest.mark.parametrize(
    ("best", "text"), [(-float("inf"), "loss 2.000"), (-0.25, "loss 2.000, best score -0.250")]
)
def test_progress_shows_a_score_as_it_is_once_there_is_one(best, text):
    assert Finetuning.report(SimpleNamespace(state={"best": best}), 1, [4, 2], 9.0, False)[1] == text


# ---------------------------------------------------------------- what is written at the end


def labelled(path, names, number=60):
    """A file of `number` rows whose labels are these names in turn."""
    return write_csv(path, [row | {"topic": names[i % len(names)]} for i, row in enumerate(rows(number))])


def test_a_picture_that_cannot_be_drawn_is_a_warning_and_all_else_is_saved(
    file, weights, tmp_path, monkeypatch
):
    from matplotlib.figure import Figure

    def savefig(*_, **__):
        assert load_classifier(tmp_path / "run" / "model")
        assert (tmp_path / "run" / "results.json").exists()
        raise MemoryError("no room\nfor this picture")

    monkeypatch.setattr(Figure, "savefig", savefig)
    with pytest.warns(InputWarning) as seen:
        finetune(*halves(read(file)), tmp_path / "run", settings(weights, epochs=1), progress=False)
    messages = sorted(str(warning.message) for warning in seen)
    for message, name in zip(messages, ("confusion-topic.png", "curves.png"), strict=True):
        assert message.endswith(f"run/{name} was not drawn, everything else is saved: no room")
    assert (tmp_path / "run" / "confusion-topic.csv").exists()
    assert not list((tmp_path / "run").glob("*.png"))


@pytest.mark.parametrize(
    "names, legend",
    [
        (["under $50", "$50_$100", r"$\frac{$"], False),
        (["\U000e0001 正面", "负面", "第三"], True),  # a character that no font has
        (["the same first letters, a", "the same first letters, b", "c"], True),
    ],
)
def test_labels_are_drawn_as_they_are_or_by_number(weights, tmp_path, names, legend, recwarn):
    data = read(labelled(tmp_path / "a.csv", names))
    finetune(*halves(data), tmp_path / "run", settings(weights, epochs=1), progress=False)
    assert not [str(w.message) for w in recwarn if "Glyph" in str(w.message) or "drawn" in str(w.message)]
    assert (tmp_path / "run" / "confusion-topic.png").stat().st_size > 5000
    text = tmp_path / "run" / "confusion-topic.txt"
    assert text.exists() == legend
    if legend:
        assert [line.split("\t")[0] for line in text.read_text("utf-8").splitlines()] == ["1", "2", "3"]


def test_of_many_classes_the_most_confused_are_drawn_and_all_are_in_the_table(tmp_path):
    from matplotlib.image import imread

    labels = tuple(f"code {number:03}" for number in range(400))
    counts = np.diag(np.full(400, 9))
    counts[7, 300] = counts[300, 8] = 5
    save_confusion(Task("topic", labels), counts, tmp_path / "a.png")
    assert max(imread(tmp_path / "a.png").shape) < 2200
    task, scores = Task("topic", labels), np.eye(400)[[7, 300]]
    data = SimpleNamespace(labels={"topic": (torch.tensor([7, 8]), torch.tensor([True, True]))})
    [path] = write_confusion(tmp_path, [task], {"topic": scores}, data)
    lines = path.read_text().splitlines()
    assert len(lines) == 401 and lines[9].split(",")[301] == "1" and lines[8].split(",")[8] == "1"


def test_tasks_whose_names_are_alike_as_files_have_a_folder_each(weights, tmp_path):
    long = "Is the customer satisfied? " * 20
    names = ["mood 1", "mood/1", "..", long]
    table = [{"text": row["text"]} | dict.fromkeys(names, row["topic"]) for row in rows()]
    data = read(write_json(tmp_path / "a.jsonl", table), *names)
    finetune(*halves(data), tmp_path / "run", settings(weights, epochs=1), progress=False)
    folders = [path.parent for path in (tmp_path / "run" / "model").glob("*/config.json")]
    assert {load_classifier(folder).tasks[0].name for folder in folders} == set(names)
    assert len(list((tmp_path / "run").glob("confusion-*.csv"))) == 4


@pytest.mark.parametrize("names", [["Mood", "mood"], ["a", " "], ["a", "\ud800"]])
def test_names_that_cannot_be_written_are_refused_before_training(weights, tmp_path, names):
    table = [{"text": row["text"]} | dict.fromkeys(names, row["topic"]) for row in rows()]
    data = read(write_json(tmp_path / "a.jsonl", table), *names)
    with pytest.raises(InputError, match=r"differ only in case|has no name|has no UTF-8 form"):
        finetune(*halves(data), tmp_path / "run", settings(weights), progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 1.5}, "epochs must be a whole number from 1 to 1,000,000, got 1.5"),
        ({"patience": "2"}, "patience must be a whole number from 1 to 1,000,000, got '2'"),
        ({"warmup": "0.1"}, "warmup must be between 0 and 1,000,000,000,000, got '0.1'"),
        ({"metrics": "f1"}, "metrics must be a list, not one str"),
    ],
)
def test_settings_of_another_kind_are_refused(weights, change, message):
    with pytest.raises(InputError) as error:
        settings(weights, **change)
    assert message in str(error.value)


def test_a_metric_that_a_task_does_not_have_is_refused_before_training(file, weights, tmp_path):
    wanted = settings(weights, metrics=("f1", "pearson"))
    with pytest.raises(InputError, match=r"metrics: no score 'pearson' \(single\); choose from accuracy, f1"):
        finetune(*halves(read(file)), tmp_path / "run", wanted, progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("which", ["validation", "test"])
def test_a_set_without_labels_of_a_task_is_refused_before_training(weights, tmp_path, which):
    training, held_out = halves(read(write_json(tmp_path / "data.jsonl", rows()), "topic", "tags:multi"))
    table = [row | {"topic": None} for row in rows()]
    silent = read(write_json(tmp_path / "silent.jsonl", table), "topic", "tags:multi")
    validation, test = (silent, held_out) if which == "validation" else (held_out, silent)
    with pytest.raises(InputError, match=f"none of the 60 {which} texts has a label of 'topic'"):
        finetune(training, validation, tmp_path / "run", settings(weights), test=test, progress=False)
    assert not (tmp_path / "run").exists()


def test_the_sets_of_all_seeds_are_checked_before_the_first_is_trained(weights, tmp_path):
    data = read(write_json(tmp_path / "data.jsonl", rows()), "topic", "length:regression")

    def splits(seed):
        training, validation = halves(data)
        if seed == 1:
            validation.values["length"] = [None] * len(validation)
        return training, validation, None

    with pytest.raises(InputError, match="none of the 30 validation texts has a label of 'length'"):
        finetune_seeds(splits, tmp_path / "run", settings(weights), [0, 1], progress=False)
    assert not (tmp_path / "run").exists()


def test_frozen_leaves_the_trunk_as_it_was(file, weights, tmp_path):
    finetune(*halves(read(file)), tmp_path / "run", settings(weights, freeze=True), progress=False)
    before = load_file(Path(weights) / "model.safetensors")
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    same = {name for name in after if name in before and torch.equal(before[name], after[name])}
    trunk = {name for name in before if "decoder" not in name}
    assert same == trunk and len(trunk) > 20


def test_micro_batches_make_the_same_gradient(file, weights, tmp_path):
    seen = {}
    for micro in (None, 2):
        out = tmp_path / str(micro)
        finetune(*halves(read(file)), out, settings(weights, epochs=1), micro_batch_size=micro, log_every=1,
                 progress=False)  # fmt: skip
        seen[micro] = [float(row["loss"]) for row in log_rows(out)]
    # dropout differs, so only the first loss is nearly the same, and all are alike
    assert seen[None] == pytest.approx(seen[2], rel=0.2) and seen[None] != seen[2]


def test_early_stopping_keeps_the_best_epoch(file, weights, tmp_path):
    patient = settings(weights, epochs=30, patience=2)
    results = finetune(*halves(read(file)), tmp_path / "run", patient, progress=False)
    epochs = [row for row in log_rows(tmp_path / "run") if row["score"]]
    best = max(epochs, key=lambda row: float(row["score"]))  # the first of equals
    assert float(best["score"]) == results["score"] and int(best["step"]) == results["best_step"]
    assert epochs.index(best) == len(epochs) - 3 and results["best_step"] < results["steps"]
    done, plan = (json.loads((tmp_path / "run" / f"{n}.json").read_text()) for n in ("manifest", "settings"))
    assert results["steps"] == done["step"] == int(epochs[-1]["step"]) < plan["steps"]
    assert finetune(*halves(read(file)), tmp_path / "run", patient, resume=True, progress=False) == results


def test_seeds_give_a_mean_and_a_spread(file, weights, tmp_path):
    data = read(file)

    def splits(seed):
        return (*split_off(data, 0.2, lambda n: torch.randperm(n).tolist()), None)

    summary = finetune_seeds(splits, tmp_path / "run", settings(weights, epochs=1), [0, 1, 2], progress=False)
    files = [tmp_path / "run" / f"seed-{seed}" / "results.json" for seed in range(3)]
    scores = [json.loads(file.read_text())["score"] for file in files]
    assert summary["score"]["mean"] == pytest.approx(statistics.fmean(scores))
    assert summary["score"]["spread"] == pytest.approx(statistics.stdev(scores))
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    for seeds, resume, message in (
        ([0], True, r"contains 3 seeds, including \[1, 2\]: ask for at least 3 seeds"),
        ([0, 1, 2], False, "summary.json exists already: resume its run with --resume"),
    ):
        with pytest.raises(InputError, match=message):
            finetune_seeds(splits, tmp_path / "run", settings(weights, epochs=1), seeds, resume=resume)
    (tmp_path / "summary.json").write_text("{}")  # somebody else's
    for resume in (False, True):
        with pytest.raises(InputError, match=r"exists already|is not the summary of a run"):
            finetune_seeds(splits, tmp_path, settings(weights), [0], resume=resume)
    with pytest.raises(InputError, match="seeds must be different"):
        finetune_seeds(splits, tmp_path / "again", settings(weights), [1, 1])


def test_bf16_learns_too(file, weights, tmp_path):
    options = dict(precision="bf16", progress=False)
    results = finetune(*halves(read(file)), tmp_path / "run", settings(weights, epochs=12), **options)
    assert results["score"] >= 0.8
    dtypes = {t.dtype for t in load_file(tmp_path / "run" / "model" / "model.safetensors").values()}
    assert dtypes == {torch.float32}


def test_long_texts_are_cut_and_counted(weights):
    data = read_labelled_rows([("a" * 100, "x"), ("b", "y")])
    encoded = Encoded(data, [Task("topic", ("x", "y"))], 40)
    assert encoded.cut == 1 and [len(row) for row in encoded.rows] == [40, 3]
    assert encoded.rows[0][-1] == ByteTokenizer.SEP


def read_labelled_rows(pairs):
    from perceiver_edu.training.labelled import collect

    table = [(f"line {n}", {"text": text, "topic": topic}) for n, (text, topic) in enumerate(pairs, 2)]
    return collect("here", table, ["text"], [Column("topic")])


# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("at", [5, *(pytest.param(at, marks=pytest.mark.slow) for at in (0, 3, 11))])
def test_a_run_that_was_cut_off_goes_on_exactly(file, weights, tmp_path, monkeypatch, at):
    data, one, other = halves(read(file)), tmp_path / "one", tmp_path / "other"
    finetune(*data, one, settings(weights), save_every=2, log_every=3, progress=False)
    with cut_off(monkeypatch, at):
        finetune(*data, other, settings(weights), save_every=2, log_every=3, progress=False)
    assert not (other / "results.json").exists()
    with pytest.raises(InputError, match="already contains a run" if at >= 2 else "contains a run"):
        finetune(*data, other, settings(weights), progress=False)
    torch.rand(at + 1)  # what else was drawn does not matter
    finetune(*data, other, settings(weights), save_every=2, log_every=3, resume=True, progress=False)
    assert_same_run(one, other)
    again = finetune(*data, other, settings(weights), resume=True, progress=False)  # finished: nothing to do
    assert again == json.loads((other / "results.json").read_text())
    with pytest.raises(InputError, match="different settings or data"):
        finetune(*data, other, settings(weights, learning_rate=0.1), resume=True, progress=False)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_numbers(file, weights, tmp_path):
    def command(out):
        return [*COMMAND, str(file), "-o", str(out), "--label", "topic", "-w", weights, "--epochs", "30",
                "--batch-size", "8", "--learning-rate", "0.02", "--save-every", "3", "--resume"]  # fmt: skip

    quiet = dict(env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    killed = subprocess.Popen(command(tmp_path / "killed"), **quiet)
    deadline = time.time() + 60
    while not list(tmp_path.glob("killed/seed-0/checkpoint-*")) and time.time() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert list(tmp_path.glob("killed/seed-0/checkpoint-*"))
    assert not (tmp_path / "killed/seed-0/results.json").exists()
    for name in ("killed", "whole"):
        subprocess.run(command(tmp_path / name), check=True, **quiet)
    assert_same_run(tmp_path / "killed" / "seed-0", tmp_path / "whole" / "seed-0")


UNTIL = """
import os, sys
from perceiver_edu.cli import main
from perceiver_edu.training import loop

original, last = loop.train_step, int(sys.argv[1])

def step(*arguments):
    if arguments[3] == last:
        os._exit(9)  # at once, as a killed process ends: nothing is tidied up
    return original(*arguments)

loop.train_step = step
main(sys.argv[2:])
"""


@pytest.mark.slow
def test_one_process_and_two_take_over_from_each_other(file, weights, tmp_path, monkeypatch):
    """One began, two went on, one ended it. Without dropout, which each process draws for itself."""
    folder, script = tmp_path / "weights", tmp_path / "until.py"
    script.write_text(UNTIL)
    shutil.copytree(weights, folder)
    config = json.loads((folder / "config.json").read_text()) | {"attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))

    def arguments(name, *more):
        options = ["--label", "topic", "--batch-size", "8", "--learning-rate", "0.003", "--save-every", "2"]
        command = ["finetune", str(file), "-w", str(folder), *options]
        return [*command, "-o", str(tmp_path / name), "--resume", *more]

    def alone(name):
        with pytest.raises(SystemExit) as done:
            cli.main(arguments(name))
        return done.value.code

    def both(name, *more, until=None):
        program = ["-m", "perceiver_edu.cli"] if until is None else [str(script), str(until)]
        command = [*RANKS, *program, *arguments(name, *more)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
        assert (done.returncode == 0) == (until is None), done.stderr

    def saved(name):
        return [path.name for path in (tmp_path / name / "seed-0").glob("checkpoint-*")]

    with cut_off(monkeypatch, 5, SystemExit):
        cli.main(arguments("changing"))
    assert saved("changing") == ["checkpoint-4"]
    both("changing", until=13)
    assert saved("changing") == ["checkpoint-12"]  # in the second epoch of seven steps
    assert alone("changing") == 0 and saved("changing") == []
    both("two")
    assert alone("one") == 0
    expected = json.loads((tmp_path / "one" / "seed-0" / "results.json").read_text())
    assert expected["steps"] == 21
    for name in ("two", "changing"):
        pairs = zip(log_rows(tmp_path / "one/seed-0"), log_rows(tmp_path / name / "seed-0"), strict=True)
        for row, other in pairs:
            assert row["step"] == other["step"]
            for column in ("loss", "validation_loss"):
                assert (row[column] == "") == (other[column] == "")
                if row[column]:
                    assert float(other[column]) == pytest.approx(float(row[column]), rel=1e-4)
        result = json.loads((tmp_path / name / "seed-0" / "results.json").read_text())
        assert result["validation"]["texts"] == 6
        assert result["validation"]["loss"] == pytest.approx(expected["validation"]["loss"], rel=1e-4)

    both("seeds", "--seeds", "2", "--epochs", "1")
    assert len(json.loads((tmp_path / "seeds" / "summary.json").read_text())["scores"]) == 2
