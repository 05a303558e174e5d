"""Every experiment in a real notebook: driven by keyboard and mouse, its numbers held to the library's."""

import inspect
from pathlib import Path

import pytest
import torch
from lab_page import UNUSUAL

from perceiver_edu import ByteTokenizer, PerceiverIOConfig, fill_mask, instruments, load_pretrained
from perceiver_edu.course.planted import MUTATIONS
from perceiver_edu.course.swap import LONGER
from perceiver_edu.course.widgets import WIDGETS
from perceiver_edu.instruments.costs import stage_costs
from perceiver_edu.training.corpus import crop_pack, in_groups

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]
tokenizer = ByteTokenizer()


def ranked(fillings):
    return [[f"{100 * p:.3g} %", repr(text)] for text, p in fillings]


def test_00_mask_a_span(show, model, looks):
    view = show("mask-a-span")

    def is_the_librarys():
        text, (start, stop) = view.state["text"], view.state["hole"]
        masked, fillings = view.tables()
        assert [row[1:3] for row in fillings] == ranked(fill_mask(model, text, (start, stop))[0])
        assert masked == [[text[:start] + "▒" * len(text[start:stop].encode()) + text[stop:]]]

    view.holds(is_the_librarys)
    left, right = view.handles("hole")
    for _ in range(11):  # by keyboard: from " into" to "house"
        view.press("ArrowRight", right)
        view.press("ArrowRight", left)
    view.wait_for(hole=[39, 44])
    view.click_track("hole", 0.75)  # by mouse: the nearer end comes to the word before
    for text in UNUSUAL[:4]:
        view.type("text", text, problem="" if text else "Nothing is hidden")
    view.type("text", "He put on his hat and coat, and went out into the rain.")
    looks(view)


def test_01_join_documents(show, looks):
    view = show("join-documents")
    pages = [inspect.getdoc(page) for _, page in sorted(vars(torch.nn).items()) if inspect.isclass(page)]
    pages = list(dict.fromkeys(filter(None, pages)))

    def is_the_librarys():
        joined, length = view.state["joined"], view.state["length"]
        shares = []
        for n in (1, joined):
            crops = torch.cat([crop_pack(group, length) for group in in_groups(pages, n)])
            shares.append(f"{(crops == tokenizer.PAD).double().mean():.1%}")
        assert [row[1] for row in view.tables()[0]] == shares
        assert f"{len(crops):,} crops of {length:,} ids" in view.words()

    view.holds(is_the_librarys)
    [joined], [length] = view.handles("joined"), view.handles("length")
    view.press("ArrowLeft", joined, times=7)
    view.press("ArrowRight", joined, times=14, joined=17)
    view.press("ArrowLeft", length, length=1024)
    view.click_track("joined", 0.1)
    looks(view)


def test_02_pick_a_head(show, model, looks):
    view = show("pick-a-head")
    encoder_map = "encoder.cross_attend.attention.attention_map"

    def is_the_librarys():
        state = view.state
        ids, mask = tokenizer.batch([state["text"][:254]])  # a longer one is not read to its end
        with torch.no_grad(), instruments.record(model, encoder_map) as seen:
            model(ids, mask)
        row = seen[encoder_map][0][0, state["head"], state["latent"]]
        shares, places = row.topk(min(6, len(row)))
        shown = [[cells[0], cells[2]] for cells in view.tables()[0]]
        assert shown == [[str(p), f"{s:.1%}"] for p, s in zip(places.tolist(), shares.tolist(), strict=True)]
        bits = -(row.double() * row.double().clamp(min=1e-45).log2()).sum()
        assert f"Entropy {bits:.2f} bits" in view.words()

    view.holds(is_the_librarys)
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
    for text in (*UNUSUAL[:4], UNUSUAL[-1]):
        view.type("text", text)
    assert "the first 254 of 3,000 characters" in view.words()
    assert view.lab.cell("head-lab").locator(".jp-OutputArea-child").count() == 1  # nothing piles up
    view.type("text", "The old man took off his glasses, and looked at the clock on the wall.")
    looks(view)


def test_03_stop_and_ablate(show, model, looks):
    view = show("stop-and-ablate")

    def is_the_librarys():
        state = view.state
        zeroed = range(*state["zeroed"])
        with instruments.ablate_latents(model, zeroed), instruments.stop_after(model, state["k"]):
            fillings = fill_mask(model, state["text"], tuple(state["hole"]))[0]
        assert [row[1:3] for row in view.tables()[1]] == ranked(fillings)

    view.holds(is_the_librarys)
    [k], (first, last) = view.handles("k"), view.handles("zeroed")
    view.press("ArrowLeft", k, times=3, k=5)
    view.press("ArrowRight", last, times=9)
    view.press("ArrowRight", first, times=7, zeroed=[7, 9])
    view.press("End", k, k=8)
    bits = [float(cell) for cell in view.tables()[0][0][2:]]
    assert bits[0] > bits[1] + 1  # as the notebook says: without its readers the hole is lost
    view.click_track("k", 0.4)
    looks(view)


