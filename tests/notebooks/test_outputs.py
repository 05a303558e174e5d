"""What a reader sees on GitHub is what the code prints today."""

import importlib
import os
import re
import subprocess
import sys
from textwrap import dedent

import nbformat
import outputs
import pytest
from offline import CUT_OFF, can_be_cut_off
from outputs import NOTEBOOKS, ROOT, WIDGET, essence, run

TRAINING = ("08", "09", "10")  # minutes each at full size; `make test` runs them at smaller sizes
MARKS = {number: pytest.mark.long for number in TRAINING}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "path", [pytest.param(p, marks=MARKS.get(p.stem[:2], pytest.mark.slow), id=p.stem) for p in NOTEBOOKS]
)
def test_committed_outputs_are_fresh_and_need_no_network(path, tally):
    cut_off = CUT_OFF if can_be_cut_off() else []
    before = set(path.parent.rglob("*"))
    done = subprocess.run(
        [*cut_off, sys.executable, outputs.__file__, path.stem], capture_output=True, text=True, timeout=1100
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert set(path.parent.rglob("*")) == before, "a notebook leaves nothing beside it"
    tally(f"notebooks run afresh{', without a network' if cut_off else ''}", 1)


def test_importing_the_script_changes_no_variable(monkeypatch):
    monkeypatch.setenv("PERCEIVER_EDU_FAST", "1")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    before = dict(os.environ)
    importlib.reload(outputs)
    assert dict(os.environ) == before


@pytest.mark.slow
def test_a_command_that_is_cut_off_has_no_network():
    if not can_be_cut_off():
        pytest.skip("cutting a process off from the network needs unshare and ip, as on Linux")
    script = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    done = subprocess.run([*CUT_OFF, sys.executable, "-c", script], capture_output=True, text=True)
    assert "Network is unreachable" in done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_code_cell_is_committed_with_clean_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        assert cell.execution_count == number, (
            f"{cell.id}: run tests/notebooks/outputs.py --write {path.stem[:2]}"
        )
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.id
            assert WIDGET not in output.get("data", {}), cell.id
            if "image/png" in output.get("data", {}):
                assert output.metadata["image/png"]["alt"], cell.id


SHOWN = re.compile(r"`(perceiver_edu/[\w/]+\.py)`, line (\d+)\s+```python\n(.*?)```", re.DOTALL)


def test_source_in_a_committed_output_is_the_source_of_today():
    """Notebooks that train are seldom run at full size, but what they show may change on any day."""
    found = 0
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                for file, line, source in SHOWN.findall(output.get("data", {}).get("text/markdown", "")):
                    lines = source.rstrip().splitlines()
                    start, now = int(line) - 1, (ROOT / file).read_text("utf-8").splitlines()
                    now = dedent("\n".join(now[start : start + len(lines)])).splitlines()
                    assert now == lines, f"{cell.id}: run tests/notebooks/outputs.py --write {path.stem[:2]}"
                    found += 1
    assert found > 20


WIDGET_CELL = """
from perceiver_edu.course.widgets import cost_sliders
cost_sliders()
"""


def test_of_a_widget_its_text_is_kept(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WIDGET_CELL)])
    nbformat.write(notebook, tmp_path / "widget.ipynb")
    kept = run(tmp_path / "widget.ipynb")
    [output] = kept.cells[0].outputs
    assert output.data == {"text/plain": "An experiment with controls: run this cell to use it."}
    assert "widgets" not in kept.metadata


def cell_with(text):
    return nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", text=text)])


def test_a_changed_number_is_stale_and_a_duration_is_not():
    assert essence(cell_with("51 %, 4.8e-07, 1.2 s")) == essence(cell_with("51 %, 5.1e-07, 30 ms"))
    assert essence(cell_with("51 %")) != essence(cell_with("52 %"))
    one, other = (cell_with(f"The result: “{stage}”.") for stage in ("encoder", "decoder"))
    assert essence(one) != essence(other)
    one.metadata.tags = other.metadata.tags = ["measured"]
    assert essence(one) == essence(other)
