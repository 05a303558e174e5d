"""A learner's own copy of a notebook: the prediction, the experiment, and what is left when a kernel ends."""

import json
import re

import pytest
from conftest import SCREENSHOTS, serving
from lab_page import LabPage

from perceiver_edu.course.folder import update_course

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"


@pytest.fixture
def course(tmp_path, page):
    """A function that opens a notebook of a course folder, again when it is called again."""
    folder = tmp_path / "course"
    update_course(folder)
    with serving(folder, tmp_path, PYTEST_CURRENT_TEST="", PERCEIVER_EDU_PROGRESS="") as (address, token):
        page.set_viewport_size({"width": 1100, "height": 900})
        page.set_default_timeout(120_000)

        def open_notebook(name) -> LabPage:
            return LabPage(page, address, token, folder / f"{name}.ipynb", SCREENSHOTS)

        open_notebook.folder = folder
        yield open_notebook


def press_run(lab, cell_id):
    cell = lab.cell(cell_id)
    cell.locator(".jp-InputPrompt").click()
    lab.page.keyboard.press("Enter")
    lab.page.keyboard.press("Control+Enter")
    return cell


def wakes(cell, name):
    """A sentence is on the page, nothing is broken, and its button brings the experiment back."""
    cell.locator(".perceiver-asleep").get_by_text("run by a kernel that has ended").wait_for()
    for words in ("model not found", "Loading widget"):  # JupyterLab shows them for a moment
        cell.get_by_text(words).first.wait_for(state="hidden")
    icons = cell.locator(".jupyter-widgets-disconnected").evaluate_all(
        "all => all.filter(e => getComputedStyle(e, '::before').display !== 'none').length"
    )
    assert icons == 0
    cell.scroll_into_view_if_needed()
    cell.screenshot(path=SCREENSHOTS / f"learner-{name}.png")
    cell.locator(".perceiver-asleep").get_by_role("button", name="Run this cell").click()
    cell.locator(".perceiver-playground:not(.jupyter-widgets-disconnected) img").wait_for()
    cell.locator(".perceiver-asleep").wait_for(state="hidden")


def test_prediction_experiment_restart_and_reopening(course):
    SCREENSHOTS.mkdir(exist_ok=True)
    start = course("start")
    start.cell("again").screenshot(path=SCREENSHOTS / "learner-start.png")
    start.panel.get_by_role("link", name="11 · Playground").click()  # it was never run: the table is stored
    start.panel.get_by_role("heading", name="Playground: ask your own questions").wait_for()
    lab = course("11_playground")
    assert "lab-still" not in lab.cells
    cell = press_run(lab, "lab")  # the first that the kernel runs
    cell.get_by_text("Run the cell with the prediction above").wait_for()
    assert "Traceback" not in cell.inner_text() and not cell.locator("img").count()
    lab.run("lab-predict")
    box = lab.cell("lab-predict").locator(".perceiver-prediction")
    box.locator("input").fill("1.2")
    box.screenshot(path=SCREENSHOTS / "learner-prediction.png")
    box.locator("input").press("Enter")
    box.get_by_text("Your prediction: 1.2 bits").wait_for()
    press_run(lab, "lab")
    cell.get_by_text(re.compile(r"You predicted 1.2 bits; the result is 4\.\d+ bits")).wait_for()
    cell.locator(".perceiver-playground img").wait_for()
    assert json.loads((course.folder / "progress.json").read_text())["predictions"] == {
        "11.three_latents": 1.2
    }
    lab.page.evaluate(RESTART)
    wakes(cell, "restarted")
    lab.page.evaluate(SAVE)
    lab.page.evaluate(SHUT_DOWN)
    lab = course("11_playground")
    wakes(lab.cell("lab"), "reopened")
