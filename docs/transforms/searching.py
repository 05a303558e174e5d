"""The search page's snippets come from one script, so that they work from a folder without a web server too.

Sphinx's search fetches each page that it has found, which browsers forbid to pages opened from disk.
"""

import json
from pathlib import Path

from bs4 import BeautifulSoup

SCRIPT = "search-pages.js"
LEFT_OUT = "script, style, .headerlink, nav, .prev-next-footer, .bd-header-article, #jb-print-docs-body"


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
    template = (Path(app.confdir) / "_static" / "search-pages.js").read_text("utf-8")
    script = template.replace("{}", json.dumps(pages, ensure_ascii=False), 1)
    (app.outdir / "_static" / SCRIPT).write_text(script, "utf-8")


def text_of(path: Path) -> str:
    """The text of a page, in as much HTML as a snippet needs: its sections with their ids."""
    main = BeautifulSoup(path.read_text("utf-8"), "html.parser").find("main")
    for node in main.select(LEFT_OUT):
        node.decompose()
    for node in list(main.find_all(True)):
        anchor = node.get("id")
        if anchor and node.name in ("section", "dt"):
            node.attrs = {"id": anchor}
        else:
            node.unwrap()
    return f'<div role="main">{" ".join(main.decode_contents().split())}</div>'


def setup(app):
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
