"""The book in Chromium: axe-core, three sizes, both themes, keyboard, and search with and without a server.

Every page is opened at the width of a phone, but of those of source code only one. Axe reads one page of each
kind, and all of these pages, in minutes for each width and theme, with

    PERCEIVER_EDU_BOOK=all .venv/bin/python -m pytest tests/book
"""

import json
import os
import subprocess
import sys

import pytest
from axe_playwright_python.sync_playwright import Axe

ALL = os.environ.get("PERCEIVER_EDU_BOOK") == "all"
KINDS = ["index.html", "notebooks/02_encoder.html", "docs/glossary.html", "docs/api/stages.html"]
KINDS += ["zh/notebooks/02_encoder.html", "zh/docs/glossary.html"]
KINDS += ["_modules/perceiver_edu/encoder.html", "search.html?q=cross-attention"]
SIZES = {390: 844, 800: 1100, 1440: 900}
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
AXE["preload"] = False  # it would look for what a style sheet imports beside the page, and complain of a 404

pytestmark = pytest.mark.browser


def all_pages(book):
    """Without source code and an empty search, of which KINDS has one each."""
    names = sorted(path.relative_to(book).as_posix() for path in book.rglob("*.html"))
    return [name for name in names if not name.startswith(("_modules", "search"))]


@pytest.fixture
def read(page, address):
    """`read(name, width, theme)` opens a page. At the end: no error in the console, no request elsewhere."""
    complaints = []
    page.on("request", lambda r: None if r.url.startswith((address, "data:")) else complaints.append(r.url))
    page.on("pageerror", lambda error: complaints.append(f"error on the page: {error}"))
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)

    def open_page(name, width=1440, theme="light"):
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # no colour on its way to another
        page.goto(address + name, wait_until="load")
        return page

    yield open_page
    assert not complaints, complaints[:5]


def faults(page) -> list:
    return [
        (f["id"], f["nodes"][0]["html"][:200]) for f in Axe().run(page, options=AXE).response["violations"]
    ]


def fits(page) -> bool:
    """No horizontal scrolling of the page, or none within seconds, when its formulas are set: what is wider
    scrolls by itself."""
    for _ in range(50):
        if page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            return True
        page.wait_for_timeout(100)
    return False


def wait_for_results(page) -> None:
    page.wait_for_function("document.querySelectorAll('#search-results li p.context').length > 3")


def test_every_page_fits_a_phone(book, read):
    too_wide = [name for name in [*all_pages(book), *KINDS[-2:]] if not fits(read(name, 390))]
    assert not too_wide, too_wide


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES if ALL else [390, 1440])
def test_each_kind_can_be_read_by_everyone(book, read, width, theme):
    found = {}
    for name in [*all_pages(book), *KINDS[-2:]] if ALL else KINDS:
        page = read(name, width, theme)
        if name.startswith("search"):
            wait_for_results(page)
        page.evaluate("document.querySelectorAll('details').forEach((folding) => folding.open = true)")
        if found_here := faults(page) + ([] if fits(page) else ["too wide"]):
            found[name] = found_here
    assert not found, found


def test_a_definition_appears_on_hover_and_focus_and_goes_with_escape(read):
    page = read("notebooks/02_encoder.html")
    term, box = page.locator("a.term").first, page.locator("#book-definition")
    assert box.is_hidden()
    term.hover()
    assert box.is_visible() and len(box.inner_text()) > 20
    page.keyboard.press("Escape")
    assert box.is_hidden()
    term.focus()
    assert box.is_visible()


def test_a_hint_opens_by_keyboard(read):
    page = read("notebooks/02_encoder.html")
    hint = page.locator("details").first
    hint.locator("summary").focus()
    page.keyboard.press("Enter")
    assert hint.evaluate("folding => folding.open")


@pytest.mark.parametrize("width", [390, 1440])
def test_search_leads_from_the_front_page_to_the_explanation_in_two_clicks(read, width):
    page = read("index.html", width)
    page.locator("button.search-button__button:visible, button.search-button:visible").first.click()
    page.keyboard.type("cross-attention")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=cross-attention*")
    wait_for_results(page)
    definition, exercise, chapter = page.locator("#search-results li a").all()[:3]
    assert definition.get_attribute("href") == "docs/glossary.html#cross-attention"
    assert exercise.get_attribute("href") == "notebooks/02_encoder.html#exercise-cross-attention"
    chapter.click()
    page.wait_for_url("**/notebooks/02_encoder.html*")
    assert "Encoder" in page.locator("main h1").first.inner_text()


def test_a_chinese_query_without_spaces_finds_its_words(read):
    page = read("zh/search.html?q=交叉注意力")
    wait_for_results(page)
    assert (
        page.locator("#search-results li a").first.get_attribute("href")
        == "docs/glossary.html#cross-attention"
    )
    page = read("zh/search.html?q=编码器的形状")
    wait_for_results(page)
    assert page.evaluate("splitQuery('编码器的形状')") == ["编码器", "形状"]


def test_a_second_build_keeps_the_glossary_in_the_search_index(book):
    subprocess.run(
        [sys.executable, book.parents[1] / "docs/build.py", "--language", "zh_CN"], check=True, timeout=600
    )
    index = (book / "zh/searchindex.js").read_text("utf-8").removeprefix("Search.setIndex(").rstrip(");\n")
    entries = json.loads(index)["indexentries"]
    assert "交叉注意力" in entries and len(entries) > 50


def test_the_switch_leads_to_the_same_page_in_the_other_language_and_back(read):
    page = read("notebooks/02_encoder.html", 390)
    for name in ("zh/notebooks/02_encoder.html", "notebooks/02_encoder.html"):
        page.locator("a.book-language").click()
        page.wait_for_url(f"**/book/{name}")


def test_the_archive_can_be_read_and_searched_from_disk(unpacked, page):
    asked = []
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    page.on("pageerror", lambda error: asked.append(str(error)))
    page.goto(f"{unpacked.as_uri()}/search.html?q=bottleneck")
    wait_for_results(page)
    assert "bottleneck" in page.locator("#search-results p.context").first.inner_text().lower()
    page.locator("#search-results li a").first.click()
    page.locator("article h1").first.wait_for()
    assert "search.html" not in page.url and not asked


def test_on_paper_there_are_no_bars_and_the_foldings_are_open(read):
    page = read("notebooks/02_encoder.html")
    page.emulate_media(media="print")
    for bar in (".bd-header-article", ".bd-sidebar-primary", ".prev-next-footer"):
        assert page.locator(bar).first.is_hidden()
    assert page.locator("details p").first.is_visible()
