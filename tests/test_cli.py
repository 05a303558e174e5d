"""The command line as its users see it: what is on stdout and on stderr, and the exit code."""

import hashlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commands import assert_one_line
from tiny import SMALL

from perceiver_edu import (
    InputError,
    PerceiverIOConfig,
    PerceiverIOForMaskedLM,
    cli,
    fill_mask,
    instruments,
    load_pretrained,
    save_pretrained,
)
from perceiver_edu.cli import shared
from perceiver_edu.cli.fill import print_fillings
from perceiver_edu.filling import Filling
from perceiver_edu.terminal import visible
from perceiver_edu.weights import files

TEXT = "This is an incomplete sentence where some words are missing."


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a tiny random model."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_pretrained(PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL)), folder)
    return str(folder)


def start(*arguments, **options):
    """Run a command as its users do, in a process of its own."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([sys.executable, "-m", "perceiver_edu.cli", *arguments], **options)


# which engine

ENGINES = ["stages", "torch", "openvino"]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_answers_and_says_who_it_was(run, tiny, engine):
    plain = json.loads(run("fill", TEXT, "--mask", " some", "--weights", tiny, "--json")[1])
    code, out, err = run("fill", TEXT, "--mask", " some", "--weights", tiny, "--json", "--engine", engine)
    assert code == 0 and ("parameters" if engine == "stages" else f"optimized, run by {engine}") in err
    for found, expected in zip(json.loads(out)["holes"], plain["holes"], strict=True):
        got, right = ({f["text"]: f["probability"] for f in hole["fillings"]} for hole in (found, expected))
        assert got == pytest.approx(right, rel=1e-4)


def test_a_model_is_converted_once_and_opened_by_the_other_commands(run, tiny, tmp_path, monkeypatch):
    folder = str(tmp_path / "fast")
    assert run("optimize", folder, "--weights", tiny)[0] == 0
    monkeypatch.setattr("perceiver_edu.openvino_engine.convert", None)
    code, out, err = run("fill", TEXT, "--mask", " some", "--weights", folder, "--json")
    assert code == 0 and "optimized, run by openvino" in err
    plain = json.loads(run("fill", TEXT, "--mask", " some", "--weights", tiny, "--json")[1])
    first, expected = (answer["holes"][0]["fillings"][0] for answer in (json.loads(out), plain))
    assert first["probability"] == pytest.approx(expected["probability"], rel=1e-4)
    code, out, err = run("evaluate", folder, "--crops", "4", "--no-cloze", "--json")
    needed = "how widely the latents attend is measured only by --engine stages, on weights"
    assert code == 0 and json.loads(out)["reading"] is None and needed in err
    plain = json.loads(run("evaluate", tiny, "--crops", "4", "--no-cloze", "--json")[1])
    assert json.loads(out)["scores"]["model"]["bits"] == pytest.approx(
        plain["scores"]["model"]["bits"], rel=1e-4
    )

    options = ("--crops", "1", "--no-cloze", "--engine", "torch")
    assert needed in run("evaluate", tiny, *options)[1].splitlines()[-1]
    assert_one_line(*run("optimize", folder, "--weights", tiny), "exists already")
    out = run("fill", "a[MASK]", "-w", folder, "--engine", "torch")
    assert_one_line(*out, "runs only with --engine openvino")
    assert_one_line(
        *run("fill", "a[MASK]", "-w", tiny, "--engine", "fast"), "no engine 'fast'; choose from stages"
    )
    assert_one_line(
        *run("optimize", "new", "--dtype", "float16"), "no --dtype 'float16'; choose from float32"
    )
    monkeypatch.setitem(sys.modules, "openvino", None)
    for arguments in (["optimize", "new"], ["fill", "a[MASK]", "-w", folder]):
        assert_one_line(*run(*arguments), 'pip install "perceiver-edu[fast]"')


# fill


def test_fill_prints_ranked_fillings_and_the_filled_text(run, tiny):
    code, out, err = run("fill", TEXT, "--mask", " missing.", "--weights", tiny, "--top-k", "3")
    expected = fill_mask(load_pretrained(tiny), TEXT, " missing.", top_k=3)[0]
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "hole 1, characters 51 to 60, 9 bytes: ' missing.'"
    assert lines[1].split() == ["rank", "probability", "filling"]
    for rank, (line, filling) in enumerate(zip(lines[2:5], expected, strict=True), 1):
        assert line.split(maxsplit=2)[:2] == [str(rank), f"{filling.probability:.3g}"]
        assert line.rstrip().endswith(repr(filling.text))
    assert lines[5] == ""
    assert lines[6] == TEXT.removesuffix(" missing.") + visible(expected[0].text)
    assert err == f"weights: {tiny}, {sum_of_parameters(tiny):,} parameters, on cpu\n"


def sum_of_parameters(folder):
    return sum(parameter.numel() for parameter in load_pretrained(folder).parameters())


def test_a_byte_order_mark_is_no_part_of_the_text(run, tiny, tmp_path):
    code, out, _ = run("fill", "--span", "0:5", "-w", tiny, "--json", stdin=b"\xef\xbb\xbfHello there\n")
    assert code == 0 and json.loads(out)["holes"][0]["hidden"] == "Hello"
    marked = Path(shutil.copytree(tiny, tmp_path / "marked"))
    (marked / "config.json").write_bytes(b"\xef\xbb\xbf" + (marked / "config.json").read_bytes())
    assert run("fill", "Hello", "-m", "H", "-w", marked)[0] == 0


def test_fill_says_that_a_file_is_read_from_standard_input(run, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("Yours sincerely", "utf-8")
    for arguments in ([], ["-m", " sincerely"]):
        assert_one_line(*run("fill", letter, *arguments), "letter.txt is a file: write < before its name")


def test_fill_takes_several_holes_in_their_order(run, tiny):
    code, out, _ = run("fill", "one two three", "--mask", "three", "-m", "one", "--span", "4:7", "-w", tiny)
    assert code == 0
    holes = [line for line in out.splitlines() if line.startswith("hole")]
    assert holes == [
        "hole 1, characters 8 to 13, 5 bytes: 'three'",
        "hole 2, characters 0 to 3, 3 bytes: 'one'",
        "hole 3, characters 4 to 7, 3 bytes: 'two'",
    ]


def test_fill_without_mask_fills_each_mask_in_the_text(run, tiny):
    code, out, _ = run("fill", "a[MASK][MASK]b[MASK]", "-w", tiny)
    assert code == 0
    assert "hole 1, characters 1 to 13, 2 bytes" in out
    assert "hole 2, characters 14 to 20, 1 byte:" in out
    assert "[MASK]" not in out.splitlines()[-1]


def test_json_is_one_object_and_nothing_else(run, tiny):
    code, out, err = run("fill", "naïve café\x1b[0m", "-m", "é", "-m", " ", "-k", "4", "-w", tiny, "--json")
    assert code == 0
    assert out.isascii()
    answer = json.loads(out)
    expected = fill_mask(load_pretrained(tiny), "naïve café\x1b[0m", ["é", " "], top_k=4)
    assert answer == {
        "weights": tiny,
        "text": "naïve café\x1b[0m",
        "joint": False,
        "filled": f"naïve{expected[1][0].text}caf{expected[0][0].text}\x1b[0m",
        "holes": [
            {
                "start": start,
                "stop": start + 1,
                "hidden": hidden,
                "fillings": [{"text": f.text, "probability": f.probability} for f in fillings],
            }
            for start, hidden, fillings in [(9, "é", expected[0]), (5, " ", expected[1])]
        ],
    }
    assert "weights" in err


def test_fill_jointly(run, tiny):
    code, out, _ = run("fill", "a café", "-m", "fé", "--joint", "-k", "3", "-w", tiny, "--json")
    [expected] = fill_mask(load_pretrained(tiny), "a café", "fé", top_k=3, joint=True)
    answer = json.loads(out)
    assert code == 0 and answer["joint"] is True
    assert answer["holes"][0]["fillings"] == [filling._asdict() for filling in expected]


def test_standard_input_without_an_end_is_one_line():
    with open("/dev/zero", "rb") as endless:
        process = start("fill", "-m", "a", stdin=endless)
        out, err = process.communicate(timeout=60)
    assert_one_line(process.returncode, out.decode(), err.decode(), "standard input is longer than any model")


@pytest.mark.parametrize("arguments", [[], ["-"]])
@pytest.mark.parametrize(
    ("stdin", "text"),
    [
        ("café", "café"),
        ("café\n", "café"),
        ("café\r\n", "café"),
        ("café\n\n", "café\n"),
        ("café\r", "café\r"),
    ],
)
def test_text_on_standard_input_loses_one_newline(run, tiny, arguments, stdin, text):
    code, out, _ = run("fill", *arguments, "-m", "é", "-w", tiny, "--json", stdin=stdin.encode())
    assert code == 0
    assert json.loads(out)["text"] == text


def test_weights_come_from_the_option_or_else_the_environment(run, tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("PERCEIVER_EDU_WEIGHTS", tiny)
    code, _, err = run("fill", "abc", "-m", "b")
    assert code == 0
    assert f"weights: {tiny}," in err
    monkeypatch.setenv("PERCEIVER_EDU_WEIGHTS", str(tmp_path / "nowhere"))
    assert run("fill", "abc", "-m", "b")[0] == 2
    assert run("fill", "abc", "-m", "b", "-w", tiny)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "-m", "a"], "an argument is empty"),
        (["no hole here"], "nothing to fill: write [MASK] once for each missing byte"),
        (["abc", "-m", "x"], "'x' does not occur in the text"),
        (
            ["abcb", "-m", "b"],
            "'b' occurs 2 times: choose one by spans=(start, stop), or --span START:STOP, in characters, "
            "here (1, 2), (3, 4)",
        ),
        (["abc", "-m", ""], "the value after -m is empty"),
        (["abc", "-m", "a", "-m", "ab"], "overlap"),
        (["abc", "-m", "\x1b[31m\nx"], r"'\x1b[31m\nx' does not occur"),
        (["abc", "-m", "\u202e"], r"'\u202e' does not occur"),
        (["abc\udcff", "-m", "b"], "no UTF-8 form"),
        (["abc", "--span", "2:9"], "(2, 9) is not within the text"),
        (["abc", "--span", "2"], "--span takes START:STOP in characters, such as 8:11, got '2'"),
        (["abc", "--span", "a:b"], "got 'a:b'"),
        (["abc" * 9, "--span", "1_0:1_2"], "got '1_0:1_2'"),
        (["abc", "-m", "b", "-k", "0"], "top_k must be a whole number ≥ 1, got 0"),
        (["x" * 94 + "y", "-m", "y"], "text is 95 bytes long, but this model reads at most 94"),
        (["abc", "-m", "b", "-d", "toaster"], "'toaster' is not usable here; choose from cpu"),
        (["abc", "-m", "b", "-d", "cuda:99"], "'cuda:99' is not usable here"),
        (["abc", "-m", "b", "-w", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_what_the_user_did_wrong_is_one_line_and_exit_code_2(run, tiny, arguments, message):
    weights = [] if "-w" in arguments else ["-w", tiny]
    assert_one_line(*run("fill", *arguments, *weights), message)


def test_standard_input_that_is_not_utf8(run, tiny):
    result = run("fill", "-m", "a", "-w", tiny, stdin=b"abc\xff")
    assert_one_line(*result, "standard input is not valid UTF-8: byte 3 is 0xff")


def test_empty_standard_input(run, tiny):
    assert_one_line(*run("fill", "-w", tiny), "the text is empty")


def test_a_bug_keeps_its_traceback(tiny, monkeypatch):
    monkeypatch.setattr(shared, "load", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["fill", "abc", "-m", "b", "-w", tiny])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (InputError("two\nlines \x1b[31m"), r"two lines \x1b[31m"),
    ],
)
def test_an_error_from_below_is_one_line(run, monkeypatch, error, message):
    def fail(*_):
        raise error

    monkeypatch.setattr(shared, "load", fail)
    assert_one_line(*run("fill", "abc", "-m", "b"), message)


# What is shown is safe to show


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 世界 \U0001f680", "plain, naïve, 世界 \U0001f680"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\x9b\u200b\ufeff\u2028", r"\x9b\u200b\ufeff\u2028"),
        ("\udcff\U000e0041", r"\udcff\U000e0041"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


def test_nothing_in_a_text_or_a_filling_reaches_the_terminal_raw(capsys):
    nasty = "\x1b]0;title\x07\n\u202e\x9b2J\r"
    fillings = [Filling(nasty, 0.5), Filling("[red]x[/red] :smile:", 0.25)]
    print_fillings(f"ab\x1b{nasty[5:]}", [(0, 1)], [fillings])
    out = capsys.readouterr().out
    assert set(out) - {"\n"} == {c for c in out if c.isprintable()}
    assert repr(nasty) in out
    assert "'[red]x[/red] :smile:'" in out


def test_a_pipe_gets_plain_lines_however_long(capsys):
    print_fillings("x" * 500, [(0, 499)], [[Filling("y" * 499, 1e-9)]])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert ["1", "1e-09", repr("y" * 499)] in [line.split() for line in out.splitlines()]
    assert out.splitlines()[-1] == "y" * 499 + "x"


def test_a_terminal_gets_a_ruled_table_and_the_text_unbroken(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    text = "word " * 30 + "gap"
    print_fillings(text, [(150, 153), (0, 4)], [[Filling("end", 0.5)], [Filling("\x1b[2J", 0.25)]])
    *_, last = capsys.readouterr().out.splitlines()
    assert "\x1b[1;4mend\x1b[0m" in last
    assert re.sub(r"\x1b\[[\d;]*m", "", last) == r"\x1b[2J" + " word" * 29 + " end"


def test_a_terminal_that_knows_no_utf8_gets_escapes(tiny):
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = start("fill", "é世界abc", "-m", "abc", "-w", tiny, env=ascii_only)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert rb"\xe9\u4e16\u754c" in out.splitlines()[-1]


# parity


def test_parity_prints_the_ledger_and_exits_0_where_all_agree(run, tiny):
    code, out, err = run("parity", tiny)
    assert code == 0, out
    verdict, heading, *rows = out.splitlines()
    assert verdict == "✓ the model computes what Hugging Face's does: all 5 arrays agree"
    assert heading.startswith("array")
    assert len(rows) == 5
    assert all(row.rstrip().endswith("  ok") for row in rows)
    assert err.splitlines()[0].startswith(f"weights: {tiny}, ")
    with_layers = run("parity", tiny, "--layers")[1].splitlines()
    assert len(with_layers) == 2 + 5 + 2


def test_parity_exits_1_and_marks_where_they_part(run, tiny, monkeypatch):
    original = instruments.huggingface_copy

    def damaged(model):
        hf_copy = original(model)
        with torch.no_grad():
            hf_copy.embedding_decoder.bias[7] += 1e-2
        return hf_copy

    monkeypatch.setattr(instruments, "huggingface_copy", damaged)
    code, out, _ = run("parity", tiny)
    assert code == 1
    verdict, _, *agreeing, last = out.splitlines()
    assert verdict == "✗ the models differ from 'logits' on"
    assert all(row.rstrip().endswith("  ok") for row in agreeing)
    assert last.endswith("  first divergence")

    code, out, _ = run("parity", tiny, "--json")
    assert code == 1
    answer = json.loads(out)
    assert answer["ok"] is False
    assert [row["ok"] for row in answer["rows"]] == [True, True, True, True, False]


def test_parity_json(run, tiny):
    code, out, _ = run("parity", tiny, "--json")
    assert code == 0
    answer = json.loads(out)
    assert set(answer) == {"weights", "ok", "rows"}
    assert answer["weights"] == tiny
    assert answer["ok"] is True
    for row in answer["rows"]:
        assert set(row) == {"stage", "shape", "max_abs", "scale", "tolerance", "ok"}
        assert row["ok"] is True
        assert 0 <= row["max_abs"] < 1e-3
        assert all(isinstance(size, int) for size in row["shape"])


def test_parity_user_errors(run):
    assert_one_line(*run("parity", "/no/such/folder"), "/no/such/folder")


@pytest.mark.parametrize("command", ["parity", "profile"])
def test_an_optimized_model_has_no_stages_to_look_at(run, command, tmp_path):
    (tmp_path / "perceiver_io.json").write_text("{}")
    assert_one_line(*run(command, tmp_path), "is an optimized model, in which the stages are joined")


# course


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A course of two notebooks, of which the first is done."""
    from perceiver_edu import data
    from perceiver_edu.course import progress

    def cell(text, **metadata):
        return {"cell_type": "markdown", "metadata": metadata, "source": [text]}

    folder = tmp_path / "installed"
    folder.mkdir()
    for name, minutes, exercises in (("00_first", 15, ["00.a"]), ("01_second", 40, ["01.b", "01.c"])):
        cells = [cell(f"# {name[:2]} · Title\n\n**Time** {minutes} minutes")]
        cells += [cell("", exercise={"id": i, "role": "stub"}) for i in exercises]
        asked = [f"predict('{name[:2]}.a', 'Which?', text=True)", f'predict(\n    "{name[:2]}.b")']
        cells += [cell(source) | {"cell_type": "code"} for source in asked]
        (folder / f"{name}.ipynb").write_text(json.dumps({"cells": cells}))
    monkeypatch.setattr(data, "NOTEBOOKS", folder)
    monkeypatch.setattr(data, "CHECKOUT", None)
    for name in ("HOME", "USERPROFILE", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "progress.json"))
    progress.mark_done("00.a")
    progress.mark_done("01.c")
    progress.note(predictions={"00.a": "mine", "00.b": None})
    return folder


