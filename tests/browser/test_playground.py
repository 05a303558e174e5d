"""The playground in a real notebook: driven by keyboard and mouse, its numbers held to the library's."""

import contextlib
import io
from pathlib import Path

import pytest
import torch
from lab_page import UNUSUAL

from perceiver_edu import fill_mask, instruments, load_pretrained
from perceiver_edu.course.widgets.bugs import untrained_like

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]
PARTS = ["embedding", "encoder", "processor", "decoder", "mlm_head", "queries"]
ENCODER_MAP = "encoder.cross_attend.attention.attention_map"
DECODER_MAP = "decoder.cross_attend.attention.attention_map"
WORKING = """view => { const shown = getComputedStyle(view.querySelector('.perceiver-view'), '::before');
    return shown.content.includes('working') && shown.visibility === 'visible'; }"""


def expected_runs(model, state) -> list:
    """(fillings, arrays, the encoder's map, the decoder's) of each run that the state asks for."""
    depth, hole = instruments.depth(model), tuple(state["hole"])
    text = state["text"][:254]  # a longer one is not read to its end

    def look(model, *changes):
        with contextlib.ExitStack() as stack, torch.no_grad():
            for change in changes:
                stack.enter_context(change)
            seen = stack.enter_context(instruments.record(model, [*PARTS, ENCODER_MAP, DECODER_MAP]))
            [fillings] = fill_mask(model, text, hole)
        arrays = [seen[part][-1] for part in PARTS]
        return fillings, arrays, seen[ENCODER_MAP][0][0], seen[DECODER_MAP][0][0].mean(0)

    changes = []
    if state["zeroed"][0] < state["zeroed"][1]:
        changes.append(instruments.ablate_latents(model, range(*state["zeroed"])))
    if state["silenced"][0] < state["silenced"][1]:
        changes.append(instruments.ablate_heads(model, state["layer"], range(*state["silenced"])))
    if state["k"] < depth:
        changes.append(instruments.stop_after(model, state["k"]))
    runs = [look(model)] + [look(model, *changes)] * bool(changes)
    if state["beside"] == "half its layers":
        runs.append(look(model, instruments.stop_after(model, depth // 2)))
    elif state["beside"] == "untrained":
        runs.append(look(untrained_like(model)))
    elif state["beside"] == "named weights":
        runs.append(look(load_pretrained(state["second"])))
    return runs


def test_10_playground(show, model, looks):
    view = show("playground")

    def is_the_librarys():
        state, (fillings, sizes, reading) = view.state, view.tables()[1:]
        runs = expected_runs(model, state)
        whole = runs[0][1]
        for column, (ranked, arrays, *_) in enumerate(runs, 1):
            shown = [row[column].rpartition(" ")[0].rpartition(" ") for row in fillings[:-1]]
            assert [cell[0] for cell in shown] == [repr(filling.text) for filling in ranked]
            chances = [100 * filling.probability for filling in ranked]
            assert [float(cell[2]) for cell in shown] == pytest.approx(chances, rel=0.01)
            lengths = [float(array.norm(dim=-1).mean()) for array in arrays]
            place = 2 * column - (column > 1)  # of each further run there is the difference, too
            assert [float(row[place]) for row in sizes] == pytest.approx(lengths, abs=0.002)
            if column > 1:
                apart = [100 * float((a - b).norm() / b.norm()) for a, b in zip(arrays, whole, strict=True)]
                shown = [float(row[place + 1].rstrip("%")) for row in sizes]
                assert shown == pytest.approx(apart, abs=0.06)
        assert len(fillings[0]) == len(runs) + 1
        weights = runs[0][2][state["head"]]  # (N, M)
        shares, places = weights[state["latent"]].topk(min(5, weights.shape[1]))
        assert [int(row[0].split()[0]) for row in reading] == places.tolist()
        assert [row[1] for row in reading] == [f"{share:.1%}" for share in shares.tolist()]
        most = weights[:, state["place"]].topk(5).values.tolist()[: len(reading)]
        assert [row[3] for row in reading] == [f"{share:.1%}" for share in most]
        queries, row = runs[0][3], state["place"] - 1 - len(state["text"][: state["hole"][0]].encode())
        assert (len(reading[0]) == 6) == (0 <= row < len(queries))
        if 0 <= row < len(queries):
            shares, latents = queries[row].topk(5)
            assert [int(row[4]) for row in reading] == latents.tolist()
            assert [row[5] for row in reading] == [f"{share:.1%}" for share in shares.tolist()]

    view.holds(is_the_librarys)
    [k], [latent], [head], [place] = (view.handles(name) for name in ("k", "latent", "head", "place"))
    for key, handle in 4 * [("ArrowRight", latent), ("ArrowRight", head), ("ArrowLeft", place)]:
        view.press(key, handle)
    view.wait_for(latent=12, head=4, place=25)
    cells = view.root.locator(".perceiver-cells button")
    assert cells.count() == 46 and "mod-active" in cells.nth(25).get_attribute("class")
    cells.nth(31).click()  # by mouse: a cell of the text
    view.wait_for(place=31)
    assert "byte 31" in view.words()
    cells.nth(29).press("Enter")  # and by keyboard
    view.wait_for(place=29)

    view.press("ArrowLeft", k)
    view.press("ArrowRight", view.handles("silenced")[1], times=3)
    view.press("ArrowRight", view.handles("layer")[0])
    view.wait_for(k=7, silenced=[0, 3], layer=1)
    nothing, half, untrained, named = view.buttons("beside")
    for button in (half, untrained):
        view.press("Enter", button)
        is_the_librarys()
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
    assert view.lab.cell("lab").locator(".jp-OutputArea-child").count() == 2  # what it printed, and itself
    view.press("ArrowRight", view.handles("hole")[1], times=5)
    is_the_librarys()
    view.page.set_viewport_size({"width": 1100, "height": 1500})
    looks(view)
    export.scroll_into_view_if_needed()
    export.screenshot(path=view.lab.screenshots / "10_playground-export-narrow.png")
    assert export.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
