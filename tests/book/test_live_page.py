"""The live page in Chromium: its numbers are the library's, and every reader can use it."""

import base64
import json
import os
import re
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from test_reading import faults, fits

from perceiver_edu import fill_mask, load_pretrained
from perceiver_edu.course.widgets.hole import LONGEST
from perceiver_edu.course.widgets.strip import hole_after, middle_word
from perceiver_edu.easy_first import easy_first
from perceiver_edu.filling import hole_length
from perceiver_edu.instruments.tracing import DECODER_MAP, ENCODER_MAP, record
from perceiver_edu.utf8_search import best_byte_strings

pytestmark = pytest.mark.browser

MUST_LOAD = 60_000  # milliseconds, on a busy machine
CASES = [  # text, what is hidden of it, layers that run
    ("She opened the door and went into the house.", " into", 8),
    ("She opened the door and went into the house.", " into", 0),
    ("She opened the door and went into the house.", " door", 3),
    ("He looked at her for a moment without speaking.", " without", 8),
    ("He was one of the first to come.", " the", 8),
    ("a", "a", 8),
    ("ab", "ab", 8),
    ("The old man shook his head 🙂 and smiled.", "🙂", 8),
    ("The old man 🙂 shook his head.", " shook", 8),
    ("🇫🇷 is a flag.", "🇫", 8),  # half of what the eye takes for one character
    ("A family, 👩‍👩‍👧, at home.", "👩‍👧", 8),
    ("你好，世界。", "世", 8),
    ("Chinese 你好 in an English sentence.", " English", 8),
    ("naïve café", "é", 8),
    ("Ünïcödé everywhere, and then some.", "ödé e", 8),
    ("The c[MASK]t sat on the mat.", "[MASK]", 8),
    ("Two [MASK][MASK][MASK] holes, one of them hidden.", " hidden", 8),
    ("Typed [CLS] and <b>tags</b> & more.", " tags"[1:], 8),
    ("line one\nline two\ttab", "\nline", 8),
    ("x" * 120 + " the middle " + "y" * 122, " middle", 8),  # 254 bytes, as many as the model reads
]


@pytest.fixture(scope="module")
def model():
    return load_pretrained("embedded")


@pytest.fixture(scope="session")
def complete(book):
    """What the page knows of its model. Where there is no npm, the book has none."""
    about = json.loads((book / "live/about.json").read_text("utf-8"))
    if "missing" in about:
        must = os.environ.get("CI") or os.environ.get("PERCEIVER_EDU_REQUIRE_BROWSER")
        (pytest.fail if must else pytest.skip)(about["missing"])
    return about


@contextmanager
def watching(page, address):
    """At the end: no error in the console, no request elsewhere."""
    complaints = []
    ours = (address, "data:", f"blob:{address.partition('/book')[0]}")

    def request(asked):
        if not asked.url.startswith(ours):
            complaints.append(asked.url)

    def error(error):
        complaints.append(f"error on the page: {error}")

    def console(message):
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    listeners = {"request": request, "pageerror": error, "console": console}
    for event, listener in listeners.items():
        page.on(event, listener)
    yield
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert not complaints, complaints[:5]


@pytest.fixture(scope="module")
def loaded(browser, address, complete):
    """The page, loaded once for the tests of this file, because that takes seconds."""
    page = browser.new_context().new_page()
    with watching(page, address):
        yield opened(page, address)
        page.context.close()


@pytest.fixture
def live(loaded, address):
    """The page as it is at first."""
    loaded.set_viewport_size({"width": 1280, "height": 900})
    with watching(loaded, address):
        loaded.get_by_role("button", name="start again").click()
        settle(loaded)
        yield loaded


def opened(page, address):
    page.goto(f"{address}live/")
    settle(page)
    return page


def settle(page):
    """Wait for the answer to what was last changed. The page's own policy forbids `wait_for_function`."""
    page.locator("#app[aria-busy=false]").wait_for(timeout=MUST_LOAD)


