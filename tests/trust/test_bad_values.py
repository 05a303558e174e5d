"""Every command with values that cannot be right: an answer or one line, never a traceback, never a hang."""

import os
import random
import re
import subprocess
import sys

import pytest
import torch
from time_limit import at_most
from tiny import SMALL

from perceiver_edu import PerceiverIOConfig, PerceiverIOForMaskedLM, save_pretrained
from perceiver_edu.instruments import machine
from perceiver_edu.training.classify import Task, new_classifier, save_classifier
from perceiver_edu.weights import hub

NUMBERS = [
    "0", "-1", "-0", "1", "7", "1000000", "1000000000000", "9" * 25, "-" + "9" * 25, "9" * 5000, "nan", "inf",
    "1e9", "1.5", "", " ", " 1 ", "1_000", "0x10", "½", "٣", "x", "None", "true", "\x1b[31m1", "1\n", "--",
]  # fmt: skip
NAMES = [
    "", " ", ".", "..", "/", "-", "--", "~", "~nosuchuser", "a/..", "a/b--c", "a/-", "a/" + "b" * 97,
    "x" * 300, "x" * 5000, "a\0b", "a\nb", "\x1b[31mred", "\u202ered", "\udc80", "é/b", "中文", "$HOME",
    "%s%n", "{0}", "<script>", "'; ls", "a:b", "5:1", "-1:2", "1:" + "9" * 5000, "file:///etc/passwd",
    "http://127.0.0.1:9/x", "/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem", "/etc/passwd", "PIPE",
    "LOOP", "FOLDER", "LOCKED", "DEVICE",
]  # fmt: skip
DEVICES = [*NAMES, "CPU", "cuda", "cuda:99", "meta", "mps"]
TEXTS = [name for name in NAMES if name != "/"]  # which is every text on this machine: long, but right
# What is written to: nothing outside the test's own folder; DEVICE is a link to a pipe there.
OUTPUTS = [name for name in NAMES if not name.startswith("/") and name not in (".", "..")]
# Of each command: what else it is given, and what is tried for each option, for "" (a value alone) and for
# AFTER (a value after what else is given).
AFTER = "after"
OPTIONS = {
    "fill": (
        ["abc def", "--mask", "b"],
        {
            "--weights": NAMES,
            "--device": DEVICES,
            "--top-k": NUMBERS,
            "--mask": NAMES,
            "--span": NAMES,
            "--engine": NAMES,
            "": NAMES,
        },
    ),
    "parity": ([], {"--device": DEVICES, "": NAMES}),
    "evaluate": (
        ["--no-cloze", "TINY", "--data", "TEXT"],
        {"--seed": NUMBERS, "--crops": NUMBERS, "--data": TEXTS, "--device": DEVICES}
        | {"--masks": NAMES, "--text": NAMES, "--engine": NAMES, "--separator": NAMES},
    ),
    "profile": (
        ["--repeats", "1", "--bytes", "9", "--outputs", "2", "TINY"],
        {
            "--batch": NUMBERS,
            "--bytes": NUMBERS,
            "--outputs": NUMBERS,
            "--repeats": NUMBERS,
            "--dtype": NAMES,
            "--trace": OUTPUTS,
            "--device": DEVICES,
        },
    ),
    "weights": ([], {"": NAMES}),
    "course": ([], {"": NAMES, "--folder": OUTPUTS, "--language": NAMES}),
    "classroom": (["class"], {"": OUTPUTS, "--notebooks": NAMES}),
    "classroom report": ([], {"": OUTPUTS}),
    "--language": ([], {"": NAMES}),
    # A good name of a file or folder ends at the weights, which are not there: converting takes seconds.
    "export nowhere": ([], {"": [*OUTPUTS, *(f"{name}.onnx" for name in OUTPUTS)]}),
    "optimize --weights nowhere": ([], {"": OUTPUTS}),
    "optimize": (["new"], {"--dtype": NAMES}),
    "predict": (["CLASSIFIER"], {"": NAMES, AFTER: TEXTS, "--device": DEVICES}),
    "predict CLASSIFIER TABLE.csv": ([], {"--text": NAMES}),
}
PLACES = ("TINY", "CLASSIFIER", "TABLE.csv", "TEXT", "PIPE", "LOOP", "LOCKED", "FOLDER", "DEVICE")
SECONDS = 60  # the longest attempt takes one or two


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """What stands for TINY, PIPE and so on."""
    folder = tmp_path_factory.mktemp("places")
    torch.manual_seed(0)
    save_pretrained(PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL)), folder / "tiny")
    tiny = PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL))
    save_classifier(new_classifier(tiny, [Task("letter", ("a", "b"))]), folder / "classifier")
    (folder / "table.csv").write_text("words\nabc\n")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "locked").mkdir(mode=0)
    (folder / "folder").mkdir()
    (folder / "device").symlink_to(folder / "pipe")
    (folder / "text").write_text("Some words of a text that nobody has seen before. " * 20)
    names = {name: str(folder / name.lower()) for name in PLACES}
    yield names
    (folder / "locked").chmod(0o700)


