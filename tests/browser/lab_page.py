"""A notebook open in JupyterLab, and an experiment in it, as a learner's hands and eyes have them."""

import ast
import html
import json
import re
from functools import partial
from pathlib import Path

import nbformat
import pytest

from perceiver_edu.course.widgets.base import LOOK, Experiment

UNUSUAL = ("", "<script>alert(1)</script>", "😀é中", "مرحبا بالعالم", "$x$ and $y$", "a" * 3000)

# Counts from the key to the frame in which the whole new picture stands.
WAIT_FOR_DRAWING = """([view, before, started]) => new Promise((done, fail) => {
    const look = () => {
        if (performance.now() - started > 60000) return fail('no new drawing after 60 s');
        const drawn = view.querySelector('[data-draw]'), picture = view.querySelector('img');
        const ready = !picture || (picture.complete && picture.naturalWidth > 0);
        if (drawn && +drawn.dataset.draw > before && ready)
            requestAnimationFrame(() => done(performance.now() - started));
        else requestAnimationFrame(look);
    };
    look();
})"""

REMEMBER_KEY = """() => document.addEventListener(
    'keydown', () => { window.pressed = performance.now() }, {once: true, capture: true})"""

# `same`: whether the drawing has to be that of the state, or of another.
WAIT_FOR_STATE = """([view, wanted, same]) => {
    const drawn = view.querySelector('[data-draw]');
    const is = drawn ? JSON.parse(drawn.dataset.state) : {}, text = JSON.stringify;
    return Object.keys(wanted).every(key => (text(is[key]) === text(wanted[key])) === same);
}"""

ASK_KERNEL = """([code, expression]) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const request = {code, user_expressions: {value: expression}, store_history: false};
    return kernel.requestExecute(request).done.then(reply => reply.content);
}"""


SMALL = re.compile(r"\d\.\de[-+]\d+")  # a number that two processes round differently


def assert_same(seen: str, expected: str) -> None:
    """The same text, white space aside, with the same small numbers up to rounding."""
    words, there = ("".join(SMALL.sub("~", text).split()) for text in (seen, expected))
    assert words == there, f"{words}\n{there}"
    numbers, those = ([float(number) for number in SMALL.findall(text)] for text in (seen, expected))
    assert numbers == pytest.approx(those, rel=0.06, abs=1e-5)


class LabPage:
    def __init__(self, page, address: str, token: str, notebook: Path, screenshots: Path):
        self.page, self.screenshots, self.name = page, screenshots, notebook.stem
        self.cells = [cell.id for cell in nbformat.read(notebook, as_version=4).cells]
        page.goto(f"{address}/lab/workspaces/{self.name}/tree/{notebook.name}?token={token}&reset")
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
        self.panel.locator(".jp-Cell").nth(len(self.cells) - 1).wait_for(state="attached")

    def cell(self, cell_id: str):
        return self.panel.locator(".jp-Notebook > * .jp-Cell").nth(self.cells.index(cell_id))

    def run(self, *cell_ids: str, timeout: float = 400) -> None:
        """Run these cells by keyboard, and wait until each is done: at most `timeout` seconds a cell."""
        for cell_id in cell_ids:
            cell = self.cell(cell_id)
            cell.locator(".jp-InputPrompt").click()
            self.page.keyboard.press("Enter")
            self.page.keyboard.press("Control+Enter")
            done = cell.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]"))
            done.wait_for(timeout=1000 * timeout)
            error = cell.locator("[data-mime-type='application/vnd.jupyter.error']")
            assert not error.count(), error.all_inner_texts()

    def ask_kernel(self, code: str, expression: str):
        """Run code in the notebook's kernel, out of sight -> the value of an expression of plain Python."""
        content = self.page.evaluate(ASK_KERNEL, [code, expression])
        assert content["status"] == "ok", content
        assert content["user_expressions"]["value"]["status"] == "ok", content
        return ast.literal_eval(content["user_expressions"]["value"]["data"]["text/plain"])

    def show(self, widget) -> "ExperimentView":
        """Run the cell of this experiment, and that of its picture."""
        still = f"{widget.cell}-still"
        self.run(widget.cell, still)
        assert self.cell(still).locator("img").evaluate("picture => picture.naturalWidth") > 400
        root = self.cell(widget.cell).locator(f".perceiver-{widget.name}")
        return ExperimentView(self, widget.name, root)

    def theme(self, name: str) -> None:
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name
        )
        dark = str("Dark" not in name).lower()
        self.page.locator(f"body[data-jp-theme-light={dark}]").wait_for(state="attached")


