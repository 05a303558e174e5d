"""What every page of the book promises, read from its HTML."""

import json
import posixpath
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

import perceiver_edu

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LEFT_OVER = [
    "Loading widget",
    "run this cell to use it",
    "<details",
    "::::",
    "{term}",
    "{folded}",
]

HAN = re.compile(r"[\u3400-\u9fff]")
LIVE = "live/index.html"  # the one page that Sphinx does not make

pytestmark = pytest.mark.browser  # with the tests that drive Chromium, so that the book is built once


@cache
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


@pytest.fixture(scope="session")
def pages(book):
    """{path in the book: its HTML}"""
    found = {path.relative_to(book).as_posix(): soup(path) for path in book.rglob("*.html")}
    assert len(found) > 60
    return found


def targets(page):
    return {node.get("id") for node in page.find_all(id=True)} | {
        node["name"] for node in page.select("a[name]")
    }


def test_every_link_of_the_book_leads_somewhere(book, pages):
    ids, broken, checked = {name: targets(page) for name, page in pages.items()}, [], 0
    for name, page in pages.items():
        for link in page.select("a[href]"):
            address = urlsplit(link["href"])
            if address.scheme or address.netloc:
                continue
            checked += 1
            path = (book / name).parent / unquote(address.path) if address.path else book / name
            there = path.resolve().relative_to(book.resolve()).as_posix()
            if not path.exists() or (
                there in ids and address.fragment and unquote(address.fragment) not in ids[there]
            ):
                broken.append(f"{name}: {link['href']}")
    assert not broken and checked > 5000, broken[:20]


def test_every_link_to_the_repository_names_a_file_of_it(pages):
    start = re.compile(
        r"https://github\.com/perceiver-edu/perceiver-edu/(?:blob|tree|edit)/(?:main|v[\d.]+)/([^#]*)"
    )
    paths = {m[1] for page in pages.values() for a in page.select("a[href]") if (m := start.match(a["href"]))}
    assert len(paths) > 20 and not {path for path in paths if not (ROOT / path).exists()}


def test_links_to_code_lead_to_its_source_page(pages):
    """The course links to files of the package some 45 times; the book has a page for each of them."""
    code = [
        link["href"]
        for name, page in pages.items()
        if name.startswith("notebooks/")
        for link in page.select("article a[href]")
        if link["href"].partition("#")[0].endswith(".py") and "/perceiver_edu/" in link["href"]
    ]
    sources = [a for page in pages.values() for a in page.select("article a[href*='_modules/perceiver_edu']")]
    assert code == [] and len(sources) > 45


def test_no_page_asks_another_host(pages):
    for name, page in pages.items():
        for node in page.select("script[src], link[href], img[src], iframe, source"):
            address = node.get("src") or node.get("href") or ""
            if node.name == "link" and node.get("rel") not in (["stylesheet"], ["preload"], ["icon"]):
                continue
            assert not re.match(r"(https?:)?//", address), f"{name}: {address}"


def test_every_picture_is_described_by_a_sentence(pages):
    pictures = [(name, img) for name, page in pages.items() for img in page.select("main img")]
    stored = sum(path.read_text("utf-8").count('"image/png": "') for path in NOTEBOOKS)
    assert len(pictures) > stored > 50, "every picture of the notebooks, and the pipeline"
    for name, img in pictures:
        text = img.get("alt", "")
        assert re.match(r"\S+ .+[.!?…]\"?$|.{10,}。$", text, re.DOTALL) and ".png" not in text, (
            f"{name}: {text!r}"
        )


def test_nothing_of_a_notebook_is_left_over(pages):
    for name, page in pages.items():
        if name.startswith(("notebooks/", "index")):
            text = page.find("article").get_text()
            assert not [words for words in LEFT_OVER if words in text], name


def test_no_page_names_the_folder_in_which_it_was_built(pages):
    assert not [name for name, page in pages.items() if str(ROOT) in page.get_text()]


def test_foldings_are_closed_and_named(pages):
    foldings = [
        node
        for name, page in pages.items()
        if name.startswith("notebooks/")
        for node in page.select("article details")
    ]
    assert len(foldings) > 150 and not [node for node in foldings if node.has_attr("open")]
    assert all(node.find("summary", recursive=False).get_text(strip=True) for node in foldings)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_offers_its_notebook(book, pages, path):
    page = pages[f"notebooks/{path.stem}.html"]
    links = {a.get_text(strip=True): a["href"] for a in page.select(".book-action")}
    assert links["Open in Colab"].endswith(f"/blob/v{perceiver_edu.__version__}/notebooks/{path.name}")
    assert links["Suggest an edit"].endswith(f"/edit/main/notebooks/{path.name}")
    assert (book / "notebooks" / links["Download notebook"]).read_bytes() == path.read_bytes()
    source = path.read_text("utf-8")
    stubs = page.find_all(string="Your turn")
    assert len(stubs) == source.count('"role": "stub"')
    labs = [p for p in page.find_all(string="An experiment with controls")]
    assert len(labs) == source.count("An experiment with controls: run this cell")


