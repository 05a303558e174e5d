"""The start page of a course folder: how to go about it, new versions, and a table of what is done."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from perceiver_edu.course.lab import shell_line
from perceiver_edu.course.overview import Notebook, Overview, course_overview, read_overview
from perceiver_edu.course.place import course_around, language_of, translated
from perceiver_edu.language import catalogues
from perceiver_edu.translation import page_translator

START = "start.ipynb"
TABLE = "again"  # the id of the cell that shows what is done
AGAIN = "from perceiver_edu.course import course_overview\n\ncourse_overview()"

TEXT = Path(__file__).with_name("start.md")  # what the page says, and in a second section of new versions


def start_page(folder: Path) -> dict[str, Any]:
    """The page of a course folder, a notebook. What is done is in one place only: the output of its cell."""
    text = as_markdown(read_overview(folder))
    overview = course_overview(folder)
    data = {"text/plain": repr(overview), "text/html": overview._repr_html_()}
    output = {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}
    about = {"cell_type": "markdown", "id": "start", "metadata": {}, "source": text}
    table = {"cell_type": "code", "id": TABLE, "source": AGAIN, "outputs": [output], "execution_count": None}
    cells = [about, table | {"metadata": {"jupyter": {"source_hidden": True}}}]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def as_markdown(overview: Overview) -> str:
    """What stands above the table of what is done."""
    words = catalogues(language_of(course_around()))
    text, _, new_versions = page_translator(words)(TEXT.read_text("utf-8")).partition("\n## ")
    updated = [notebook for notebook in overview.notebooks if notebook.newer]
    if updated:
        rows = [f"- {new_version(notebook)}" for notebook in updated]
        text += "\n".join(["\n## " + new_versions, *rows])
    return text.rstrip()


def new_version(notebook: Notebook) -> str:
    versions = ", ".join(link(path.name, path) for path in notebook.newer)
    yours, difference = (
        link(notebook.file.name, notebook.file),
        difference_command(notebook.file, notebook.newer[-1]),
    )
    row = translated("next to {yours}: {versions}", yours=yours, versions=versions)
    return row + (
        translated(". To see what differs: {command}", command=f"`{difference}`") if difference else ""
    )


def difference_command(old: Path, new: Path) -> str:
    """What shows the difference of two notebooks, or "" where nbdime is not installed."""
    if find_spec("nbdime") is None:
        return ""
    return shell_line([sys.executable, "-m", "nbdime", "diff-web", str(old), str(new)])


def link(text: str, path: Path) -> str:
    return f"[{text}]({quote(path.name)})"
