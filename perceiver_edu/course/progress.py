"""What a learner has done: one small file in the course folder, which may be deleted at any time.

It holds the exercises that are done, and the predictions that were made or skipped. Attempts are noted only
after the learner has asked for it, with `perceiver-edu course --attempts`.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

from perceiver_edu.course.place import at_home, course_folder, is_course, translated, user_data
from perceiver_edu.course.renamed import today
from perceiver_edu.errors import InputError
from perceiver_edu.language import to_translate
from perceiver_edu.weights.files import to_json
from perceiver_edu.writing import check_plain, lock, write_whole

PROGRESS_VARIABLE = "PERCEIVER_EDU_PROGRESS"
PROGRESS = "progress.json"
FINE = to_translate("That is fine")
LONGEST = 2**20  # bytes
LONGEST_WAIT = 2.0  # seconds, for another process
MOST_ATTEMPTS = 20  # of an exercise; the oldest are forgotten

Answer = str | int | float | None  # to a prediction; None where it was skipped
Attempts = dict[str, list[list[str]]]  # {exercise id: [[date, what was not right, …], …]}, oldest first


class Progress(NamedTuple):
    """The content of the file, and a sentence where it cannot be read, or ""."""

    done: dict[str, str]  # {exercise id: date}
    predictions: dict[str, Answer]  # {prediction id: answer}
    problem: str = ""
    attempts: Attempts | None = None  # None where the learner has not asked for them


def progress_file(folder: Path | None = None) -> Path:
    """PERCEIVER_EDU_PROGRESS, or else progress.json in the course folder (None: the usual one).

    Where there is no course folder, as for single notebooks on a server, it is in the user's data folder.
    """
    chosen = os.environ.get(PROGRESS_VARIABLE)
    if chosen:
        return at_home(chosen)
    folder = folder or course_folder()
    return folder / PROGRESS if is_course(folder) else outside()


def outside() -> Path:
    return user_data() / PROGRESS


def read_all(find: Callable[[], Path] = progress_file) -> Progress:
    try:
        path = find()
        about = check_plain(path)
        if about and about.st_size > LONGEST:
            raise ValueError
        content = json.loads(path.read_text("utf-8"))
        done, predictions = content["done"], content.get("predictions", {})
        if not all(isinstance(value, str) for pair in done.items() for value in pair):
            raise ValueError
        if not all(is_answer(answer) for answer in predictions.values()):
            raise ValueError
        attempts = content.get("attempts")
        if attempts is not None and not are_attempts(attempts):
            raise ValueError
        done = {today(exercise): day for exercise, day in done.items()}
        return Progress(done, predictions, attempts=attempts)
    except FileNotFoundError:
        return Progress({}, {})
    except InputError as error:
        problem = translated("Your progress cannot be read ({error}).", error=error)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        problem = translated("The progress file {path} is damaged; delete it to start a new one.", path=path)
    except OSError as error:
        problem = translated("Your progress cannot be read ({error}).", error=error.strerror or error)
    return Progress({}, {}, problem)


def is_answer(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def are_attempts(value: object) -> bool:
    if not isinstance(value, dict) or not all(isinstance(attempts, list) for attempts in value.values()):
        return False
    return all(isinstance(text, str) for attempts in value.values() for each in attempts for text in each)


def read_progress(find: Callable[[], Path] = progress_file) -> tuple[dict[str, str], str]:
    """What is done, {exercise id: date}, and a sentence where the file cannot be read, or ""."""
    progress = read_all(find)
    return progress.done, progress.problem


def take_along(folder: Path) -> str:
    """Copy what was done outside of a course folder into a new one -> "", or why that cannot be read."""
    try:
        if not os.path.exists(outside()):
            return ""
    except InputError:
        return ""  # there is no home folder
    before = read_all(outside)
    if before.done or before.predictions or before.attempts is not None:
        write(folder / PROGRESS, before)
    return before.problem


def mark_done(exercise_id: str) -> str:
    """Note that an exercise is done, once. -> "", or a sentence that says why it could not be noted."""
    return note({exercise_id: date.today().isoformat()}, what=to_translate("It is right"))


def note(
    done: Mapping[str, str] = {},
    predictions: Mapping[str, Answer] = {},
    what: str = FINE,
) -> str:
    """Add to the file. An exercise keeps its first date, and a prediction gets its last answer.

    -> "", or a sentence that begins with `what` and says why it could not be noted.
    """

    def added(before: Progress) -> Progress:
        new = {exercise: day for exercise, day in done.items() if exercise not in before.done}
        return before._replace(done=before.done | new, predictions={**before.predictions, **predictions})

    return change(added, what)


def note_attempt(exercise_id: str, mistakes: list[str]) -> str:
    """Note an attempt where the learner has asked for it; no mistakes: it was right. -> as `note`."""
    attempt = [date.today().isoformat(), *mistakes]

    def added(before: Progress) -> Progress:
        if before.attempts is None:
            return before
        those = [*before.attempts.get(exercise_id, []), attempt][-MOST_ATTEMPTS:]
        return before._replace(attempts={**before.attempts, exercise_id: those})

    return "" if read_all().attempts is None else change(added, to_translate("The check has run"))


def switch_attempts(on: bool, find: Callable[[], Path] = progress_file) -> str:
    """Begin to note attempts, or stop and forget those that were noted. -> as `note`."""

    def switched(before: Progress) -> Progress:
        return before._replace(attempts=(before.attempts or {}) if on else None)

    return change(switched, to_translate("The course works"), find)


def change(
    changed: Callable[[Progress], Progress], what: str, find: Callable[[], Path] = progress_file
) -> str:
    """Read the file, and write what `changed` makes of it, one process after the other -> as `note`."""
    before = read_all(find)
    if before.problem or changed(before) == before:
        return before.problem
    try:
        path = find()
        path.parent.mkdir(parents=True, exist_ok=True)
        with turn(path):
            before = read_all(find)  # with what another process has written
            if not before.problem:
                write(path, changed(before))
    except (OSError, InputError) as error:
        reason = getattr(error, "strerror", None) or error
        return translated(
            "{what}, but your progress cannot be noted ({reason}). Everything else still works.",
            what=translated(what),
            reason=reason,
        )
    return before.problem


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait while another process changes the file, then keep others from it: by a lock on a file beside it.

    Where no file can be locked, or one stays locked for `LONGEST_WAIT`, the block runs all the same.
    """
    beside, last = path.with_name(f".{path.name}.lock"), time.monotonic() + LONGEST_WAIT
    with ExitStack() as files:
        with suppress(OSError, InputError):
            check_plain(beside)
            file = files.enter_context(open(beside, "ab"))
            while time.monotonic() < last:
                try:
                    lock(file)
                    break
                except BlockingIOError:
                    time.sleep(0.01)
        yield


def write(path: Path, progress: Progress) -> None:
    content = {"done": progress.done, "predictions": progress.predictions}
    if progress.attempts is not None:
        content["attempts"] = progress.attempts
    write_whole(path, to_json(content))
