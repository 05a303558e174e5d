"""What the tests of pre-training and fine-tuning share: a small model, interruptions, comparing runs."""

import csv
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from perceiver_edu import PerceiverIOConfig
from perceiver_edu.training import loop

CONFIG = PerceiverIOConfig(
    max_position_embeddings=40, d_model=8, num_latents=3, d_latents=12, num_self_attends_per_block=1,
    num_self_attention_heads=2, num_cross_attention_heads=2, qk_channels=None, v_channels=None,
    cross_attention_shape_for_attention="q", attention_probs_dropout_prob=0.3,
)  # fmt: skip
ENVIRONMENT = os.environ | {  # for other processes: they find the package and the tests of this folder
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(map(str, [Path(__file__).parents[2], Path(__file__).parent])),
}
RANKS = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


@contextmanager
def cut_off(monkeypatch, at, error=KeyboardInterrupt):
    """Within, the step `at` never comes: an interruption does, and ends in this error."""
    original = loop.train_step

    def step(*arguments):
        if arguments[3] == at:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(loop, "train_step", step)
        yield


def in_two_processes(*arguments, code=0):
    command = [*RANKS, *map(str, arguments)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=500)
    assert done.returncode == code, done.stderr
    return done


def log_rows(folder):
    """log.csv as dictionaries, without what depends on the clock."""
    with open(folder / "log.csv", newline="") as file:
        table = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if "_per_second" not in name} for row in table]


def assert_same_run(one, other, record):
    """Bitwise the same weights, log and `record`: samples.txt or results.json."""
    first, second = (load_file(folder / "model" / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
    assert log_rows(one) == log_rows(other)
    assert (one / record).read_bytes() == (other / record).read_bytes()
