"""The course in Chinese as a learner has it: the folder that the command makes, run in fresh kernels."""

import os
import subprocess
import sys

import nbformat
import pytest
from test_exercises import Learner, answers, exercise_cells, solution

from perceiver_edu.course.exercises import all_exercises

ID = "02.cost"
SKIP_ALL = "_.skip_all.click()"  # in the box of a prediction, the value of the cell before
# No language was asked for, and this is no test: a cell waits for the prediction above it.
NOT_A_LEARNERS = {"PERCEIVER_EDU_LANGUAGE", "PERCEIVER_EDU_PROGRESS", "PYTEST_CURRENT_TEST"}


def run_to_the_end(path, environment, tries=()) -> tuple[list[str], list[str]]:
    """-> the reports on these tries at exercise `ID`, and what else the notebook shows, as plain text."""
    learner, reports, shown = Learner(path), [], []
    with learner.client.setup_kernel(env=environment):
        for cell in nbformat.read(path, as_version=4).cells:
            if tries and cell.metadata.get("exercise") == {"id": ID, "role": "stub"}:
                check = cell.source.splitlines()[-1]
                reports += [learner.run(f"{answer}\n\n{check}") for answer in tries]
            elif cell.cell_type == "code":
                learner.run(cell.source)  # an error ends the test
                outputs = learner.notebook.cells[-1].outputs
                shown += [output.data["text/plain"] for output in outputs if "data" in output]
                if cell.id.endswith("-predict"):
                    learner.run(SKIP_ALL)
    return reports, shown


def without_spaces(text: str) -> str:
    """A terminal may break Chinese into lines anywhere."""
    return "".join(text.split())


@pytest.mark.slow  # half a minute
def test_a_learner_runs_00_and_02_and_solves_an_exercise_in_chinese(tmp_path):
    learners = {name: value for name, value in os.environ.items() if name not in NOT_A_LEARNERS}
    learners |= {"PERCEIVER_EDU_FAST": "1", "TQDM_DISABLE": "1"}
    folder = tmp_path / "course"
    command = [sys.executable, "-m", "perceiver_edu", "course", "--language", "zh", "--folder", str(folder)]
    made = subprocess.run(command, env=learners, check=True, capture_output=True, encoding="utf-8")
    assert "00 · 快速上手" in made.stdout

    _, shown = run_to_the_end(folder / "00_quickstart.ipynb", learners)
    assert any(text.startswith("运行下一个单元格之前，先做预测。") for text in shown)

    path = folder / "02_encoder.ipynb"
    cells = exercise_cells(path)
    wrong = next(answer for answer in answers(ID, cells[ID]) if answer.words == ["These are FLOPs"])
    (refused, accepted), shown = run_to_the_end(path, learners, [wrong.source, solution(cells[ID])])
    assert refused.startswith("✗ 尚未正确：02.cost")
    assert "这些是 FLOP，数目是两倍。这里一次乘加运算只算一次。" in refused
    assert accepted.startswith("✓ 正确：02.cost")
    waiting = [text for text in shown if text.startswith("… 尚未完成：02.")]
    assert len(waiting) == len(cells) - 1  # the other stubs

    _, [page] = run_to_the_end(folder / "start.ipynb", learners)
    for text in (accepted, page):
        assert f"已完成1/{len(all_exercises())}道练习" in without_spaces(text)
    assert "02 · 编码器" in page
