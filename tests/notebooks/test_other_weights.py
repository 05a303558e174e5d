"""The notebooks run on other weights too: here the real model's size, untrained, from a folder."""

import pytest
import torch
from outputs import NOTEBOOKS, run

from perceiver_edu import load_pretrained, save_pretrained

READY = ("00", "10")  # the others take minutes each at this size


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "full-size"
    save_pretrained(load_pretrained("random", dtype=torch.bfloat16), folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.stem[:2] in READY], ids=lambda p: p.stem)
def test_a_notebook_runs_on_full_size_random_weights(path, full_size, monkeypatch):
    monkeypatch.setenv("PERCEIVER_EDU_WEIGHTS", str(full_size))
    notebook = run(path)  # raises for a cell that fails
    [setup] = [cell for cell in notebook.cells if cell.id == "setup"]
    assert f"weights: {full_size}, 201,108,230 parameters" in setup.outputs[0].text
