"""`perceiver-edu course`."""

import sys
from typing import Annotated

import typer

from perceiver_edu.cli.shared import Json
from perceiver_edu.errors import InputError
from perceiver_edu.terminal import print_json


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
    from perceiver_edu.course import progress
    from perceiver_edu.course.lab import lab_command, open_lab
    from perceiver_edu.terminal import print_course

    notebooks = progress.read_notebooks(progress.NOTEBOOKS)
    if not notebooks:
        raise InputError(
            f"there are no notebooks in {progress.NOTEBOOKS}: an installed package does not bring them. "
            "Get the whole repository, and in its folder run: make lab"
        )
    done, problem = progress.read_progress()
    following = progress.next_notebook(progress.NOTEBOOKS)
    if as_json:
        print_json(
            next=following and str(following),
            open=following and lab_command(following),
            progress_file=None if problem else str(progress.progress_file()),
            problem=problem or None,
            notebooks=[
                notebook
                | {"file": str(notebook["file"])}
                | {"exercises": [{"id": i, "done": done.get(i)} for i in notebook["exercises"]]}
                for notebook in notebooks
            ],
        )
    else:
        print_course(notebooks, done, following)
        if problem:
            print(problem, file=sys.stderr)
    if open_it:
        open_lab(following or notebooks[-1]["file"])
