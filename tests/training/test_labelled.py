"""Labelled texts: what is read, and what is refused with file and line before anything is written."""

import csv
import json
import os
import re

import pytest
import torch
from test_finetune import CONFIG, rows, write_csv, write_json

from perceiver_edu import PerceiverIOForMaskedLM, cli
from perceiver_edu.cli.finetune import load as load_splits
from perceiver_edu.errors import InputError, InputWarning
from perceiver_edu.training import glue
from perceiver_edu.training.glue import GLUE, load_split, load_task
from perceiver_edu.training.labelled import LONGEST_LINE, Column, read_labelled
from perceiver_edu.training.tasks import Encoded, encode_labels, file_name, split_off, tasks_of
from perceiver_edu.weights.pretrained import save_pretrained

TOPIC = [Column("topic")]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    save_pretrained(PerceiverIOForMaskedLM(CONFIG), folder)
    return str(folder)


def run(capsys, *arguments):
    """-> exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as exit:
        cli.main(["finetune", *map(str, arguments)])
    return exit.value.code or 0, *capsys.readouterr()


def test_csv_tsv_and_json_lines_say_the_same(tmp_path):
    table = rows(9)
    table[2]["text"] = 'a "quoted", text\nover two lines, é'
    columns = [Column("topic"), Column("tags", "multi"), Column("length", "regression")]
    one = read_labelled(write_csv(tmp_path / "a.csv", table), ["text"], columns)
    two = read_labelled(write_json(tmp_path / "a.jsonl", table), ["text"], columns)
    assert one.texts == two.texts == [row["text"] for row in table]
    assert one.values == two.values and one.values["tags"][0] == table[0]["tags"]
    assert one.lines[1:5] == ["line 3", "line 4", "line 6", "line 7"]  # of the file, not of the table
    (tmp_path / "a.tsv").write_text("\ufefftext\ttopic\nab\tx\ncd\ty\n", "utf-8")  # with a mark at its start
    assert read_labelled(tmp_path / "a.tsv", ["text"], TOPIC).values == {"topic": ["x", "y"]}


def test_several_text_columns_are_joined_as_hugging_face_joins_pairs(tmp_path):
    from transformers import PerceiverTokenizer

    from perceiver_edu import ByteTokenizer

    path = write_json(tmp_path / "a.jsonl", [{"a": "one", "b": "two", "topic": t} for t in "xy"])
    [text, _] = read_labelled(path, ["a", "b"], TOPIC).texts
    assert ByteTokenizer().encode(text) == PerceiverTokenizer()("one", "two")["input_ids"]


def test_in_tsv_quotation_marks_are_characters_and_endings_may_be_capitals(tmp_path):
    table = '\ufeffsentence\ttopic\n" It is late , he said .\t0\nShe closed the door ."\t1\nit\t1\n'
    (tmp_path / "A.TSV").write_text(table, "utf-8")
    data = read_labelled(tmp_path / "A.TSV", ["sentence"], TOPIC)
    assert data.texts == ['" It is late , he said .', 'She closed the door ."', "it"]
    assert data.values == {"topic": ["0", "1", "1"]}


def one_column(tmp_path, *values, kind="multi", separator=None):
    path = write_json(tmp_path / "a.jsonl", [{"text": f"text {i}", "tags": v} for i, v in enumerate(values)])
    return read_labelled(path, ["text"], [Column("tags", kind, separator)])


@pytest.mark.parametrize(
    "values, words",
    [
        ([["a"], [1, 0, 0]], "a.jsonl, line 2: 'tags' names '0' twice: list the labels that apply"),
        ([[1, 0], [0, 1], [1, 0]], "'tags' holds ['1', '0'] and the like: list the labels"),
        ([[0.0, 1.0]], "but 0.0 is in it"),
        ([["a", None]], "but None is in it"),
        ([["a", True]], "but True is in it"),
        ([[["a"], "b"]], "but ['a'] is in it"),
        ([["a", " "]], "but ' ' is in it"),
        ([["a", "\ud800"]], "has no UTF-8 form: '\\ud800'"),
        ([None], "'tags' is empty"),
        ([{"a": 1}], "should be a list of labels"),
        (["['joy', 'anger']"], "line 1: 'tags' looks like a written list"),
        (["joy,anger"], "line 1: 'tags' has ',' in it, 'joy,anger': separate labels by '|', or name"),
        (["joy; anger"], "line 1: 'tags' has ';' in it"),
        ([["joy", "nan"]], "'tags' is nan, which is how tables mark"),
        ([["1", "2"], ["1.0"]], "'1' and '1.0' are the same number"),
        (["joy", "anger", "joy"], "no text has more than one label of 'tags': leave out ':multi'"),
        ([["joy"], ["anger"], []], "no text has more than one label of 'tags'"),
        ([["joy", "Anger"], ["anger"]], "'Anger' and 'anger' differ only in case or white space"),
        ([["joy", "big anger"], ["big  anger"]], "differ only in case or white space"),
    ],
)
def test_multi_labels_that_look_otherwise_are_refused(tmp_path, values, words):
    with pytest.raises(InputError) as error:
        tasks_of(one_column(tmp_path, *values))
    assert words in str(error.value)


def test_a_separator_that_is_named_is_believed(tmp_path):
    data = one_column(tmp_path, "joy, anger", "Paris|France, mostly", "", separator=",")
    assert data.values["tags"] == [["joy", "anger"], ["Paris|France", "mostly"], []]
    assert tasks_of(one_column(tmp_path, "a, b", "c", separator="|"))[0].labels == ("a, b", "c")
    assert one_column(tmp_path, [27, 2], [0], [0, 1]).values["tags"] == [["27", "2"], ["0"], ["0", "1"]]


def test_numbers_as_labels_are_told_apart_by_all_their_digits(tmp_path):
    labels = ["10000000000000001", "10000000000000002", "1e9", "1e17", "1.2.3", "1.2.30", "-", "nano"]
    assert set(tasks_of(one_column(tmp_path, *labels, kind="single"))[0].labels) == set(labels)


def test_whole_numbers_sort_as_numbers(tmp_path):
    data = one_column(tmp_path, *range(11, 0, -1), "x", kind="single")
    assert tasks_of(data)[0].labels == (*map(str, range(1, 12)), "x")


@pytest.mark.parametrize(
    "value", ["1_000", "nan", "inf", True, "True", "", "1,5", "٣", 1e39, 10**400, "1e-60"]
)
def test_what_is_no_number_by_our_reading_is_refused(tmp_path, value):
    with pytest.raises(
        InputError, match=r"a\.jsonl, line 2: 'tags' (should be a number|is empty|is too near)"
    ):
        one_column(tmp_path, 1, value, kind="regression")


def test_numbers_keep_their_digits_until_the_loss(tmp_path):
    data = one_column(tmp_path, " 1700000001 ", 1700000002, "-.5e1", 0, kind="regression")
    labels, _ = encode_labels(data, tasks_of(data))["tags"]
    assert labels.dtype == torch.float64 and labels.tolist() == [1700000001, 1700000002, -5, 0]


def test_of_a_pair_the_longer_text_is_truncated_first_as_transformers_does(tmp_path):
    from transformers import PerceiverTokenizer

    sizes = [(99, 3), (3, 99), (50, 50), (18, 60), (10, 10), (25, 20)]
    table = [{"a": "a" * a, "b": "b" * b, "topic": "xy"[i % 2]} for i, (a, b) in enumerate(sizes)]
    data = read_labelled(write_json(tmp_path / "a.jsonl", table), ["a", "b"], TOPIC)
    for longest in (40, 41):
        encoded = Encoded(data, tasks_of(data), longest)
        theirs = [PerceiverTokenizer()(row["a"], row["b"], truncation="longest_first", max_length=longest)
                  for row in table]  # fmt: skip
        assert encoded.rows == [row["input_ids"] for row in theirs] and encoded.cut == 5
    with pytest.raises(InputError, match=r"a\.jsonl, line 1: 2 parts of a text do not fit into 4 ids"):
        Encoded(data, tasks_of(data), 4)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_pipe_as_data_ends_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name} is not a plain file"):
        read_labelled(tmp_path / name, ["text"], TOPIC)
    with pytest.raises(InputError, match="the columns of text must be a list, not one str"):
        read_labelled(write_csv(tmp_path / "b.csv", rows(3)), "text", TOPIC)


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_cell_may_be_as_long_as_a_line(tmp_path, name, separator):
    text, before = "a" * (LONGEST_LINE - 9), csv.field_size_limit()
    (tmp_path / name).write_text(f"text{separator}topic\n{text}{separator}x\n", "utf-8")
    assert read_labelled(tmp_path / name, ["text"], TOPIC).texts == [text]
    assert csv.field_size_limit() == before


def test_names_of_files_are_bounded_and_differ():
    names = ["mood 1", "mood/1", "mood_1", "..", ".", "x" * 300, "x" * 301, "é", "e", "a.", "正面", "$a$"]
    files = [file_name(name) for name in names]
    assert len(set(files)) == len(names) and file_name("mood_1") == "mood_1"
    for file in files:
        assert file.isascii() and len(file) <= 60 and "/" not in file and file[0] != "." != file[-1]


GOOD = b"text,topic\nab,x\ncd,y\n"
BAD = {  # name of the file, what is in it, what the error must say
    "NUL": ("a.csv", GOOD + b"a\0b,x\n", "a.csv, line 4: a NUL byte"),
    "UTF-16": ("a.csv", GOOD.decode().encode("utf-16-le"), "a.csv, line 1: a NUL byte"),
    "one number": ("a.csv", b"text,topic\na,1\nb,2\nc,1.0\n", "'1' and '1.0' are the same number"),
    "NaN": ("a.csv", GOOD + b"ef,NaN\n", "a.csv, line 4: 'topic' is NaN, which is how tables mark"),
    "key": ("a.jsonl", b'{"text": "a", "topic": 1, "topic": 2}\n', "line 1: not valid JSON: the key"),
    "case": ("a.csv", GOOD + b"ef,X\n", "'X' and 'x' differ only in case or white space"),
    "surrogate": ("a.jsonl", b'{"text": "a", "topic": "\\ud800"}\n', "line 1: 'topic' has no UTF-8 form"),
    "missing column": ("a.csv", b"text,kind\nab,x\n", "line 2: no column 'topic'; choose from text, kind"),
    "empty file": ("a.csv", b"", "a.csv, line 1: there is no labelled text"),
    "header only": ("a.csv", b"text,topic\n", "a.csv, line 1: there is no labelled text"),
    "one class": ("a.csv", b"text,topic\nab,x\ncd,x\n", "a.csv, line 2 to line 3: 'topic' has only 'x'"),
    "not UTF-8": ("a.csv", GOOD + b"caf\xe9,x\n", "a.csv, line 4: not UTF-8: byte 4 of the line is 0xe9"),
    "10 MB": ("a.csv", GOOD + b"a" * 10_000_000 + b",x\n", f"line 4: longer than {LONGEST_LINE:,} bytes"),
    "long cell": ("a.csv", GOOD + b'"' + (b"a" * 600_000 + b"\n") * 2 + b'",x\n', "line 4: field larger"),
    "open quote": ("a.csv", GOOD + b'"ab,x\ncd,y\n', "a.csv, line 4: unexpected end"),
    "too few cells": ("a.csv", GOOD + b"ab\n", "a.csv, line 4: 1 cells, but 2 columns"),
    "no label": ("a.csv", GOOD + b"ab,\n", "a.csv, line 4: 'topic' is empty"),
    "no text": ("a.csv", GOOD + b" ,x\n", "a.csv, line 4: 'text' is empty"),
    "twice": ("a.csv", b"text,topic,text\na,b,c\n", "a.csv, line 1: two columns have the same name: 'text'"),
    "a long name twice": ("a.csv", b"a" + b" " * 400_000 + b"a,b,b\nc,d,e\n", "same name: 'b'"),
    "no JSON": ("a.jsonl", b'{"text": "a", "topic": "x"}\n{text}\n', "a.jsonl, line 2: not valid JSON"),
    "no object": ("a.jsonl", b"[1]\n", "a.jsonl, line 1: each line must be a JSON object"),
    "a number": ("a.jsonl", b'{"text": 3, "topic": "x"}\n', "a.jsonl, line 1: 'text' is no text"),
    "a list": ("a.jsonl", b'{"text": "a", "topic": ["x"]}\n', "a.jsonl, line 1: 'topic' should be one label"),
    "json, empty": ("a.jsonl", b"\n\n", "a.jsonl, line 1: there is no labelled text"),
    "json, 10 MB": ("a.jsonl", b'{"text": "' + b"a" * 10_000_000 + b'"}\n', "a.jsonl, line 1: longer than"),
    "ending": ("a.xlsx", b"PK", "a.xlsx: labelled text is a file that ends in .csv"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_data_is_one_error_and_leaves_nothing(tmp_path, capsys, weights, what):
    name, content, words = BAD[what]
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    code, stdout, stderr = run(capsys, tmp_path / name, "-o", out, "--label", "topic", "-w", weights)
    assert code == 2 and not stdout and len(stderr.strip().splitlines()) == 1
    assert words in stderr
    assert not out.exists() and [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("option", ["--validation", "--test"])
def test_a_label_that_training_does_not_have_is_an_error(tmp_path, capsys, weights, option):
    (tmp_path / "a.csv").write_bytes(GOOD)
    (tmp_path / "b.csv").write_bytes(GOOD + b"ef,z\n")
    code, _, stderr = run(capsys, tmp_path / "a.csv", option, tmp_path / "b.csv", "-o", tmp_path / "out",
                          "--label", "topic", "-w", weights)  # fmt: skip
    assert code == 2 and len(stderr.strip().splitlines()) == 1
    assert "b.csv, line 4: label 'z' of 'topic' does not occur in training; choose from 'x', 'y'" in stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--label", "topic", "--separator", ","], "--separator is one or more characters between"),
        (["--label", "tags:multi", "--separator", ""], "the value after --separator is empty"),
        (["--epochs", "0"], "epochs must be a whole number from 1 to"),
        (["--learning-rate", "-1"], "learning_rate must be more than 0"),
        (["--patience", "0"], "patience must be a whole number from 1 to"),
        (["--seeds", "0"], "--seeds must be between 1 and 1,000"),
        (["--batch-size", "3", "--micro-batch-size", "2"], "must be divisible by"),
        (["--label", "topic", "--label", "topic"], "names a column twice"),
        (
            ["--label", "length:regression", "--label", "topic:multi", "--text", "nothing"],
            "no column 'nothing'",
        ),
        (["--label", "text:regression"], "'text' should be a number, got"),
        (["-w", "nowhere"], "no weights 'nowhere'"),
        (["--precision", "fp8"], "no precision 'fp8'"),
        (["--validation", "none.csv"], "none.csv: cannot be read: No such file"),
    ],
)
def test_options_that_cannot_work_are_named_before_anything_is_written(
    tmp_path, capsys, weights, arguments, words
):
    path = write_csv(tmp_path / "a.csv", rows(51))
    given = ["-w", weights, *([] if "--label" in arguments else ["--label", "topic"]), *arguments]
    code, _, stderr = run(capsys, path, "-o", tmp_path / "out", *given)
    assert code == 2 and words in stderr and len(stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_texts_that_are_too_long_are_cut_and_the_command_says_so(tmp_path, capsys, weights):
    path = write_csv(tmp_path / "a.csv", [*rows(59), rows(1)[0] | {"text": "x" * 99}])
    code, stdout, _ = run(
        capsys, path, "-o", tmp_path / "out", "--label", "topic", "-w", weights, "--epochs", "1"
    )
    assert code == 0 and "1 texts are too long for this model" in stdout


def test_splitting_off_keeps_the_classes_and_loses_nothing(tmp_path):
    data = read_labelled(write_csv(tmp_path / "a.csv", rows(60)), ["text"], TOPIC)
    training, held_out = split_off(data, 0.1, lambda n: torch.randperm(n).tolist())
    assert sorted(training.lines + held_out.lines) == sorted(data.lines)
    assert sorted(held_out.values["topic"]) == ["o", "o", "x", "x", "z", "z"]
    with pytest.raises(InputError, match="too few rows"):
        split_off(data.take([0, 1, 2]), 0.1, lambda n: list(range(n)))


def test_rare_classes_are_pooled_to_hold_some_out(tmp_path):
    data = one_column(tmp_path, *(f"code {i // 2}" for i in range(40)), *["common"] * 20, kind="single")
    training, held_out = split_off(data, 0.1, lambda n: torch.randperm(n).tolist())
    rare = [value for value in held_out.values["tags"] if value != "common"]
    assert len(rare) == 4 and len(held_out) == 6 and len(training) == 54
    assert len(tasks_of(held_out)[0].labels) == 21


def test_true_is_no_other_spelling_of_1(tmp_path):
    path = write_json(tmp_path / "a.jsonl", [{"text": "a", "topic": label} for label in (True, 1, False, 0)])
    with pytest.raises(InputError, match="holds true or false, and other labels"):
        read_labelled(path, ["text"], TOPIC)


def test_leaks_are_warnings(tmp_path):
    path = write_csv(tmp_path / "a.csv", rows())
    with pytest.warns(InputWarning) as seen:
        load_splits(str(path), True, ["text"], [Column("text")], str(path), str(path))
        load_splits(write_csv(tmp_path / "b.csv", rows(30) * 2), True, ["text"], TOPIC, None, None)(0)
    said = " ".join(str(warning.message) for warning in seen)
    assert re.search(r"b\.csv: \d of the 6 held-out texts also occur in the training data", said)
    assert "column 'text' is used both as text and as label" in said
    assert "of its texts are in the training data" in said and "also used to choose the best epoch" in said


def test_a_split_that_leaves_a_task_without_labels_is_refused_before_training(tmp_path, capsys, weights):
    table = [row | {"rare": "pq"[i] if i < 2 else ""} for i, row in enumerate(rows(51))]
    path = write_csv(tmp_path / "a.csv", table)
    options = ("--label", "topic", "--label", "rare", "-w", weights, "--seeds", "2")
    code, _, stderr = run(capsys, path, "-o", tmp_path / "out", *options)
    assert code == 2 and stderr.count("\n") == 1
    assert "validation texts has a label of 'rare': label more texts" in stderr
    assert not (tmp_path / "out").exists()


def test_the_command_trains_and_says_what_it_found(tmp_path, capsys, weights):
    path = write_csv(tmp_path / "a.csv", rows(51))
    options = ("--label", "topic", "--label", "length:regression", "-w", weights, "--epochs", "1")
    code, stdout, _ = run(capsys, path, "-o", tmp_path / "out", *options, "--seeds", "2", "--test", path)
    lines = [" ".join(line.split()) for line in stdout.splitlines()]
    assert code == 0 and any(re.fullmatch(r"test topic accuracy \S+ ± \S+ %", line) for line in lines)
    squared = next(line for line in lines if line.startswith("test length minus_squared_error"))
    assert re.fullmatch(r".* -[\d.]+ ± [\d.e-]+", squared)  # no percentage: it has a unit
    guess = "always the most common training label topic accuracy 33.3 "
    assert any(line.startswith(guess) for line in lines) and "truncated" not in stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"seed-0", "seed-1", "summary.json"}
    code, stdout, stderr = run(capsys, path, "-o", tmp_path / "more", *options, "--json")
    assert code == 0 and not stderr
    assert json.loads(stdout) == json.loads((tmp_path / "more" / "summary.json").read_text())


# ---------------------------------------------------------------- the datasets library


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A folder that `datasets` opens as it opens nyu-mll/glue: the same configurations, columns and types."""
    import datasets

    classes = {"sst2": ["negative", "positive"], "mrpc": ["not_equivalent", "equivalent"],
               "mnli": ["entailment", "neutral", "contradiction"]}  # fmt: skip
    folder, configs = tmp_path / "glue", []
    for name, task in GLUE.items():
        labels = classes.get(name, ["no", "yes"])
        label = datasets.Value("float32") if name == "stsb" else datasets.ClassLabel(names=labels)
        features = datasets.Features({c: datasets.Value("string") for c in task.text} | {
            "label": label, "idx": datasets.Value("int32")})  # fmt: skip
        files = []
        for split, size in (("train", 24), (task.validation, 12), ("test", 3)):
            kinds = [i % len(labels) for i in range(size)]
            table = {c: ["ab"[k % 2] * (3 + i % 4) for i, k in enumerate(kinds)] for c in task.text}
            table["label"] = (
                [-1] * size if split == "test" else [float(k) for k in kinds] if name == "stsb" else kinds
            )
            table["idx"] = list(range(size))
            path = folder / name / f"{split}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            datasets.Dataset.from_dict(table, features=features).to_parquet(path)
            files.append(f"  - split: {split}\n    path: {name}/{split}.parquet")
        configs.append(f"- config_name: {name}\n  data_files:\n" + "\n".join(files))
    (folder / "README.md").write_text("---\nconfigs:\n" + "\n".join(configs) + "\n---\n")
    monkeypatch.setattr(glue, "REPOSITORY", str(folder))
    return folder


