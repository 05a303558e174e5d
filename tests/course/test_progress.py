"""Progress is one small file. It may be missing, damaged or locked: nothing else may suffer from it."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from perceiver_edu import data
from perceiver_edu.course import place, progress, renamed
from perceiver_edu.course.exercises import all_exercises, find
from perceiver_edu.course.overview import course_overview, read_overview
from perceiver_edu.course.progress import mark_done, progress_file, read_progress
from perceiver_edu.writing import lock


def test_what_is_done_is_kept_once(file):
    assert read_progress() == ({}, "")
    assert mark_done("00.a") == "" and mark_done("00.a") == "" and mark_done("01.a") == ""
    done, problem = read_progress()
    assert list(done) == ["00.a", "01.a"] and problem == ""
    lies_there = {path.name for path in file.parent.iterdir()}
    assert lies_there == {"progress.json", ".progress.json.lock"}  # nothing half-written


def test_two_that_write_at_a_time_keep_what_both_have_done(file, monkeypatch):
    """Two threads, which stand for two processes: a lock belongs to a file that was opened."""
    write = progress.write
    monkeypatch.setattr(progress, "write", lambda *arguments: time.sleep(0.2) or write(*arguments))
    with ThreadPoolExecutor(2) as threads:
        assert [*threads.map(mark_done, ["00.a", "01.a"])] == ["", ""]
    assert read_progress()[0].keys() == {"00.a", "01.a"}


@pytest.mark.parametrize("beside", ["held", "folder", "pipe"])
def test_a_lock_that_cannot_be_had_costs_little(file, monkeypatch, beside):
    monkeypatch.setattr(progress, "LONGEST_WAIT", 0.05)
    file.parent.mkdir()
    path = file.parent / ".progress.json.lock"
    if beside == "folder":
        path.mkdir()
    elif beside == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(path)
    with nullcontext() if beside != "held" else open(path, "ab") as held:
        if held:
            lock(held)
        assert mark_done("00.a") == "" and list(read_progress()[0]) == ["00.a"]


def test_what_was_done_under_an_older_number_is_still_done(file, monkeypatch):
    monkeypatch.setitem(renamed.EXERCISES, "07.old", "08.old")
    file.parent.mkdir()
    file.write_text('{"done": {"00.a": "2026-01-02", "07.old": "2026-01-03"}}')
    assert read_progress() == ({"00.a": "2026-01-02", "08.old": "2026-01-03"}, "")
    mark_done("01.a")
    assert list(json.loads(file.read_text())["done"]) == ["00.a", "08.old", "01.a"]


def test_the_old_numbers_lead_to_what_there_is():
    """An old id that an exercise of today had would count for the wrong one."""
    known = all_exercises()
    assert set(renamed.EXERCISES.values()) <= set(known) and not set(renamed.EXERCISES) & set(known)
    assert find("07.loop").id == "08.loop"
    names = {path.name for path in data.NOTEBOOKS.glob("*.ipynb")}
    assert set(renamed.FILES.values()) <= names and not set(renamed.FILES) & names


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"done": 3}', '{"done": {"a": 1}}', "[" * 100_000, "\xff"]
)
def test_a_damaged_file_costs_a_sentence_and_is_left_alone(file, content, notebooks):
    file.parent.mkdir()
    file.write_bytes(content.encode("latin-1"))
    assert "delete it" in mark_done("00.a")
    assert file.read_bytes() == content.encode("latin-1")
    assert "delete it" in repr(course_overview())


def test_a_place_that_cannot_be_written_costs_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "file" / "progress.json"))
    assert "progress cannot be" in mark_done("00.a")
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path))  # a folder
    assert "progress cannot be" in mark_done("00.a")


def test_where_the_file_is_without_a_course_folder(monkeypatch, tmp_path, notebooks):
    monkeypatch.delenv("PERCEIVER_EDU_PROGRESS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert progress_file() == tmp_path / "perceiver_edu" / "progress.json"
    monkeypatch.setattr("sys.platform", "darwin")
    assert "Application Support" in str(progress_file())
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert progress_file().is_relative_to(tmp_path / "local")


def a_course(folder):
    folder.mkdir(parents=True)
    (folder / place.RECORD).write_text("{}")
    return folder


def test_where_the_course_folder_is(monkeypatch, tmp_path, notebooks):
    """Around the working folder; else the one opened last; else at home. A checkout has its own."""
    monkeypatch.delenv("PERCEIVER_EDU_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    home, other = tmp_path / "home" / "perceiver-course", tmp_path / "other" / "course"
    assert place.course_folder() == home
    place.remember(a_course(other))
    assert place.course_folder() == other and progress_file() == other / "progress.json"
    monkeypatch.chdir(a_course(home))
    assert progress_file() == home / "progress.json"
    monkeypatch.setattr(data, "CHECKOUT", tmp_path / "checkout")
    place.remember(home)
    monkeypatch.chdir(tmp_path)
    assert place.course_folder() == tmp_path / "checkout" / "course"
    monkeypatch.setattr(data, "CHECKOUT", None)
    assert place.course_folder() == other, "a checkout does not change what is remembered"
    (other / place.RECORD).unlink()
    assert place.course_folder() == home
    (place.user_data() / place.CHOICE).write_text("[")
    assert place.course_folder() == home


def test_without_a_home_folder(monkeypatch):
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", "~nobody-of-this-name/progress.json")
    assert "progress cannot be" in mark_done("00.a")
    assert "progress cannot be" in repr(course_overview())


def test_the_overview_counts_and_names_the_next(file, notebooks):
    (notebooks / "02_broken.ipynb").write_text("{")
    assert [n.minutes for n in read_overview().notebooks] == [15, 40]
    assert read_overview().next.file.name == "00_first.ipynb"
    mark_done("00.a")
    mark_done("01.b")
    assert read_overview().next.file.name == "01_second.ipynb"
    text = repr(course_overview())
    assert "2 of 3 exercises are solved" in text and "1 of 2 ○●" in text and "40 min" in text
    unwrapped = "".join(text.split())  # a long path is broken where the line ends
    assert "Continuewith01·Second." in unwrapped and str(file) in unwrapped
    mark_done("01.a")
    assert read_overview().next is None and course_overview().ok


def test_without_notebooks_it_says_so(file, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "NOTEBOOKS", tmp_path / "nothing")
    assert "There are no notebooks in" in repr(course_overview())


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere; Windows has other rights"
)
def test_a_read_only_folder(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "progress.json"))
    assert "progress cannot be" in mark_done("00.a")
