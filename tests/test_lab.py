"""`make lab` as a learner starts it, without a browser; then once with one."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest

ROOT = Path(__file__).parents[1]
START = "start.ipynb"  # written by `make lab`
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
SECONDS_TO_START = 900  # the first time, `make lab` sets up .venv


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running `make lab` of nobody's settings: port, url with token, process."""
    folder, port = tmp_path_factory.mktemp("jupyter"), free_port()
    homes = ["CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"], ["SETTINGS_DIR", "WORKSPACES_DIR"]
    settings = {f"JUPYTER_{name}": str(folder / name) for name in homes[0]}
    settings |= {f"JUPYTERLAB_{name}": str(folder / name) for name in homes[1]}
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", "lab", f"LAB_ARGS=--no-browser --port {port} --ServerApp.port_retries=0"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "JUPYTER_TOKEN"} | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not (url := re.search(r"is running at:\n.* (http://\S+)\n", log.read_text())):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield SimpleNamespace(port=port, url=url[1], process=process)
        process.terminate()  # make passes it on
        process.wait(timeout=60)
        with pytest.raises(ConnectionRefusedError):  # and nothing is left running
            socket.create_connection(("127.0.0.1", port), timeout=5)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def contents(lab, token):
    address = f"http://127.0.0.1:{lab.port}/api/contents/{START}?token={token}"
    with urllib.request.urlopen(address, timeout=120) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS_TO_START + 60)
def test_make_lab_serves_the_start_page_to_whoever_has_the_token(lab):
    assert lab.url.startswith(f"http://127.0.0.1:{lab.port}/lab/tree/{START}?token=")
    served = contents(lab, token=lab.url.partition("token=")[2])["content"]
    page = served["cells"][0]["source"]
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f"](notebooks/{notebook.name})" in page
    for token in ("", "wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            contents(lab, token)
        assert refused.value.code == 403


@pytest.mark.slow
def test_make_lab_listens_on_loopback_only(lab):
    listening = set()
    for process in psutil.Process(lab.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # one that has just ended listens no more
            connections = process.net_connections("inet")
            listening |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
    return browser_type_launch_args | {"executable_path": BROWSER, "args": quiet}


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_the_printed_address_opens_the_start_page_which_leads_to_a_notebook(lab, page):
    page.goto(lab.url)
    heading = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-RenderedMarkdown h1").first
    heading.wait_for(timeout=60_000)
    assert heading.inner_text().rstrip("¶") == "Perceiver IO, to the last tensor"
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=60_000)
    first = nbformat.read(ROOT / "notebooks" / "00_quickstart.ipynb", as_version=4).cells[0].source
    title = first.splitlines()[0].removeprefix("# ")
    page.locator(".jp-RenderedMarkdown table").get_by_text(title).click()
    opened = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-RenderedMarkdown h1", has_text=title)
    opened.wait_for(timeout=60_000)
