"""Weights from a stranger: nothing they hold is run, believed or half loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_hf_model

from perceiver_edu import from_huggingface, save_pretrained

HOSTILE = Path(__file__).with_name("hostile.py")
MEGABYTES = 150  # more than any of the files takes; far less than what their headers claim


@pytest.mark.parametrize(
    ("mutants", "seed"), [(100, 0), pytest.param(1500, 1, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_broken_and_hostile_weights(mutants, seed, tmp_path, tally):
    save_pretrained(from_huggingface(tiny_hf_model()), tmp_path / "weights")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HOSTILE, tmp_path / "weights", str(mutants), str(seed)],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert not found["wrong"], "\n".join(found["wrong"])
    assert found["refused"] + found["loaded"] == mutants and found["refused"] > 0.9 * mutants
    assert found["megabytes"] < MEGABYTES
    tally("broken or hostile folders of weights, refused by one line", found["refused"])
    tally("changed folders of weights whose change was harmless, loaded whole", found["loaded"])