@pytest.fixture
def opened(monkeypatch):
    """What would have been started."""
    started = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    return started


def test_course_lists_notebooks_minutes_and_what_is_done(run, notebooks, opened):
    code, out, err = run("course")
    assert (code, err, opened) == (0, "", [])
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["notebook", "minutes", "done", "predicted", "exercises"]
    assert lines[1] == ["00", "·", "Title", "15", "1", "of", "1", "1", "of", "2", "●"]
    assert lines[2] == ["01", "·", "Title", "40", "1", "of", "2", "0", "of", "2", "○●"]
    assert out.splitlines()[3] == "next: 01_second; to open the course: perceiver-edu course --open"
    assert not (notebooks.parent / "home").exists(), "to list the course writes nothing"


def test_course_json(run, notebooks, tmp_path):
    code, out, _ = run("course", "--json")
    answer = json.loads(out)
    assert code == 0
    assert set(answer) == {"folder", "next", "open", "progress_file", "problem", "notebooks"}
    assert answer["next"] == str(notebooks / "01_second.ipynb")
    assert answer["folder"] is None and answer["open"] is None, "there is no course folder"
    assert answer["progress_file"] == str(tmp_path / "progress.json") and answer["problem"] is None
    assert [notebook["minutes"] for notebook in answer["notebooks"]] == [15, 40]
    fields = {"file", "title", "minutes", "exercises", "newer", "predictions"}
    assert answer["notebooks"][0]["predictions"] == [
        {"id": "00.a", "made": True},
        {"id": "00.b", "made": False},
    ]
    assert [set(n) for n in answer["notebooks"]] == [fields] * 2
    done = {exercise["id"]: exercise["done"] for n in answer["notebooks"] for exercise in n["exercises"]}
    assert done["01.b"] is None and re.fullmatch(r"\d{4}-\d\d-\d\d", done["00.a"])


