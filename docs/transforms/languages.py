"""The editions of the book, and on each page the link to the same page in the other language."""

from pathlib import Path

from perceiver_edu.language import ENGLISH, LANGUAGES, catalogues, to_translate

TOC_TITLE = to_translate("On this page")
EDITIONS = {ENGLISH: "", "zh_CN": "zh"}  # the folder of each in the book; English is first, and has all pages


def configure(app, config):
    """What differs between the editions."""
    config.book_words = words = catalogues(config.language)
    config.html_theme_options["toc_title"] = words.get(TOC_TITLE, TOC_TITLE)
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


def setup(app):
    app.connect("config-inited", configure)
    app.connect("html-page-context", add_switch)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
