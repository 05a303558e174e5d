"""Which exercises are done: one small file on this machine, which the learner may delete at any time."""

import json
import os
import re
import sys
from datetime import date
from pathlib import Path

from perceiver_edu.course.report import DONE, WAITING, Report
from perceiver_edu.weights.files import to_json, write_whole

PROGRESS_VARIABLE = "PERCEIVER_EDU_PROGRESS"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"  # in a checkout; an installed package has none


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
        done = json.loads(path.read_text("utf-8"))["done"]
        if not all(isinstance(value, str) for pair in done.items() for value in pair):
            raise ValueError
        return done, ""
    except FileNotFoundError:
        return {}, ""
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
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"It is right, but your progress cannot be noted ({reason}). That harms nothing else."
    return ""


def read_notebooks(folder: Path = NOTEBOOKS) -> list[dict]:
    """Each notebook's file, title, minutes and exercise ids, from its cells; [] where there are none."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        try:
            cells = json.loads(path.read_text("utf-8"))["cells"]
            text = "".join(cells[0]["source"])
            tags = [cell.get("metadata", {}).get("exercise", {}) for cell in cells]
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            continue  # a notebook that cannot be read is no reason to show none
        title = re.search(r"^# (.+)", text)
        minutes = re.search(r"\*\*Time\*\* (\d+) min", text)
        ids = [tag["id"] for tag in tags if tag.get("role") == "stub"]
        title, minutes = (title and title[1]) or path.stem, minutes and int(minutes[1])
        found.append({"file": path, "title": title, "minutes": minutes, "exercises": ids})
    return found


def next_notebook(folder: Path = NOTEBOOKS) -> Path | None:
    """The first notebook with an exercise that is not done; None where there is none."""
    done, _ = read_progress()
    left = (n["file"] for n in read_notebooks(folder) if not set(n["exercises"]) <= done.keys())
    return next(left, None)


def course_overview(folder: Path = NOTEBOOKS) -> Report:
    """The notebooks with their minutes and the exercises done, and where to go on."""
    from perceiver_edu.course.exercises import all_exercises

    done, problem = read_progress()
    notebooks = read_notebooks(folder)
    if not notebooks:  # installed without them
        notebooks = {}
        for exercise in all_exercises():
            number = exercise.partition(".")[0]
            row = {"file": Path(number), "title": number, "minutes": None, "exercises": []}
            notebooks.setdefault(number, row)["exercises"].append(exercise)
        notebooks = list(notebooks.values())
    ids = [exercise for notebook in notebooks for exercise in notebook["exercises"]]
    report = Report(f"{sum(i in done for i in ids)} of {len(ids)} exercises", WAITING)
    report.verdict = DONE if ids and set(ids) <= done.keys() else WAITING
    rows = []
    for notebook in notebooks:
        own = notebook["exercises"]
        boxes = "".join("●" if i in done else "○" for i in own)
        minutes = f"{notebook['minutes']} min" if notebook["minutes"] else ""
        rows.append(
            (notebook["title"], minutes, f"{sum(i in done for i in own)} of {len(own)} {boxes}".strip())
        )
    report.table(("notebook", "time", "exercises done"), rows)
    following = next_notebook(folder)
    if following:
        report.say(f"Next: `notebooks/{following.name}`")
    if problem:
        report.say(problem)
    else:
        report.say(f"Noted in `{progress_file()}`, on this machine only. Delete the file to start again.")
    return report