def test_each_page_leads_to_itself_in_the_other_language_and_back(pages):
    translated = [name for name in pages if name.startswith("zh/")]
    assert len(translated) > 17
    for name, page in pages.items():
        if name == LIVE:
            continue
        [link] = page.select("a.book-language")
        there = posixpath.normpath(posixpath.join(posixpath.dirname(name), link["href"]))
        here, other = ("zh-CN", "en") if name in translated else ("en", "zh-CN")
        assert page.html["lang"] == here and link["hreflang"] == pages[there].html["lang"] == other
        assert there == name.removeprefix("zh/") or there in (f"zh/{name}", "zh/index.html"), name
    assert all(name.removeprefix("zh/") in pages for name in translated)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_translated_chapter_has_the_code_of_the_english_one(book, pages, path):
    english, chinese = (pages[f"{folder}notebooks/{path.stem}.html"] for folder in ("", "zh/"))
    cells = [[cell.get_text() for cell in page.select(".cell .highlight")] for page in (english, chinese)]
    assert cells[0] == cells[1] and len(cells[0]) > 5
    copy = json.loads((book / "zh/downloads/notebooks" / path.name).read_text("utf-8"))["cells"]
    original = json.loads(path.read_text("utf-8"))["cells"]
    code = [[cell for cell in some if cell["cell_type"] == "code"] for some in (copy, original)]
    assert code[0] == code[1]


def test_a_chinese_term_is_linked_with_its_definition(pages):
    [link] = [
        a for a in pages["zh/notebooks/02_encoder.html"].select("a.term") if a.get_text() == "交叉注意力"
    ]
    assert link["href"] == "../docs/glossary.html#cross-attention" and "注意力" in link["title"]


SENTENCE = re.compile(r"(?:[A-Za-z']+[ ,]+){4}[A-Za-z]+")
LABELS = re.compile(r"[A-Za-z]{3}")


def test_a_chinese_page_has_no_english_paragraph_and_no_english_label(pages):
    """But for code, what programs printed, and what a Chinese sentence quotes."""
    for name, page in pages.items():
        if not name.startswith("zh/") or name.endswith("search.html"):
            continue
        for part in page.select("article :is(p, li, h1, h2, h3, th, td, summary)"):
            text = part.get_text()
            if not part.find_parent(class_="cell_output") and not part.find(["p", "code"]):
                assert HAN.search(text) or not SENTENCE.search(text), (name, text)
        for part in page.body.find_all(["a", "button", "input", "label", "nav", "div"]):
            for attribute in ("title", "aria-label", "placeholder"):
                text = part.get(attribute, "")
                assert HAN.search(text) or not LABELS.search(text) or text == "perceiver_edu", (name, text)


def test_english_parts_of_a_chinese_page_say_so(pages):
    article = pages["zh/notebooks/02_encoder.html"].find("article")
    for part in [*article.find_all("em"), *article.find_all("img")]:
        chinese = HAN.search(part.get("alt") or part.get_text())
        assert part.get("lang") == (None if chinese else "en"), part
    [text] = [part for part in article.find_all("em") if part.get_text().startswith("She opened")]
    assert text["lang"] == "en"
    assert any("perceiver-reveal" in str(p) and "结果：" in p.get_text() for p in article.find_all("p"))
    assert not article.find_all(string=re.compile("^The result: "))


def test_the_public_names_are_all_in_the_reference(pages):
    table = pages["docs/api/index.html"].select("table.autosummary a")
    assert {link.get_text(strip=True).rpartition(".")[2] for link in table} == set(perceiver_edu.__all__) - {
        "__version__"
    }


def test_a_term_is_linked_once_where_it_is_first_used_and_defined(pages):
    links = [
        a
        for a in pages["notebooks/02_encoder.html"].select("a.term")
        if a.get_text().lower() == "cross-attention"
    ]
    assert len(links) == 1 and links[0]["href"] == "../docs/glossary.html#cross-attention"
    assert links[0]["title"].startswith("Attention")


def test_the_version_is_in_the_header(pages):
    assert all(
        perceiver_edu.__version__ in page.select_one(".bd-header-article").get_text()
        for name, page in pages.items()
        if name != LIVE
    )
