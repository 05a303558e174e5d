"""`make lab` as a learner starts it, without a browser; then once with one."""

import contextlib
import json
import socket
import urllib.error
import urllib.request
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from lab_server import ROOT, free_port, running

START = "start.ipynb"
SECONDS_TO_START = 900  # the first time, `make lab` sets up .venv


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running `make lab` of nobody's settings: port, url with token, process."""
    port = free_port()
    folder = tmp_path_factory.mktemp("lab")
    options = f"LAB_ARGS=--no-browser --port {port} --ServerApp.port_retries=0"
    command = ["make", "lab", options, f"COURSE={folder / 'my course'}"]
    address = r"is running at:\n.* (http://\S+)\n"
    with running(command, folder, address, SECONDS_TO_START) as (process, url):
        yield SimpleNamespace(port=port, url=url[1], process=process)
    with pytest.raises(ConnectionRefusedError):  # and nothing is left running
        socket.create_connection(("127.0.0.1", port), timeout=5)


def contents(lab, token):
    address = f"http://127.0.0.1:{lab.port}/api/contents/{START}?token={token}"
    with urllib.request.urlopen(address, timeout=120) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS_TO_START + 60)
def test_make_lab_serves_the_start_page_to_whoever_has_the_token(lab):
    assert lab.url.startswith(f"http://127.0.0.1:{lab.port}/lab/tree/{START}?token=")
    served = contents(lab, token=lab.url.partition("token=")[2])["content"]
    page = "".join(served["cells"][1]["outputs"][0]["data"]["text/html"])
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f'href="{notebook.name}"' in page
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


@pytest.mark.browser
def test_the_printed_address_opens_the_start_page_which_leads_to_a_notebook(lab, page):
    page.goto(lab.url)
    heading = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-RenderedMarkdown h1").first
    heading.wait_for(timeout=60_000)
    assert heading.inner_text().rstrip("¶") == "Perceiver IO, to the last tensor"
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=60_000)
    first = nbformat.read(ROOT / "notebooks" / "00_quickstart.ipynb", as_version=4).cells[0].source
    title = first.splitlines()[0].removeprefix("# ")
    page.locator(".perceiver-edu-check table").get_by_text(title).click()
    opened = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-RenderedMarkdown h1", has_text=title)
    opened.wait_for(timeout=60_000)
    link = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").get_by_role(
        "link", name="perceiver_edu/model.py"
    )
    looks = "a => [a, a.lastElementChild ?? a].map(part => getComputedStyle(part).color)"
    colour, of_words = link.first.evaluate(looks)
    assert of_words == colour, "it looks like a link"
    link.first.click()
    page.locator(".jp-FileEditor").get_by_text("class PerceiverIOForMaskedLM").wait_for(timeout=60_000)
