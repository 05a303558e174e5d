"""The course folder: the learner's own copy of the notebooks, which an update never overwrites.

`.perceiver-course.json` records the fingerprints of all that was written here. A file with one of them is as
it was written, so an update replaces it. Any other file is the learner's: it stays, and the new version is
written next to it, once, as `02_encoder (new in 0.3.0).ipynb`. A notebook that has another number now
(`renamed.py`) is removed under its old name, unless it is the learner's.
"""

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from perceiver_edu import __version__, data
from perceiver_edu.course.links import LIBRARY, in_course, relink, source_of
from perceiver_edu.course.overview import NAMES, new_versions
from perceiver_edu.course.place import RECORD, is_course, language_of, translated
from perceiver_edu.course.progress import take_along
from perceiver_edu.course.renamed import FILES, today
from perceiver_edu.course.start import START, TABLE, start_page
from perceiver_edu.errors import InputError
from perceiver_edu.language import ENGLISH, catalogues, speaking
from perceiver_edu.translation import linked_in, translate_notes
from perceiver_edu.weights.files import to_json
from perceiver_edu.writing import check_plain, write_whole

ABOUT_LIBRARY = b"Copies of the installed files that the notebooks link to, for reading. Nothing runs them.\n"
STILL = "-still"  # how the ids of cells end that show the picture of an experiment where no kernel runs
UNSOLVED = re.compile(r"^\s*raise NotImplementedError", re.MULTILINE)
# Where a notebook names its release: in the first code cell, and in links to the repository.
RELEASE = re.compile(rb"(?<=perceiver-edu==)[\w.]+|(?<=/v)\d+\.\d+[\w.]*(?=[/?])")


@dataclass
class Update:
    """What an update of a course folder did."""

    folder: Path
    written: dict[str, list[str]]  # {name: fingerprints of all its versions}
    made: bool = False  # the folder is new
    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)  # {a file that the learner changed: its new version}
    carried: list[str] = field(default_factory=list)  # the exercises whose answers the new versions have got
    start: Path = Path()  # the start page
    problem: str = ""  # why old progress could not be taken along

    def put(self, name: str, content: bytes, carry_answers: bool = False) -> Path:
        """Write a file, or its new version next to what the learner made of it -> the path that was meant."""
        path, new = self.folder / name, fingerprint(content)
        seen, now = self.written.setdefault(name, []), on_disk(path)
        if now is None or (now in seen and what_counts(path.read_bytes()) != what_counts(content)):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
            (self.added if now is None else self.replaced).append(name)
        elif now != new:
            path = self.put_beside(path, content, carry_answers)
        if new not in seen and not answers([content]):  # in a checkout the original may have been solved
            seen.append(new)
        return path

    def move_on(self, old: str, name: str, content: bytes, carry_answers: bool) -> bytes:
        """What `name` gets, where `old` is the name that it had: ours is removed, the learner's stays."""
        path, mark = self.folder / old, on_disk(self.folder / old)
        if mark is None:
            return content
        if mark in self.written.get(old, []):
            path.unlink()
            return content
        now = on_disk(self.folder / name)
        if now is None:
            self.beside[old] = name
        seen = self.written.setdefault(name, [])
        if carry_answers and (now is None or now in seen):
            seen.append(fingerprint(content))  # theirs is made from this version
            content, carried = with_answers(content, answers([path.read_bytes()]))
            self.carried += carried
        return content

    def put_beside(self, path: Path, content: bytes, carry_answers: bool) -> Path:
        name, new = path.relative_to(self.folder).as_posix(), fingerprint(content)
        ours = [*self.written[name], new]
        there = [version for version in new_versions(path) if on_disk(version) in ours]
        beside = next((version for version in there if on_disk(version) == new), None)
        if beside is None and new in self.written[name]:
            return path  # theirs is made from this version, or they have removed it
        if carry_answers:
            versions = sorted((path, *new_versions(path)), key=os.path.getmtime)
            theirs = answers(version.read_bytes() for version in versions)
            content, carried = with_answers(content, theirs)
            self.carried += carried
        if beside is None or fingerprint(content) != new:
            beside = beside or free_name(path, there)
            write_whole(beside, content)
            self.beside[name] = beside.relative_to(self.folder).as_posix()
        for older in there:
            if older != beside:
                with suppress(OSError):  # it may be open, on Windows
                    older.unlink()
        return beside


