"""The start page: the way through the course, and what is solved."""

import os
import re
import sys

import nbformat
import pytest

from perceiver_edu import data
from perceiver_edu.course import lab, progress, start
from perceiver_edu.course.folder import update_course
from perceiver_edu.course.overview import read_overview
from perceiver_edu.course.start import as_markdown, difference_command, start_page

pytestmark = pytest.mark.usefixtures("file")


def text_of(page):
    notebook = nbformat.from_dict(page)
    nbformat.validate(notebook)
    return notebook.cells[0].source


def test_it_begins_at_the_beginning(notebooks, tmp_path):
    text = text_of(nbformat.read(update_course(tmp_path / "course").start, as_version=4))
    assert "Begin with [00 · First](00_first.ipynb)" in text and "0 of 3 exercises" in text
    for link in re.findall(r"\]\((.+?)\)", text):
        assert (tmp_path / "course" / link).is_file()


def test_it_shows_what_is_solved_and_goes_on(notebooks):
    progress.mark_done("00.a")
    progress.mark_done("01.b")
    text = text_of(start_page(read_overview()))
    assert "Go on with [01 · Second](01_second.ipynb)" in text
    assert "| 1 of 1 ● |" in text and "| 1 of 2 ○● |" in text
    progress.mark_done("01.a")
    assert "Every exercise is done" in text_of(start_page(read_overview()))


def test_a_damaged_progress_file_is_named(notebooks, file):
    file.parent.mkdir()
    file.write_text("{")
    assert "is damaged" in text_of(start_page(read_overview()))


def test_nbdime_is_named_where_it_is_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "find_spec", lambda name: name == "nbdime")
    old, new = tmp_path / "a.ipynb", tmp_path / "a (new in 1).ipynb"
    assert difference_command(old, new).endswith(f"-m nbdime diff-web {old} '{new}'")
    monkeypatch.setattr(start, "find_spec", lambda name: None)
    assert difference_command(tmp_path, tmp_path) == ""


def test_lab_serves_the_course_folder_or_the_checkout_around_it(notebooks, tmp_path, monkeypatch):
    page = tmp_path / "my course" / "start.ipynb"
    command = lab.lab_command(page)
    assert command[:5] == [sys.executable, "-P", "-m", "jupyter", "lab"]
    assert f"--ServerApp.root_dir={page.parent.resolve()}" in command
    assert "--LabApp.default_url=/lab/tree/start.ipynb" in command
    assert ("--allow-root" in command) == (hasattr(os, "geteuid") and os.geteuid() == 0)
    monkeypatch.setattr(data, "CHECKOUT", tmp_path)
    command = lab.lab_command(page)
    assert f"--ServerApp.root_dir={tmp_path.resolve()}" in command
    assert "--LabApp.default_url=/lab/tree/my%20course/start.ipynb" in command


def test_the_page_of_this_course_names_every_notebook():
    overview = read_overview()
    text = as_markdown(overview)
    assert len(overview.notebooks) >= 6
    assert all(f"({notebook.file.name})" in text for notebook in overview.notebooks)
