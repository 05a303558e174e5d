"""JupyterLab in headless Chromium: one server for all, a copy of the notebooks, a page for each test."""

import json
import os
import platform
import shutil
import statistics
import sys
import urllib.request
from contextlib import contextmanager
from datetime import date
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from lab_page import ExperimentView, LabPage
from lab_server import ROOT, free_port, running

from perceiver_edu.course.widgets import WIDGETS
from perceiver_edu.instruments.machine import processor_name

RESULTS = ROOT / "benchmarks" / "results" / "widgets.json"
SCREENSHOTS = Path(__file__).parent / "screenshots"
SETTINGS = {  # JupyterLab's own: every cell is on the page, nothing is saved, nobody is asked for news
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
AXE["rules"] = {"scrollable-region-focusable": {"enabled": False}}  # Chromium itself lets Tab go to them
OURS = [".jp-RenderedHTMLCommon", ".jp-OutputArea-output"]  # of a notebook's page; the rest is JupyterLab's


@pytest.fixture(scope="session")
def lab_server(browser_type_launch_args, tmp_path_factory):
    """The address of a JupyterLab with its token, over a copy of the notebooks without outputs."""
    folder = tmp_path_factory.mktemp("lab")
    notebooks = Path(shutil.copytree(ROOT / "notebooks", folder / "notebooks"))
    for notebook in notebooks.glob("*.ipynb"):  # without outputs: what is seen comes from this run
        content = nbformat.read(notebook, as_version=4)
        for cell in content.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(content, notebook)
    variables = {"PERCEIVER_EDU_PROGRESS": str(folder / "progress.json")}
    variables |= {"PERCEIVER_EDU_FAST": "1"}  # notebook 09 trains what its experiment shows
    with serving(notebooks, folder, **variables) as found:
        yield found


@contextmanager
def serving(notebooks: Path, folder: Path, **variables):
    """JupyterLab over this folder of notebooks, its own files in the other -> address, token."""
    for name, setting in SETTINGS.items():
        file = folder / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(setting))
    port = free_port()
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip", "127.0.0.1", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}"]
    command += ["--LabApp.expose_app_in_browser=True"]  # `window.jupyterapp`, to change the theme
    address = rf"(http://127\.0\.0\.1:{port})/lab\?token=(\w+)"
    with running(command, folder, address, 120, HF_HUB_OFFLINE="1", **variables) as (_, found):
        yield found.groups()


@pytest.fixture
def lab_page(lab_server, page):
    """`open_notebook(name)` -> a `LabPage`. At the end: no error in the console, no request elsewhere."""
    address, token = lab_server
    complaints = []

    def watch(request):
        if not request.url.startswith((address, "data:", "blob:", address.replace("http", "ws"))):
            complaints.append(f"request to {request.url}")

    page.on("request", watch)
    page.on("pageerror", lambda error: complaints.append(f"error on the page: {error}"))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.set_viewport_size({"width": 1100, "height": 900})
    page.set_default_timeout(120_000)  # only a busy machine needs it

    def open_notebook(name) -> LabPage:
        return LabPage(page, address, token, ROOT / "notebooks" / f"{name}.ipynb", SCREENSHOTS)

    yield open_notebook
    for session in rest(address, token, "sessions"):
        rest(address, token, f"sessions/{session['id']}", "DELETE")
    assert not complaints, complaints


def rest(address, token, path, method="GET"):
    request = urllib.request.Request(f"{address}/api/{path}?token={token}", method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    return json.loads(content) if content else None


@pytest.fixture(scope="session")
def latencies(browser):
    """{experiment: [(kernel, screen), …]} in ms; written at the end where PERCEIVER_EDU_LATENCIES asks.

    Then every experiment has to have been driven: the file is that of one whole run, on a quiet machine.
    """
    measured = {}
    yield measured
    if not os.environ.get("PERCEIVER_EDU_LATENCIES"):
        return
    missing = set(WIDGETS) - set(measured)
    assert not missing, f"nothing was written: {missing} were not measured"
    table = {}
    for name, pairs in sorted(measured.items()):
        row = {"drawings": len(pairs), "screen_first_ms": round(pairs[0][1])}
        for what, values in zip(("kernel", "screen"), zip(*pairs, strict=True), strict=True):
            row[f"{what}_median_ms"] = round(statistics.median(values))
            highest = statistics.quantiles(values, n=20, method="inclusive")[-1]
            row[f"{what}_95th_percentile_ms"] = round(highest)
        table[name] = row
    machine = {
        "date": date.today().isoformat(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "browser": browser.version,
    }
    content = {"machine": machine, "weights": "embedded; those of notebook 10 are trained there"}
    RESULTS.write_text(json.dumps(content | {"experiments": table}, indent=1, ensure_ascii=False) + "\n")
    limits = {"screen_first_ms": 1500, "kernel_median_ms": 150, "screen_median_ms": 400}
    slow = [name for name, row in table.items() if any(row[what] > most for what, most in limits.items())]
    assert not slow, f"slower than {limits}: {slow}; see {RESULTS}"


@pytest.fixture
def show(lab_page):
    """`show(name)` -> the view of an experiment in its notebook, after the cells that it needs."""

    def view_of(name) -> ExperimentView:
        lab = lab_page(WIDGETS[name].notebook)
        lab.run(*WIDGETS[name].needs.split())
        return lab.show(WIDGETS[name])

    return view_of


@pytest.fixture
def looks(latencies):
    """The end of each test: its latencies; Tab reaches every control; axe finds no fault in either theme;
    pictures to be looked at."""

    def take(*views):
        lab = views[0].lab
        for view in views:
            latencies[view.name] = view.latencies
            assert set(view.tab_order()) == set(view.state)
        for theme in ("Light", "Dark"):
            lab.theme(f"JupyterLab {theme}")
            context = {"include": [[f".jp-NotebookPanel:not(.lm-mod-hidden) {part}"] for part in OURS]}
            faults = Axe().run(lab.page, context, AXE).response["violations"]
            assert not faults, [(f["id"], [node["html"] for node in f["nodes"]]) for f in faults]
            for view in views:
                view.screenshot(theme.lower())
        lab.page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
        lab.page.set_viewport_size({"width": 480, "height": 900})
        lab.page.wait_for_timeout(300)
        for view in views:
            view.screenshot("narrow")
            assert view.fits()

    return take
