"""A small course, and a place for what a learner has done."""

import nbformat
import pytest

from perceiver_edu import data
from perceiver_edu.course import links


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where progress is noted."""
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "deep" / "progress.json"))
    return tmp_path / "deep" / "progress.json"


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """The originals of an installed course of two notebooks, three exercises, and a user without files."""
    folder = tmp_path / "installed" / "notebooks"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "dot.png").write_bytes(b"\x89PNG")
    (folder / "notes.txt").write_text("no notebook")
    for stem, title, minutes, ids in (
        ("00_first", "00 · First", 15, ["00.a"]),
        ("01_second", "01 · Second", 40, ["01.a", "01.b"]),
    ):
        text = (
            f"# {title}\n\n**Time** {minutes} minutes, some of them yours. [Code](../perceiver_edu/config.py)"
        )
        cells = [nbformat.v4.new_markdown_cell(text, id="title")]
        output = nbformat.v4.new_output("stream", text="the committed output")
        cells.append(nbformat.v4.new_code_cell("1 + 1", id="sum", outputs=[output], execution_count=3))
        for identifier in ids:
            for role in ("task", "stub", "hints", "solution"):
                exercise = {"exercise": {"id": identifier, "role": role}}
                source = f"def f():\n    raise NotImplementedError\n\n\ncheck('{identifier}', f)"
                cells.append(nbformat.v4.new_code_cell(source if role == "stub" else role, metadata=exercise))
        cells.append(nbformat.v4.new_code_cell("2", id="sum-still"))
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{stem}.ipynb")
    monkeypatch.setattr(data, "NOTEBOOKS", folder)
    monkeypatch.setattr(data, "CHECKOUT", None)
    monkeypatch.setattr(links, "repository", lambda: "https://example.org/repository")
    for name in ("HOME", "USERPROFILE", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return folder
