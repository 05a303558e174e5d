"""A claim that fails is a sentence for a learner who changed the inputs, and a failure everywhere else."""

import ast
from pathlib import Path

import nbformat
import pytest

from perceiver_edu.course import claims

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_a_claim_fails_everywhere_but_where_a_learner_is_at_work(monkeypatch, capsys):
    with pytest.raises(AssertionError), claims():
        assert 1 == 2
    monkeypatch.setattr("perceiver_edu.course.place.course_around", lambda: Path())
    with pytest.raises(AssertionError), claims():
        assert 1 == 2
    monkeypatch.setitem(claims.__wrapped__.__globals__, "learner_at_work", lambda: True)
    with claims():
        assert 1 == 2
    with claims():
        raise KeyError("changed")
    assert capsys.readouterr().out.count("written for the original inputs") == 2
    with claims():
        missing  # noqa: B018, F821
    assert capsys.readouterr().out == "Run the cell above first.\n"


def test_cells_with_claims_are_folded_and_hold_nothing_else():
    found = 0
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            if "claims" not in cell.metadata.get("tags", []):
                continue
            found += 1
            assert cell.metadata["jupyter"]["source_hidden"], cell.id
            [block] = [node for node in ast.parse(cell.source).body if not isinstance(node, ast.ImportFrom)]
            assert isinstance(block, ast.With) and ast.unparse(block.items[0]) == "claims()", cell.id
            assert not cell.outputs, cell.id
    assert found
