"""A small course, and a place for what a learner has done."""

import nbformat
import pytest


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where progress is noted."""
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "deep" / "progress.json"))
    return tmp_path / "deep" / "progress.json"


@pytest.fixture
def notebooks(tmp_path):
    """A course of two notebooks, three exercises, beside a file that is no notebook."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for stem, title, minutes, ids in (
        ("00_first", "00 · First", 15, ["00.a"]),
        ("01_second", "01 · Second", 40, ["01.a", "01.b"]),
    ):
        text = f"# {title}\n\n**Time** {minutes} minutes, some of them yours."
        cells = [nbformat.v4.new_markdown_cell(text)]
        for identifier in ids:
            for role in ("task", "stub", "hints", "solution"):
                exercise = {"exercise": {"id": identifier, "role": role}}
                cells.append(nbformat.v4.new_code_cell(metadata=exercise))
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{stem}.ipynb")
    (folder / "02_broken.ipynb").write_text("{")
    return folder
