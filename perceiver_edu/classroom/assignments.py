"""A folder for a class: the notebooks as assignments for nbgrader, or without solutions and nothing more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from perceiver_edu import data
from perceiver_edu.course.exercises import find
from perceiver_edu.course.folder import to_bytes, without_outputs
from perceiver_edu.course.links import on_the_web, relink
from perceiver_edu.course.overview import NAMES
from perceiver_edu.errors import InputError, brief
from perceiver_edu.writing import write_whole

CONFIG = "nbgrader_config.py"
KEY = "key"
POINTS = {"easy": 1, "medium": 2, "hard": 3}

SETTINGS = r"""# Settings of nbgrader for this class, written once by perceiver-edu, and yours to change.

from perceiver_edu.classroom.grading import configure

c = get_config()  # noqa: F821
configure(c)

c.CourseDirectory.course_id = "perceiver_io"

# What a submission may use. After these times a cell, or what is left of a notebook, is not run any more.
c.RunAnswers.timeout = 120  # seconds for one cell
c.RunAnswers.timeout_of_notebook = 1200  # seconds for all cells of a notebook
c.RunAnswers.memory = 4  # GiB, on Linux

# How the downloaded files are named, such as ada_02_encoder.ipynb. docs/teaching.md has patterns for others.
c.FileNameCollectorPlugin.named_regexp = r".*[/\\](?P<student_id>[\w.-]+?)_(?P<file_id>\d\d_\w+)\.ipynb"
"""


class Written(NamedTuple):
    """What became of a folder."""

    new: list[str]  # files that were written
    kept: list[str]  # files that were there already, and stayed as they are
    points: dict[str, int]  # {notebook: points of all its exercises}


def write_classroom(
    folder: Path, numbers: list[str], keep_solutions: bool = False, drop_hints: bool = False
) -> Written:
    """Make `folder` an nbgrader course with one assignment per notebook, and keys for the teacher.

    A file that is there already stays as it is, because a teacher may have changed it.
    Raises: InputError for a folder that holds something else.
    """
    prepare(folder, CONFIG)
    chosen = {path.stem: notebook for path, notebook in read_notebooks(numbers) if exercises_of(notebook)}
    if not chosen:
        raise InputError("none of these notebooks has an exercise, so there is nothing to grade")
    files, points = {CONFIG: SETTINGS.encode()}, {}
    for name, notebook in chosen.items():
        assignment = as_assignment(notebook, chosen, keep_solutions, drop_hints)
        files[f"source/{name}/{name}.ipynb"] = to_bytes(assignment)
        files[f"{KEY}/{name}.md"] = answer_key(notebook).encode()
        points[name] = sum(map(points_for, exercises_of(notebook)))
    return Written(*write_missing(folder, files), points)


def write_plain(folder: Path, numbers: list[str], drop_hints: bool = False) -> Written:
    """Write the notebooks without their solutions, outputs included, and keys for the teacher."""
    prepare(folder, KEY)
    notebooks = dict(read_notebooks(numbers))
    files = {path.name: to_bytes(plain(notebook, drop_hints)) for path, notebook in notebooks.items()}
    solved = {path.stem: notebook for path, notebook in notebooks.items() if exercises_of(notebook)}
    files |= {f"{KEY}/{name}.md": answer_key(notebook).encode() for name, notebook in solved.items()}
    return Written(*write_missing(folder, files), {})


def prepare(folder: Path, ours: str) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ours).exists():
        raise InputError(f"{folder} is not empty and was not written by this command: name another folder")


def write_missing(folder: Path, files: dict[str, bytes]) -> tuple[list[str], list[str]]:
    """Write the files that are not there -> (written, kept: those that are there with another content)."""
    new, kept = [], []
    for name, content in files.items():
        path = folder / name
        if path.exists():
            if path.read_bytes() != content:
                kept.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        new.append(name)
    return new, kept


def chosen_numbers(words: str | None) -> list[str]:
    """ "00-05,08" -> the numbers of these notebooks; None: all. Raises: InputError for anything else."""
    there = [path.name[:2] for path in sorted(data.NOTEBOOKS.glob(NAMES))]
    if words is None:
        return there
    found: list[str] = []
    for word in words.split(","):
        match = re.fullmatch(r"(\d\d)(?:-(\d\d))?", word.strip())
        first, last = (match[1], match[2] or match[1]) if match else ("", "")
        numbers = [number for number in there if first <= number <= last] if match else []
        if not match or first not in there or last not in there or not numbers:
            raise InputError(
                f"--notebooks takes numbers from {there[0]} to {there[-1]}, such as 02 or 00-05,08, "
                f"got {brief(words)}"
            )
        found += numbers
    return sorted(set(found))


def read_notebooks(numbers: list[str]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(data.NOTEBOOKS.glob(NAMES)):
        if path.name[:2] in numbers:
            try:
                yield path, json.loads(path.read_text("utf-8"))
            except ValueError as error:
                raise InputError(f"{path} is no notebook ({error}): restore it, or install again") from None


def tag_of(cell: dict[str, Any]) -> dict[str, str]:
    return cell["metadata"].get("exercise", {"id": "", "role": ""})


def exercises_of(notebook: dict[str, Any]) -> dict[str, dict[str, str]]:
    """{exercise id: {role: text of the cell}}, in the order of the notebook."""
    found: dict[str, dict[str, str]] = {}
    for cell in notebook["cells"]:
        tag = tag_of(cell)
        if tag["id"]:
            found.setdefault(tag["id"], {})[tag["role"]] = "".join(cell["source"])
    return found


def points_for(exercise_id: str) -> int:
    """By its difficulty, the second word of a line such as "12 minutes · medium · appendix E.2"."""
    return POINTS[find(exercise_id).about.split(" · ")[1]]


def solution_in(text: str) -> str:
    """The code of a folded solution."""
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return code.rstrip("\n")


def grade_id(exercise_id: str) -> str:
    """02.cross_attention -> 02-cross_attention, because nbgrader takes no dots."""
    return exercise_id.replace(".", "-")


def plain(notebook: dict[str, Any], drop_hints: bool) -> dict[str, Any]:
    """A notebook without solutions. Links into the library lead to the web, as the folder may be anywhere."""

    def locate(path: str) -> str:
        beside = path.startswith("notebooks/")
        return path.removeprefix("notebooks/") if beside else on_the_web(path)

    left_out = {"solution", "hints"} if drop_hints else {"solution"}
    cells = [dict(cell) for cell in notebook["cells"] if tag_of(cell)["role"] not in left_out]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = relink("".join(cell["source"]), locate)
    return notebook | {"cells": cells}


def as_assignment(
    notebook: dict[str, Any], chosen: dict[str, Any], keep_solutions: bool, drop_hints: bool
) -> dict[str, Any]:
    """A notebook as nbgrader's source: a locked set-up, and for every exercise an answer and its check."""

    def locate(path: str) -> str:
        """A link leads to another assignment, which nbgrader puts in a folder of its own, or to the web."""
        name = Path(path).stem
        return (
            f"../{name}/{name}.ipynb"
            if path == f"notebooks/{name}.ipynb" and name in chosen
            else on_the_web(path)
        )

    solutions = {i: solution_in(roles["solution"]) for i, roles in exercises_of(notebook).items()}
    left_out = ({"hints"} if drop_hints else set()) | (set() if keep_solutions else {"solution"})
    cells = []
    for cell in without_outputs(notebook)["cells"]:
        tag = tag_of(cell)
        if tag["role"] in left_out:
            continue
        if tag["role"] == "stub":
            cells += answer_and_check(cell, solutions[tag["id"]])
            continue
        if cell["cell_type"] == "markdown":
            cell["source"] = relink("".join(cell["source"]), locate)
        elif cell.get("id") == "setup":
            cell["metadata"] = cell["metadata"] | {"nbgrader": settings("setup", locked=True)}
        cells.append(cell)
    return notebook | {"cells": cells}


