"""The live page in Chromium: its numbers are the library's, and every reader can use it."""

import base64
import json
import os
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from test_reading import faults, fits

from perceiver_edu import fill_mask, load_pretrained
from perceiver_edu.course.widgets.strip import hole_after
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


def test_the_search_for_valid_utf8_is_the_library_s(live):
    """On random numbers that favour bytes of long characters, which the embedded model rarely does."""
    draw = np.random.default_rng(0)
    values = np.arange(256)
    drawn = [draw.normal(size=(length, 256)) + 3 * (values >= 0x80) for length in range(1, 9)]
    for lead in (0xC1, 0xE0, 0xED, 0xF0, 0xF4):  # after which some bytes would be overlong, or no character
        for length in (2, 3, 4):
            rows = draw.normal(size=(length, 256)) + 3 * (values >= 0x80)
            rows[0, lead] += 20
            drawn.append(rows)
    for rows in drawn:
        found = live.evaluate(
            "async rows => (await import('./live.js')).bestByteStrings(rows, 5)", rows.tolist()
        )
        assert [bytes(f["bytes"]) for f in found] == [raw for raw, _ in best_byte_strings(rows, 5)]


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
        return easyFirst(ids, hole, 5, logProbs, () => true);
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
        assert live.locator("#answer").get_attribute("inert") is not None
    show(live, text="It works again.", hole=[2, 8])
    assert live.locator("#problem").inner_text() == "" and live.locator("#independent td").count() == 10


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
    live.locator("#canvas").click(position={"x": 30, "y": 5 * 20 + 2})
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
    live.get_by_role("button", name="question 1").click()
    settle(live)
    assert (
        live.locator("#question").inner_text().endswith("?") and live.evaluate("live.state.text") == "a" * 44
    )


def test_by_keyboard_alone(live):
    live.get_by_role("listbox").focus()
    for key in ["Home", "ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"]:
        live.keyboard.press(key)
    settle(live)
    assert live.evaluate("live.state.hole") == [3, 6]
    reached = set()
    live.locator("a").first.focus()
    for _ in range(20):
        live.keyboard.press("Tab")
        reached.add(live.evaluate("document.activeElement.id || document.activeElement.role"))
    wanted = {
        "text",
        "listbox",
        "layers",
        "preset-letters",
        "preset-layers",
        "reset",
        "search",
        "map",
        "head",
        "row",
    }
    assert wanted | {"scroller"} <= reached


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
