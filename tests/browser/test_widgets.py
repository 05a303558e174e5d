"""Every experiment in a real notebook, driven by keyboard and mouse."""

import inspect
from pathlib import Path

import pytest
import torch
from lab_page import UNUSUAL

from perceiver_edu.course.widgets import WIDGETS, heads
from perceiver_edu.course.widgets.base import embedded

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]


def test_00_mask_a_span(show, looks):
    view = show("mask-a-span")
    view.mirrors(WIDGETS["mask-a-span"].try_out())
    view.select(38, 42, hole=[38, 43])  # by mouse: "house"
    view.letter(30).dblclick()  # a word, with the space before it
    view.wait_for(hole=[28, 33])
    view.letter(16).click()
    view.wait_for(hole=[16, 17])
    for _ in range(2):  # by keyboard
        view.press("Shift+ArrowRight", view.strip, times=8)
        view.press("Shift+ArrowLeft", view.strip, times=4)
    view.wait_for(hole=[16, 25])
    assert view.letter(20).get_attribute("aria-label") == "a, hidden"
    height = view.root.bounding_box()["height"]
    view.strip.press("Shift+End")
    view.wait_for("This hole has 28 bytes", hole=[16, 44])
    assert view.root.bounding_box()["height"] == height and view.root.locator(".perceiver-stale img").count()
    for text in UNUSUAL[:4]:
        view.type("text", text, problem="" if text else "Nothing is hidden")
    sentences = "He put on his hat and coat, and went out into the rain.", "Où est le café ?", "It was late."
    for text in sentences:
        view.type("text", text)
        start, stop = view.state["hole"]
        assert stop - start >= 3 and text[start] == " ", "a word is hidden"
    assert view.strip.inner_text() == text
    looks(view)


def test_01_join_documents(show, looks):
    view = show("join-documents")
    pages = [inspect.getdoc(page) for _, page in sorted(vars(torch.nn).items()) if inspect.isclass(page)]
    pages = list(dict.fromkeys(filter(None, pages)))
    view.mirrors(WIDGETS["join-documents"].make(pages))
    [joined], [length] = view.handles("joined"), view.handles("length")
    view.press("ArrowLeft", joined, times=7)
    view.press("ArrowRight", joined, times=14, joined=17)
    view.press("ArrowLeft", length, length=1024)
    view.click_track("joined", 0.1)
    looks(view)


def test_02_pick_a_head(show, looks):
    view = show("pick-a-head")
    outputs = view.lab.cell("head-lab").locator(".jp-OutputArea-child")
    in_the_cell = outputs.count()
    view.mirrors(WIDGETS["pick-a-head"].try_out())
    [head], [latent] = view.handles("head"), view.handles("latent")
    for _ in range(4):
        view.press("ArrowRight", head)
        view.press("ArrowRight", latent, times=4)
    view.wait_for(head=4, latent=24)

    draws = view.draws  # a burst: all keys at once, one or few drawings, the last state
    view.page.evaluate(
        """() => { for (let i = 0; i < 20; i++) document.activeElement.dispatchEvent(
            new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true})) }"""
    )
    view.wait_for(latent=4)
    assert view.draws - draws <= 10
    view.click_track("latent", 0.8)
    _, weights, _ = heads.attention(embedded(), view.state["text"])
    view.letter(5).click()  # byte 6
    view.wait_for(latent=int(weights[4, :, 6].argmax()))
    for text in (*UNUSUAL[:4], UNUSUAL[-1]):
        view.type("text", text)
    assert "the first 254 of 3,000 characters" in view.words()
    assert outputs.count() == in_the_cell, "nothing piles up"
    view.type("text", "The old man took off his glasses, and looked at the clock on the wall.")
    looks(view)


def test_03_stop_and_ablate(show, looks):
    view = show("stop-and-ablate")
    view.mirrors(WIDGETS["stop-and-ablate"].try_out())
    [k], (first, last) = view.handles("k"), view.handles("zeroed")
    view.press("ArrowLeft", k, times=3, k=5)
    view.press("ArrowRight", last, times=9)
    view.press("ArrowRight", first, times=7, zeroed=[7, 9])
    assert "zero latents: 7–8" in view.control("zeroed").inner_text()
    assert first.get_attribute("aria-label") == "zero latents: 7–8, begin"
    view.press("End", k, k=8)
    bits = [float(cell) for cell in view.tables()[0][0][2:]]
    assert bits[0] > bits[1] + 1  # as the notebook says: without its readers the hole is lost
    view.click_track("k", 0.4)
    looks(view)


def test_04_query_lab(show, looks):
    view = show("query-lab")
    view.mirrors(WIDGETS["query-lab"].try_out())
    presets = view.buttons("preset")[1:]
    for button in 4 * [*presets[1:], presets[0]] + [presets[1]]:
        view.press("Enter", button)
    view.wait_for(preset="backwards", places="23-5")
    presets[3].click()
    view.wait_for(places="5-60/3")
    view.type("places", "12 12, 40-38")
    view.wait_for(preset="my own")
    view.select(4, 9, places="5-10")
    view.type("places", "<b>x</b>", problem="'<b>x</b>' is not a position")
    view.type("places", "3-40")
    for text in UNUSUAL[:4]:
        view.type("text", text)
    view.type("text", "The old man took off his glasses, and looked at the clock on the wall.")
    looks(view)


def test_05_plant_a_bug(show, looks):
    view = show("plant-a-bug")
    view.mirrors(WIDGETS["plant-a-bug"].try_out())
    none, *bugs = view.buttons("bug")
    for button in bugs:
        view.press("Enter", button)
        view.check()
    for button in 2 * bugs + [none]:
        view.press("Enter", button)
    view.buttons("stage")[3].click()
    view.wait_for(stage="processor", bug="none")
    assert [row[3] for row in view.tables()[0]] == ["ok", "ok", "first divergence", "differs", "differs"]
    view.press("Enter", view.buttons("dtype")[1], dtype="float64")
    assert float(view.tables()[0][1][1]) < 1e-10  # rounding has shrunk, and still nothing is wrong there
    looks(view)


def test_06_cost_sliders(show, looks):
    view = show("cost-sliders")
    view.mirrors(WIDGETS["cost-sliders"].try_out())
    keys = {"M": ("ArrowRight", 5, 65_536), "N": ("ArrowLeft", 4, 16), "depth": ("ArrowRight", 2, 40)}
    for name, (key, times, wanted) in keys.items():
        view.press(key, *view.handles(name), times, **{name: wanted})
    view.press("ArrowLeft", *view.handles("O"), times=7)
    view.check()
    view.click_track("M", 0.5)
    looks(view)


DRIVEN = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))


@pytest.mark.parametrize("name", [name for name in WIDGETS if f'"{name}"' not in DRIVEN])
def test_every_slider_and_button_of_an_experiment_that_no_other_test_drives(name, show, looks):
    view = show(name)
    for control in view.state:
        for handle in view.control(control).locator(".noUi-handle").all():
            now, lowest = (float(handle.get_attribute(f"aria-value{which}")) for which in ("now", "min"))
            for key in ("ArrowLeft", "ArrowRight") if now > lowest else ("ArrowRight", "ArrowLeft"):
                view.press(key, handle)
                assert not view.problem
        for button in view.control(control).locator("button:not(.mod-active)").all():
            view.press("Enter", button)
    looks(view)
