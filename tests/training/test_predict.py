"""A classifier at work: its labels and scores, here, on the command line and in transformers."""

import gzip
import json
import lzma

import numpy as np
import pytest
import torch
from commands import assert_one_line
from test_classify import TASKS, redraw
from tiny import TINY

import perceiver_edu
from perceiver_edu import (
    PerceiverIOConfig,
    PerceiverIOForMaskedLM,
    load_classifier,
    predict_labels,
    save_pretrained,
)
from perceiver_edu.cli.shared import MOST_BYTES
from perceiver_edu.errors import InputError
from perceiver_edu.training.classify import PerceiverIOForClassification, Task, save_classifier
from perceiver_edu.training.labelled import Column, read_labelled
from perceiver_edu.training.predict import classifier_folders, evaluate_classifier

TEXTS = ["Read é, 中.", "A b.", "one two three four"]


def new(tasks, seed=0):
    """A small random classifier of this many tasks whose answers differ from text to text."""
    return redraw(PerceiverIOForClassification(PerceiverIOConfig(**TINY), tasks), seed).float()


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    """A run's folder with one seed, as `finetune` leaves it."""
    folder = tmp_path_factory.mktemp("run")
    save_classifier(new([Task("mood", ("down", "so so", "up"))]), folder / "seed-0" / "model")
    return folder


def test_the_answers_are_the_models_and_in_the_order_of_the_texts():
    model = new(TASKS).train()
    found = predict_labels(model, TEXTS, batch_size=2)
    assert model.training and list(found) == ["topic", "tags", "stars"]
    for number, text in enumerate(TEXTS):
        ids = torch.tensor([perceiver_edu.ByteTokenizer().encode(text)])
        with torch.no_grad():
            scores = {name: part[0].double() for name, part in model.eval()(ids).items()}
        topic, tags, stars = (found[name][number] for name in found)
        assert list(topic.probabilities) == list(TASKS[0].labels)
        np.testing.assert_allclose([*topic.probabilities.values()], scores["topic"].softmax(0), atol=1e-5)
        assert topic.answer == TASKS[0].labels[scores["topic"].argmax()]
        np.testing.assert_allclose([*tags.probabilities.values()], scores["tags"].sigmoid(), atol=1e-5)
        assert tags.answer == [label for label, score in zip("xyz", scores["tags"], strict=True) if score > 0]
        assert stars.answer == pytest.approx(float(scores["stars"][0]), rel=1e-4) and not stars.probabilities
    assert len({str(one) for one in found["topic"]}) == 3


def test_what_cannot_be_labelled():
    model = new(TASKS)
    assert predict_labels(model, []) == {"topic": [], "tags": [], "stars": []}
    with pytest.raises(InputError, match="text 1: "):
        predict_labels(model, ["short", "x" * 99], truncation=False)
    assert predict_labels(model, ["x" * 99])["topic"] == predict_labels(model, ["x" * 27])["topic"]
    with pytest.raises(InputError, match="texts must be a list, not one str"):
        predict_labels(model, "a text")
    model.heads[0].bias.data.fill_(float("nan"))
    with pytest.raises(InputError, match="NaN"):
        predict_labels(model, TEXTS)


@pytest.mark.parametrize("number", [0, 1])
def test_transformers_pipeline_gives_the_same_probabilities(tmp_path, number):
    from transformers import pipeline

    save_classifier(new(TASKS), tmp_path, TASKS[number].name)
    theirs = pipeline("text-classification", model=str(tmp_path), dtype=torch.float32, device="cpu")
    ours = predict_labels(load_classifier(tmp_path), TEXTS)[TASKS[number].name]
    for text, one in zip(TEXTS, ours, strict=True):
        scores = {row["label"]: row["score"] for row in theirs(text, top_k=None)}
        assert scores.keys() == one.probabilities.keys()
        assert max(abs(scores[label] - share) for label, share in one.probabilities.items()) < 1e-5
    assert (
        max(abs(a - b) for a, b in zip(*(one.probabilities.values() for one in ours[:2]), strict=True)) > 0.01
    )