@pytest.mark.slow
def test_all_of_glue_by_its_name_with_the_average_beside_the_cards(stand_in, tmp_path, capsys, weights):
    code, stdout, _ = run(
        capsys, "glue", "-o", tmp_path / "out", "-w", weights, "--epochs", "1", "--seeds", "2"
    )
    assert code == 0
    lines = stdout.splitlines()
    scores_of = {line.split()[1]: line for line in lines if line.startswith("validation ")}
    assert set(scores_of) == {*GLUE, "average"} and all("±" in line for line in scores_of.values())
    assert (
        sum("twelve settings: 81.0 (the 81.8 on its model card is that of one model" in s for s in lines) == 1
    )
    means = []
    for name, task in GLUE.items():
        runs = [json.loads((tmp_path / f"out/{name}/seed-{s}/results.json").read_text()) for s in (0, 1)]
        for one in runs:
            scores = one["validation"]["scores"]["label"]
            assert one["score"] == pytest.approx(sum(scores[m] for m in task.metrics) / len(task.metrics))
        means.append(sum(one["score"] for one in runs) / 2)
    assert f"{100 * sum(means) / len(means):.1f}" in scores_of["average"]


def test_one_task_and_its_labels_by_name(stand_in):
    training, validation = load_task("mrpc")
    assert tasks_of(training)[0].labels == ("not_equivalent", "equivalent")  # in the order of the source
    assert training.texts[0] == "aaa[SEP]aaa" and len(validation) == 12
    encode_labels(validation, tasks_of(training))