def test_course_makes_the_folder_and_opens_the_start_page(run, notebooks, opened, tmp_path):
    folder = tmp_path / "my course"
    code, out, err = run("course", "--open", "--folder", folder, "--", "--no-browser")
    assert (code, err) == (0, "") and f"Your course folder is {folder}." in out
    [command] = opened
    assert command[:5] == [sys.executable, "-P", "-m", "jupyter", "lab"]
    assert f"--ServerApp.root_dir={folder.resolve()}" in command and command[-1] == "--no-browser"
    assert "--LabApp.default_url=/lab/tree/start.ipynb" in command
    assert ("--allow-root" in command) == (os.geteuid() == 0)
    answer = json.loads(run("course", "--json")[1])  # the folder is remembered
    assert (answer["folder"], answer["next"]) == (str(folder), str(folder / "01_second.ipynb"))
    assert answer["open"] == command[:-1]


def test_course_says_what_an_update_did(run, notebooks, tmp_path, monkeypatch):
    from perceiver_edu.course import folder

    (tmp_path / "home").mkdir()
    course = tmp_path / "home" / "perceiver-course"
    monkeypatch.setattr(folder, "__version__", "0.3.0")
    assert f"Your course folder is {course}." in run("course", "--folder", "~/perceiver-course")[1]
    text = (course / "01_second.ipynb").read_text()
    stub = '"def f(): pass"'
    (course / "01_second.ipynb").write_text(text.replace('""', stub))
    for path in notebooks.iterdir():
        path.write_text(path.read_text().replace("Title", "New title"))
    code, out, err = run("course", "--folder", "~/perceiver-course")
    assert (code, err) == (0, "") and "New files: 0, replaced: 1." in out
    assert "  01_second.ipynb: 01_second (new in 0.3.0).ipynb\n" in out
    assert out.endswith("new versions: perceiver-edu course --carry-answers\n")
    assert (
        "Your answers were copied into the new versions: 01.b, 01.c." in run("course", "--carry-answers")[1]
    )
    assert "There were no answers to copy" in run("course", "--carry-answers")[1]