def test_where_a_classifier_is_found(moods, tmp_path):
    assert classifier_folders(moods) == classifier_folders(moods / "seed-0") == [moods / "seed-0" / "model"]
    assert classifier_folders(moods / "seed-0" / "model") == [moods / "seed-0" / "model"]
    assert classifier_folders(tmp_path) == []
    save_pretrained(PerceiverIOForMaskedLM(PerceiverIOConfig(**TINY)), tmp_path / "lm" / "model")
    assert classifier_folders(tmp_path / "lm") == []
    for seed in (0, 1):
        for task in TASKS[:2]:
            save_classifier(new(TASKS), tmp_path / f"seed-{seed}" / "model" / task.name, task.name)
    assert [path.name for path in classifier_folders(tmp_path / "seed-1")] == ["tags", "topic"]
    with pytest.raises(InputError, match="holds 2 runs: name one of seed-0, seed-1, such as"):
        classifier_folders(tmp_path)


# ---------------------------------------------------------------- the commands


def test_predict_labels_lines_columns_and_standard_input_alike(run, moods, tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join(TEXTS), "utf-8")
    (tmp_path / "a.csv").write_text(
        "id,review\n" + "".join(f'{i},"{t}"\n' for i, t in enumerate(TEXTS)), "utf-8"
    )
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    expected = predict_labels(load_classifier(moods / "seed-0" / "model"), TEXTS)["mood"]
    ways = [[tmp_path / "a.txt"], [tmp_path / "a.csv", "--text", "review"], [tmp_path / "a.jsonl"], []]
    for way in ways:
        code, out, err = run("predict", moods, *way, "--json", stdin="\n".join(TEXTS).encode())
        assert code == 0, err
        answer = json.loads(out)
        assert [row["text"] for row in answer["texts"]] == TEXTS
        for row, one in zip(answer["texts"], expected, strict=True):
            assert row["tasks"]["mood"]["answer"] == one.answer
            assert row["tasks"]["mood"]["probabilities"] == pytest.approx(one.probabilities)
    code, out, err = run("predict", moods, tmp_path / "a.txt")
    head, *lines = out.splitlines()
    assert head.split() == ["mood", "down", "so", "so", "up", "text"] and "weights: " in err
    assert all(f"{one.probabilities['up']:.3f}" in line for one, line in zip(expected, lines, strict=True))
    assert all(line.rstrip().endswith(text) for line, text in zip(lines, TEXTS, strict=True))


def test_blank_lines_are_skipped_with_a_warning(run, moods, tmp_path):
    (tmp_path / "a.txt").write_text("\na\n \nb\n")
    for way, source in (([tmp_path / "a.txt"], "a.txt"), ([], "standard input")):
        code, out, err = run("predict", moods, *way, "--json", stdin=b"\r\na\r\n \r\nb\r\n")
        assert code == 0 and f"{source}: 2 of the 4 lines are blank and were skipped\n" in err
        assert [row["text"] for row in json.loads(out)["texts"]] == ["a", "b"]
    assert "blank" not in run("predict", moods, stdin=b"a\nb\n")[2]


def test_standard_input_is_split_at_line_feeds_only_and_may_be_long(run, moods):
    lines = ["a\u2028b\x0cc\x85d", *["so so"] * 200_000]
    code, out, err = run("predict", moods, "--json", stdin="\r\n".join(lines[:3]).encode())
    assert code == 0, err
    assert [row["text"] for row in json.loads(out)["texts"]] == lines[:3]
    assert len("\n".join(lines)) > MOST_BYTES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perceiver_edu.training.predict, "predict_labels", lambda model, texts: {})
        code, out, err = run("predict", moods, "--json", stdin="\n".join(lines).encode())
    assert code == 0 and len(json.loads(out)["texts"]) == len(lines)


