"""Which exercises are done: one small file on this machine, which the learner may delete at any time."""

import json
import os
import sys
from datetime import date
from pathlib import Path

from perceiver_edu.errors import InputError
from perceiver_edu.weights.files import to_json
from perceiver_edu.writing import check_plain, write_whole

PROGRESS_VARIABLE = "PERCEIVER_EDU_PROGRESS"
LONGEST = 2**20  # bytes


def progress_file() -> Path:
    """PERCEIVER_EDU_PROGRESS, or else progress.json in this user's data folder."""
    chosen = os.environ.get(PROGRESS_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "perceiver_edu" / "progress.json"


def read_progress() -> tuple[dict[str, str], str]:
    """What is done, {exercise id: date}, and a sentence where the file cannot be read, or ""."""
    try:
        path = progress_file()
        about = check_plain(path)
        if about and about.st_size > LONGEST:
            raise ValueError
        done = json.loads(path.read_text("utf-8"))["done"]
        if not all(isinstance(value, str) for pair in done.items() for value in pair):
            raise ValueError
        return done, ""
    except FileNotFoundError:
        return {}, ""
    except InputError as error:
        return {}, f"Your progress cannot be read ({error})."
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, f"The progress file {path} is damaged; delete it to start a new one."
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        return {}, f"Your progress cannot be read ({getattr(error, 'strerror', None) or error})."


def mark_done(exercise_id: str) -> str:
    """Note that an exercise is done, once. -> "", or a sentence that says why it could not be noted."""
    done, problem = read_progress()
    if problem or exercise_id in done:
        return problem
    try:
        path = progress_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_json({"done": done | {exercise_id: date.today().isoformat()}}))
    except (OSError, RuntimeError, InputError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"It is right, but your progress cannot be noted ({reason}). That harms nothing else."
    return ""