def test_course_asks_for_the_folder_where_somebody_sits_at_a_terminal(run, notebooks, tmp_path, monkeypatch):
    from perceiver_edu.cli.course import choose

    class Terminal(io.StringIO):
        isatty = lambda self: True  # noqa: E731

    def answer(text, ask=True):
        monkeypatch.setattr(sys, "stdin", Terminal(text))
        monkeypatch.setattr(sys, "stdout", Terminal())
        return choose(None, ask)

    monkeypatch.chdir(tmp_path)
    usual = tmp_path / "home" / "perceiver-course"
    assert answer("\n") == usual and answer("here\n") == tmp_path / "here"
    assert answer("here\n", ask=False) == usual
    with pytest.raises(InputError, match="give one with --folder"):
        answer("")


def test_course_user_errors(run, notebooks, opened, tmp_path):
    assert_one_line(*run("course", "--", "--no-browser"), "'--no-browser' is for JupyterLab")
    assert_one_line(*run("course", "--folder", "a\0b"), "is not a valid folder name: choose another")
    assert_one_line(*run("course", "--", ""), "'' is for JupyterLab")
    assert_one_line(*run("course", "--folder", notebooks), "is not empty and is not a course folder")
    assert_one_line(
        *run("course", "--open", "--folder", notebooks), "is not empty and is not a course folder"
    )
    assert opened == []