def fill_easy_first(page):
    page.get_by_role("button", name="fill easy-first").click()
    page.locator("#easy td").first.wait_for(timeout=MUST_LOAD)


def show(page, **state):
    page.evaluate("state => live.set(state)", state)
    settle(page)


def span_of(text, hidden):
    return [text.index(hidden), text.index(hidden) + len(hidden)]


def array(page, name):
    """An output of the model on the page, as the page has it."""
    raw, dims = page.evaluate(
        """name => {
            const { data, dims } = live.answer.tensors[name];
            const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
            let text = "";
            for (const byte of bytes) text += String.fromCharCode(byte);
            return [btoa(text), dims];
        }""",
        name,
    )
    return torch.from_numpy(np.frombuffer(base64.b64decode(raw), np.float32).reshape(dims).copy())


def test_the_numbers_are_the_library_s(live, model, tally):
    assert len(CASES) == 20
    layer_maps = [f"processor.self_attends.{i}.attention.attention_map" for i in range(8)]
    for text, hidden, layers in CASES:
        start, stop = span_of(text, hidden)
        show(live, text=text, hole=[start, stop], layers=layers)
        ids, hole = live.evaluate("[live.answer.ids, live.answer.hole]")
        with stopped_after(model, layers), torch.no_grad():
            with record(model, [ENCODER_MAP, DECODER_MAP, *layer_maps[:layers]]) as seen:
                logits = model(torch.tensor([ids]), positions=torch.tensor(hole))
            [independent] = fill_mask(model, text, (start, stop))
            [joint] = fill_mask(model, text, (start, stop), joint=True)
        assert len(hole) == hole_length(text[start:stop])
        assert torch.allclose(array(live, "logits"), logits, atol=1e-4), text
        names = [
            "encoder_attention",
            "decoder_attention",
            *(f"layer_{i + 1}_attention" for i in range(layers)),
        ]
        for name, [weights] in zip(names, seen.values(), strict=True):
            assert torch.allclose(array(live, name), weights, atol=1e-5), (text, name)
        compare(live.evaluate("live.answer.fillings"), independent)
        compare_hidden(live.evaluate("live.answer.truth"), text[start:stop], array(live, "logits"))
        fill_easy_first(live)
        compare(live.evaluate("live.answer.easy"), joint)
        tally("texts whose fillings and attention on the live page equal the library's", 1)


@contextmanager
def stopped_after(model, layers):
    """The model's processor has only its first layers."""
    every = model.processor.self_attends
    model.processor.self_attends = every[:layers]
    yield
    model.processor.self_attends = every


def compare(found, expected):
    assert [bytes(filling["bytes"]).decode() for filling in found] == [filling.text for filling in expected]
    probabilities = [float(np.exp(filling["score"])) for filling in found]
    assert probabilities == pytest.approx([filling.probability for filling in expected], rel=1e-3)


def compare_hidden(truth, hidden, logits):
    """The probability of what was hidden, and how many strings are more probable."""
    if "[MASK]" in hidden:
        assert truth is None
        return
    assert bytes(truth["bytes"]).decode() == hidden
    rows = logits[0].double().log_softmax(-1)[:, 6:262].numpy()
    score = sum(row[byte] for row, byte in zip(rows, hidden.encode(), strict=True))
    assert truth["score"] == pytest.approx(score, abs=1e-3)
    first = [raw for raw, _ in best_byte_strings(rows, 200)]
    rank = first.index(hidden.encode()) + 1 if hidden.encode() in first else None
    assert truth["rank"] == rank if rank else truth["rank"] > 200


@pytest.fixture(scope="module")
def random_rows():
    """Log-probabilities that favour bytes of long characters, which the embedded model rarely does."""
    draw = np.random.default_rng(0)
    values = np.arange(256)
    drawn = [draw.normal(size=(length, 256)) + 3 * (values >= 0x80) for length in range(1, 9)]
    for lead in (0xC1, 0xE0, 0xED, 0xF0, 0xF4):  # after which some bytes would be overlong, or no character
        for length in (2, 3, 4):
            rows = draw.normal(size=(length, 256)) + 3 * (values >= 0x80)
            rows[0, lead] += 20
            drawn.append(rows)
    return drawn


