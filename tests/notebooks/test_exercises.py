"""The exercises as a learner does them: solved from the notebook's own text, and wrong in all the usual ways.

The set-up cell of a notebook runs; then each stub is replaced by what learners write, and checked.
"""

import ast
import json
import re
from pathlib import Path

import nbformat
import patches
import pytest
from nbclient import NotebookClient
from outputs import NOTEBOOKS

from perceiver_edu.course.exercises import all_exercises
from perceiver_edu.course.report import DONE, NOT_YET

ANSWERS = Path(__file__).parent / "answers"
ROLES = ["task", "stub", "hints", "solution"]
NUMBERS = {exercise_id[:2] for exercise_id in all_exercises()}
WITH_EXERCISES = [path for path in NOTEBOOKS if path.stem[:2] in NUMBERS]


def exercise_cells(path: Path) -> dict[str, dict]:
    """{exercise id: {role: cell}}"""
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        tag = cell.metadata.get("exercise")
        if tag:
            found.setdefault(tag["id"], {})[tag["role"]] = cell
    return found


def solution(cells: dict) -> str:
    [block] = re.findall(r"<details>.*?```python\n(.*?)```.*?</details>", cells["solution"].source, re.DOTALL)
    return block


def answers(exercise_id: str, cells: dict) -> list[patches.Answer]:
    """The answers in answers/, of which most are written as changes to the notebook's solution."""
    return patches.read(ANSWERS / f"{exercise_id.replace('.', '_')}.diff", solution(cells))


class Learner:
    """A running notebook, in which cells can be replaced."""

    def __init__(self, path):
        self.notebook = nbformat.v4.new_notebook(metadata=nbformat.read(path, as_version=4).metadata)
        self.client = NotebookClient(
            self.notebook, timeout=120, resources={"metadata": {"path": path.parent}}
        )

    def run(self, source: str) -> str:
        """The cell's value, as plain text."""
        cell = nbformat.v4.new_code_cell(source)
        self.notebook.cells.append(cell)
        self.client.execute_cell(cell, len(self.notebook.cells) - 1)
        values = [output.data for output in cell.outputs if output.output_type == "execute_result"]
        return values[-1]["text/plain"] if values else ""


@pytest.fixture(scope="module")
def run():
    """One kernel for all notebooks: to start one and import torch takes longer than the exercises."""
    learner = Learner(NOTEBOOKS[0])
    with learner.client.setup_kernel():
        yield learner.run


@pytest.fixture
def progress(run, tmp_path):
    """The kernel's progress file, in a kernel as if it were new."""
    file = tmp_path / "progress.json"
    run(f"%reset -f\n%env PERCEIVER_EDU_PROGRESS={file}")
    return file


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_every_exercise_has_its_four_cells_in_order(path):
    number = path.stem[:2]
    cells = exercise_cells(path)
    assert set(cells) == {exercise_id for exercise_id in all_exercises() if exercise_id.startswith(number)}
    for exercise_id, by_role in cells.items():
        exercise = all_exercises()[exercise_id]
        assert list(by_role) == ROLES
        assert "raise NotImplementedError" in by_role["stub"].source
        assert by_role["stub"].source.splitlines()[-1] == f'check("{exercise_id}", {exercise.name})'
        assert by_role["task"].source.splitlines()[2] == f"*{exercise.about}*"
        assert 1 <= by_role["hints"].source.count("<details>") <= 3
        assert solution(by_role)


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_arguments_come_in_the_order_of_the_stub(path):
    """A learner may rename them, or write `*args`."""
    for exercise_id, by_role in exercise_cells(path).items():
        exercise = all_exercises()[exercise_id]
        [stub] = [node for node in ast.parse(by_role["stub"].source).body if hasattr(node, "name")]
        if isinstance(stub, ast.ClassDef):
            [stub] = [node for node in stub.body if getattr(node, "name", "") == "__init__"]
        names = [argument.arg for argument in stub.args.args if argument.arg != "self"]
        assert all(list(arguments) == names for arguments in exercise.cases().values()), exercise_id


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "kinds",
    [("solved",), pytest.param(("mistake", "correct", "unknown"), marks=pytest.mark.slow)],
    ids=["solved", "every other answer"],
)
def test_solutions_pass_and_mistakes_are_named(path, kinds, run, progress, tally):
    setup = next(cell for cell in nbformat.read(path, as_version=4).cells if cell.id == "setup")
    known = {i: [m.says for m in exercise.known_mistakes] for i, exercise in all_exercises().items()}
    counts = {"solved": 0, "mistake": 0, "correct": 0, "unknown": 0}
    wrong = []
    run(setup.source)
    for exercise_id, cells in exercise_cells(path).items():
        rerun = cells["stub"].source.splitlines()[-1]
        tries = [patches.Answer("solved", [], "", solution(cells)), *answers(exercise_id, cells)]
        for kind, words, title, source in (answer for answer in tries if answer.kind in kinds):
            forget = f"{all_exercises()[exercise_id].name} = None"  # what the answer before defined
            report = " ".join(run(f"{forget}\n{source}\n\n{rerun}").split())
            named = [says for says in known[exercise_id] if " ".join(says.split()) in report]
            good = {
                "solved": report.startswith(DONE),
                "correct": report.startswith(DONE),
                "mistake": report.startswith(NOT_YET) and named and all(word in report for word in words),
                "unknown": report.startswith(NOT_YET) and not named,
            }[kind]
            if good:
                counts[kind] += 1
            else:
                wrong.append(f"{exercise_id}, {kind} {words}, {title}:\n{source}\n{report}\n")
    tally("exercises solved by the notebook's own text", counts["solved"])
    tally("mistakes named", counts["mistake"])
    tally("right answers in unusual style that pass", counts["correct"])
    tally("unknown mistakes refused without a wrong name", counts["unknown"])
    assert not wrong, "\n".join(wrong)
    done = json.loads(progress.read_text())["done"]
    assert set(done) == set(exercise_cells(path))


@pytest.mark.parametrize("exercise_id", all_exercises())
def test_there_are_answers_of_every_kind(exercise_id):
    [path] = [path for path in NOTEBOOKS if path.stem[:2] == exercise_id[:2]]
    kinds = [answer.kind for answer in answers(exercise_id, exercise_cells(path)[exercise_id])]
    assert {"correct", "mistake", "unknown"} == set(kinds)
    assert kinds.count("mistake") >= len(all_exercises()[exercise_id].known_mistakes) * 0.75
