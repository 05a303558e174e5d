"""Windows and macOS, as far as Linux can play them: locks, open files, encodings, keys and quotes."""

import ast
import errno
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import SMALL

import perceiver_edu
from perceiver_edu import InputError, PerceiverIOConfig, PerceiverIOForMaskedLM, cli, save_pretrained, writing
from perceiver_edu.cli import shared
from perceiver_edu.course import lab
from perceiver_edu.instruments import machine
from perceiver_edu.training import run_folder
from perceiver_edu.training.classify import Task, new_classifier, save_classifier
from perceiver_edu.training.run_folder import claim, sync_folder
from perceiver_edu.training.tasks import file_name
from perceiver_edu.weights import files
from perceiver_edu.weights.files import read_safetensors
from perceiver_edu.writing import lock, write_whole

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a tiny random model."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_pretrained(PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL)), folder)
    return folder


class System:
    """The module `os` of another system: so the name can be changed for one module, and not for pytest."""

    def __init__(self, name, **others):
        vars(self).update(name=name, **others)

    def __getattr__(self, attribute):
        return getattr(os, attribute)


def is_open(path):
    return any(
        os.path.realpath(f"/proc/self/fd/{number}") == str(path) for number in os.listdir("/proc/self/fd")
    )


@pytest.fixture
def windows(monkeypatch):
    """The module for locks, and files that cannot be removed while they are open, as on Windows."""
    fcntl = pytest.importorskip("fcntl")

    def locking(number, mode, size):
        assert (mode, size, os.lseek(number, 0, os.SEEK_CUR)) == ("LK_NBLCK", 1, 0)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    def unlink(path, missing_ok=False):
        if is_open(path):
            raise PermissionError(errno.EACCES, "used by another process")
        os.unlink(path)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK="LK_NBLCK", locking=locking))
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(writing, "os", System("nt"))


@LINUX
def test_a_file_is_locked_on_windows_too(tmp_path, windows):
    with open(tmp_path / "a", "w+b") as mine, open(tmp_path / "a", "rb") as theirs:
        assert lock(mine)
        with pytest.raises(BlockingIOError):
            lock(theirs)
    with open(tmp_path / "a", "rb") as later:
        assert lock(later)


@LINUX
def test_only_one_process_trains_in_a_folder_on_windows(tmp_path, windows):
    with claim(tmp_path), pytest.raises(InputError, match="another process is training"):
        claim(tmp_path).__enter__()
    with claim(tmp_path):
        pass


@LINUX
def test_what_a_killed_process_left_is_removed_on_windows_too(tmp_path, windows):
    left = tmp_path / ".unfinished-00000000-a"
    left.touch()
    os.utime(left, (time.time() - 100,) * 2)
    write_whole(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"]


def test_a_disk_on_which_no_mode_can_be_set(tmp_path, monkeypatch):
    """Google Drive's, or a USB stick's: all files have the same."""

    def refuse(path, mode):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "chmod", refuse)
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@LINUX
@pytest.mark.parametrize("name", ["posix", "nt"])
def test_loaded_weights_do_not_keep_windows_from_saving_over_them(tiny, monkeypatch, name):
    monkeypatch.setattr(files, "os", System(name))
    tensors = read_safetensors(tiny / "model.safetensors")
    mapped = str(tiny / "model.safetensors") in Path("/proc/self/maps").read_text("utf-8")
    assert tensors and mapped == (name == "posix")


def test_only_posix_opens_a_folder_to_have_it_on_the_disk(tmp_path, monkeypatch):
    opened = []
    for name in ("nt", "posix"):
        other = System(
            name, open=lambda folder, flags, name=name: opened.append(name) or os.open(folder, flags)
        )
        monkeypatch.setattr(run_folder, "os", other)
        sync_folder(tmp_path)
    assert opened == ["posix"]


def test_memory_and_processor_without_linux(monkeypatch):
    monkeypatch.setattr(machine, "os", SimpleNamespace())
    monkeypatch.setattr(machine, "Path", lambda path: Path("nowhere"))
    assert machine.memory_bytes(torch.device("cpu")) == float("inf")
    assert machine.processor_name()


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "aux.1", "mood", "Mood", "con_1", "console"])
def test_no_file_is_called_as_a_device_of_windows(name):
    kept = name in ("mood", "Mood", "con_1", "console")
    assert (file_name(name) == name) == kept


@pytest.mark.parametrize(("system", "quoted"), [("posix", "'/my python'"), ("nt", '"/my python"')])
def test_commands_are_quoted_for_the_shell_of_the_system(monkeypatch, system, quoted):
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    monkeypatch.setattr(lab, "lab_command", lambda notebook: ["/my python", "-m", "jupyter"])
    monkeypatch.setattr(sys, "executable", "/my python")
    monkeypatch.setattr(lab, "os", System(system))
    with pytest.raises(InputError) as refused:
        lab.open_lab(None)
    assert str(refused.value).count(quoted) == 2


