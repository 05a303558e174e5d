"""The real weights are looked for without waiting, and fetched only when somebody asks."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub import serve
from tiny import TINY

from perceiver_edu import PerceiverIOConfig, PerceiverIOForMaskedLM, save_pretrained

SCRIPT = """
import sys
from perceiver_edu import InputError
from perceiver_edu.course.hub import REAL, real_weights
try:
    print(real_weights(download="download" in sys.argv))
except InputError as error:
    print("InputError:", error)
"""


def run(address, cache, *arguments):
    environment = os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_nothing_is_fetched_until_it_is_asked_for(tmp_path):
    save_pretrained(PerceiverIOForMaskedLM(PerceiverIOConfig(**TINY)), tmp_path / "real")
    with serve({"deepmind/language-perceiver": {"main": tmp_path / "real"}}) as (address, asked):
        assert run(address, tmp_path / "cache") == "None" and not asked
        folder = run(address, tmp_path / "cache", "download")
        assert json.loads(Path(folder, "config.json").read_text("utf-8"))["d_model"] == 16
        asked.clear()
        assert run(address, tmp_path / "cache") == folder and not asked


@pytest.mark.slow
def test_a_hub_out_of_reach_says_so_in_one_line_and_at_once(tmp_path):
    start = time.perf_counter()
    out = run("http://127.0.0.1:9", tmp_path, "download")
    refused = "InputError: the hub (http://127.0.0.1:9) cannot be reached, so nothing was downloaded. "
    assert out.startswith(refused) and "\n" not in out
    assert run("http://127.0.0.1:9", tmp_path) == "None"
    assert time.perf_counter() - start < 60  # two processes that import torch; no retries
