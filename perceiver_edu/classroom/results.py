"""What a class has understood: points per exercise and student, and the mistakes that the checks named.

Points come from nbgrader's gradebook, and mistakes from the notebooks that nbgrader has graded. The three
files are written into the folder of the class, and nothing is sent anywhere.
"""

import csv
import html
import io
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

from perceiver_edu.classroom.assignments import grade_id
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises import all_exercises
from perceiver_edu.course.report import WAITING, with_code
from perceiver_edu.errors import InputError
from perceiver_edu.language import in_every_language
from perceiver_edu.terminal import visible
from perceiver_edu.writing import write_together

GRADEBOOK = "gradebook.db"
FILES = ("report.html", "points.csv", "mistakes.csv")
RIGHT, UNTOUCHED = "right", "not done"
UNKNOWN = "wrong, but not one of the mistakes that the check knows"
STOPPED = "took too long, or ended Python"
FAILED = "the check could not run, for example because the function does not exist"
UNGRADED = "could not be graded: see what nbgrader autograde said"


class Mark(NamedTuple):
    """One exercise of one student."""

    points: float
    of: float
    said: list[str]  # one of the sentences above, or the mistakes that the check named


class Results(NamedTuple):
    titles: dict[str, str]  # {name of a graded cell: its title}, in the order of the course
    students: list[str]
    marks: dict[tuple[str, str], Mark]  # {(cell, student): …}, for what was handed in

    def counted(self, cell: str) -> dict[str, list[str]]:
        """{what was said: students} without what is right: most frequent first, "not done" after equals."""
        found: dict[str, list[str]] = defaultdict(list)
        for student in self.students:
            for sentence in self.marks[cell, student].said if (cell, student) in self.marks else []:
                found[sentence].append(student)
        found.pop(RIGHT, None)
        return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0] == UNTOUCHED)))

    def right(self, cell: str) -> tuple[int, int]:
        """How many have it right, of how many who handed it in."""
        marks = [self.marks[cell, student] for student in self.students if (cell, student) in self.marks]
        return sum(mark.said == [RIGHT] for mark in marks), len(marks)

    def total(self, student: str) -> float:
        return sum(mark.points for (_, who), mark in self.marks.items() if who == student)


def read_results(folder: Path) -> Results:
    """What `nbgrader autograde` has found. Raises: InputError where nothing was graded in this folder."""
    try:
        from nbgrader.api import Gradebook
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise InputError("nbgrader is not installed here: pip install 'perceiver-edu[teach]'") from None
    path = folder / GRADEBOOK
    if not path.is_file():
        raise InputError(
            f"there is no {GRADEBOOK} in {folder}: run nbgrader generate_assignment and autograde there first"
        )
    try:
        with Gradebook(f"sqlite:///{path.absolute()}") as gradebook:
            return read_gradebook(gradebook, folder)
    except SQLAlchemyError as error:
        raise InputError(f"{path} cannot be read ({error}): restore it from a copy, or grade again") from None


def read_gradebook(gradebook, folder: Path) -> Results:
    titles, marks, students = {}, {}, set()
    for assignment in sorted(gradebook.assignments, key=lambda assignment: assignment.name):
        for notebook in assignment.notebooks:
            titles |= {cell.name: title_of(cell.name) for cell in notebook.grade_cells}
        for submission in assignment.submissions:
            student = submission.student.id
            students.add(student)
            for notebook in submission.notebooks:
                graded = folder / "autograded" / student / assignment.name / f"{notebook.name}.ipynb"
                errors = read_errors(graded)
                for grade in notebook.grades:
                    said = said_of(grade.name, grade.score >= grade.max_score, errors)
                    marks[grade.name, student] = Mark(grade.score, grade.max_score, said)
    if not marks:
        raise InputError(f"nothing has been graded in {folder}: run nbgrader autograde there first")
    known = {name: titles.pop(name) for name in by_cell() if name in titles}
    return Results(known | titles, sorted(students), marks)


def title_of(cell: str) -> str:
    """02-cost -> 02.cost · what cross-attention costs; a teacher's own cells have their name."""
    exercise = exercise_of(cell)
    return f"{exercise.id} · {exercise.title}" if exercise else cell


def exercise_of(cell: str) -> Exercise | None:
    return by_cell().get(cell)


@cache
def by_cell() -> dict[str, Exercise]:
    """The exercises by the names of their graded cells, in the order of the course."""
    return {grade_id(exercise_id): exercise for exercise_id, exercise in all_exercises().items()}


def read_errors(path: Path) -> dict[str, list[tuple[str, str]]] | None:
    """{graded cell: [(name of an error, its message)]}; None for a missing or damaged notebook."""
    found = {}
    try:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            tag = cell["metadata"].get("nbgrader", {})
            if tag.get("grade"):
                outputs = [o for o in cell["outputs"] if o["output_type"] == "error"]
                found[tag["grade_id"]] = [(str(o["ename"]), str(o["evalue"])) for o in outputs]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found