def update_course(folder: Path, carry_answers: bool = False) -> Update:
    """Make a course folder, or bring it up to date. `carry_answers`: new versions get the learner's answers.

    Raises: InputError for a folder that has other things in it.
    """
    language = language_of(folder)
    files, made = course_files(folder, language), not is_course(folder)
    if made:
        prepare(folder)
    update = Update(folder, read_record(folder / RECORD), made)
    for old, name in FILES.items():
        if name in files:
            files[name] = update.move_on(old, name, files[name], carry_answers)
    for name, content in files.items():
        update.put(name, content, carry_answers)
    if made:
        update.problem = take_along(folder)
    with speaking(language):
        page = to_bytes(start_page(folder))
    update.start = update.put(START, page)
    bring_table_up_to_date(update.start, page)
    update.written[START] = [fingerprint(page)]  # no more than the last: it changes with every update
    write_whole(folder / RECORD, to_json({"written": update.written, "language": language}))
    return update


def bring_table_up_to_date(path: Path, page: bytes) -> None:
    """Put the table of what is done, an output, into a start page that may have notes of the learner."""
    [table] = [cell for cell in json.loads(page)["cells"] if cell.get("id") == TABLE]
    try:
        before = path.read_bytes()
        notebook = json.loads(before)
        for cell in notebook["cells"]:
            if cell.get("id") == TABLE and "".join(cell["source"]) == table["source"]:
                cell |= {"outputs": table["outputs"], "execution_count": None}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # a damaged notebook is the learner's, too
    if to_bytes(notebook) != before:
        write_whole(path, to_bytes(notebook))


