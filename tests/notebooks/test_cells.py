"""Cells that a learner can read, and predictions that come before their results."""

import ast
import re

import nbformat
import pytest
from one_click import CELL
from outputs import NOTEBOOKS

from perceiver_edu.course.prediction import predictions_in

READY = ("00", "01")  # the others follow
LINES, COLUMNS = 20, 88
REVEALED = re.compile(r"""\breveal\(\s*["'](\d\d\.\w+)["']""")
RESULT = re.compile("The result: “?(.+?)”?\\.")
CHOSEN = [path for path in NOTEBOOKS if path.stem.startswith(READY)]


@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.stem)
def test_cells_are_short_and_narrow(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and cell.id != CELL:
            lines = cell.source.splitlines()
            assert len(lines) <= LINES and max(map(len, lines)) <= COLUMNS, cell.id


@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.stem)
def test_a_prediction_is_asked_in_the_cell_before_the_one_that_reveals_it(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    asked = predictions_in(code)
    assert asked and all(id[:2] == path.stem[:2] for id in asked)
    revealed = [(id, place) for place, cell in enumerate(code) for id in REVEALED.findall(cell.source)]
    assert [id for id, _ in revealed] == asked
    assert [predictions_in([code[place - 1]]) for _, place in revealed] == [[id] for id in asked]
    prompts = "Before you run", "double-click", "Your prediction", "Your guess"
    assert not [cell.id for cell in notebook.cells if any(prompt in cell.source for prompt in prompts)]


@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.stem)
def test_the_alt_text_in_a_cell_does_not_tell_the_result_before_it_runs(path):
    seen = 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code" or not REVEALED.search(cell.source):
            continue
        texts = " ".join(texts_of("alt", cell.source))
        for output in cell.outputs:
            if result := RESULT.fullmatch(output.get("data", {}).get("text/plain", "")):
                seen += 1
                number = re.match(r"-?[\d.,]*\d", result[1])
                answer = re.escape(number[0] if number else result[1])
                assert not re.search(rf"(?<![\w.]){answer}\b", texts), cell.id
    assert seen


def texts_of(name: str, source: str) -> list[str]:
    """The texts that a cell's code puts together for this variable."""
    put = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign | ast.AugAssign)]
    of_name = [node for node in put if name in ast.unparse(node).partition("=")[0]]
    parts = [part for node in of_name for part in ast.walk(node.value)]
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
