"""`perceiver-edu course`."""

import sys
from typing import Annotated

import typer

from perceiver_edu.cli.shared import Json
from perceiver_edu.errors import InputError
from perceiver_edu.terminal import new_console, new_table, print_json, visible


def course(
    open_it: Annotated[bool, typer.Option("--open", help="Open the next notebook in JupyterLab.")] = False,
    as_json: Json = False,
):
    """List the notebooks and the exercises done.

    The next notebook is the first with an exercise that is not done. Progress is one small file on this
    machine; delete it to start again.

    \b
    Examples:
      perceiver-edu course
      perceiver-edu course --open
      perceiver-edu course --json
    """
    from perceiver_edu.course.lab import lab_command, open_lab
    from perceiver_edu.course.overview import NOTEBOOKS, read_overview
    from perceiver_edu.course.progress import progress_file

    overview = read_overview()
    if not overview.notebooks:
        raise InputError(
            f"there are no notebooks in {NOTEBOOKS}: an installed package does not bring them. "
            "Get the whole repository, and in its folder run: make lab"
        )
    following = overview.next and overview.next.file
    if as_json:
        print_json(
            next=following and str(following),
            open=following and lab_command(following),
            progress_file=None if overview.problem else str(progress_file()),
            problem=overview.problem or None,
            notebooks=[
                notebook._asdict()
                | {"file": str(notebook.file)}
                | {"exercises": [{"id": i, "done": day} for i, day in notebook.exercises.items()]}
                for notebook in overview.notebooks
            ],
        )
    else:
        print_course(overview)
        if overview.problem:
            print(visible(overview.problem), file=sys.stderr)
    if open_it:
        open_lab(following or overview.notebooks[-1].file)


def print_course(overview) -> None:
    """An `Overview` of the course as a table, and how to go on."""
    console = new_console()
    table = new_table(console, "notebook", "#minutes", "#done", "exercises")
    for notebook in overview.notebooks:
        marks = "  ".join(f"{'●' if d else '○'} {i.partition('.')[2]}" for i, d in notebook.exercises.items())
        table.add_row(visible(notebook.title), str(notebook.minutes or ""), notebook.count, visible(marks))
    console.print(table)
    if overview.next:
        console.print(f"next: {visible(overview.next.file.stem)}; to open it: perceiver-edu course --open")
    else:
        console.print("every exercise is done")
