"""The start page: the way through the course, and what is solved."""

import os
import re
import sys

import nbformat
import pytest

from perceiver_edu import data
from perceiver_edu.course import lab, progress, start
from perceiver_edu.course.folder import update_course
from perceiver_edu.course.overview import course_overview, next_step, read_overview
from perceiver_edu.course.start import difference_command, start_page

pytestmark = pytest.mark.usefixtures("file")


def text_of(page):
    """The page's Markdown, and the table, which is an output."""
    notebook = nbformat.from_dict(page)
    nbformat.validate(notebook)
    return notebook.cells[0].source, notebook.cells[1].outputs[0].data["text/html"]


def test_it_begins_at_the_beginning(notebooks, tmp_path):
    text, table = text_of(nbformat.read(update_course(tmp_path / "course").start, as_version=4))
    assert 'Begin with <a href="00_first.ipynb">00 · First</a>' in table and "0 of 3 exercises" in table
    assert "Table of Contents" in text and " of 3" not in text, "what is done is said once"
    links = re.findall(r'href="(.+?)"', table)
    assert len(links) == 3 and all((tmp_path / "course" / link).is_file() for link in links)


def test_it_shows_what_is_solved_and_goes_on_and_a_run_of_its_cell_shows_the_same(notebooks, tmp_path):
    folder = tmp_path / "course"
    update_course(folder)
    progress.mark_done("00.a")
    progress.mark_done("01.b")
    _, table = text_of(start_page(folder))
    assert "Continue with <a" in table and ">1 of 1 ●<" in table and ">1 of 2 ○●<" in table
    assert course_overview(folder)._repr_html_() == table
    update = update_course(folder)
    assert text_of(nbformat.read(update.start, as_version=4))[1] == table and not update.replaced
    progress.mark_done("01.a")
    assert "3 of 3 exercises are solved" in text_of(start_page(folder))[1]


def test_after_an_exercise_the_next_step_is_named(notebooks, tmp_path):
    update_course(tmp_path / "course")
    for done, said in (
        ("01.b", "1 of 3 exercises are solved. Next: `01.a`, further up."),
        ("01.a", "2 of 3 exercises are solved. Next: 00 · First."),
        ("00.a", "3 of 3 exercises are solved. That was the last one."),
    ):
        progress.mark_done(done)
        assert next_step(done) == said
    assert next_step("09.unknown").startswith("3 of 3")


def test_a_damaged_progress_file_is_named(notebooks, file, tmp_path):
    file.parent.mkdir()
    file.write_text("{")
    assert "is damaged" in text_of(start_page(tmp_path))[1]


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
    assert "--LabApp.news_url=None" in command, "JupyterLab would ask about news, over the first page"
    assert ("--allow-root" in command) == (hasattr(os, "geteuid") and os.geteuid() == 0)
    monkeypatch.setattr(data, "CHECKOUT", tmp_path)
    command = lab.lab_command(page)
    assert f"--ServerApp.root_dir={tmp_path.resolve()}" in command
    assert "--LabApp.default_url=/lab/tree/my%20course/start.ipynb" in command


def test_the_table_of_this_course_names_every_notebook():
    overview = read_overview()
    assert len(overview.notebooks) >= 6
    assert all(notebook.title in repr(course_overview()) for notebook in overview.notebooks)
