"""The page that `make lab` opens: the notebooks, what is solved, and the way on. Written afresh each time."""

import sys
from pathlib import Path

from perceiver_edu.course.lab import open_lab
from perceiver_edu.course.overview import NOTEBOOKS, Overview, read_overview
from perceiver_edu.errors import InputError
from perceiver_edu.weights.files import to_json
from perceiver_edu.writing import write_whole

AGAIN = "from perceiver_edu.course import course_overview\n\ncourse_overview()"

WHAT = "Build the model stage by stage, put yours into the trained one, and see that it still works."
HOW = "There, Shift+Enter runs a cell and goes on. An exercise has hints, and a check that explains."


def start_page(folder: Path = NOTEBOOKS) -> Path:
    """Write `start.ipynb` beside the folder of the notebooks -> its path.

    Raises: InputError where there are no notebooks, or the page cannot be written.
    """
    overview = read_overview(folder)
    if not overview.notebooks:
        raise InputError(f"there are no notebooks in {folder}: get the whole repository")
    page = folder.parent / "start.ipynb"
    text = as_markdown(overview, folder.name)
    cells = [
        {"cell_type": "markdown", "id": "start", "metadata": {}, "source": text},
        {"cell_type": "code", "id": "again", "metadata": {}, "source": AGAIN, "outputs": []},
    ]
    cells[1]["execution_count"] = None
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    try:
        write_whole(page, to_json(notebook))
    except OSError as error:
        raise InputError(f"{page} cannot be written ({error.strerror or error})") from None
    return page


def as_markdown(overview: Overview, folder: str) -> str:
    """The page: a row for each notebook, with links into `folder`, and one link to go on."""
    lines = ["# Perceiver IO, to the last tensor", "", WHAT, ""]
    if overview.next:
        verb = "Go on with" if overview.solved else "Begin with"
        lines.append(f"## {verb} [{overview.next.title}]({folder}/{overview.next.file.name})")
    else:
        lines.append("## Every exercise is done.")
    lines += [
        "",
        f"{overview.solved} of {overview.exercises} exercises are solved. Click a notebook to open it.",
    ]
    lines += [HOW, "", "| notebook | time | exercises |", "|:--|--:|:--|"]
    for notebook in overview.notebooks:
        link = f"[{notebook.title}]({folder}/{notebook.file.name})"
        lines.append(f"| {link} | {notebook.time} | {notebook.count} {notebook.dots} |")
    legend = (
        "● solved, ○ open. `make lab` writes this page afresh. The cell below shows the same at any time: "
    )
    lines += ["", overview.problem or legend + "press Shift+Enter in it."]
    return "\n".join(lines)


if __name__ == "__main__":
    open_lab(start_page(), sys.argv[1:])
