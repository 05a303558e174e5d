"""Which exercises are done: one small file in the course folder, which the learner may delete at any time."""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

from perceiver_edu.course.place import at_home, course_folder, is_course, user_data
from perceiver_edu.course.renamed import today
from perceiver_edu.errors import InputError
from perceiver_edu.weights.files import to_json
from perceiver_edu.writing import check_plain, write_whole

PROGRESS_VARIABLE = "PERCEIVER_EDU_PROGRESS"
PROGRESS = "progress.json"
LONGEST = 2**20  # bytes


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


def read_progress(find: Callable[[], Path] = progress_file) -> tuple[dict[str, str], str]:
    """What is done, {exercise id: date}, and a sentence where the file cannot be read, or ""."""
    try:
        path = find()
        about = check_plain(path)
        if about and about.st_size > LONGEST:
            raise ValueError
        done = json.loads(path.read_text("utf-8"))["done"]
        if not all(isinstance(value, str) for pair in done.items() for value in pair):
            raise ValueError
        return {today(exercise): day for exercise, day in done.items()}, ""
    except FileNotFoundError:
        return {}, ""
    except InputError as error:
        return {}, f"Your progress cannot be read ({error})."
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, f"The progress file {path} is damaged; delete it to start a new one."
    except OSError as error:
        return {}, f"Your progress cannot be read ({error.strerror or error})."


def take_along(folder: Path) -> str:
    """Into a new course folder: what was done outside of one. -> "", or why that cannot be read."""
    try:
        if not os.path.exists(outside()):
            return ""
    except InputError:
        return ""  # there is no home folder
    done, problem = read_progress(outside)
    if done:
        write_whole(folder / PROGRESS, to_json({"done": done}))
    return problem


def mark_done(exercise_id: str) -> str:
    """Note that an exercise is done, once. -> "", or a sentence that says why it could not be noted."""
    done, problem = read_progress()
    if problem or exercise_id in done:
        return problem
    try:
        path = progress_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_json({"done": done | {exercise_id: date.today().isoformat()}}))
    except (OSError, InputError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"It is right, but your progress cannot be noted ({reason}). That harms nothing else."
    return ""
