"""The start page of a course folder: the notebooks, what is solved, new versions, and how to go on."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from perceiver_edu.course.lab import shell_line
from perceiver_edu.course.overview import Notebook, Overview

START = "start.ipynb"
AGAIN = "from perceiver_edu.course import course_overview\n\ncourse_overview()"

WHAT = "Build the model stage by stage, put yours into the trained one, and see that it still works."
HOW = "There, Shift+Enter runs a cell and goes on. An exercise has hints, and a check that explains."
LEGEND = (
    "● solved, ○ open. `perceiver-edu course --open` and `make lab` write this page anew. To see the same at "
    "any time, press Shift+Enter in the cell below."
)
CHANGED = (
    "You have changed these notebooks, so the update left yours as they are and put the new versions next to "
    "them. `perceiver-edu course --carry-answers` copies the exercises that you have solved into the new "
    "versions. When you no longer need yours, delete it and give the new one its name."
)


def start_page(overview: Overview) -> dict[str, Any]:
    """The page, a notebook."""
    cells = [
        {"cell_type": "markdown", "id": "start", "metadata": {}, "source": as_markdown(overview)},
        {"cell_type": "code", "id": "again", "metadata": {}, "source": AGAIN, "outputs": []},
    ]
    cells[1]["execution_count"] = None
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def as_markdown(overview: Overview) -> str:
    """A row for each notebook, with links to the files next to this page, and one link to go on."""
    lines = ["# Perceiver IO, to the last tensor", "", WHAT, ""]
    if overview.next:
        verb = "Go on with" if overview.solved else "Begin with"
        lines.append(f"## {verb} {link(overview.next.title, overview.next.file)}")
    else:
        lines.append("## Every exercise is done.")
    lines += [
        "",
        f"{overview.count}. Click a notebook to open it.",
    ]
    lines += [HOW, "", "| notebook | time | exercises | predictions |", "|:--|--:|:--|:--|"]
    for notebook in overview.notebooks:
        title = link(notebook.title, notebook.file)
        lines.append(
            f"| {title} | {notebook.time} | {notebook.count} {notebook.dots} | {notebook.predicted} |"
        )
    lines += ["", overview.problem or LEGEND]
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
