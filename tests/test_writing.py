"""Files are written whole or not at all, by one module, and only where a plain file is or can be."""

import errno
import os
import re
import stat
import time
from pathlib import Path

import pytest

import perceiver_edu
from perceiver_edu import InputError, save_pretrained
from perceiver_edu.cli.export import export
from perceiver_edu.course.progress import mark_done
from perceiver_edu.instruments.profiling import trace
from perceiver_edu.training.baselines import save_counts
from perceiver_edu.training.classify import Task, new_classifier, save_classifier
from perceiver_edu.training.features import features_to_arrow
from perceiver_edu.writing import check_output, lock, whole_file, write_whole

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes as POSIX has them")


def write_progress(model, path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERCEIVER_EDU_PROGRESS", str(path))
        problem = mark_done("00.shapes")
        if problem:
            raise InputError(problem)


def write_trace(model, path):
    trace(model, model_ids(model), path=path)


def model_ids(model):
    import torch

    return torch.full((1, 5), 70)


def write_classifier(model, path):
    save_classifier(new_classifier(model, [Task("kind", ("a", "b"), "single")]), path.parent)


def write_export(model, path):
    with pytest.MonkeyPatch.context() as patch:  # the export itself takes ten seconds
        patch.setattr("perceiver_edu.export.export", lambda *_: b"new")
        export("embedded", str(path), False)


WRITERS = {  # every way in which users have a file of their own choice written
    "bytes": lambda model, path: write_whole(path, b"new"),
    "progress": write_progress,
    "trace": write_trace,
    "features": lambda model, path: features_to_arrow(model, ["ab", "c"], path, progress=False),
    "counts": lambda model, path: save_counts({}, path),
    "model": lambda model, path: save_pretrained(model, path.parent),
    "classifier": write_classifier,
    "export": write_export,
}


@pytest.fixture(params=WRITERS)
def writer(request, model):
    """(write, the name of a file that it writes)"""
    if request.param == "features":
        pytest.importorskip("pyarrow")
    if request.param == "export":
        pytest.importorskip("onnxscript")
    names = {"model": "model.safetensors", "classifier": "model.safetensors", "export": "file.onnx"}
    return lambda path: WRITERS[request.param](model, path), names.get(request.param, "file.json")


BESIDE = ("config.json", "tokenizer_config.json", ".file.json.lock")  # of a model, and of the progress


def names_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in BESIDE)


@POSIX
@pytest.mark.parametrize("mode", [None, 0o600, 0o664])
def test_modes_are_those_of_the_umask_or_of_the_file_before(writer, tmp_path, mode):
    write, name = writer
    path, before = tmp_path / name, os.umask(0o027)
    try:
        if mode:
            path.write_bytes(b'{"done": {}}')
            path.chmod(mode)
        write(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == (mode or 0o640)
    assert names_in(tmp_path) == [name] and path.stat().st_size > 2


@POSIX
def test_a_link_stays_and_the_file_behind_it_is_written(writer, tmp_path):
    write, name = writer
    (tmp_path / "real").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "real" / "file.json")
    write(tmp_path / name)
    assert (tmp_path / name).is_symlink() and (tmp_path / "real" / "file.json").stat().st_size > 2
    assert names_in(tmp_path / "real") == ["file.json"]


def replace_by(kind, path):
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a pipe":
        os.mkfifo(path.with_name("pipe"))
        path.symlink_to("pipe")
    elif os.geteuid():
        pytest.skip("only root makes a device")
    else:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # of its own, like /dev/null


@POSIX
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a pipe", "device"])
def test_only_plain_files_are_written(writer, tmp_path, kind):
    write, name = writer
    replace_by(kind, tmp_path / name)
    before = names_in(tmp_path), (tmp_path / name).lstat().st_ino
    with pytest.raises(InputError, match="is not a plain file"):
        write(tmp_path / name)
    assert before == (names_in(tmp_path), (tmp_path / name).lstat().st_ino)


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"a\.txt"), whole_file(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_leaves_the_file_before_and_no_litter(tmp_path):
    write_whole(tmp_path / "a", b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_bytes() == b"old" and names_in(tmp_path) == ["a"]


@POSIX
def test_what_a_killed_process_left_goes_with_the_next_one_that_writes_the_file(tmp_path):
    old, locked, young, another = (
        tmp_path / f".unfinished-{number:08}-{name}" for number, name in enumerate(("a", "a", "a", "b"))
    )
    for path in (old, locked, young, another):
        path.write_bytes(b"")
        if path != young:
            os.utime(path, (time.time() - 100,) * 2)
    with open(locked) as file:
        lock(file)
        write_whole(tmp_path / "a", b"new")
    assert names_in(tmp_path) == [locked.name, young.name, another.name, "a"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_file_is_not_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o400)
    with pytest.raises(InputError, match="is read-only"):
        check_output(tmp_path / "a")


def test_nothing_else_in_the_package_replaces_files():
    """The log and samples of a run are appended to."""
    package = Path(perceiver_edu.__file__).parent
    found = [
        f"{path.name}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(
            r"os\.replace|NamedTemp|mkstemp|write_text|write_bytes"
            r"|(?<!fd)open\([^)]*\"[wx]|savefig\((?!png|file)",
            line,
        )
    ]
    assert [
        line for line in found if not line.startswith(("writing.py: os.replace", "writing.py: with"))
    ] == []