def test_course_where_the_choice_cannot_be_remembered(run, notebooks, tmp_path):
    (tmp_path / "home").write_text("a file")
    code, out, err = run("course", "--folder", tmp_path / "course")
    assert (
        code == 0 and "00 · Title" in out and "give --folder again next time" in err and err.count("\n") == 1
    )


def test_course_where_all_is_done(run, notebooks, opened):
    from perceiver_edu.course import progress

    progress.mark_done("01.b")
    code, out, _ = run("course", "--open")
    assert code == 0 and "every exercise is done" in out.splitlines()
    assert "--LabApp.default_url=/lab/tree/start.ipynb" in opened[0]
    assert json.loads(run("course", "--json")[1])["next"] is None


def test_course_with_a_damaged_progress_file(run, notebooks, tmp_path):
    (tmp_path / "progress.json").write_text("{")
    code, out, err = run("course")
    assert code == 0 and "0 of 2" in out
    assert err.count("\n") == 1 and "delete it" in err
    assert "delete it" in json.loads(run("course", "--json")[1])["problem"]


def test_course_opens_lab_without_what_lies_in_the_current_folder(tmp_path):
    from perceiver_edu.course.lab import lab_command

    (tmp_path / "jupyter.py").write_text("print('a trap')")
    command = lab_command(tmp_path / "start.ipynb")
    command = [*command[: command.index("lab")], "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0 and "jupyterlab" in done.stdout and "a trap" not in done.stdout


def test_course_with_a_progress_file_that_never_ends(run, notebooks, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "pipe"))
    code, _, err = run("course")
    assert code == 0 and "is not a plain file" in err


