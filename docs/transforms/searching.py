"""The search page's snippets come from one script, so that they work from a folder without a web server too.

Sphinx's search fetches each page that it has found, which browsers forbid to pages opened from disk.
"""

import csv
import json
import logging
import re
from pathlib import Path

import jieba
from sphinx.search.zh import SearchChinese

STATIC = Path(__file__).parents[1] / "_static"

SCRIPT = "search-pages.js"
LEFT_OUT = re.compile(r'<a class="headerlink".*?</a>|<(script|style)\b.*?</\1>', re.DOTALL)
TAG = re.compile(r'<(?:(section|dt)\b[^>]*?(\sid="[^"]*")[^>]*|(/(?:section|dt))|[^>]*)>')


class Chinese(SearchChinese):
    """Chinese and English words, which jieba finds, and those of our terms as they are."""

    language_name = "English"  # of the stemmer, which only English words need
    js_splitter_code = (STATIC / "chinese-words.js").read_text("utf-8")

    def __init__(self, options):
        jieba.setLogLevel(logging.WARNING)
        super().__init__(options | {"dict": ""})  # jieba loads its own dictionary by itself, and faster
        with (STATIC.parent / "locale/terms.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                jieba.add_word(row["Chinese"])


def add_script(app, pagename, templatename, context, doctree):
    if pagename == "search":
        app.add_js_file(SCRIPT)


def write_script(app, exception):
    if exception or app.builder.name != "html":
        return
    pages = {
        app.builder.get_target_uri(name): text_of(app.outdir / app.builder.get_target_uri(name))
        for name in sorted(app.env.found_docs)
    }
    template = (STATIC / "search-pages.js").read_text("utf-8")
    script = template.replace("{}", json.dumps(pages, ensure_ascii=False), 1)
    (app.outdir / "_static" / SCRIPT).write_text(script, "utf-8")


def text_of(path: Path) -> str:
    """The text of a page, in as much HTML as a snippet needs: its sections with their ids."""
    page = path.read_text("utf-8")
    article = LEFT_OUT.sub("", page[page.index("<article") : page.index("</article>")])
    text = TAG.sub(lambda tag: f"<{tag[1] or tag[3]}{tag[2] or ''}>" if tag[1] or tag[3] else "", article)
    return f'<div role="main">{" ".join(text.split())}</div>'


def setup(app):
    app.add_search_language(Chinese)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
