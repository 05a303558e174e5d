"""What goes wrong while it runs: full disks, read-only places, no home, a clock that jumps, Ctrl-C."""

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
import torch
from hub import serve
from tiny import tiny_hf_model

from perceiver_edu import InputError, from_huggingface, load_pretrained, save_pretrained
from perceiver_edu.course.progress import mark_done, read_progress
from perceiver_edu.data import HELD_OUT
from perceiver_edu.training.run_folder import checkpoints

TINY = """{"model_type": "perceiver", "max_position_embeddings": 40, "d_model": 16, "num_latents": 4,
"d_latents": 16, "num_self_attends_per_block": 1, "num_self_attention_heads": 2,
"num_cross_attention_heads": 2, "qk_channels": 8, "v_channels": 16}"""


@pytest.fixture
def disk(tmp_path):
    """disk(kilobytes) -> a folder on a disk of that size; remount(folder, "ro") makes it read-only."""
    mounted = []

    def mount(*arguments):
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting a small disk needs root on Linux: {done.stderr.strip()}")

    def make(kilobytes):
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
        mounted.append(folder)
        return folder

    make.remount = lambda folder, how: mount("-o", f"remount,{how}", str(folder))
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("small disks are mounted as Linux does")
    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="module")
def model():
    return from_huggingface(tiny_hf_model())


def command(*arguments, env=None, **options):
    environment = os.environ | {"OMP_NUM_THREADS": "1"} if env is None else env
    arguments = [sys.executable, "-m", "perceiver_edu.cli", *map(str, arguments)]
    return subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        stdin=subprocess.DEVNULL,
        **options,
    )  # fmt: skip


def assert_one_line(done, message):
    lines = [line for line in done.stderr.splitlines() if line.startswith("perceiver-edu: ")]
    assert done.returncode == 2 and len(lines) == 1 and message in lines[0], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 100, 320])
def test_training_on_a_full_disk_keeps_what_was_saved(kilobytes, disk, tmp_path, tally):
    config, run = tmp_path / "config.json", disk(kilobytes) / "run"
    config.write_text(TINY)
    training = ["pretrain", HELD_OUT, "-o", run, "--config", config, "--batch-size", 2, "--save-every", 1]
    assert_one_line(command(*training, "--steps", 3000), "No space left on device")
    for checkpoint in checkpoints(run):
        load_pretrained(checkpoint)
        assert torch.load(checkpoint / "training.pt", weights_only=True)["step"]
    tally("full disks", 1)
    if kilobytes == 320:  # there was room for a checkpoint, and more room brings the run back
        assert checkpoints(run)
        disk.remount(run.parent, "size=4m")
        step = int(checkpoints(run)[-1].name.rpartition("-")[2])
        done = command(*training, "--steps", step + 2, "--resume")
        assert done.returncode == 0, done.stderr
        load_pretrained(run / "model")


def test_saving_on_a_full_disk_keeps_the_old_model(model, disk, tally):
    folder = disk(300) / "weights"
    save_pretrained(model, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"cannot write the model to .*No space left"):
        save_pretrained(model, folder)  # both do not fit, and the old one goes last
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    tally("full disks", 1)


@pytest.mark.slow
def test_a_download_onto_a_full_disk_is_one_line(model, disk, tmp_path, tally):
    save_pretrained(model, tmp_path / "weights")
    cache = disk(100)
    with serve({"someone/tiny": {"main": tmp_path / "weights"}}) as (address, _):
        environment = os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(cache), "HF_XET_CACHE": str(cache)}
        text = ["fill", "a[MASK]c", "-w", "someone/tiny"]
        assert_one_line(command(*text, env=environment), "downloading someone/tiny failed")
        disk.remount(cache, "size=4m")
        done = command(*text, env=environment)
        assert done.returncode == 0, done.stderr
    tally("full disks", 1)


