"""Where a learner works: the course folder, and where this user's choice of it is remembered."""

import json
import os
import sys
from functools import lru_cache
from pathlib import Path

from perceiver_edu import data
from perceiver_edu import language as languages
from perceiver_edu.errors import InputError
from perceiver_edu.language import ENGLISH, find_language, gettext, language
from perceiver_edu.weights.files import to_json
from perceiver_edu.writing import check_plain, write_whole

RECORD = ".perceiver-course.json"  # what makes a folder a course folder: see folder.py
CHOICE = "course.json"


def course_folder() -> Path:
    """The course folder around the working folder; or else the usual one, which may not be there yet.

    The usual one is `course` in a checkout. For an installed package it is the folder that was opened last,
    and at first perceiver-course in the home folder.
    """
    around = course_around()
    if around or data.CHECKOUT:
        return around or data.CHECKOUT / "course"
    return remembered() or at_home("~/perceiver-course")


def course_around() -> Path | None:
    """The course folder that the working folder is in."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if is_course(folder)), None)


def learner_at_work() -> bool:
    """Does this run in a learner's notebook: in a course folder, or on Colab, Kaggle or Binder?

    Tests are no learners, whatever folder they run in; nor is a notebook that Kaggle runs in the background.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel") or os.environ.get("PYTEST_CURRENT_TEST"):
        return False
    hosted = "google.colab" in sys.modules or "BINDER_LAUNCH_HOST" in os.environ
    hosted |= os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Interactive"
    return hosted or course_around() is not None


def at_home(path: str) -> Path:
    """Raises: InputError where "~" means no folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(
            f"{path} needs a home folder, and there is none: name a folder, as in --folder course"
        ) from None


def is_course(folder: Path) -> bool:
    return (folder / RECORD).is_file()


def language_of(folder: Path | None) -> str:
    """The language to speak in a course folder: unless another was asked for, that of its notebooks."""
    try:
        if folder is None:
            return language()
        about = os.stat(folder / RECORD)
        return language(recorded(folder / RECORD, (about.st_mtime_ns, about.st_ino, about.st_size)))
    except FileNotFoundError:
        return language()  # a new folder
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return language(ENGLISH)  # made before there were others; `read_record` says what else is wrong


@lru_cache(maxsize=2)
def recorded(record: Path, version: tuple[int, ...]) -> str | None:
    """The language of a course folder, read once for each version of its record."""
    return find_language(json.loads(record.read_text("utf-8"))["language"])


def translated(text: str, /, **values: object) -> str:
    """What the course says, in the language of the course folder that this runs in.

    `values` take the places of the {placeholders} in the text, as in `str.format`.
    """
    return gettext(text, language_here(), **values)


def language_here() -> str:
    """The language to speak in the working folder."""
    return language_of(course_around())


languages.of_errors = language_here


def user_data() -> Path:
    """The folder for what this user's programs keep."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return at_home(base) / "perceiver_edu"


def remember(folder: Path) -> None:
    """The course folder to use when none is named. A checkout has its own, so there nothing is noted."""
    if not data.CHECKOUT and remembered() != folder:
        user_data().mkdir(parents=True, exist_ok=True)
        write_whole(user_data() / CHOICE, to_json({"folder": str(folder)}))


def remembered() -> Path | None:
    """The folder of `remember`; None where nothing is noted, or the folder is gone."""
    try:
        path = user_data() / CHOICE
        check_plain(path)
        folder = Path(json.loads(path.read_text("utf-8"))["folder"])
        return folder if is_course(folder) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # it is asked for again