def test_too_little_memory_is_one_line(run, monkeypatch):
    monkeypatch.setattr(shared, "load", lambda *_: torch.empty(2**60))
    assert_one_line(*run("fill", "abc", "-m", "b"), "not enough memory")


def test_profile_of_what_this_machine_cannot_hold(run, tiny, monkeypatch):
    monkeypatch.setattr("perceiver_edu.instruments.machine.memory_bytes", lambda device: 10**6)
    assert_one_line(*run("profile", tiny, "--batch", "999"), "--batch 999 needs more than")


def test_course_without_its_notebooks_says_what_to_do(run, notebooks, opened, monkeypatch):
    from perceiver_edu import data

    monkeypatch.setattr(data, "NOTEBOOKS", notebooks / "nowhere")
    for arguments in ([], ["--open"], ["--json"]):
        assert_one_line(*run("course", *arguments), "install perceiver-edu again")
    assert opened == [] and not (notebooks.parent / "home").exists()


def test_course_without_jupyterlab_prints_the_command(run, notebooks, opened, monkeypatch):
    from perceiver_edu.course import lab

    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    code, out, err = run("course", "--open")
    assert code == 2 and "01 · Title" in out and opened == []
    assert err.count("\n") == 1
    assert "-m pip install 'perceiver-edu[lab]'" in err and "/lab/tree/start.ipynb" in err


