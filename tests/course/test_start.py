"""The start page: the way through the course, and what is solved."""

import os
import re
import sys

import nbformat
import pytest

from perceiver_edu import InputError
from perceiver_edu.course import lab, progress
from perceiver_edu.course.overview import read_overview
from perceiver_edu.course.start import as_markdown, start_page

pytestmark = pytest.mark.usefixtures("file")


def text_of(page):
    notebook = nbformat.read(page, as_version=4)
    nbformat.validate(notebook)
    return notebook.cells[0].source


def test_it_begins_at_the_beginning(notebooks):
    page = start_page(notebooks)
    assert page == notebooks.parent / "start.ipynb"
    text = text_of(page)
    assert "Begin with [00 · First](notebooks/00_first.ipynb)" in text and "0 of 3 exercises" in text
    for link in re.findall(r"\]\((.+?)\)", text):
        assert (page.parent / link).is_file()


def test_it_shows_what_is_solved_and_goes_on(notebooks):
    progress.mark_done("00.a")
    progress.mark_done("01.b")
    text = text_of(start_page(notebooks))
    assert "Go on with [01 · Second](notebooks/01_second.ipynb)" in text
    assert "| 1 of 1 ● |" in text and "| 1 of 2 ○● |" in text
    progress.mark_done("01.a")
    assert "Every exercise is done" in text_of(start_page(notebooks))


def test_a_damaged_progress_file_is_named(notebooks, file):
    file.parent.mkdir()
    file.write_text("{")
    assert "is damaged" in text_of(start_page(notebooks))


def test_without_notebooks_or_a_place_to_write_it_says_so(notebooks, tmp_path):
    with pytest.raises(InputError, match="there are no notebooks"):
        start_page(tmp_path / "nowhere")
    (tmp_path / "start.ipynb").mkdir()
    with pytest.raises(InputError, match="is not a plain file"):
        start_page(notebooks)


def test_lab_opens_it_in_the_folder_of_the_repository(notebooks):
    command = lab.lab_command(start_page(notebooks))
    assert command[:5] == [sys.executable, "-P", "-m", "jupyter", "lab"]
    assert f"--ServerApp.root_dir={notebooks.parent.resolve()}" in command
    assert "--LabApp.default_url=/lab/tree/start.ipynb" in command
    assert ("--allow-root" in command) == (hasattr(os, "geteuid") and os.geteuid() == 0)


def test_the_page_of_this_course_names_every_notebook():
    overview = read_overview()
    text = as_markdown(overview, "notebooks")
    assert len(overview.notebooks) >= 6
    assert all(f"(notebooks/{notebook.file.name})" in text for notebook in overview.notebooks)
