"""The playground in a real notebook, driven by keyboard and mouse."""

import contextlib
import io
import json
from pathlib import Path

import pytest
from lab_page import UNUSUAL

from perceiver_edu.course.widgets import WIDGETS
from perceiver_edu.course.widgets.playground import PRESETS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]
WORKING = """view => { const shown = getComputedStyle(view.querySelector('.perceiver-view'), '::before');
    return shown.content.includes('working') && shown.visibility === 'visible'; }"""


def test_11_playground(show, looks):
    view = show("playground")
    outputs = view.lab.cell("lab").locator(".jp-OutputArea-child")
    in_the_cell = outputs.count()
    view.mirrors(WIDGETS["playground"].try_out())
    text = view.state["text"]
    for name, preset in PRESETS.items():
        view.root.get_by_role("button", name=name).click()
        view.wait_for(**json.loads(json.dumps(preset.state)))
    view.root.get_by_role("button", name="reset").click()
    view.wait_for(text=text, zeroed=[0, 0], k=8, latent=8)
    [k], [latent], [head] = (view.handles(name) for name in ("k", "latent", "head"))
    for key, handle in 4 * [("ArrowRight", latent), ("ArrowRight", head)]:
        view.press(key, handle)
    view.wait_for(latent=12, head=4)
    view.letter(30).click()  # by mouse
    view.wait_for(position=31)
    assert "byte 31" in view.words() and view.letter(30).get_attribute("aria-label") == "n, hidden, queried"
    view.strip.press("ArrowLeft")
    view.strip.press("ArrowLeft")  # and by keyboard
    view.press("Enter", view.strip, position=29)
    assert "widgets.playground(model, latent=12, head=4)" in view.root.locator(".perceiver-line").inner_text()

    view.press("ArrowLeft", k)
    view.press("ArrowRight", view.handles("silenced")[1], times=3)
    view.press("ArrowRight", view.handles("layer")[0])
    view.wait_for(k=7, silenced=[0, 3], layer=1)
    nothing, half, untrained, named = view.buttons("beside")
    for button in (half, untrained):
        view.press("Enter", button)
        view.check()
    view.press("Enter", named)
    assert view.problem.startswith("Name the second weights")
    box = view.control("second").locator("input")
    for name, problem in (("<b>no such", "no weights '<b>no such'"), ("embedded", "")):
        box.fill(name)
        box.press("Enter")
        view.wait_for(problem, second=name)
    box.fill("random")
    box.press("Enter")
    view.page.wait_for_function(WORKING, arg=view.root.element_handle())  # seconds, so it says so
    view.page.wait_for_function(f"view => !({WORKING})(view)", arg=view.root.element_handle())
    assert view.state["second"] == "random" and not view.problem
    view.press("Enter", nothing)
    view.press("End", k)

    # Take it home: the file is written, and the code on the screen gives the numbers on the screen.
    view.lab.run("export", "export-still")
    export = view.lab.cell("export").locator(".perceiver-export")
    written = []
    for kind in ("png", "svg", "py", "png"):
        export.locator(f".perceiver-save-{kind}").press("Enter")
        said = f"playground{'-2' * (len(written) == 3)}.{kind}"
        message = export.locator("[role=status]", has_text=said)
        message.wait_for()
        written.append(Path(message.inner_text().removeprefix("Written: ")))
    assert written[0].read_bytes()[:4] == b"\x89PNG" and "<svg" in written[1].read_text()
    assert export.locator("pre").inner_text().strip() == written[2].read_text().strip()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(written[2].parent):
        names = {}
        exec(written[2].read_text(), names)
    shown = [row[1].rpartition(" ")[0].rpartition(" ")[0] for row in view.tables()[1][:-1]]
    assert shown == [repr(filling.text) for filling in names["found"]["untouched"].fillings]

    for text in UNUSUAL:
        view.type("text", text, problem="" if text else "Nothing is hidden")
    assert "the first 254 of 3,000 characters" in view.words()
    view.type("text", "He put on his hat and coat, and went out into the rain.")
    assert outputs.count() == in_the_cell, "nothing piles up"
    view.select(3, 6, hole=[3, 7])
    view.page.set_viewport_size({"width": 1100, "height": 1500})
    looks(view)
    export.scroll_into_view_if_needed()
    export.screenshot(path=view.lab.screenshots / "11_playground-export-narrow.png")
    assert export.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