def test_04_query_lab(show, model, looks):
    view = show("query-lab")

    asked = {
        "5-23": list(range(5, 24)),
        "23-5": list(range(23, 4, -1)),
        "5-60/3": list(range(5, 61, 3)),
        "12 12, 40-38": [12, 12, 40, 39, 38],
        "3-40": list(range(3, 41)),
    }

    def is_the_librarys():
        places = asked[view.state["places"]]
        with torch.no_grad():
            everything = model(*tokenizer.batch([view.state["text"]]))[0]  # (P, V)
        chances, best = everything.softmax(-1)[places, tokenizer.BYTE_OFFSET :].max(-1)
        rows = view.tables()[0]
        assert [row[0] for row in rows] == [str(place) for place in places[:8]]
        assert [row[2] for row in rows] == [f"{chance:.0%}" for chance in chances[:8].tolist()]
        signs = [chr(byte) for byte in best[:8].tolist()]
        for row, sign in zip(rows, signs, strict=True):
            assert row[1] == {" ": "␣"}.get(sign, sign if "!" <= sign <= "~" else row[1])
        few, many = (
            sum(c.flops for c in stage_costs(model.config, 1, O) if c.stage in ("decoder", "mlm_head")) / 1e6
            for O in (len(places), model.config.max_position_embeddings)
        )
        assert f"O = {len(places)}: decoder and head take {few:,.1f} MFLOPs" in view.words()
        assert f"{many:,.1f}" in view.words()

    view.holds(is_the_librarys)
    presets = view.buttons("preset")[1:]
    for button in 4 * [*presets[1:], presets[0]] + [presets[1]]:
        view.press("Enter", button)
    view.wait_for(preset="backwards", places="23-5")
    presets[3].click()
    view.wait_for(places="5-60/3")
    view.type("places", "12 12, 40-38")
    view.wait_for(preset="my own")
    view.type("places", "<b>x</b>", problem="'<b>x</b>' is no place")
    view.type("places", "3-40")
    for text in UNUSUAL[:4]:
        view.type("text", text)
    view.type("text", "The old man took off his glasses, and looked at the clock on the wall.")
    looks(view)


def test_05_plant_a_bug(show, model, looks):
    view = show("plant-a-bug")
    twin = instruments.huggingface_twin(model)

    def is_the_librarys():
        state, broken = view.state, load_pretrained("embedded")
        if state["bug"] != "none":
            MUTATIONS[state["bug"]](broken)
        batch = tokenizer.batch([state["text"], state["text"] + LONGER])
        rows = instruments.compare_stages(broken, twin, *batch)
        first = next((row.stage for row in rows if not row.ok), None)
        shown = view.tables()[0]
        assert [row[0] for row in shown] == [row.stage for row in rows]
        assert next((row[0] for row in shown if row[3] == "first divergence"), None) == first
        for (_, size, allowed, _), row in zip(shown, rows, strict=True):
            assert float(allowed) == pytest.approx(row.tolerance * max(1.0, row.scale), rel=0.06)
            if not row.ok:
                assert float(size) == pytest.approx(row.max_abs, rel=0.06)
        if state["bug"] != "mask inverted":  # it breaks without a mask, as `fill_mask` runs
            holes = fill_mask(broken, state["text"], top_k=1)
            filled = state["text"].replace("[MASK]" * 5, holes[0][0].text)
            assert view.tables()[1][1][1] == filled

    is_the_librarys()
    none, *bugs = view.buttons("bug")
    for button in bugs:
        view.press("Enter", button)
        is_the_librarys()
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

    def is_the_librarys():
        state = view.state
        sizes = {"num_latents": state["N"], "num_self_attends_per_block": state["depth"]}
        config = PerceiverIOConfig(max_position_embeddings=max(state["M"], state["O"], 2048), **sizes)
        costs = stage_costs(config, state["M"], state["O"])
        expected = [[cost.stage, f"{cost.flops:,}"] for cost in costs if cost.flops]
        rows = view.tables()[0]
        assert [row[:2] for row in rows[:-1]] == expected
        assert rows[-1][1] == f"{sum(cost.flops for cost in costs):,}"
        for _, flops, formula in rows[:-1]:  # the formula on the screen gives the number beside it
            product = formula.partition("  with")[0].replace("·", "*").replace(",", "")
            values = {"M": state["M"], "N": state["N"], "O": state["O"], "L": state["depth"]}
            assert eval(product, values) == int(flops.replace(",", ""))

    view.holds(is_the_librarys)
    keys = {"M": ("ArrowRight", 5, 65_536), "N": ("ArrowLeft", 4, 16), "depth": ("ArrowRight", 2, 40)}
    for name, (key, times, wanted) in keys.items():
        view.press(key, *view.handles(name), times, **{name: wanted})
    view.press("ArrowLeft", *view.handles("O"), times=7)
    is_the_librarys()
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
