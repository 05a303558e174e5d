"""`perceiver-edu classroom`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from perceiver_edu.cli.shared import Json
from perceiver_edu.errors import InputError, brief
from perceiver_edu.terminal import new_console, new_table, print_json, visible

WORDS = "The folder of the class; report before it shows what was graded there."
Words = Annotated[list[str], typer.Argument(help=WORDS, metavar="[report] FOLDER", show_default=False)]
Notebooks = Annotated[
    str | None,
    typer.Option(
        "--notebooks", metavar="NN-NN", help="Which notebooks. If omitted: all of them.", show_default=False
    ),
]
PLAIN = "Write the notebooks without solutions, for a class that is not graded or for a book."
KEEP = "Leave the folded solutions in the assignments."
DROP = "Leave the hints out as well."


def classroom(
    words: Words,
    notebooks: Notebooks = None,
    keep_solutions: Annotated[bool, typer.Option("--keep-solutions", help=KEEP)] = False,
    drop_hints: Annotated[bool, typer.Option("--drop-hints", help=DROP)] = False,
    plain: Annotated[bool, typer.Option("--plain", help=PLAIN)] = False,
    as_json: Json = False,
):
    """Prepare notebooks for a class, and show where it is stuck.

    It writes a course for nbgrader into FOLDER, with an assignment for each notebook, and for you the
    folder key, which has all hints and solutions. Files that are there already stay as they are. Then report
    FOLDER reads what nbgrader has graded and writes report.html, points.csv and mistakes.csv. Nothing is
    sent anywhere.

    \b
    Examples:
      perceiver-edu classroom my-class
      perceiver-edu classroom my-class --notebooks 00-05,08
      perceiver-edu classroom my-notebooks --plain
      perceiver-edu classroom report my-class
    """
    from perceiver_edu.classroom.assignments import chosen_numbers, write_classroom, write_plain

    reports, folder = read_words(words)
    if reports:
        if notebooks or keep_solutions or drop_hints or plain:
            raise InputError("report takes the folder and --json, and no other option")
        return report(folder, as_json)
    if plain and keep_solutions:
        raise InputError("--plain leaves the solutions out, so it does not go with --keep-solutions")
    numbers = chosen_numbers(notebooks)
    if plain:
        written = write_plain(folder, numbers, drop_hints)
    else:
        written = write_classroom(folder, numbers, keep_solutions, drop_hints)
    if as_json:
        return print_json(folder=str(folder), written=written.new, kept=written.kept, points=written.points)
    say_written(folder, written)


def read_words(words: list[str]) -> tuple[bool, Path]:
    """-> is a report wanted? and the folder."""
    reports = words[0] == "report"
    if len(words) != 1 + reports:
        raise InputError("name one folder, as in classroom my-class or classroom report my-class")
    if "\0" in words[-1]:
        raise InputError(f"{brief(words[-1])} is no name of a folder")
    return reports, Path(os.path.abspath(words[-1]))


def say_written(folder: Path, written) -> None:
    print(f"{visible(str(folder))}: new files: {len(written.new)}.")
    if written.kept:
        print("These files stay as they are, although they would be written differently now.")
        print("Delete one to have it written anew:")
        for name in written.kept:
            print(f"  {visible(name)}")
    for name, points in written.points.items():
        print(f"  {name}: {points} point{'s' * (points != 1)}")
    if written.points:
        name = next(iter(written.points))
        print(f"Next, in that folder: nbgrader generate_assignment {name}")


def report(folder: Path, as_json: bool) -> None:
    """What nbgrader has graded: the files, and a table of it here."""
    from perceiver_edu.classroom.results import read_results, write_results

    results = read_results(folder)
    files = write_results(folder, results)
    if as_json:
        return print_json(
            files=[str(file) for file in files],
            students={student: results.total(student) for student in results.students},
            exercises=[
                {"exercise": title, "right": results.right(cell)[0], "handed_in": results.right(cell)[1]}
                | {"said": {said: len(who) for said, who in results.counted(cell).items()}}
                for cell, title in results.titles.items()
            ],
        )
    console = new_console()
    table = new_table(console, "exercise", "#right", "#students", "most frequent")
    for cell, title in results.titles.items():
        right, handed_in = results.right(cell)
        said = next(iter(results.counted(cell).items()), None)
        first = f"{len(said[1])} × {said[0]}" if said else ""
        table.add_row(visible(title), str(right), str(handed_in), visible(first))
    console.print(table)
    print(f"All of it: {', '.join(visible(str(file)) for file in files)}")
