"""What a reader sees on GitHub is what the code prints today."""

import nbformat
import pytest
from outputs import NOTEBOOKS, essence, stale_cells


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_outputs_are_fresh(path):
    assert stale_cells(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_code_cell_is_committed_with_clean_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        assert cell.execution_count == number, cell.id
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.id
            if "image/png" in output.get("data", {}):
                assert output.metadata["image/png"]["alt"], cell.id


def cell_with(text):
    return nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", text=text)])


def test_a_changed_number_is_stale_and_a_duration_is_not():
    assert essence(cell_with("51 %, 4.8e-07, 1.2 s")) == essence(cell_with("51 %, 5.1e-07, 30 ms"))
    assert essence(cell_with("51 %")) != essence(cell_with("52 %"))
