"""What many tests share: a tiny model and Hugging Face's beside it; Chromium; counts of what was tried."""

import io
import os
import shutil
import sys

import pytest
import torch

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
os.environ.pop("PERCEIVER_EDU_WEIGHTS", None)  # the tests choose their weights themselves
os.environ["PERCEIVER_EDU_LANGUAGE"] = "en"  # whatever the locale is

from tiny import TEXTS, tiny_hf_model

from perceiver_edu import ByteTokenizer, cli, from_huggingface

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
MUST = os.environ.get("CI") or os.environ.get("PERCEIVER_EDU_REQUIRE_BROWSER")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    if BROWSER is None and MUST:
        pytest.fail("no Chromium on this machine, and here the browser tests may not be left out")
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    return browser_type_launch_args | {"executable_path": BROWSER, "args": FLAGS}


@pytest.fixture
def hf_model():
    return tiny_hf_model()


@pytest.fixture
def model(hf_model):
    return from_huggingface(hf_model)


@pytest.fixture
def batch():
    """ids (2, 25) and mask (2, 25): a padded batch."""
    return ByteTokenizer().batch(TEXTS, pad_to=25)


@pytest.fixture
def one_thread():
    """So that sums are added up in the same order, also on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command in this process -> exit code, stdout, stderr."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        with pytest.raises(SystemExit) as done:
            cli.main([str(argument) for argument in arguments])
        return done.value.code, *capsys.readouterr()

    return run


TALLY = pytest.StashKey[dict]()


@pytest.fixture
def tally(request):
    """tally(what, number): counts of what was tried, for the table at the end of the run."""
    counts = request.config.stash.setdefault(TALLY, {})

    def add(what, number):
        counts[what] = counts.get(what, 0) + number

    return add


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes: its counts go to the first
        session.config.workeroutput["tally"] = session.config.stash.get(TALLY, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    counts = node.config.stash.setdefault(TALLY, {})
    for what, number in getattr(node, "workeroutput", {}).get("tally", {}).items():
        counts[what] = counts.get(what, 0) + number


def pytest_terminal_summary(terminalreporter, config):
    counts = config.stash.get(TALLY, {})
    if counts:
        terminalreporter.section("what was tried")
        for what, number in sorted(counts.items()):
            terminalreporter.line(f"{number:>8,}  {what}")
