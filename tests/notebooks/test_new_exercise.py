"""What `make new-exercise` lays out is an exercise from the start: found, solved, its mistakes named."""

import importlib.util
import re
from dataclasses import replace
from shutil import copy

import nbformat
import patches
import pytest
from new_exercise import ROOT, lay_out

from perceiver_edu.course.checks import judge
from perceiver_edu.course.report import DONE, NOT_YET, Report

CHINESE = "docs/locale/zh_CN/LC_MESSAGES/readme.po"


@pytest.fixture
def root(tmp_path):
    """A repository with one notebook that has exercises."""
    for folder in ("notebooks", "perceiver_edu/course/exercises/n02_encoder", "tests/notebooks/answers"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("notebooks/02_encoder.ipynb", "README.md", CHINESE):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / file, tmp_path / file)
    return tmp_path


def test_the_skeleton_works(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "progress.json"))
    module, _, answers = lay_out("02.twice_as_large", root)
    before, after = (nbformat.read(folder / "notebooks/02_encoder.ipynb", 4) for folder in (ROOT, root))
    nbformat.validate(after)
    kept = [
        cell for cell in after.cells if cell.metadata.get("exercise", {}).get("id") != "02.twice_as_large"
    ]
    assert kept == before.cells
    roles = [cell.metadata.get("exercise", {}).get("role") for cell in after.cells]
    start = next(i for i, cell in enumerate(after.cells) if cell not in kept)
    assert roles[start - 1] == "solution" and roles[start : start + 4] == [
        "task",
        "stub",
        "hints",
        "solution",
    ]

    written = [module.read_text("utf-8"), answers.read_text("utf-8")]
    written += [cell.source for cell in after.cells[start : start + 4]]
    assert sum(len(text.splitlines()) for text in written) <= 60

    spec = importlib.util.spec_from_file_location("skeleton", module)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    exercise = replace(loaded.EXERCISE, id="02.twice_as_large")
    solution = after.cells[start + 3].source.partition("```python\n")[2].partition("```")[0]
    handed_in = [("correct", [], "solution", solution), *patches.read(answers, solution)]
    assert {kind for kind, *_ in handed_in} == {"correct", "mistake", "unknown"}
    for kind, words, _, source in handed_in:
        exec(source, space := {})
        report = repr(judge(exercise, space["twice_as_large"], Report("")))
        assert report.startswith(DONE if kind == "correct" else NOT_YET)
        named = any(mistake.says[:20] in report for mistake in exercise.known_mistakes)
        assert named == (kind == "mistake") and all(word in report for word in words)


def test_the_number_of_exercises_grows_in_the_readme_and_its_translation(root):
    lay_out("02.twice", root)
    for file in ("README.md", CHINESE):
        old, new = ((folder / file).read_text("utf-8").splitlines() for folder in (ROOT, root))
        changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert len(changed) == (1 if file == "README.md" else 2)
        for before, after in changed:
            was, now = re.search(r"\| (\d+)\D*$", before), re.search(r"\| (\d+)\D*$", after)
            assert "notebooks/02_encoder.ipynb" in after and int(now[1]) == int(was[1]) + 1


@pytest.mark.parametrize(
    "exercise_id, message",
    [("", "an id has the form"), ("02.Big", "an id has"), ("99.twice", "no notebook 99")],
)
def test_an_id_that_does_not_fit_is_refused(root, exercise_id, message):
    with pytest.raises(ValueError, match=message):
        lay_out(exercise_id, root)


def test_nothing_is_overwritten(root):
    lay_out("02.twice", root)
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    with pytest.raises(ValueError, match="is there already"):
        lay_out("02.twice", root)
    assert before == {path: path.read_bytes() for path in root.rglob("*.*")}
