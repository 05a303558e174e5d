"""The way through the course: its notebooks, which exercises are done, and where to go on.

`read_overview` finds it out once. The start page (`start.py`), `course_overview()` in a notebook and
`perceiver-edu course` show it.
"""

import glob
import json
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

from perceiver_edu import data
from perceiver_edu.course.place import course_around, course_folder, is_course, language_of, translated
from perceiver_edu.course.prediction import predictions_in
from perceiver_edu.course.progress import progress_file, read_all
from perceiver_edu.course.report import DONE, WAITING, Report
from perceiver_edu.language import catalogues

NAMES = "[0-9][0-9]_*.ipynb"


class Notebook(NamedTuple):
    """One notebook of the course."""

    file: Path  # in the course folder; where it is not there, the original
    title: str
    minutes: int | None
    exercises: dict[str, str | None]  # id: the day it was done, None where it is not
    newer: list[Path]  # new versions beside it, because the learner has changed it
    predictions: dict[str, bool]  # id: whether it was made; one that was skipped was not

    @property
    def time(self) -> str:
        return translated("{minutes} min", minutes=self.minutes) if self.minutes else ""

    @property
    def solved(self) -> int:
        return sum(day is not None for day in self.exercises.values())

    @property
    def count(self) -> str:
        """ "1 of 2", or "" where there is no exercise."""
        return some_of(self.solved, len(self.exercises)) if self.exercises else ""

    @property
    def predicted(self) -> str:
        """ "3 of 7", or "" where no prediction is asked for."""
        made = sum(self.predictions.values())
        return some_of(made, len(self.predictions)) if self.predictions else ""

    @property
    def dots(self) -> str:
        return "".join("●" if day else "○" for day in self.exercises.values())


class Overview(NamedTuple):
    """All notebooks in order, and a sentence where the progress file cannot be read, or ""."""

    notebooks: list[Notebook]
    problem: str

    @property
    def solved(self) -> int:
        return sum(notebook.solved for notebook in self.notebooks)

    @property
    def exercises(self) -> int:
        return sum(len(notebook.exercises) for notebook in self.notebooks)

    @property
    def predictions(self) -> list[bool]:
        """Of every prediction of the course, whether it was made."""
        return [made for notebook in self.notebooks for made in notebook.predictions.values()]

    @property
    def count(self) -> str:
        """ "2 of 38 exercises are solved, and 3 of 7 predictions are made"; the same words everywhere."""
        said = translated("{done} of {all} exercises are solved", done=self.solved, all=self.exercises)
        asked = self.predictions
        made = translated("{said}, and {made} of {all} predictions are made")
        return made.format(said=said, made=sum(asked), all=len(asked)) if asked else said

    @property
    def next(self) -> Notebook | None:
        """The first notebook with an exercise that is not done; None where there is none."""
        return next((n for n in self.notebooks if n.solved < len(n.exercises)), None)


def read_overview(folder: Path | None = None) -> Overview:
    """The notebooks in a course folder (None: the usual one), beside what the learner has done.

    Titles and exercises are those of the original notebooks, whatever became of the learner's.
    """
    folder = folder or course_folder()
    words = catalogues(language_of(course_around()))
    progress = read_all(partial(progress_file, folder))
    answers = progress.predictions
    found = []
    for path in sorted(data.NOTEBOOKS.glob(NAMES)):
        try:
            cells = json.loads(path.read_text("utf-8"))["cells"]
            text = "".join(cells[0]["source"])
            tags = [cell.get("metadata", {}).get("exercise", {}) for cell in cells]
            asked = predictions_in(cells)
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            continue  # one notebook that cannot be read must not hide the others
        title = re.search(r"^# (.+)", text)
        minutes = re.search(r"\*\*Time\*\* (\d+) min", text)
        ids = [tag["id"] for tag in tags if tag.get("role") == "stub"]
        theirs = folder / path.name
        found.append(
            Notebook(
                theirs if is_course(folder) and theirs.is_file() else path,
                words.get(title[1], title[1]) if title else path.stem,
                int(minutes[1]) if minutes else None,
                {exercise: progress.done.get(exercise) for exercise in ids},
                new_versions(theirs),
                {prediction: answers.get(prediction) is not None for prediction in asked},
            )
        )
    return Overview(found, progress.problem)


def some_of(done: int, everything: int) -> str:
    return translated("{done} of {all}", done=done, all=everything)


def new_versions(path: Path) -> list[Path]:
    """What an update put beside a file of the learner's, oldest first."""
    beside = path.parent.glob(f"{glob.escape(path.stem)} (new in *){path.suffix}")
    return sorted(beside, key=lambda path: path.lstat().st_mtime)


def course_overview(folder: Path | None = None) -> Report:
    """Return a table of the notebooks, with minutes, what is done, and where to continue."""
    overview = read_overview(folder)
    report = Report(overview.count)
    if not overview.notebooks:
        nothing = translated("There are no notebooks in `{folder}`: install perceiver-edu again.")
        return report.say(nothing.format(folder=data.NOTEBOOKS))
    report.verdict = DONE if overview.next is None else WAITING
    if overview.next:
        following = (
            translated("Continue with {notebook}.")
            if overview.solved
            else translated("Begin with {notebook}.")
        )
        report.say(following.format(notebook=link(overview.next)))
    rows = [(link(n), n.time, f"{n.count} {n.dots}".strip(), n.predicted) for n in overview.notebooks]
    report.table(
        (translated("notebook"), translated("time"), translated("exercises"), translated("predictions")), rows
    )
    if overview.problem:
        return report.say(overview.problem)
    noted = translated("Noted in `{file}`, on this machine only. To start again, delete the file.")
    return report.say(noted.format(file=progress_file(folder)))


def next_step(exercise_id: str) -> str:
    """Said when an exercise is done: how much is done now, and where to go on."""
    overview = read_overview()
    here = next((n for n in overview.notebooks if exercise_id in n.exercises), None)
    ids = list(here.exercises) if here else [exercise_id]
    after = ids[ids.index(exercise_id) + 1 :]
    left = [i for i in [*after, *ids] if here and here.exercises[i] is None]
    if left:
        where = (
            translated("Next: `{id}`, further down.")
            if left[0] in after
            else translated("Next: `{id}`, further up.")
        )
        following = where.format(id=left[0])
    elif overview.next:
        following = translated("Next: {notebook}.", notebook=link(overview.next))
    else:
        following = translated("That was the last one.")
    return translated("{count}. {following}", count=overview.count, following=following)


def link(notebook: Notebook) -> str:
    """Its title; from notebooks of a course folder, as a link to the one beside them."""
    beside = is_course(notebook.file.parent)
    return f"[{notebook.title}]({notebook.file.name})" if beside else notebook.title