@pytest.mark.slow
def test_full_and_read_only_places_for_results(disk, tmp_path, monkeypatch, tally):
    full = disk(4)
    (full / "ballast").write_bytes(bytes(4096))
    small = ["profile", "--bytes", 20, "--outputs", 3, "--repeats", 1]
    assert_one_line(command(*small, "--trace", full / "trace.json"), "cannot write the trace")
    assert [path.name for path in full.iterdir()] == ["ballast"]
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(full / "progress.json"))
    assert mark_done("00.shapes") == (
        "It is right, but your progress cannot be noted (No space left on device). Everything else still "
        "works."
    )
    assert read_progress() == ({}, "")
    tally("full disks", 2)
    locked = disk(100)
    disk.remount(locked, "ro")
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(locked / "deep" / "progress.json"))
    assert "Read-only file system" in mark_done("00.shapes")
    assert_one_line(
        command("pretrain", HELD_OUT, "-o", locked / "run", "--size", "tiny"), "Read-only file system"
    )
    with pytest.raises(InputError, match="Read-only file system"):
        save_pretrained(load_pretrained(), locked / "weights")
    tally("read-only places", 3)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices as POSIX has them")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "deep", "long"])
def test_a_progress_file_that_never_ends_is_one_sentence(kind, tmp_path, monkeypatch, tally):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(path))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        if os.geteuid():
            pytest.skip("only root makes a device")
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # of its own, like /dev/zero
    elif kind == "folder":
        path.mkdir()
    elif kind == "deep":
        path.write_text('{"done":' * 100_000)
    else:
        with path.open("wb") as file:
            file.truncate(2**33)  # claims 8 GiB
    done, problem = read_progress()
    expected = "is damaged; delete it" if kind in ("deep", "long") else f"({path} is not a plain file)"
    assert done == {} and expected in problem and mark_done("00.shapes") == problem
    tally("progress files that are no such file", 1)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes and devices as POSIX has them")
def test_a_trace_goes_to_a_plain_file_only(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "pipe", tmp_path / "folder", "/"):
        before = sorted(os.listdir("/")), sorted(os.listdir(tmp_path))
        assert_one_line(command("profile", "--trace", path), f"{path} is not a plain file")
        assert before == (sorted(os.listdir("/")), sorted(os.listdir(tmp_path)))


@pytest.mark.slow
def test_no_home_and_nowhere_to_write():
    """A service account: no HOME, a working folder that is not ours."""
    bare = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    done = command("fill", "The c[MASK]t sat.", env=bare | {"HOME": "/nonexistent"}, cwd="/")
    assert done.returncode == 0 and "The c" in done.stdout, done.stderr
    done = command("course", env=bare | {"HOME": "/nonexistent"}, cwd="/")
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_clock_that_jumps_does_not_change_which_checkpoint_is_the_newest(tmp_path):
    config, run = tmp_path / "config.json", tmp_path / "run"
    config.write_text(TINY)
    training = ["pretrain", HELD_OUT, "-o", run, "--config", config, "--batch-size", 2, "--save-every", 2]
    assert command(*training, "--steps", 2).returncode == 0
    past = time.time() - 10**8
    for path in [run, *run.rglob("*")]:
        os.utime(path, (past, past))
    future = run / "checkpoint-1"  # older by its number, younger by the clock
    shutil.copytree(run / "checkpoint-2", future)
    os.utime(future, (past + 2 * 10**8, past + 2 * 10**8))
    done = command(*training, "--steps", 4, "--resume")
    assert done.returncode == 0, done.stderr
    steps = [line.split(",")[0] for line in (run / "log.csv").read_text().splitlines()[1:]]
    assert steps == sorted(set(steps), key=int) and steps[-1] == "4"
    assert [path.name for path in checkpoints(run)] == ["checkpoint-4"]


WAIT = """
import sys
from perceiver_edu.cli import main
print("started", flush=True)
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="interrupts as a POSIX terminal does")
@pytest.mark.parametrize("times", [4, pytest.param(25, marks=pytest.mark.slow)])
def test_ctrl_c_anywhere_leaves_one_line(times, tmp_path, tally):
    rng = random.Random(times)
    commands = [
        ["fill", "The c[MASK]t sat."],
        ["parity"],
        ["evaluate"],
        ["pretrain", HELD_OUT, "-o", tmp_path / "run", "--size", "tiny", "--resume"],
    ]
    for number in range(times):
        process = subprocess.Popen(
            [sys.executable, "-c", WAIT, *map(str, commands[number % len(commands)])],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        assert process.stdout.readline() == "started\n"
        time.sleep(rng.uniform(0, 2.5))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        if process.returncode:  # else it was done before
            assert process.returncode == 130 and err.splitlines()[-1] == "perceiver-edu: interrupted", err
            tally("interrupts", 1)