def answer_and_check(stub: dict[str, Any], solution: str) -> list[dict[str, Any]]:
    """The cell that a student fills in, and the locked one that gives the points.

    The answer holds the stub and after it the solution, which nbgrader removes when it releases the notebook.
    """
    tag = tag_of(stub)
    code, call = re.fullmatch(r"(.*?)\s*\n(check\(.*\))", "".join(stub["source"]).strip(), re.DOTALL).groups()
    marked = f"{code}\n\n\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
    test = f"from perceiver_edu.course import check\n\ndisplay({call[:-1]}, strict=True))"
    name, points = grade_id(tag["id"]), points_for(tag["id"])
    answer = stub | {
        "source": marked,
        "metadata": {"exercise": tag, "nbgrader": settings(f"answer-{name}", solution=True)},
    }
    # "raises-exception": JupyterLab goes on with the next cells although this one fails.
    locked = stub | {
        "id": f"check-{name}",
        "source": test,
        "metadata": {
            "exercise": tag | {"role": "check"},
            "nbgrader": settings(name, grade=True, locked=True) | {"points": points},
            "tags": ["raises-exception"],
        },
    }
    return [answer, locked]


def settings(name: str, grade: bool = False, solution: bool = False, locked: bool = False) -> dict[str, Any]:
    """nbgrader's metadata of a cell."""
    return {
        "grade": grade,
        "grade_id": name,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }


def answer_key(notebook: dict[str, Any]) -> str:
    """Hints and solutions of a notebook as a Markdown text, for the teacher."""
    parts = ["".join(notebook["cells"][0]["source"]).splitlines()[0]]
    parts.append("For the teacher only: every exercise with its points, its hints and its solution.")
    for exercise_id, roles in exercises_of(notebook).items():
        exercise, number = find(exercise_id), points_for(exercise_id)
        points = f"{number} point{'s' * (number > 1)}"
        parts.append(f"## {exercise_id} · {exercise.title}\n\n*{points} · {exercise.about}*")
        parts += [roles["hints"], roles["solution"]]
    return "\n\n".join(parts) + "\n"
