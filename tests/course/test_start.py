"""The start page: the way through the course, and what is solved."""

import json
import os
import re
import sys

import nbformat
import pytest

from perceiver_edu import InputError
from perceiver_edu.course import lab, progress
from perceiver_edu.course.overview import read_overview
from perceiver_edu.course.start import as_markdown, start_page


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A course of two notebooks, three exercises."""
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "progress.json"))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, title, ids in (("00_a", "00 · First", ["00.a"]), ("01_b", "01 · Second", ["01.a", "01.b"])):
        cells = [nbformat.v4.new_markdown_cell(f"# {title}\n\n**Time** 15 minutes")]
        for identifier in ids:
            exercise = {"exercise": {"id": identifier, "role": "stub"}}
            cells.append(nbformat.v4.new_code_cell(metadata=exercise))
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    return folder


def text_of(page):
    notebook = nbformat.read(page, as_version=4)
    nbformat.validate(notebook)
    return notebook.cells[0].source


def test_it_begins_at_the_beginning(folder):
    page = start_page(folder)
    assert page == folder.parent / "start.ipynb"
    text = text_of(page)
    assert "Begin with [00 · First](notebooks/00_a.ipynb)" in text and "0 of 3 exercises" in text
    for link in re.findall(r"\]\((.+?)\)", text):
        assert (page.parent / link).is_file()


def test_it_shows_what_is_solved_and_goes_on(folder):
    progress.mark_done("00.a")
    progress.mark_done("01.b")
    text = text_of(start_page(folder))
    assert "Go on with [01 · Second](notebooks/01_b.ipynb)" in text
    assert "| 1 of 1 ● |" in text and "| 1 of 2 ○● |" in text
    progress.mark_done("01.a")
    assert "Every exercise is done" in text_of(start_page(folder))


def test_a_damaged_progress_file_is_named(folder, tmp_path):
    (tmp_path / "progress.json").write_text("{")
    assert "is damaged" in text_of(start_page(folder))


def test_without_notebooks_or_a_place_to_write_it_says_so(folder, tmp_path):
    with pytest.raises(InputError, match="there are no notebooks"):
        start_page(tmp_path / "nowhere")
    (tmp_path / "start.ipynb").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        start_page(folder)


def test_lab_opens_it_in_the_folder_of_the_repository(folder):
    command = lab.lab_command(start_page(folder))
    assert command[:4] == [sys.executable, "-m", "jupyter", "lab"]
    assert f"--ServerApp.root_dir={folder.parent.resolve()}" in command
    assert "--LabApp.default_url=/lab/tree/start.ipynb" in command
    assert ("--allow-root" in command) == (hasattr(os, "geteuid") and os.geteuid() == 0)


def test_the_page_of_this_course_names_every_notebook():
    overview = read_overview()
    text = as_markdown(overview, "notebooks")
    assert len(overview.notebooks) >= 6
    assert all(f"(notebooks/{notebook.file.name})" in text for notebook in overview.notebooks)
    assert json.dumps(text)