def test_course_shows_the_notebooks_of_this_checkout(run):
    code, out, _ = run("course")
    assert code == 0 and "00 · Quickstart" in out


# The program itself


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["-h"], ["fill", "-h"], ["course", "-h"], ["parity", "--help"]]
)
def test_help(run, arguments):
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "Usage: perceiver-edu" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    if arguments and arguments[0] in ("course", "fill", "parity"):
        assert f"\n    perceiver-edu {arguments[0]} " in out  # examples, one a line


def test_version(run):
    import perceiver_edu

    assert run("--version") == (0, f"perceiver-edu {perceiver_edu.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [["fill", "abc", "--colour"], ["no-such-command"], ["fill", "a", "-k", "x"], ["--"], ["--", "x"]],
)
def test_wrong_usage_exits_2(run, arguments):
    code, out, err = run(*arguments)
    assert_one_line(code, out, err, "perceiver-edu fill --help" if arguments[0] == "fill" else "--help")


@pytest.mark.parametrize("arguments", [["--language"], ["fill", "a [MASK]", "--language"]])
def test_a_language_has_to_be_named(run, arguments):
    assert_one_line(*run(*arguments), "--language needs a value: en or zh")


def test_the_process_itself(tiny):
    process = start("fill", "-", "-m", "b", "-w", tiny, "--json", stdin=subprocess.PIPE)
    out, err = process.communicate(b"abc\n", timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["text"] == "abc"
    process = start("fill", "abc", "-m", "x", "-w", tiny)
    out, err = process.communicate(timeout=120)
    assert_one_line(process.returncode, out.decode(), err.decode(), "does not occur")


def test_ctrl_c_is_one_line_and_exit_code_130(run, tiny, monkeypatch):
    monkeypatch.setattr(shared, "load", lambda *_: signal.raise_signal(signal.SIGINT))
    assert run("fill", "abc", "-m", "b", "-w", tiny) == (130, "", "perceiver-edu: interrupted\n")


INTERRUPTS = """
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where these tests run in the background
interrupt = lambda: os.kill(os.getpid(), signal.SIGINT)
"""
AT_IMPORT = """
from perceiver_edu import cli
cli.shared.load = lambda *_: __import__("interrupted")
cli.main(["fill", "abc", "-m", "b"])
"""
AT_EXIT = """
atexit.register(interrupt)  # runs after all that `main` registers
from perceiver_edu.cli import main
main(["--version"])
"""


def test_ctrl_c_in_an_import_raises_nothing_there(tmp_path):
    """An exception would crash the C code of torch that is being imported."""
    module = (
        "import __main__\ntry:\n    __main__.interrupt()\nexcept BaseException as error:\n    print(error)\n"
    )
    (tmp_path / "interrupted.py").write_text(module + "raise ImportError('the C code has failed')\n")
    code = f"{INTERRUPTS}sys.path.insert(0, {str(tmp_path)!r}){AT_IMPORT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "perceiver-edu: interrupted\n")


def test_ctrl_c_after_the_end_is_too_late():
    done = subprocess.run([sys.executable, "-c", INTERRUPTS + AT_EXIT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("perceiver-edu ")


def test_a_reader_that_leaves_early_is_no_error(tiny):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = start("fill", "abc", "-m", "b", "-w", tiny, "--json", stdout=write_end)
    os.close(write_end)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.startswith(b"weights: ")
    assert err.count(b"\n") == 1


def test_help_does_not_wait_for_transformers():
    code = (
        "import sys\nfrom perceiver_edu.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    print('transformers' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=120)
    assert out.splitlines()[-1] == "False"


def test_profile_prints_the_stages_and_what_the_machine_can_do(run, tmp_path):
    small = ("profile", "--bytes", "20", "--outputs", "3", "--repeats", "1")
    code, out, err = run(*small, "--trace", str(tmp_path / "t.json"))
    assert code == 0 and "weights: embedded" in err
    words = ("embedding", "processor", "mlm_head", "all", "GFLOP/s", "peak of this machine (cpu)", "aten::")
    assert [word for word in words if word not in out] == []
    assert (tmp_path / "t.json").stat().st_size > 1000
    code, out, _ = run(*small, "--batch", "2", "--json")
    found = json.loads(out)
    assert code == 0 and [row["stage"] for row in found["stages"]][-1] == "all"
    assert found["batch"] == 2 and found["stages"][-1]["flops"] > 1e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--outputs", "999"], "--outputs must be a whole number from 1 to 256, got 999"),
        (["--bytes", "0"], "--bytes must be a whole number from 1 to 256"),
        (["--dtype", "int3"], "no dtype 'int3'; choose from float32, bfloat16, float16"),
        (["--repeats", "0"], "--repeats must be a whole number from 1"),
    ],
)
def test_profile_refuses_what_cannot_be_measured(run, arguments, message):
    code, out, err = run("profile", *arguments)
    assert code == 2 and message in err and not out


def test_profile_refuses_options_that_a_record_ignores(run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "perceiver_edu.instruments.gpu_record.record", lambda *_, **__: pytest.fail("recorded")
    )
    for option in (
        ["random"],
        ["--batch", "1"],
        ["--dtype", "float32"],
        ["--repeats", "10"],
        ["--trace", "t"],
    ):
        name = option[0].replace("random", "weights")
        message = f"leave out {name}, which would be ignored with --record"
        assert_one_line(*run("profile", *option, "--record", tmp_path / "new", "--reduced"), message)
    both = run("profile", "--bytes", "9", "--outputs", "2", "--record", tmp_path / "new")
    assert_one_line(*both, "leave out --bytes, --outputs, which would")


def test_profile_looks_for_the_folder_of_the_trace_before_it_runs(run, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("perceiver_edu.cli.shared.load", lambda *_: pytest.fail("the model was loaded first"))
    assert_one_line(
        *run("profile", tiny, "--trace", tmp_path / "no" / "x.json"), f"no folder {tmp_path / 'no'}"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pretrain {} -o run", "an argument"),
        ("pretrain texts -o {}", "the value after -o"),
        ("pretrain texts --output={}", "the value after --output"),
        ("pretrain texts -o run --weights {}", "the value after --weights"),
        ("finetune a.csv -o run --validation {}", "the value after --validation"),
        ("evaluate {}", "an argument"),
        ("evaluate --data={}", "the value after --data"),
        ("profile --trace {}", "the value after --trace"),
    ],
)
def test_an_empty_path_is_refused_and_never_the_working_folder(run, line, said):
    arguments = [part.format("") for part in line.split()]
    assert_one_line(*run(*arguments), f"{said} is empty: give a value, or leave it out")


def test_hashing_that_takes_long_shows_how_far_it_is(tmp_path, capsys, monkeypatch):
    (tmp_path / "large").write_bytes(bytes(3 * files.PIECE))
    digest = hashlib.sha256(bytes(3 * files.PIECE)).hexdigest()
    assert files.sha256_of_each([tmp_path / "large"] * 2) == [digest] * 2 and not capsys.readouterr().err
    clock = itertools.count(0, 3)  # seconds
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))
    assert files.sha256_of_each([tmp_path / "large"], progress=False) == [digest]
    assert not capsys.readouterr().err
    assert files.sha256_of_each([tmp_path / "large"]) == [digest]
    assert re.search(r"computing SHA-256: +\d+%", capsys.readouterr().err)


def test_weights_says_where_they_lie_and_what_they_are(run, tiny, tmp_path):
    code, out, err = run("weights", tiny)
    digest = hashlib.sha256(Path(tiny, "model.safetensors").read_bytes()).hexdigest()
    assert (code, err) == (0, "") and digest in out and tiny in out
    snapshot = tmp_path / "models--someone--tiny" / "snapshots" / ("0a" * 20)
    shutil.copytree(tiny, snapshot)
    origin = json.loads(run("weights", str(snapshot), "--json")[1])
    assert (origin["repository"], origin["revision"]) == ("someone/tiny", "0a" * 20)
    assert origin["files"]["model.safetensors"]["sha256"] == digest
    assert_one_line(*run("weights", "random"), "random weights come from a seed")
    assert_one_line(*run("weights", "no-such-folder"), "no weights 'no-such-folder'")
