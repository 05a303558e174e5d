"""`perceiver-edu pretrain` and `perceiver-edu evaluate`, as their users see them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from commands import assert_one_line
from runs import CONFIG, log_rows
from tiny import TINY

from perceiver_edu import (
    InputError,
    PerceiverIOConfig,
    PerceiverIOForMaskedLM,
    load_pretrained,
    save_pretrained,
)
from perceiver_edu.data import HELD_OUT
from perceiver_edu.training.configs import PretrainConfig, new_model, sized
from perceiver_edu.weights.files import to_json
from perceiver_edu.weights.pretrained import load_folder

ROOT = Path(__file__).parents[2]
SMALL_RUN = ["--size", "tiny", "--batch-size", "2"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with an untrained tiny model."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_pretrained(PerceiverIOForMaskedLM(sized("tiny")), folder)
    return folder


@pytest.mark.parametrize("command", ["pretrain", "evaluate"])
def test_help(run, command):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert all(len(line) <= 80 for line in out.splitlines())
    assert f"\n    perceiver-edu {command} " in out


# ---------------------------------------------------------------- pretrain


def test_pretrain_trains_a_model_that_fill_can_use(run, tmp_path):
    output = tmp_path / "run\x1b[31m"
    train = ["pretrain", HELD_OUT, "-o", output, *SMALL_RUN, "--held-out", HELD_OUT]
    code, out, err = run(*train, "--steps", 3)
    assert (code, out) == (0, f"the model is in {tmp_path}/run\\x1b[31m/model\n"), err
    assert "bits/byte" in err and "kB/s" in err
    assert [row["step"] for row in log_rows(output)] == ["0", "3"]
    assert all(0 < float(row["held_out_bits"]) < 9 for row in log_rows(output))
    assert load_folder(output / "model").config == sized("tiny")
    assert (output / "samples.txt").read_text().count("\n") == 6
    assert run("fill", "The c[MASK]t", "-w", output / "model")[0] == 0

    assert_one_line(*run(*train), "already contains a run: resume it with --resume")
    assert_one_line(*run(*train, "--steps", 4, "--resume", "--seed", 1), "seed was 0, now 1")
    assert run(*train, "--steps", 4, "--resume")[0] == 0
    assert [row["step"] for row in log_rows(output)] == ["0", "3", "4"]


def test_pretrain_takes_every_part_of_the_recipe_from_the_command_line(run, tmp_path):
    (tmp_path / "config.json").write_bytes(to_json({"model_type": "perceiver"} | CONFIG.to_dict()))
    options = dict(steps=2, batch_size=4, learning_rate=0.01, warmup=1, masks="words", bytes_first=0.0)
    options |= dict(short=0.5, start="usual", seed=7)
    arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    code, _, err = run(
        *("pretrain", HELD_OUT, "-o", tmp_path / "run", "--config", tmp_path / "config.json", *arguments),
        *("--micro-batch-size", 2, "--precision", "bf16", "--cache", tmp_path / "cache"),
        *("--save-every", 1, "--evaluate-every", 1),
    )
    assert code == 0, err
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert {name: settings[name] for name in options} == options
    assert settings["config"] == CONFIG.to_dict()
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1
    assert len(log_rows(tmp_path / "run")) == 2  # evaluate_every


def test_pretrain_goes_on_from_given_weights(run, tmp_path):
    config, batch = tmp_path / "config.json", ("--batch-size", 8, "--held-out", HELD_OUT)
    config.write_bytes(to_json({"model_type": "perceiver"} | CONFIG.to_dict()))
    first = ("pretrain", HELD_OUT, "-o", tmp_path / "first", "--config", config, "--steps", 9)
    assert run(*first, *batch, "--warmup", 1)[0] == 0
    weights = tmp_path / "first" / "model"
    further = ("pretrain", HELD_OUT, "-o", tmp_path / "second", "--weights", weights, "--steps", 1)
    code, _, err = run(*further, *batch)
    assert code == 0, err
    ended, begins = log_rows(tmp_path / "first")[-1], log_rows(tmp_path / "second")[0]
    assert begins["step"] == "0" and begins["held_out_bits"] == ended["held_out_bits"]
    settings = json.loads((tmp_path / "second" / "settings.json").read_text())
    assert settings["weights"] == str(weights) and settings["config"] == CONFIG.to_dict()
    with pytest.raises(InputError, match="has other sizes than this run"):
        new_model(PretrainConfig(weights=str(weights)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no training text: give files or folders of text, or --mixture c4-wikipedia"),
        ([HELD_OUT, "--mixture", "c4-wikipedia"], "no training text"),
        (["--mixture", "bookcorpus"], "no mixture 'bookcorpus'; choose from c4-wikipedia"),
        (["nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["{tmp}/empty.txt"], "no text in"),
        (["{tmp}/garbled.jsonl"], "line 1: not valid JSON"),
        (
            [HELD_OUT, "--config", "{tmp}/twice.json"],
            "twice.json is not valid JSON: the key 'd_model' occurs twice",
        ),
        ([HELD_OUT, "--held-out", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        ([HELD_OUT, "--held-out", "{tmp}/short.txt"], "the held-out text is too short"),
        ([HELD_OUT, "--size", "huge"], "no size 'huge'; choose from tiny, small, full"),
        ([HELD_OUT, "--config", "{tmp}/garbled.jsonl"], "garbled.jsonl"),
        ([HELD_OUT, "--config", "nowhere.json"], "nowhere.json"),
        ([HELD_OUT, "--size", "tiny", "--config", "nowhere.json"], "give one of them"),
        ([HELD_OUT, "--size", "tiny", "--weights", "embedded"], "give one of them"),
        ([HELD_OUT, "--weights", "{tmp}/nowhere"], "nowhere"),
        ([HELD_OUT, "--masks", "letters"], "no masks 'letters'"),
        ([HELD_OUT, "--start", "cold"], "no start 'cold'"),
        (
            [HELD_OUT, "--weights", "embedded", "--start", "usual"],
            "leave out --start, which would be ignored with --weights",
        ),
        (
            ["--mixture", "c4-wikipedia", "--cache", "{tmp}"],
            "leave out --cache, which would be ignored with --mixture and without --held-out",
        ),
        ([HELD_OUT, "--precision", "fp8"], "no precision 'fp8'"),
        ([HELD_OUT, "--learning-rate", "0"], "learning_rate must be more than 0 and finite, got 0.0"),
        ([HELD_OUT, "--batch-size", "0"], "batch_size must be a whole number from 1 to 65,536, got 0"),
        ([HELD_OUT, "--micro-batch-size", "5"], "batch_size 64 must be divisible by"),
        ([HELD_OUT, "--steps", "-1"], "steps must be a whole number from 1 to 1,000,000,000,000, got -1"),
        ([HELD_OUT, "--save-every", "0"], "save_every must be a whole number ≥ 1, got 0"),
        ([HELD_OUT, "--learning-rate", "7"], "learning_rate must be between 0 and 1, got 7.0"),
        ([HELD_OUT, "-o", "{tmp}/empty.txt/run"], "cannot write to"),
    ],
)
def test_what_the_user_did_wrong_is_one_line_before_the_training(
    run, tmp_path, monkeypatch, arguments, message
):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("a")
    (tmp_path / "garbled.jsonl").write_text("{")
    (tmp_path / "twice.json").write_text('{"model_type": "perceiver", "d_model": 8, "d_model": 16}')
    monkeypatch.setattr("perceiver_edu.training.loop.train_step", lambda *_: pytest.fail("it trains"))
    arguments = [str(argument).replace("{tmp}", str(tmp_path)) for argument in arguments]
    output = [] if "-o" in arguments else ["-o", tmp_path / "run"]
    code, out, err = run("pretrain", *output, *arguments)
    assert_one_line(code, out, err[err.find("perceiver-edu: ") :], message)
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["{tmp}/empty.txt"],
        ["{tmp}/latin.txt"],
        [HELD_OUT, "--held-out", "{tmp}/missing.jsonl"],
        [HELD_OUT, "--held-out", "{tmp}/latin.txt"],
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_where_no_run_has_begun_nothing_is_left(run, tmp_path, arguments, deep):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "mine").mkdir()
    before = sorted(tmp_path.rglob("*"))
    output = tmp_path / ("new/deep" if deep else "mine")
    assert (
        run("pretrain", "-o", output, *(str(one).replace("{tmp}", str(tmp_path)) for one in arguments))[0]
        == 2
    )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_pretrain_needs_none_of_what_a_bare_machine_may_lack(tmp_path):
    code = (
        "import sys\n"
        "for name in ('datasets', 'torchao', 'rich', 'pyarrow', 'matplotlib', 'transformers'):\n"
        "    sys.modules[name] = None\n"  # importing it fails
        "from perceiver_edu.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["pretrain", HELD_OUT, "-o", tmp_path / "run", *SMALL_RUN, "--steps", "2"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


def test_without_accelerate_pretrain_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    code, out, err = run("pretrain", HELD_OUT, "-o", tmp_path / "run", "--size", "tiny")
    assert code == 2 and out == ""
    assert err.splitlines()[-1].endswith("training needs accelerate: pip install 'perceiver-edu[train]'")


@pytest.mark.skipif(os.name != "posix", reason="interrupts as POSIX does")
def test_ctrl_c_says_how_to_go_on(tmp_path):
    command = ["pretrain", HELD_OUT, "-o", tmp_path, *SMALL_RUN, "--save-every", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "perceiver_edu.cli", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )
    while not list(tmp_path.glob("checkpoint-*")):
        time.sleep(0.1)
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out == "" and "Traceback" not in err
    *_, advice, last = err.splitlines()
    saved = max(tmp_path.glob("checkpoint-*[0-9]"), key=lambda path: path.stat().st_mtime)
    assert advice == f"saved in {saved}; to resume, repeat the same command with --resume"
    assert last == "perceiver-edu: interrupted"
    load_folder(saved)


# ---------------------------------------------------------------- evaluate


def test_evaluate_prints_the_table_and_the_cloze_sentences(run, weights):
    code, out, err = run("evaluate", weights, "--crops", 6)
    assert code == 0, err
    assert out.startswith("✗ the model does not use the context: "), "it is not trained"
    assert "; 6 crops of 96 ids; seed 0" in out
    assert {line.split("  ")[0] for line in out.splitlines()} >= {"predictor", "model", "geometry"}
    assert "cloze: first guess right" in out and "predicted:" not in out
    for words in ("cloze, each filled on its own", "held-out words, each filled on its own"):
        alone, joint = out[out.index(words) :].splitlines()[1:3]
        assert alone.startswith("  independently: first") and joint.startswith("  jointly:       first")
    parameters = sum(parameter.numel() for parameter in load_pretrained(str(weights)).parameters())
    assert f"weights: {weights}, {parameters:,} parameters, on cpu" in err
    assert "predicted:" in run("evaluate", weights, "--crops", 2, "--failures")[1]
    assert "cloze" not in run("evaluate", weights, "--crops", 2, "--no-cloze")[1]


def test_evaluate_leaves_out_the_cloze_sentences_that_a_short_model_cannot_read(run, tmp_path):
    config = PerceiverIOConfig(**TINY | {"max_position_embeddings": 40})
    save_pretrained(PerceiverIOForMaskedLM(config), tmp_path)
    code, out, err = run("evaluate", tmp_path, "--crops", 2)
    assert code == 0 and re.search(
        r"\d+ of the 40 cloze sentences are too long for this model: left out", err
    )
    assert "cloze, each filled" in out


def test_evaluate_json_is_one_object(run, weights, tmp_path):
    text = "Once upon a time there was a text of its own, and it was long enough. " * 9
    (tmp_path / "mine.txt").write_text(text)
    arguments = ["evaluate", weights, "--data", tmp_path / "mine.txt", "--crops", 3, "--seed", 4, "--json"]
    code, out, _ = run(*arguments)
    answer = json.loads(out)
    assert code == 0 and out.isascii()
    assert (answer["num_crops"], answer["crop_length"], answer["seed"]) == (3, 96, 4)
    assert 7 < answer["scores"]["model"]["bits"] < 9  # untrained
    cloze = answer["cloze"]
    assert cloze["right"] <= cloze["right_among_five"] <= len(cloze["guesses"]) == 40
    assert len(cloze["joint"]["guesses"]) == 40 and 1 <= len(answer["held_out_words"]["guesses"]) <= 40
    del answer["cloze"], answer["held_out_words"]
    assert json.loads(run(*arguments, "--no-cloze")[1]) == answer


def test_of_a_short_text_evaluate_reports_all_but_what_needs_a_full_crop(run, weights, tmp_path):
    (tmp_path / "short.txt").write_text("It was cold and nobody had come down yet.\nShe waited.\n")
    arguments = ["evaluate", weights, "--data", tmp_path / "short.txt", "--no-cloze"]
    code, out, err = run(*arguments)
    assert code == 0, err
    assert "1 crops of 96 ids" in out
    last = "how widely the latents attend could not be measured: none of these crops is full"
    assert out.splitlines()[-1].startswith(last)
    _, out, err = run(*arguments, "--json")
    answer = json.loads(out)
    assert last in err and answer["reading"] is None and answer["scores"]["model"]["bits"] > 0


def test_a_warning_of_ours_is_one_line(run, weights, tmp_path):
    for name in (".hidden.txt", "a.txt"):
        (tmp_path / name).write_text("It was cold and nobody had come down yet.\nShe waited.\n")
    err = run("evaluate", weights, "--data", tmp_path, "--no-cloze")[2]
    lines = [line for line in err.splitlines() if "warning" in line.lower()]
    assert lines == [
        f"perceiver-edu: warning: {tmp_path}: not read, because they are hidden or have another ending: "
        ".hidden.txt"
    ]


def test_a_vocabulary_that_is_padded_trains_and_evaluates(run, tmp_path):
    (tmp_path / "config.json").write_bytes(
        to_json({"model_type": "perceiver"} | sized("tiny").to_dict() | {"vocab_size": 264})
    )
    train = ["pretrain", HELD_OUT, "-o", tmp_path / "run", "--config", tmp_path / "config.json"]
    code, _, err = run(*train, "--steps", 1, "--batch-size", 2, "--held-out", HELD_OUT)
    assert code == 0, err
    code, out, err = run("evaluate", tmp_path / "run" / "model", "--crops", 2)
    assert code == 0 and "cloze" in out, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such/folder"], "/no/such/folder"),
        (["{weights}", "--data", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["{weights}", "--data", "{tmp}/blank.txt"], "blank.txt, only white space"),
        (["{weights}", "--crops", "0"], "--crops must be a whole number ≥ 1, got 0"),
        (["{weights}", "-d", "toaster"], "'toaster'"),
    ],
)
def test_evaluate_user_errors(run, weights, tmp_path, arguments, message):
    (tmp_path / "blank.txt").write_text(" \n" * 99)
    places = {"weights": weights, "tmp": tmp_path}
    assert_one_line(*run("evaluate", *(argument.format(**places) for argument in arguments)), message)
