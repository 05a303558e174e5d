"""The page that `make lab` opens: the notebooks, what is solved, and the way on. Written afresh each time."""

import sys
from pathlib import Path

from perceiver_edu.course.lab import open_lab
from perceiver_edu.course.progress import NOTEBOOKS, next_notebook, read_notebooks, read_progress
from perceiver_edu.errors import InputError
from perceiver_edu.weights.files import to_json, write_whole

AGAIN = "from perceiver_edu.course import course_overview\n\ncourse_overview()"

WHAT = "Build the model stage by stage, put yours into the trained one, and see that it still works."
HOW = "There, Shift+Enter runs a cell and goes on. An exercise has hints, and a check that explains."


def start_page(folder: Path = NOTEBOOKS) -> Path:
    """Write `start.ipynb` beside the folder of the notebooks -> its path.

    Raises: InputError where there are no notebooks, or the page cannot be written.
    """
    notebooks = read_notebooks(folder)
    if not notebooks:
        raise InputError(f"there are no notebooks in {folder}: get the whole repository")
    page = folder.parent / "start.ipynb"
    cells = [
        {"cell_type": "markdown", "id": "start", "metadata": {}, "source": overview(notebooks, folder)},
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


def overview(notebooks: list[dict], folder: Path) -> str:
    """The page as Markdown: a row for each notebook, and one link to go on."""
    done, problem = read_progress()
    following = next_notebook(folder)
    ids = [exercise for notebook in notebooks for exercise in notebook["exercises"]]
    solved = sum(exercise in done for exercise in ids)
    lines = ["# Perceiver IO, to the last tensor", "", WHAT, ""]
    if following:
        title = next(n["title"] for n in notebooks if n["file"] == following)
        verb = "Go on with" if done else "Begin with"
        lines.append(f"## {verb} [{title}]({folder.name}/{following.name})")
    else:
        lines.append("## Every exercise is done.")
    lines += ["", f"{solved} of {len(ids)} exercises are solved. Click a notebook to open it.", HOW, ""]
    lines += ["| notebook | time | exercises |", "|:--|--:|:--|"]
    for notebook in notebooks:
        own = notebook["exercises"]
        minutes = f"{notebook['minutes']} min" if notebook["minutes"] else ""
        dots = "".join("●" if exercise in done else "○" for exercise in own)
        count = f"{sum(exercise in done for exercise in own)} of {len(own)} {dots}" if own else ""
        lines.append(
            f"| [{notebook['title']}]({folder.name}/{notebook['file'].name}) | {minutes} | {count} |"
        )
    legend = (
        "● solved, ○ open. `make lab` writes this page afresh. The cell below shows the same at any time: "
    )
    lines += ["", problem or legend + "press Shift+Enter in it."]
    return "\n".join(lines)


if __name__ == "__main__":
    open_lab(start_page(), sys.argv[1:])