def attempts():
    for command, (given, options) in OPTIONS.items():
        for option, values in options.items():
            before = [*given, option] if option.startswith("--") else given if option == AFTER else []
            for value in values:
                yield [*command.split(), *before, value]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("number", [100, pytest.param(None, marks=pytest.mark.slow)], ids=["short", "all"])
def test_bad_values_of_every_command(number, run, places, monkeypatch, tmp_path, tally):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(hub, "is_offline", lambda: True)
    monkeypatch.setattr(machine, "MATMUL_SIZE", {"cpu": 8})
    monkeypatch.setattr(machine, "COPY_BYTES", {"cpu": 8})
    monkeypatch.setenv("PERCEIVER_EDU_WEIGHTS", places["TINY"])
    chosen = list(attempts())
    chosen = chosen if number is None else random.Random(0).sample(chosen, number)
    wrong = []
    for arguments in chosen:
        arguments = [places.get(argument, argument) for argument in arguments]
        shown = " ".join(map(repr, arguments))[:150]
        try:
            with at_most(SECONDS):
                code, out, err = run(*arguments)
        except BaseException as error:
            wrong.append(f"{shown}: {type(error).__name__}: {str(error)[:200]}")
            continue
        if code not in (0, 1, 2):
            wrong.append(f"{shown}: exit code {code}")
        if code == 2 and (out or err.count("\n") != 1 or not err.startswith("perceiver-edu: ")):
            wrong.append(f"{shown}: not one line: {out[:200]!r} {err[:300]!r}")
        if code == 0 and not out:
            wrong.append(f"{shown}: silent")
        if re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", out + err) or len(err) > 3000:
            wrong.append(f"{shown}: raw or endless: {(out + err)[:300]!r}")
    assert not wrong, f"{len(wrong)} of {len(chosen)}:\n" + "\n".join(wrong)
    tally("commands with a bad value, answered or refused by one line", len(chosen))


STREAMS = {  # what a shell does with the streams -> the exit codes and whether stderr says why
    "2>&-": ({0}, False),
    ">&-": ({2}, True),
    ">&- 2>&-": ({2}, False),
    "<&-": ({0}, False),
    "<&- >&- 2>&-": ({2}, False),
    "> /dev/full": ({2}, True),
    "2> /dev/full": ({0, 2}, False),
    "> /dev/full 2>&1": ({2}, False),
    "| head -c 0": ({0, 1}, False),
    "2>&1 | head -c 0": ({0, 1, 2}, False),
}
LINES = ["weights embedded", "fill a[MASK]c --json", "fill abc --mask x", "course"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the streams of a shell on Linux")
@pytest.mark.parametrize(
    ("line", "redirection"),
    [
        pytest.param(line, how, marks=[pytest.mark.slow] * (line != LINES[0] or number % 3 != 1))
        for line in LINES
        for number, how in enumerate(STREAMS)
    ],
)
def test_closed_and_full_streams(line, redirection, tally):
    codes, explained = STREAMS[redirection]
    own = [sys.executable, "-m", "perceiver_edu.cli", *line.split()]
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {redirection}', "bash", *own],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    refused = line == "fill abc --mask x"
    assert done.returncode in ({1, 2} if refused else codes), (done.returncode, done.stderr)
    said = [said for said in done.stderr.splitlines() if said.startswith("perceiver-edu: ")]
    assert len(said) == 1 or not explained
    tally("commands with closed or full streams", 1)
