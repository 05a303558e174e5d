"""Weights from the hub, over HTTP: from a server on loopback that speaks its protocol and has troubles."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from hub import serve
from tiny import tiny_hf_model

from perceiver_edu import from_huggingface, save_pretrained

# A learner's process, told line by line what to load. Only the waiting between tries is made shorter.
LEARNER = """
import json, sys, time
from perceiver_edu import InputError, load_pretrained
sleep, time.sleep = time.sleep, lambda seconds: sleep(seconds / 100)
for line in sys.stdin:
    repo, revision = json.loads(line)
    try:
        answer = load_pretrained(repo, revision=revision).mlm_head.bias[7].item()
    except InputError as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""


@contextmanager
def learner(address, cache, **variables):
    """Yields load(repo, revision=None) -> a number that tells weights apart, or the error's text."""
    environment = os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    environment["TQDM_POSITION"] = "-1"  # bars also where nobody watches
    environment = {k: v for k, v in environment.items() if k != "HF_HUB_OFFLINE"} | variables
    log = cache.with_suffix(".log")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", LEARNER],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip

        def load(repo, revision=None):
            process.stdin.write(json.dumps([repo, revision]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, log.read_text()
            return json.loads(answer)

        load.log = log.read_text
        try:
            yield load
        finally:
            process.stdin.close()
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Folders of weights that say 1.0, 2.0, ..."""
    model = from_huggingface(tiny_hf_model())
    folders = []
    for number in range(1, 4):
        with torch.no_grad():
            model.mlm_head.bias[7] = number
        folders.append(tmp_path_factory.mktemp("hub") / str(number))
        save_pretrained(model, folders[-1])
    return folders


def downloads(asked):
    return [line for line in asked if line.startswith("GET") and line.endswith("/model.safetensors")]


@pytest.mark.slow
def test_first_from_the_hub_then_from_the_cache_then_without_a_network(weights, tmp_path):
    one, two, _ = weights
    cache = tmp_path / "cache"
    repositories = {"someone/tiny": {"main": one, "v2": two}}
    with serve(repositories) as (address, asked), learner(address, cache) as load:
        assert load("someone/tiny") == 1.0 and len(downloads(asked)) == 1
        assert "model.safetensors: 100%" in load.log()
        assert load("someone/tiny") == 1.0 and len(downloads(asked)) == 1
        assert load("someone/tiny", "v2") == 2.0
        assert "no revision 'v3'" in load("someone/tiny", "v3")
        with learner(address, cache, HF_HUB_OFFLINE="1") as offline:
            asked.clear()
            assert offline("someone/tiny") == 1.0 and not asked
            assert "not in the local cache" in offline("someone/other")
        repositories["someone/tiny"]["main"] = weights[2]  # the owner has pushed: another ETag
        assert load("someone/tiny") == 3.0
    with learner("http://127.0.0.1:9", cache) as cut_off:  # nobody listens there
        assert cut_off("someone/tiny") == 3.0
        message = cut_off("someone/other")
        assert "http://127.0.0.1:9" in message and "embedded" in message


def test_every_trouble_ends_in_the_model_or_in_one_line(weights, tmp_path):
    one = weights[0]
    only_bin, empty = tmp_path / "bin", tmp_path / "empty"
    for folder in (only_bin, empty):
        folder.mkdir()
        (folder / "config.json").write_bytes((one / "config.json").read_bytes())
    (only_bin / "pytorch_model.bin").write_bytes(b"a pickle")
    (tmp_path / "nothing").mkdir()
    repositories = {f"a/{name}": {"main": one} for name in ("dropped", "busy", "dead", "gated", "short")}
    repositories |= {"a/bin": {"main": only_bin}, "a/empty": {"main": empty}}
    repositories |= {"a/nothing": {"main": tmp_path / "nothing"}}
    faults = {
        "a/dropped/model.safetensors": ["drop", "drop"],
        "a/busy/model.safetensors": [503, 502],
        "a/dead/model.safetensors": [503] * 99,
        "a/gated/config.json": [403],
        "a/short/model.safetensors": ["short"] * 99,
    }
    with serve(repositories, faults) as (address, asked), learner(address, tmp_path / "cache") as load:
        assert load("a/dropped") == 1.0
        assert len([line for line in downloads(asked) if "/dropped/" in line]) == 3
        assert load("a/busy") == 1.0
        assert "the hub answers 503; retrying in 1 s" in load.log()
        expected = {
            "a/dead": "downloading a/dead failed: ",
            "a/gated": "a/gated is gated: ask for access on its page",
            "a/short": "downloading a/short failed: ",
            "a/empty": "a/empty has no model.safetensors, or has only pytorch_model.bin, a pickle",
            "a/bin": "a/bin has no model.safetensors, or has only pytorch_model.bin, a pickle",
            "a/..": "no weights 'a/..': there is no such folder",
            "a/nothing": "a/nothing has no config.json",
            "a/missing": "the hub has no repository 'a/missing', or it is private",
        }
        for repo, start in expected.items():
            message = load(repo)
            assert isinstance(message, str) and message.startswith(start) and "\n" not in message
        del faults["a/dead/model.safetensors"][:]
        assert load("a/dead") == 1.0  # nothing broken is left behind: the next try succeeds


@pytest.mark.slow
def test_a_mirror_serves_what_the_hub_would(weights, tmp_path):
    """Small files come from the mirror, large ones from where it points to, nothing from anywhere else."""
    repositories = {"someone/tiny": {"main": weights[0]}}
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    nowhere |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    with (
        serve(repositories) as (storage, stored),
        serve(repositories, storage=storage) as (mirror, asked),
        learner(f"{mirror}/", tmp_path / "cache", **nowhere) as load,  # people write the last slash
    ):
        assert load("someone/tiny") == 1.0
        assert "has no repository 'someone/other'" in load("someone/other")
    assert any(line.endswith("/config.json") for line in asked)
    assert len(downloads(stored)) == 1


def test_a_mirror_without_https_is_named(tmp_path):
    with learner("hf-mirror.com", tmp_path / "cache") as load:
        assert "let HF_ENDPOINT begin with https://" in load("someone/tiny")


@pytest.mark.slow
def test_other_weights_under_deepminds_name_are_refused(weights, tmp_path):
    repositories = {"deepmind/language-perceiver": {"main": weights[0]}}
    with serve(repositories) as (address, _), learner(address, tmp_path / "cache") as load:
        assert load("deepmind/language-perceiver").startswith("these are not the published weights")