def test_any_dataset_by_its_name_and_splits(stand_in, tmp_path, capsys, weights):
    options = ("--text", "sentence", "--validation", "validation", "-w", weights, "--epochs", "1")
    code, stdout, _ = run(capsys, f"{stand_in}:sst2", "-o", tmp_path / "out", *options)
    assert code == 0 and "".join(stdout.split()).find("validationlabelaccuracy") > 0


def test_secret_labels_and_missing_names_are_errors(stand_in, capsys, tmp_path, weights, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(glue, "REPOSITORY", str(stand_in / "nowhere"))
    with pytest.raises(InputError, match=r"glue sst2 test, row 0: label -1 is not known"):
        load_split(str(stand_in), "sst2", "test", ("sentence",), [Column("label")])
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody answers
    for name in ("sst2", "glue", tmp_path / "nowhere"):
        code, _, stderr = run(capsys, name, "-o", tmp_path / "out", "-w", weights)
        assert code == 2 and len(stderr.strip().splitlines()) == 1
        assert "is not in the local cache and the hub (http://127.0.0.1:9) cannot be reached" in stderr
        assert not (tmp_path / "out").exists()
    assert not constants.HF_HUB_OFFLINE  # what was changed to be quick is as it was
    code, _, stderr = run(capsys, "sst2", "--text", "x", "-o", tmp_path / "out", "-w", weights)
    assert code == 2 and "its own columns" in stderr