def said_of(cell: str, full_marks: bool, errors: dict[str, list[tuple[str, str]]] | None) -> list[str]:
    if errors is None or cell not in errors:
        return [UNGRADED]
    if full_marks:  # a teacher may have given them by hand
        return [RIGHT]
    names = [name for name, _ in errors[cell]]
    text = "\n".join(message for name, message in errors[cell] if name == "NotRight")
    if not text:
        return [STOPPED if "Stopped" in names else FAILED]
    exercise = exercise_of(cell)
    if text.startswith(in_every_language(WAITING)):
        return [UNTOUCHED]
    return (exercise.named_in(text) if exercise else []) or [UNKNOWN]


def write_results(folder: Path, results: Results) -> list[Path]:
    """The page and the two tables -> their paths."""
    contents = (as_html(results), points_csv(results), mistakes_csv(results))
    write_together(folder, {name: [text.encode("utf-8")] for name, text in zip(FILES, contents, strict=True)})
    return [folder / name for name in FILES]


def points_csv(results: Results) -> str:
    rows = [["exercise", "right", "handed in", "points", *results.students]]
    for cell, title in results.titles.items():
        marks = [results.marks.get((cell, student)) for student in results.students]
        of = next((number(mark.of) for mark in marks if mark), "")
        rows.append(
            [title, *results.right(cell), of, *(number(mark.points) if mark else "" for mark in marks)]
        )
    rows.append(["total", "", "", "", *(number(results.total(student)) for student in results.students)])
    return as_csv(rows)


def mistakes_csv(results: Results) -> str:
    rows = [["exercise", "count", "what the check said", "students"]]
    for cell, title in results.titles.items():
        for sentence, students in results.counted(cell).items():
            rows.append([title, len(students), sentence, " ".join(students)])
    return as_csv(rows)


def as_csv(rows: list[list]) -> str:
    """For a spreadsheet, which would compute a text that begins like a formula."""
    file = io.StringIO()
    safe = [[f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t\r" and v else v for v in row] for row in rows]
    csv.writer(file).writerows(safe)
    return file.getvalue()


def number(points: float) -> str:
    return f"{points:g}"


STYLE = """
body { font-family: system-ui, sans-serif; margin: 2em; max-width: 70em }
.wide { overflow-x: auto }
table { border-collapse: collapse }
th, td { border: 1px solid #999; padding: 0.25em 0.6em; text-align: left; vertical-align: top }
td.right { background: #d5efe5 }
td.wrong { background: #f9dfcf }
"""
SIGNS = {RIGHT: "✓", UNTOUCHED: "○", STOPPED: "■", FAILED: "!", UNGRADED: "?"}


def as_html(results: Results) -> str:
    """A page without scripts. Everything that a student may have typed is escaped."""
    head = "".join(f'<th scope="col">{escaped(student)}</th>' for student in results.students)
    rows = ["<tr><th>exercise</th><th>right</th>" + head + "</tr>"]
    for cell, title in results.titles.items():
        right, handed_in = results.right(cell)
        cells = "".join(cell_html(results.marks.get((cell, student))) for student in results.students)
        rows.append(f'<tr><th scope="row">{escaped(title)}</th><td>{right} of {handed_in}</td>{cells}</tr>')
    totals = "".join(f"<td>{number(results.total(student))}</td>" for student in results.students)
    rows.append(f'<tr><th scope="row">points</th><td></td>{totals}</tr>')
    said = ["<tr><th>exercise</th><th>students</th><th>what the check said</th></tr>"]
    for cell, title in results.titles.items():
        for sentence, students in results.counted(cell).items():
            names = escaped(", ".join(students))
            count = f"<details><summary>{len(students)}</summary>{names}</details>"
            said.append(f"<tr><td>{escaped(title)}</td><td>{count}</td><td>{with_code(sentence)}</td></tr>")
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Results of the class</title><style>{STYLE}</style></head>
<body>
<h1>Results of the class</h1>
<h2>Points</h2>
<p>✓ right, ✗ a mistake, ○ not done, ■ took too long or ended Python, ! the check could not run,
? could not be graded. An empty field means that nothing was handed in.</p>
<div class="wide"><table>{"".join(rows)}</table></div>
<h2>What was not right</h2>
<p>Each mistake is one that the check knows by name, unless the row says otherwise. Click on a number to see
whose answers these are.</p>
<table>{"".join(said)}</table>
</body></html>
"""


def cell_html(mark: Mark | None) -> str:
    if mark is None:
        return "<td></td>"
    kind = "right" if mark.said == [RIGHT] else "wrong"
    sign = SIGNS.get(mark.said[0], "✗")
    said = escaped(" ".join(mark.said))
    return f'<td class="{kind}" title="{said}">{sign} {number(mark.points)}/{number(mark.of)}</td>'


def escaped(text: str) -> str:
    return html.escape(visible(text))