class ExperimentView:
    """What a learner sees of an experiment: its controls, its picture, its numbers."""

    def __init__(self, lab: LabPage, name: str, root):
        self.lab, self.page, self.name, self.root = lab, lab.page, name, root
        root.wait_for()
        self.latencies = []  # (kernel, screen) in ms
        self.check = lambda: None  # see `holds`

    @property
    def drawn(self):
        return self.root.locator("[data-draw]")

    @property
    def state(self) -> dict:
        return json.loads(self.drawn.get_attribute("data-state"))

    @property
    def draws(self) -> int:
        return int(self.drawn.get_attribute("data-draw"))

    @property
    def alt(self) -> str:
        return self.root.locator("img").get_attribute("alt")

    @property
    def problem(self) -> str:
        alert = self.root.locator("[role=alert]")
        return alert.inner_text() if alert.count() else ""

    def tables(self) -> list[list[list[str]]]:
        """The cells of each table, without its header."""
        return self.root.locator(".perceiver-words").evaluate(
            """words => [...words.querySelectorAll('table')].map(table =>
               [...table.rows].slice(1).map(row => [...row.cells].map(cell => cell.textContent)))"""
        )

    def words(self) -> str:
        return self.root.locator(".perceiver-words").inner_text()

    @property
    def strip(self):
        """The text in which letters are selected."""
        return self.root.locator(".perceiver-strip")

    def letter(self, number: int):
        return self.strip.locator("span").nth(number)

    def select(self, first: int, last: int, **state) -> None:
        """Drag the mouse from one letter of the text to another, and wait for this state."""
        self.strip.scroll_into_view_if_needed()
        for number, button in ((first, "down"), (last, "up")):
            box = self.letter(number).bounding_box()
            middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            self.page.mouse.move(*middle, steps=4)
            getattr(self.page.mouse, button)()
        self.wait_for(**state)

    def control(self, name: str):
        return self.root.locator(f".perceiver-control-{name}")

    def handles(self, name: str) -> list:
        """The handles of a slider, left to right."""
        self.control(name).locator(".noUi-handle").first.wait_for()
        return self.control(name).locator(".noUi-handle").all()

    def buttons(self, name: str) -> list:
        self.control(name).locator("button").first.wait_for()
        return self.control(name).locator("button").all()

    def holds(self, check) -> None:
        """This check holds now, and for every drawing that `wait_for`, `type` and `click_track` wait for."""
        self.check = check
        check()

    def mirrors(self, experiment: Experiment) -> None:
        """The page says what this experiment says here, in each state; other tests check its numbers."""
        self.holds(partial(self.says_the_same, experiment))

    def says_the_same(self, experiment: Experiment) -> None:
        experiment.state = self.state
        held = json.loads(json.dumps(experiment.state))
        assert held == self.state, {k: (v, self.state[k]) for k, v in held.items() if v != self.state[k]}
        text = html.unescape(re.sub("<.*?>", "", experiment.view.value.replace(LOOK, "")))
        assert_same(self.drawn.text_content(), text)
        if not self.problem:
            assert_same(self.alt, experiment.alt)

    def click_track(self, name: str, share: float) -> None:
        """A click of the mouse on a slider, this share of its length from the left, and what it changes."""
        before, box = self.state[name], self.control(name).locator(".noUi-base").bounding_box()
        self.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        self.page.wait_for_function(WAIT_FOR_STATE, arg=[self.root.element_handle(), {name: before}, False])
        self.check()

    def type(self, name: str, text: str, problem: str = "") -> None:
        """Select what stands in a text box, and put this in its place, key by key where it is short."""
        box = self.control(name).locator("textarea, input")
        box.click()
        self.page.keyboard.press("Control+a")
        if len(text) > 12 or not text:
            box.fill(text)
        else:
            self.page.keyboard.type(text)
        self.wait_for(problem, **{name: text})

    def tab_order(self) -> list[str]:
        """The controls that Tab goes to from the first one, once each."""
        return self.root.evaluate(
            """root => [...new Set([...root.querySelectorAll(
                    'input,select,textarea,.noUi-handle,button,.perceiver-strip')]
                .filter(e => e.tabIndex >= 0 && e.offsetParent)
                .flatMap(e => [...(e.closest('[class*=perceiver-control-]')?.classList ?? [])])
                .filter(name => name.startsWith('perceiver-control-'))
                .map(name => name.replace('perceiver-control-', '')))]"""
        )

    def wait_for(self, problem: str = "", **state) -> None:
        """Until the drawing is that of this state; it passes the check, or says that this is the problem."""
        self.page.wait_for_function(WAIT_FOR_STATE, arg=[self.root.element_handle(), state, True])
        assert self.problem.startswith(problem) and bool(self.problem) == bool(problem)
        if not problem:
            self.check()

    def press(self, key: str, target=None, times: int = 1, **state) -> None:
        """A key on the focused control, and the drawing that it brings, timed; then wait for this state."""
        view = self.root.element_handle()
        for _ in range(times):
            before = self.draws
            if target is not None:
                target.focus()
            self.page.evaluate(REMEMBER_KEY)
            self.page.keyboard.press(key)
            started = self.page.evaluate("window.pressed")
            screen = self.page.evaluate(WAIT_FOR_DRAWING, [view, before, started])
            self.latencies.append((float(self.drawn.get_attribute("data-ms")), screen))
        if state:
            self.wait_for(**state)

    def screenshot(self, name: str) -> None:
        self.lab.screenshots.mkdir(exist_ok=True)
        self.root.scroll_into_view_if_needed()
        self.root.screenshot(path=self.lab.screenshots / f"{self.lab.name}-{self.name}-{name}.png")

    def fits(self) -> bool:
        """Nothing sticks out to the right."""
        return self.root.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
