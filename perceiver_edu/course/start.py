"""The start page of a course folder: how to go about it, new versions, and a table of what is done."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from perceiver_edu.course.lab import shell_line
from perceiver_edu.course.overview import Notebook, Overview, course_overview, read_overview

START = "start.ipynb"
TABLE = "again"  # the id of the cell that shows what is done
AGAIN = "from perceiver_edu.course import course_overview\n\ncourse_overview()"

WHAT = "Build the model stage by stage, put yours into the trained one, and see that it still works."
HOW = """Click a notebook in the table to open it. There, Shift+Enter runs a cell and goes on to the next one.
Before a result you are asked for a prediction, which you may skip. An exercise has hints, and a check that
explains. View ▸ Table of Contents shows the sections of the open notebook at the side.

To see what you have done since this page was opened, click on the table and press Shift+Enter."""
CHANGED = (
    "You have changed these notebooks, so the update left yours as they are and put the new versions next to "
    "them. `perceiver-edu course --carry-answers` copies the exercises that you have solved into the new "
    "versions. When you no longer need yours, delete it and give the new one its name."
)


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
    lines = ["# Perceiver IO, to the last tensor", "", WHAT, "", HOW]
    updated = [notebook for notebook in overview.notebooks if notebook.newer]
    if updated:
        lines += ["", "## New versions", "", CHANGED, ""]
        lines += [f"- {row}" for row in map(new_version, updated)]
    return "\n".join(lines)


def new_version(notebook: Notebook) -> str:
    versions = ", ".join(link(path.name, path) for path in notebook.newer)
    difference = difference_command(notebook.file, notebook.newer[-1])
    return f"next to {link(notebook.file.name, notebook.file)}: {versions}" + (
        f". To see what differs: `{difference}`" if difference else ""
    )


def difference_command(old: Path, new: Path) -> str:
    """What shows the difference of two notebooks, or "" where nbdime is not installed."""
    if find_spec("nbdime") is None:
        return ""
    return shell_line([sys.executable, "-m", "nbdime", "diff-web", str(old), str(new)])


def link(text: str, path: Path) -> str:
    return f"[{text}]({quote(path.name)})"
