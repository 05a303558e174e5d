"""`perceiver-edu course`."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from perceiver_edu.cli.shared import Json
from perceiver_edu.errors import InputError, brief, warn
from perceiver_edu.language import gettext
from perceiver_edu.terminal import new_console, new_table, print_json, visible

Folder = Annotated[
    str | None,
    typer.Option(
        "--folder",
        metavar="FOLDER",
        help="Your course folder. If omitted: the one that contains the working folder, or the one opened "
        "last, or perceiver-course in your home folder; in a checkout of the repository, its folder course.",
        show_default=False,
    ),
]
CARRY = "Copy your solved exercises into the new versions of their notebooks."
ATTEMPTS = "Record in your progress file what was wrong in each attempt; or stop, and delete that record."
LANGUAGE = (
    "The language of your course folder and of what is said there: en or zh. If omitted: the variable "
    "PERCEIVER_EDU_LANGUAGE, the language that the folder has, or your locale."
)
OPTIONS = "After --: options for JupyterLab, such as --no-browser."


def course(
    lab_options: Annotated[
        list[str] | None, typer.Argument(help=OPTIONS, metavar="[-- OPTIONS]", show_default=False)
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the start page in JupyterLab.")] = False,
    folder: Folder = None,
    carry_answers: Annotated[bool, typer.Option("--carry-answers", help=CARRY)] = False,
    language: Annotated[str | None, typer.Option("--language", help=LANGUAGE, show_default=False)] = None,
    attempts: Annotated[
        bool | None, typer.Option("--attempts/--no-attempts", help=ATTEMPTS, show_default=False)
    ] = None,
    as_json: Json = False,
):
    """List the notebooks and the exercises done.

    With --open, --folder, --language or --carry-answers, the command first makes your course folder, with
    your own copy of the notebooks, or brings it up to date. A notebook that you have changed stays as it is,
    and its new version is put next to it. Your progress is in the folder's progress.json; delete it to start
    again.

    \b
    Examples:
      perceiver-edu course
      perceiver-edu course --open
      perceiver-edu course --open --folder my-course -- --no-browser --port 9000
      perceiver-edu course --carry-answers
      perceiver-edu course --language zh
      perceiver-edu course --json
    """
    from perceiver_edu import data
    from perceiver_edu.course.folder import update_course
    from perceiver_edu.course.lab import lab_command, open_lab
    from perceiver_edu.course.overview import read_overview
    from perceiver_edu.course.place import is_course, language_of, remember
    from perceiver_edu.course.progress import progress_file, switch_attempts
    from perceiver_edu.course.start import START
    from perceiver_edu.language import use_language

    if lab_options and not open_it:
        raise InputError(gettext("{option!r} is for JupyterLab, so it needs --open", option=lab_options[0]))
    if language is not None:
        use_language(language)
    place, update = choose(folder, ask=open_it and not as_json), None
    use_language(language_of(place))
    if open_it or folder is not None or carry_answers or language is not None:
        update = update_course(place, carry_answers)
        try:
            remember(place)
        except (OSError, InputError) as error:
            warn(f"your choice of {place} cannot be saved ({error}): give --folder again next time")
    if attempts is not None and (problem := switch_attempts(attempts, partial(progress_file, place))):
        raise InputError(problem)
    overview = read_overview(place)
    if not overview.notebooks:
        raise InputError(
            gettext("there are no notebooks in {folder}: install perceiver-edu again", folder=data.NOTEBOOKS)
        )
    start = update.start if update else place / START
    following = overview.next and overview.next.file
    problems = [problem for problem in (update and update.problem, overview.problem) if problem]
    if as_json:
        print_json(
            folder=str(place) if is_course(place) else None,
            next=following and str(following),
            open=lab_command(start) if is_course(place) else None,
            progress_file=None if overview.problem else str(progress_file(place)),
            problem=" ".join(problems) or None,
            notebooks=[
                notebook._asdict()
                | {"file": str(notebook.file), "newer": [str(path) for path in notebook.newer]}
                | {"exercises": [{"id": i, "done": day} for i, day in notebook.exercises.items()]}
                | {"predictions": [{"id": i, "made": made} for i, made in notebook.predictions.items()]}
                for notebook in overview.notebooks
            ],
        )
    else:
        print_course(overview)
        if update:
            print_update(update, carry_answers)
        for problem in problems:
            print(visible(problem), file=sys.stderr)
    if open_it:
        open_lab(start, lab_options or [])


def choose(folder: str | None, ask: bool) -> Path:
    """The course folder: the one that was named, or the usual one. At a terminal, a new one is asked for."""
    from perceiver_edu import data
    from perceiver_edu.course.place import at_home, course_folder, is_course

    if folder is None:
        usual = course_folder()
        if data.CHECKOUT or is_course(usual) or not (ask and sys.stdin.isatty() and sys.stdout.isatty()):
            return usual
        print(gettext("Where should your copy of the notebooks go? Name a folder, or press Enter for"))
        try:
            folder = input(f"{visible(str(usual))}: ").strip() or str(usual)
        except EOFError:
            raise InputError(gettext("no folder was named: give one with --folder")) from None
    if "\0" in folder:
        raise InputError(gettext("{folder} is not a valid folder name: choose another", folder=brief(folder)))
    return Path(os.path.abspath(at_home(folder)))


def print_course(overview) -> None:
    """An `Overview` of the course as a table, and how to go on."""
    console = new_console()
    table = new_table(
        console,
        gettext("notebook"),
        f"#{gettext('minutes')}",
        f"#{gettext('done')}",
        f"#{gettext('predicted')}",
        gettext("exercises"),
    )
    for notebook in overview.notebooks:
        style = "green" if notebook.exercises and notebook.solved == len(notebook.exercises) else None
        row = visible(notebook.title), str(notebook.minutes or ""), notebook.count, notebook.predicted
        table.add_row(*row, notebook.dots, style="bold" if notebook is overview.next else style)
    console.print(table)
    if overview.next:
        console.print(
            gettext(
                "next: {notebook}; to open the course: perceiver-edu course --open",
                notebook=visible(overview.next.file.stem),
            )
        )
    else:
        console.print(gettext("every exercise is done"))


def print_update(update, carry_answers: bool) -> None:
    """What an `Update` did to the course folder, and what is left to the learner."""
    from perceiver_edu.course.place import course_folder
    from perceiver_edu.course.start import START, difference_command

    folder = visible(str(update.folder))
    added, replaced = ([n for n in names if n != START] for names in (update.added, update.replaced))
    notebooks = {name: new for name, new in update.beside.items() if name != START}
    if update.made:
        print(
            gettext("Your course folder is {folder}. The notebooks in it are yours to change.", folder=folder)
        )
    elif added or replaced or notebooks:
        print(
            gettext(
                "Your course folder {folder} is up to date. New files: {added}, replaced: {replaced}.",
                folder=folder,
                added=len(added),
                replaced=len(replaced),
            )
        )
    if notebooks:
        print(
            gettext(
                "You have changed these files, so they stay as they are, and the new version is next to each:"
            )
        )
    for name, new in notebooks.items():
        print(f"  {visible(name)}: {visible(new)}")
        difference = difference_command(update.folder / name, update.folder / new)
        if difference:
            print("    " + gettext("to see what differs: {command}", command=visible(difference)))
    if update.carried:
        print(
            gettext(
                "Your answers were copied into the new versions: {exercises}.",
                exercises=", ".join(update.carried),
            )
        )
    elif carry_answers:
        print(
            gettext(
                "There were no answers to copy. Only the new version of a notebook with solved exercises "
                "gets them."
            )
        )
    elif notebooks:
        named = "" if update.folder == course_folder() else f'--folder "{folder}" '
        print(
            gettext(
                "To copy your answers into the new versions: perceiver-edu course {folder}--carry-answers",
                folder=named,
            )
        )