def test_the_search_for_valid_utf8_is_the_library_s(live, random_rows):
    for rows in random_rows:
        found = live.evaluate(
            "async rows => (await import('./live.js')).bestByteStrings(rows, 5)", rows.tolist()
        )
        assert [bytes(f["bytes"]) for f in found] == [raw for raw, _ in best_byte_strings(rows, 5)]


def test_the_rank_of_a_string_is_its_place_in_the_library_s_ranking(live, random_rows):
    count = "async asked => (await import('./live.js')).betterStrings(...asked)"
    for rows in random_rows:
        ranking = [raw for raw, _ in best_byte_strings(rows, 90)]
        for place in {0, 1, len(ranking) // 2, len(ranking) - 1}:
            assert live.evaluate(count, [rows.tolist(), list(ranking[place]), 1000]) == place
        assert live.evaluate(count, [rows.tolist(), list(ranking[-1]), 7]) == 7  # it stops counting


def test_the_easy_first_search_is_the_library_s(live):
    """With a model of two lines, in both languages, that favours bytes of long characters."""
    run = """async ([ids, hole]) => {
        const { easyFirst, byteLogProbs } = await import("./live.js");
        const logProbs = (rows) => {
            const data = new Float32Array(rows.length * hole.length * 262);
            rows.forEach((row, w) => hole.forEach((_, i) => { for (let v = 0; v < 262; v++) {
                const sum = row.reduce((sum, id, at) => sum + id * (at + 1), 0);
                const drawn = ((sum * 7919 + i * 10007 + v * 52711) % 100003) / 30000;
                data[(w * hole.length + i) * 262 + v] = drawn + 3 * (v >= 134);
            } }));
            return byteLogProbs({ data, dims: [rows.length, hole.length, 262] });
        };
        return easyFirst(ids, hole, 5, logProbs);
    }"""

    def logits(rows, mask, positions):
        total = (rows * torch.arange(1, rows.shape[1] + 1)).sum(1)[:, None, None]
        i, v = torch.arange(len(positions))[:, None], torch.arange(262)
        return (((total * 7919 + i * 10007 + v * 52711) % 100003) / 30000 + 3 * (v >= 134)).float()

    for length in range(1, 8):
        ids, hole = [4, 70, *[3] * length, 71, 5], range(2, 2 + length)
        found = live.evaluate(run, [ids, list(hole)])
        expected = easy_first(logits, ids, hole, 5, torch.device("cpu"))
        assert [bytes(f["bytes"]) for f in found] == [raw for raw, _ in expected]
        assert [f["score"] for f in found] == pytest.approx([score for _, score in expected], abs=1e-4)


DIFFERENT = ("She opened the door and went into the house.", " opened")  # the two tables begin differently
PROBLEMS = [
    ({"text": "", "hole": [0, 0]}, "The text is empty"),
    ({"text": "x" * 255, "hole": [3, 4]}, "The text has 255 bytes, and this model reads at most 254"),
    ({"text": "abc", "hole": [1, 1]}, "Nothing is hidden"),
    ({"text": "a \ud83d b", "hole": [0, 1]}, "half of a character"),
    ({"text": "A [MASK] here", "hole": [4, 12]}, "ends inside a [MASK]"),
]


def test_what_cannot_be_filled_gets_one_sentence_and_the_next_text_works(live):
    for state, says in PROBLEMS:
        live.evaluate(
            "state => live.set(JSON.parse(state))", json.dumps(state)
        )  # which also carries half a pair
        settle(live)
        assert says in live.locator("#problem").inner_text()
        assert live.locator("#answer").is_hidden()  # nothing of the text before is left
    show(live, text="It works again.", hole=[2, 8])
    assert live.locator("#problem").inner_text() == "" and live.locator("#independent td").count() == 12


def test_a_typed_text_never_becomes_html(live):
    text = "<img src=x onerror=\"document.title='run'\"> <script>document.title='run'</script> & <b>x</b>"
    live.get_by_label("Text, at most").fill(text)
    settle(live)
    assert live.locator("#answer img, #strip img, #answer script, #answer b:text-is('x')").count() == 0
    assert "onerror" in live.locator("#sentence").inner_text() and "run" not in live.title()


def test_an_edit_keeps_the_hole_on_its_letters(live):
    text, hole = live.evaluate("[live.state.text, live.state.hole]")
    for new in ["Then " + text, text + " Then", text.replace("door", "window"), text.replace(" into", " in")]:
        show(live, text=text, hole=hole)
        live.get_by_label("Text, at most").fill(new)
        settle(live)
        assert live.evaluate("live.state.hole") == list(hole_after(text, new, tuple(hole)))


def test_stages_layers_latents_and_questions(live):
    shapes = live.locator("#stages .shape").all_inner_texts()
    assert shapes == ["1 × 46", "1 × 46 × 192", "1 × 64 × 384", "1 × 64 × 384", "1 × 5 × 192", "1 × 5 × 262"]
    before = live.locator("#independent .number").first.inner_text()
    live.get_by_label("stop after layer").fill("2")
    settle(live)
    assert live.locator("#independent .number").first.inner_text() != before
    assert live.locator("#map option").all_inner_texts() == ["encoder", "layer 1", "layer 2", "decoder"]
    row_height = live.locator("#canvas").bounding_box()["height"] / 64
    live.locator("#canvas").click(position={"x": 30, "y": row_height * 20.5})
    assert live.locator("#row-title").inner_text() == "What latent 20 attends to (encoder, mean of the heads)"
    live.get_by_label("map", exact=True).select_option("decoder")
    live.get_by_label("head", exact=True).select_option("3")
    assert (
        "hidden byte" in live.locator("#row-title").inner_text()
        and "head 3" in live.locator("#row-title").inner_text()
    )
    assert (
        live.locator("#canvas").get_attribute("aria-label").startswith("decoder, head 3: 5 rows, 46 columns")
    )
    live.get_by_role("button", name="make all letters equal").click()
    settle(live)
    assert live.evaluate("live.state.text") == "a" * 44 and live.evaluate("live.state.row") == 8
    live.get_by_role("button", name="stop after layer 6").click()
    settle(live)
    assert live.locator("#layers-value").inner_text() == "6"


def test_the_hidden_text_has_its_probability_and_rank_beside_the_fillings(live):
    house, ship = "She opened the door and went into the house.", "The ship sailed from London to America."
    for text, hidden, among in [(house, " into", True), (ship, " sailed", False), (house, " house", False)]:
        show(live, text=text, hole=span_of(text, hidden))
        truth, fillings = live.evaluate("[live.answer.truth, live.answer.fillings]")
        rank = f"{truth['rank']:,}" if hidden != " house" else ">\xa01,000"
        shown = percent(truth["score"])
        assert among == (truth["bytes"] in [filling["bytes"] for filling in fillings])
        expected = f'The hidden text is "{hidden}": probability {shown}, rank {rank}.'
        assert live.locator("#truth").inner_text() == expected
        marked = live.locator("#independent tr", has_text="hidden text")
        assert marked.count() == 1 and marked.locator(".filling").inner_text() == f'"{hidden}"'
        assert marked.locator("th").inner_text() == rank and marked.locator(".number").inner_text() == shown
        assert live.locator("#independent tr").count() == 5 + (not among)
    show(live, text="The c[MASK]t sat.", hole=[5, 11])
    assert "unknown" in live.locator("#truth").inner_text()
    assert live.locator("#answer td", has_text="hidden text").count() == 0


SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def percent(score):
    """As the page writes a probability."""
    p = float(np.exp(score))
    if p >= 1e-5:
        return f"{100 * p:#.3g}".rstrip(".") + "\xa0%"
    digits, power = f"{100 * p:.1e}".split("e-")
    return f"{digits}·10⁻{str(int(power)).translate(SUPERSCRIPTS)}\xa0%"


def value(shown):
    """The other way."""
    digits, _, power = shown.removesuffix("\xa0%").partition("·10⁻")
    return float(digits) / 100 / 10 ** int("0" + power.translate({b: a for a, b in SUPERSCRIPTS.items()}))


def test_a_table_shows_the_first_guess_after_every_layer(live, model, tally):
    text, hidden = "He looked at her for a moment without speaking.", " without"
    start, stop = span_of(text, hidden)
    show(live, text=text, hole=[start, stop], layers=5)
    rows, right = live.locator("#by-layer tr"), []
    ids, positions = live.evaluate("[live.answer.ids, live.answer.hole]")
    assert rows.count() == 9
    for layers in range(9):
        with stopped_after(model, layers), torch.no_grad():
            [fillings] = fill_mask(model, text, (start, stop), top_k=1000)
            logits = model(torch.tensor([ids]), positions=torch.tensor(positions))[0]
        ranks = {filling.text: rank for rank, filling in enumerate(fillings, 1)}
        cells = rows.nth(layers).locator("th, td").all_inner_texts()
        assert cells[0] == str(layers) and cells[1].startswith(f'"{fillings[0].text}"')
        of_bytes = logits.log_softmax(-1)[range(len(hidden)), [byte + 6 for byte in hidden.encode()]]
        expected = float(of_bytes.sum().exp())
        assert value(cells[2]) == pytest.approx(expected, rel=0.06)  # it has two digits, where it is small
        assert cells[3] == str(ranks.get(hidden, ">\xa01,000"))
        right += [str(layers)] * (ranks.get(hidden) == 1)
        assert (rows.nth(layers).get_attribute("aria-current") == "true") == (layers == 5)
        tally("rows of the live page's table of layers that are the library's", 1)
    assert 0 < len(right) < 9
    says = f"The hidden text is the first guess after layer {', '.join(right)}."
    assert live.locator("#knows").inner_text() == says
    live.get_by_role("button", name="one layer less").click()
    settle(live)
    assert live.locator("#by-layer [aria-current=true] th").inner_text() == "4"
    assert "stops after layer 4 of 8" in live.locator("#filled-by").inner_text()


def test_a_hole_too_long_for_the_table_and_the_search_says_so(live):
    show(live, text="A long word: " + "x" * 25, hole=[13, 38])
    for place in ("#knows", "#searching"):
        assert "holes of up to 24 bytes, and this one has 25" in live.locator(place).inner_text()
    assert live.locator("#by-layer tr").count() == 0


def test_typing_runs_all_layers_again(live):
    live.get_by_label("stop after layer").fill("2")
    settle(live)
    live.get_by_label("Text, at most").press_sequentially("!")
    settle(live)
    assert live.locator("#layers-value").inner_text() == "8" and live.evaluate("live.answer.layers") == 8


def test_a_text_typed_letter_by_letter_hides_its_middle_word_until_the_reader_hides_another(live):
    """As the experiments of the notebooks do."""
    text, box = "A quick brown fox jumps over the lazy dog near a river.", live.get_by_label("Text, at most")
    box.fill("")
    settle(live)
    for stop in range(1, len(text) + 1):
        box.press_sequentially(text[stop - 1])
        assert live.evaluate("live.state.hole") == list(middle_word(text[:stop], LONGEST))
    settle(live)
    assert live.locator("#truth").inner_text().startswith('The hidden text is " over"')
    live.locator("#strip [role=option]").nth(text.index("quick")).dblclick()
    for more in " It is brown.":
        box.press_sequentially(more)
    settle(live)
    assert live.locator("#truth").inner_text().startswith('The hidden text is " quick"')


def test_the_sentence_follows_the_search(live):
    text = DIFFERENT[0]
    show(live, text=text, hole=span_of(*DIFFERENT))
    before = live.locator("#sentence").inner_text()
    assert "“Each byte on its own”" in live.locator("#filled-by").inner_text()
    fill_easy_first(live)
    start, stop = span_of(*DIFFERENT)
    filled = bytes(live.evaluate("live.answer.easy[0].bytes")).decode()
    assert live.locator("#sentence").inner_text() == text[:start] + filled + text[stop:] != before
    shown = live.locator("#easy .number").first.inner_text()
    assert (
        live.locator("#filled-by").inner_text()
        == f"The first filling of “The most certain byte first”: {shown}."
    )


def test_every_probability_and_weight_has_one_form(live):
    show(live, text=DIFFERENT[0], hole=span_of(*DIFFERENT))
    fill_easy_first(live)
    numbers = live.locator("td.number").all_inner_texts()
    numbers += re.findall(r"\(([^()]*%)\)", live.locator("#row-says").inner_text())
    numbers += re.findall(r"\(([^()]*%)\)", live.locator("#most").inner_text())
    assert len(numbers) >= 5 + 5 + 9 + 4 + 3
    form = re.compile(r"([\d.]{3,7}|\d\.\d·10⁻[⁰¹²³⁴-⁹]+)\xa0%")
    assert not [number for number in numbers if not form.fullmatch(number)]


def test_the_page_names_the_latents_that_attend_to_the_hidden_bytes(live):
    hole = live.evaluate("live.answer.hole")
    weights = array(live, "encoder_attention")[0].mean(0)[:, hole].sum(1)
    for place, latent in enumerate(weights.topk(3).indices.tolist()):
        button = live.locator("#most-rows button").nth(place)
        assert button.inner_text() == f"{latent} ({percent(np.log(float(weights[latent])))})"
        button.click()
        assert live.locator("#row-title").inner_text().startswith(f"What latent {latent} attends to")
        assert live.locator("#row-value").inner_text() == str(latent)
    live.get_by_label("map", exact=True).select_option("decoder")
    assert live.locator("#most").is_hidden()


def test_the_special_ids_do_not_set_the_scale_of_the_map(live):
    """The largest weight on the text has the full shade, and a larger one on [CLS] has the same."""
    weights, clipped = array(live, "encoder_attention")[0], 0
    for head, of_head in enumerate(weights):
        live.get_by_label("head", exact=True).select_option(str(head))
        row, column = divmod(int(of_head[:, 1:-1].argmax()), of_head.shape[1] - 2)
        pixels, ink = live.evaluate(
            """() => {
                const { width, height } = document.getElementById("canvas");
                const often = { willReadFrequently: true };
                const copy = new OffscreenCanvas(width, height).getContext("2d", often);
                copy.drawImage(document.getElementById("canvas"), 0, 0);
                const { data } = copy.getImageData(0, 0, width, height);
                return [[...data], getComputedStyle(document.body).color.match(/\\d+/g).map(Number)];
            }"""
        )
        colours = np.reshape(pixels, (*of_head.shape, 4))[..., :3]
        assert colours[row, column + 1].tolist() == ink
        above = of_head[:, [0, -1]] > of_head[:, 1:-1].max()
        assert (colours[:, [0, -1]][above.numpy()] == ink).all()
        clipped += int(above.sum())
    assert clipped and "[CLS] and [SEP] that exceed it look alike" in live.locator("#legend").inner_text()


def test_the_signs_are_explained(live):
    drawn = set("".join(live.locator("#under span, #shaded span").all_inner_texts()))
    explained = set(live.locator("#legend b").all_inner_texts())
    assert {"⟨", "⟩", "▒", "␣"} <= drawn and {"⟨", "⟩", "▒", "␣", "⏎", "◂", "▪"} == explained


def test_reload_and_back_keep_what_was_typed(browser, address, complete):
    page = browser.new_context().new_page()
    opened(page, address)
    page.get_by_label("Text, at most").fill("Every house has a wide door.")
    settle(page)
    page.locator("#strip [role=option]").nth(18).dblclick()
    page.get_by_role("button", name="row below").click()
    kept = page.evaluate("live.state")
    assert kept["hole"] == [17, 22] and kept["row"] == 8
    page.reload()
    settle(page)
    assert page.evaluate("live.state") == kept
    page.get_by_role("link", name="the course").click()
    page.go_back()
    settle(page)
    assert page.evaluate("live.state") == kept
    assert page.get_by_label("Text, at most").input_value() == "Every house has a wide door."
    page.get_by_role("button", name="start again").click()
    page.reload()
    settle(page)
    assert page.evaluate("live.state.text") == complete["text"]
    page.context.close()


@pytest.fixture(scope="module")
def phone(browser, address, complete):
    """The page on a phone: 390 pixels and a finger."""
    size = {"width": 390, "height": 844}
    page = browser.new_context(viewport=size, has_touch=True, is_mobile=True).new_page()
    with watching(page, address):
        yield opened(page, address)
        page.context.close()


def test_a_finger_hides_a_letter_a_word_or_more(phone):
    phone.get_by_role("button", name="start again").tap()
    settle(phone)
    assert phone.locator("#strip").get_by_text("Tap a letter, double-tap a word, or drag").is_visible()
    letters = phone.locator("#strip [role=option]")
    letters.nth(5).tap()
    assert phone.evaluate("live.state.hole") == [5, 6]
    show(phone, text="In Paris, the old man [MASK] sat.", hole=[0, 2])
    text = phone.evaluate("live.state.text")
    words = [("ris", " Paris"), ("old", " old"), ("[", " [MASK]"), (" sat", " sat"), (",", ",")]
    for tapped, hidden in words:
        for _ in range(2):
            letters.nth(text.index(tapped)).tap()
        assert phone.evaluate("live.state.hole") == span_of(text, hidden)
    settle(phone)


def test_everything_is_large_enough_for_a_finger_and_for_a_mouse(phone, live):
    boxes = """() => [...document.querySelectorAll("button, select, textarea, input")].map((control) => {
        const { width, height } = control.getBoundingClientRect();
        return [control.id || control.ariaLabel || control.textContent, Math.min(width, height)];
    }).filter(([, size]) => size)"""
    for page, least in [(phone, 44), (live, 24)]:
        found = page.evaluate(boxes)
        assert len(found) >= 15 and not [box for box in found if box[1] < least]
        page.get_by_label("map", exact=True).select_option("decoder")
        rows = page.locator("#canvas").bounding_box()["height"] / len(page.evaluate("live.answer.hole"))
        assert rows >= least
        page.get_by_label("map", exact=True).select_option("encoder")


def test_buttons_beside_the_sliders_change_them_by_one(live):
    for name, slider, value in [("layer", "layers", 8), ("row", "row", 7)]:
        less = live.get_by_role("button", name="one layer less" if name == "layer" else "row above")
        more = live.get_by_role("button", name="one layer more" if name == "layer" else "row below")
        less.click()
        settle(live)
        assert live.evaluate("slider => live.state[slider]", slider) == value - 1
        more.click()
        settle(live)
        assert live.locator(f"#{slider}-value").inner_text() == str(value)
        assert live.locator(f"#{slider}").input_value() == str(value)


def test_on_a_phone_the_map_shows_that_it_scrolls_and_the_text_stays_beside_it(phone, live):
    assert live.locator("#wider").is_hidden()
    assert phone.locator("#wider").is_visible() and phone.locator("#scroller.more").count() == 1
    phone.evaluate("scroller.scrollLeft = scroller.scrollWidth")
    phone.locator("#scroller:not(.more)").wait_for()
    phone.evaluate("scrollBy({ top: canvas.getBoundingClientRect().bottom - 400, behavior: 'instant' })")
    text, canvas = (phone.locator(place).bounding_box() for place in ("#shaded", "#canvas"))
    assert text["y"] >= 0 and canvas["y"] < text["y"] + text["height"] < 300  # the map moves behind the text


def test_by_keyboard_alone(live):
    live.get_by_role("listbox").focus()
    for key in ["Home", "ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"]:
        live.keyboard.press(key)
    settle(live)
    assert live.evaluate("live.state.hole") == [3, 6]
    reached = set()
    live.locator("a").first.focus()
    for _ in range(30):
        live.keyboard.press("Tab")
        reached.add(
            live.evaluate("(({ id, role, ariaLabel }) => id || role || ariaLabel)(document.activeElement)")
        )
    wanted = {
        "text",
        "listbox",
        "reset",
        "search",
        "layers",
        "one layer more",
        "preset-layers",
        "map",
        "head",
        "row",
        "row above",
        "scroller",
        "preset-letters",
    }
    assert wanted <= reached


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read_by_everyone(live, theme):
    live.emulate_media(color_scheme=theme)
    live.get_by_label("map", exact=True).select_option("layer_4")
    fill_easy_first(live)
    for width in (390, 1280):
        live.set_viewport_size({"width": width, "height": 900})
        assert not faults(live) and fits(live)


def test_the_book_s_choice_of_a_theme_holds(page, address, complete):
    page.emulate_media(color_scheme="light")
    papers = set()
    for theme in ("light", "dark", "auto"):
        page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        page.goto(f"{address}live/")
        papers.add((theme == "dark", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert len(papers) == 2


class Isolated(SimpleHTTPRequestHandler):
    """A server with the headers that allow threads."""

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_):
        pass


def test_with_cross_origin_isolation_it_has_threads_and_a_second_visit_loads_nothing(book, complete, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Isolated, directory=book.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for visit in range(2):
            asked.clear()
            opened(page, f"http://127.0.0.1:{server.server_port}/{book.name}/")
            assert any(complete["weights"]["file"] in url for url in asked) == (visit == 0)
        threads = page.evaluate("crossOriginIsolated && Math.min(4, navigator.hardwareConcurrency)")
        assert f"with {threads} thread" in page.locator("#threads").inner_text()
        best = page.locator("#independent .filling").first.inner_text()
        server.shutdown()
    assert best == '" into"'


def test_without_its_model_the_page_says_so(page, address):
    said = "This copy of the book was built without the model for the browser: npm was not found."
    page.route("**/live/about.json", lambda route: route.fulfill(json={"missing": said}))
    page.goto(f"{address}live/")
    page.locator("#loading.failed").wait_for()
    assert page.locator("#status").inner_text() == said and page.locator("#app").is_hidden()


def test_without_npm_the_book_has_a_page_that_says_so(tmp_path, monkeypatch):
    import browser_model

    monkeypatch.setattr(browser_model, "KEPT", tmp_path / "kept")
    monkeypatch.setattr("shutil.which", lambda name: None)
    missing = browser_model.add_live_page(tmp_path)
    assert "npm was not found. Install Node.js" in missing and (tmp_path / "live/index.html").exists()
    assert json.loads((tmp_path / "live/about.json").read_text("utf-8")) == {"missing": missing}


def test_another_onnx_runtime_than_the_known_one_is_refused(tmp_path, monkeypatch):
    import browser_model

    monkeypatch.setattr(browser_model, "KEPT", tmp_path)
    archive = tmp_path / browser_model.package()
    archive.write_bytes(b"something else")
    with pytest.raises(SystemExit, match="so it was deleted"):
        browser_model.runtime(tmp_path / "ort")
    assert not archive.exists()


def test_the_model_is_small(complete, book):
    assert complete["weights"]["bytes"] + complete["graph"]["bytes"] <= 12e6
    assert len((book / "live/live.js").read_text("utf-8").splitlines()) <= 500