@pytest.mark.parametrize(("system", "keys"), [("posix", "Ctrl-D on"), ("nt", "Ctrl-Z and Enter on")])
def test_the_keys_that_end_a_text(monkeypatch, capsys, system, keys):
    screen = io.TextIOWrapper(io.BytesIO(b"some text\r\n"))
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", screen)
    monkeypatch.setattr(shared, "os", System(system))
    assert shared.read_stdin() == "some text"
    assert keys in capsys.readouterr().err


@pytest.mark.parametrize(
    ("system", "error", "code"),
    [
        ("nt", OSError(errno.EINVAL, "Invalid argument"), 1),
        ("nt", OSError(errno.EINVAL, "Invalid argument", "a?b"), 2),
        ("posix", OSError(errno.EINVAL, "Invalid argument"), 2),
        ("posix", BrokenPipeError(errno.EPIPE, "Broken pipe"), 1),
    ],
)
def test_a_reader_that_leaves_early(run, tiny, monkeypatch, system, error, code):
    def leave(weights, device, engine):
        raise error

    monkeypatch.setattr(cli, "os", System(system))
    monkeypatch.setattr(shared, "load", leave)
    found, out, err = run("fill", "abc", "-m", "b", "-w", tiny)
    assert (found, out, err.count("\n")) == (code, "", code - 1)


def reads_as_the_machine_does(call):
    """Does this call open a file as text, and leave the encoding to the machine?"""
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
    owner = getattr(getattr(call.func, "value", None), "id", None)
    if any(keyword.arg == "encoding" for keyword in call.keywords) or owner in ("os", "self", "Image"):
        return False
    if name in ("read_text", "write_text"):
        return not call.args or (name == "write_text" and len(call.args) < 2)
    modes = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return name in ("open", "fdopen") and not any("b" in mode for mode in modes)


def test_every_text_file_has_an_encoding():
    for path in Path(perceiver_edu.__file__).parent.rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
        found = [call.lineno for call in calls if reads_as_the_machine_does(call)]
        assert not found, f"{path}, lines {found}: say encoding='utf-8'"


# ---------------------------------------------------------------- a console that knows no UTF-8

COMMANDS = {  # each command, with signs that cp1252 lacks where a user can bring them in
    "classroom": ["☃/class", "--notebooks", "00"],
    "course": [],
    "fill": ["é☃ abc", "-m", "abc", "-w", "TINY"],
    "parity": ["TINY"],
    "weights": ["TINY"],
    "profile": ["--bytes", "20", "--outputs", "3", "--repeats", "1", "--batch", "1", "TINY"],
    "evaluate": ["TINY", "--crops", "1"],
    "pretrain": ["texts/☃.txt", "-o", "☃/run", "--size", "tiny", "--batch-size", "2", "--steps", "1"],
    "finetune": [
        "☃.csv",
        "-o",
        "☃/tuned",
        "--label",
        "☃",
        "-w",
        "TINY",
        "--epochs",
        "1",
        "--batch-size",
        "8",
    ],
    "predict": ["tuned", "☃.csv"],
    "optimize": ["☃/fast", "-w", "TINY"],
    "export": ["TINY", "☃.onnx"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what the commands read."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "texts").mkdir()
    (folder / "texts" / "☃.txt").write_text("Snow ☃ fell on the hills. " * 200, "utf-8")
    rows = "".join(f"text {number},{'☃♥'[number % 2]}\n" for number in range(40))
    (folder / "☃.csv").write_text(f"text,☃\n{rows}", "utf-8")
    (folder / "tuned").mkdir()
    save_classifier(
        new_classifier(PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL)), [Task("☃", ("☃", "♥"))], seed=0),
        folder / "tuned",
    )
    return folder


def filled_in(command, tiny):
    return [command, *(str(tiny) if word == "TINY" else word for word in COMMANDS[command])]


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", [command.__name__ for command in cli.COMMANDS])
def test_every_command_prints_on_a_console_without_utf8(
    command, encoding, place, tiny, tmp_path, monkeypatch
):
    monkeypatch.chdir(place)
    monkeypatch.setenv("TQDM_DISABLE", "")
    words = [word.replace("☃/", f"{tmp_path}/☃/") for word in filled_in(command, tiny)]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    with pytest.raises(SystemExit) as done:
        cli.main(words)
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    assert done.value.code == 0, err
    assert out and "Traceback" not in err
    assert command != "course" or "Quickstart" in out
    assert command not in ("fill", "finetune") or "\\u2603" in out


@pytest.mark.slow
@pytest.mark.parametrize("command", [command.__name__ for command in cli.COMMANDS])
def test_every_command_in_a_process_without_utf8(command, place, tiny):
    environment = os.environ | {
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "cp1252",
        "PYTHONWARNDEFAULTENCODING": "1",
    }
    words = [word.replace("☃/", "☃ own/") for word in filled_in(command, tiny)]
    process = [sys.executable, "-m", "perceiver_edu.cli", *words]
    done = subprocess.run(process, cwd=place, env=environment, capture_output=True)
    out, err = done.stdout.decode("cp1252"), done.stderr.decode("cp1252")
    assert done.returncode == 0 and out and "Traceback" not in err, err


def test_what_a_user_did_wrong_is_said_in_plain_signs(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(SystemExit):
        cli.main(["fill", "abc", "-m", "b", "-k", "0"])
    assert b">= 1" in stream.buffer.getvalue()