def prepare(folder: Path) -> None:
    """Make an empty folder a course folder. Raises: InputError where there is something else."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            translated(
                "{folder} is not empty and is not a course folder. Name another, as in --folder my-course",
                folder=folder,
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / RECORD, to_json({"written": {}}))


def read_record(path: Path) -> dict[str, list[str]]:
    """{name: fingerprints}. Raises: InputError for a damaged record."""
    try:
        check_plain(path)
        written = json.loads(path.read_text("utf-8"))["written"]
        if not all(isinstance(mark, str) for marks in written.values() for mark in marks):
            raise ValueError
        return written
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            translated(
                '{path} is damaged. To repair it, write {{"written": {{}}}} into it; then every notebook '
                "counts as yours",
                path=path,
            )
        ) from None


def course_files(folder: Path, language: str = ENGLISH) -> dict[str, bytes]:
    """{name: content} of a course folder: notebooks, images, the glossary, and the files that they link to.

    In another language, the notebooks have other Markdown and the same code.

    Raises: InputError where there are no notebooks, or one cannot be read.
    """
    files, linked, words = {}, set(), catalogues(language)
    headings: set[str] = set()  # to which links lead

    def locate(path: str) -> str:
        target = in_course(path, folder)
        if target.startswith(f"{LIBRARY}/"):
            linked.add(path)
        return target

    def written(text: str) -> str:
        return relink(translate_notes(text, words, headings), locate)

    notebooks, glossary = {}, data.GLOSSARY.read_text("utf-8")
    for path in sorted(data.NOTEBOOKS.glob(NAMES)):
        try:
            notebook = notebooks[path.name] = without_outputs(json.loads(path.read_text("utf-8")))
            for cell in notebook["cells"]:
                if cell["cell_type"] == "markdown":
                    cell["source"] = "".join(cell["source"])
                    headings |= linked_in(cell["source"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not a notebook ({error}). Restore it, or install perceiver-edu again"
            ) from None
    if not notebooks:
        raise InputError(
            translated(
                "there are no notebooks in {folder}: install perceiver-edu again", folder=data.NOTEBOOKS
            )
        )
    headings |= linked_in(glossary)
    for name, notebook in notebooks.items():
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = written(cell["source"])
        files[name] = to_bytes(notebook)
    files[data.GLOSSARY.name] = written(glossary).encode()
    for path in sorted(filter(Path.is_file, (data.NOTEBOOKS / "images").glob("*"))):
        files[f"images/{path.name}"] = path.read_bytes()
    if linked:
        files[f"{LIBRARY}/README.md"] = ABOUT_LIBRARY
    for name in sorted(linked):
        files[f"{LIBRARY}/{name}"] = source_of(name).read_bytes()
    return files


def without_outputs(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook in which nothing has been run, and without the cells that stand in for an experiment."""
    cells = [
        cell | {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else dict(cell)
        for cell in notebook["cells"]
        if not cell.get("id", "").endswith(STILL)
    ]
    return notebook | {"cells": cells}


def to_bytes(notebook: dict[str, Any]) -> bytes:
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def fingerprint(content: bytes) -> str:
    """SHA-256 of `what_counts`, without the version of the release, so a release alone changes nothing."""
    return sha256(RELEASE.sub(b"", what_counts(content))).hexdigest()


def what_counts(content: bytes) -> bytes:
    """A notebook's cells without outputs, so running it changes nothing; any other file as it is."""
    try:
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(content)["cells"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return content  # not a notebook, or a damaged one
    return json.dumps(cells).encode()


def on_disk(path: Path) -> str | None:
    """The fingerprint of a file, or None where there is none."""
    return fingerprint(path.read_bytes()) if check_plain(path) else None


def free_name(path: Path, ours: list[Path]) -> Path:
    """The name for a new version next to `path`: nothing is there, or only what we wrote."""
    names = (f"{path.stem} (new in {__version__}{f', {n}' if n > 1 else ''})" for n in count(1))
    paths = map(path.with_stem, names)
    return next(beside for beside in paths if beside in ours or not os.path.lexists(beside))


def answers(notebooks: Iterable[bytes]) -> dict[str, str]:
    """{exercise id: the learner's answer} from the stubs; a later notebook's replaces an earlier one's."""
    found: dict[str, str] = {}
    for content in notebooks:
        stubs: dict[str, list[str]] = {}
        try:
            for cell in json.loads(content)["cells"]:
                exercise = cell["metadata"].get("exercise", {})
                if exercise.get("role") == "stub":  # a cell that was split in two is two cells with this tag
                    stubs.setdefault(exercise["id"], []).append("".join(cell["source"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # a damaged notebook
        sources = {today(name): with_id_of_today("\n\n".join(parts), name) for name, parts in stubs.items()}
        found |= {name: text for name, text in sources.items() if text.strip() and not UNSOLVED.search(text)}
    return found


def with_id_of_today(source: str, exercise_id: str) -> str:
    """A stub whose call of `check` names the id that the exercise has now."""
    return re.sub(rf"""(?<=["']){re.escape(exercise_id)}(?=["'])""", today(exercise_id), source)


def with_answers(content: bytes, solved: dict[str, str]) -> tuple[bytes, list[str]]:
    """A notebook with these answers in the stubs of their exercises, and the ids of those that it has."""
    notebook, carried = json.loads(content), []
    for cell in notebook["cells"]:
        exercise = cell["metadata"].get("exercise", {})
        if exercise.get("role") == "stub" and exercise["id"] in solved:
            cell["source"] = solved[exercise["id"]]
            carried.append(exercise["id"])
    return to_bytes(notebook), carried
