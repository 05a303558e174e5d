"""The editions of the book, and on each page the link to the same page in the other language."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from perceiver_edu.language import ENGLISH, LANGUAGES, catalogues, to_translate
from transforms.terms import HAN

TOC_TITLE, SEARCH = to_translate("On this page"), to_translate("Search...")
THEME = [  # what the theme says in English only
    to_translate("Toggle primary sidebar"),
    to_translate("Toggle secondary sidebar"),
    to_translate("Color mode"),
    to_translate("System Settings"),
    to_translate("Main"),
    to_translate("Page"),
]
EDITIONS = {ENGLISH: "", "zh_CN": "zh"}  # the folder of each in the book; English is first, and has all pages


def configure(app, config):
    """What differs between the editions."""
    config.book_words = words = catalogues(config.language)
    config.html_theme_options["toc_title"] = words.get(TOC_TITLE, TOC_TITLE)
    config.html_theme_options["search_bar_text"] = words.get(SEARCH, SEARCH)
    if EDITIONS[config.language]:
        config.book_english = "../"  # from its front page, the front page of the edition that has all pages


def add_switch(app, pagename, templatename, context, doctree):
    """`book_languages`: [(its name, its code, address), …] of this page in the other languages.

    Another edition lacks some pages of the English one: from these, the link leads to its front page.
    """
    here, uri = app.config.language, app.builder.get_target_uri(pagename)
    up = "../" * (uri.count("/") + (EDITIONS[here] != ""))
    context["book_languages"] = []
    for language, folder in EDITIONS.items():
        if language != here:
            there = uri if has_page(app, language, pagename) else app.builder.get_target_uri("index")
            address = up + (f"{folder}/" if folder else "") + there
            context["book_languages"].append((LANGUAGES[language], language.replace("_", "-"), address))


def has_page(app, language: str, name: str) -> bool:
    if language == ENGLISH or name == "search":
        return True
    sources = Path(app.srcdir)
    folder = sources.with_name(f"{sources.name}-{language}")
    return any((folder / f"{name}{suffix}").exists() for suffix in (".md", ".ipynb"))


class EnglishParts(SphinxPostTransform):
    """In another edition, English emphasis and descriptions of pictures say that they are English.

    Emphasis that is all of its paragraph gets a class, because there nothing stands out by it.
    """

    default_priority = 500  # after the descriptions in pictures.py

    def run(self, **_):
        if self.config.language == ENGLISH:
            return
        for node in self.document.findall(lambda node: isinstance(node, nodes.emphasis | nodes.image)):
            if not HAN.search(node.get("alt") or node.astext()):
                node["classes"].append("language-en")  # docutils makes it the attribute `lang`
            elif isinstance(node, nodes.emphasis) and node.parent.astext() == node.astext():
                node["classes"].append("alone")


def translate_theme(app, exception):
    words = {english: app.config.book_words[english] for english in THEME if english in app.config.book_words}
    if exception or app.builder.name != "html" or not words:
        return
    says = re.compile(rf'((?:title|aria-label)="|</i>\s*)({"|".join(words)})(?=["<\s])')
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text("utf-8")
        path.write_text(says.sub(lambda found: found[1] + words[found[2]], page), "utf-8")


def setup(app):
    app.add_post_transform(EnglishParts)
    app.connect("config-inited", configure)
    app.connect("html-page-context", add_switch)
    app.connect("build-finished", translate_theme)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