def test_evaluate_takes_the_separator_of_a_multi_column(run, tmp_path):
    tasks = [Task("tags", ("a", "b"), "multi")]
    save_classifier(new(tasks), tmp_path / "model")
    path = tmp_path / "a.csv"
    path.write_text("text,tags\nx,a;b\ny,a\n", "utf-8")
    assert_one_line(*run("evaluate", tmp_path / "model", "--data", path), "by --separator")
    assert run("evaluate", tmp_path / "model", "--data", path, "--separator", ";")[0] == 0
    assert_one_line(*run("evaluate", "--separator", ";"), "--separator what is between its labels")


def test_evaluate_scores_a_classifier_on_labelled_text(run, moods, tmp_path):
    model = load_classifier(moods / "seed-0" / "model")
    answers = [one.answer for one in predict_labels(model, TEXTS)["mood"]]
    truth = [answers[0], answers[1], next(label for label in model.tasks[0].labels if label != answers[2])]
    path = tmp_path / "a.csv"
    path.write_text(
        "text,mood\n" + "".join(f'"{t}",{m}\n' for t, m in zip(TEXTS, truth, strict=True)), "utf-8"
    )
    [found] = evaluate_classifier(model, read_labelled(path, ["text"], [Column("mood")]))
    assert found.scores["accuracy"] == pytest.approx(2 / 3) and found.texts == 3 and found.cut == 0
    assert sum(map(sum, found.confusion)) == 3 and sum(found.confusion[i][i] for i in range(3)) == 2
    code, out, _ = run("evaluate", moods, "--data", path)
    assert code == 0 and out.startswith("mood: 3 texts\n  accuracy                 0.667\n")
    assert "always the most common" in out and "true label" in out
    answer = json.loads(run("evaluate", moods, "--data", path, "--json")[1])
    assert answer["tasks"][0]["scores"] == pytest.approx(found.scores)


def test_what_the_user_did_wrong_is_one_line(run, moods, tmp_path):
    (tmp_path / "a.csv").write_text("text,mood\nx,sad\n")
    (tmp_path / "empty.txt").write_text("\n")
    assert_one_line(*run("predict", tmp_path), "contains no classifier: give the folder that")
    assert_one_line(*run("predict", moods, tmp_path / "empty.txt"), "there is no text in this file")
    assert_one_line(*run("predict", moods, tmp_path / "nowhere.txt"), "cannot be read")
    assert_one_line(*run("predict", moods, tmp_path / "a.csv", "--text", "body"), "no column 'body'")
    assert_one_line(*run("predict", moods), "there is no text: give a file, or pipe one in")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text\nx\n"))
    assert_one_line(*run("predict", moods, tmp_path / "a.csv.gz"), "a packed table is not read here: unpack")
    for name, pack in (("a.txt.xz", lzma.compress), ("a.txt.gz", gzip.compress)):
        packed = bytearray(pack(b"so so\n" * 999))
        packed[20:24] = b"\xff" * 4
        (tmp_path / name).write_bytes(packed)
        assert_one_line(*run("predict", moods, tmp_path / name), "cannot be read")
    for source in ([tmp_path / "lines.txt"], ["-"], []):
        assert_one_line(
            *run("predict", moods, *source, "--text", "a"), "--text names a column of a table (.csv,"
        )
    for option in ("--masks=coin", "--seed=0", "--crops=3", "--no-cloze", "--failures", "--engine=torch"):
        name = "--cloze/--no-cloze" if option == "--no-cloze" else option.partition("=")[0]
        message = f"leave out {name}, which would be ignored for a classifier"
        assert_one_line(*run("evaluate", moods, "--data", tmp_path / "a.csv", option), message)
    assert_one_line(*run("evaluate", moods), "evaluated on one labelled file: give it with --data")
    assert_one_line(*run("evaluate", moods, "--data", tmp_path / "a.csv"), "label 'sad' of 'mood' does not")
    assert_one_line(*run("evaluate", "--text", "a"), "--text names a column for a classifier")
