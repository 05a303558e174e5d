"""The buttons of a page: open it with a kernel, take its notebook along, suggest an edit."""

from pathlib import PurePosixPath

from perceiver_edu.language import ENGLISH, to_translate

OPEN, DOWNLOAD = to_translate("Open in Colab"), to_translate("Download notebook")
EDIT = to_translate("Suggest an edit")


def add_buttons(app, pagename, templatename, context, doctree):
    """[(icon, what it says, address), …] for `_templates/actions.html`."""
    repository, version = app.config.book_repository, app.config.release
    source = app.env.doc2path(pagename, base=False) if pagename in app.env.found_docs else None
    words, edition = app.config.book_words, app.config.language
    buttons = []
    if source and PurePosixPath(source).suffix == ".ipynb":
        buttons.append(("rocket", OPEN, colab(repository, version, source)))
        buttons.append(("download", DOWNLOAD, context["pathto"](f"downloads/{source}", resource=True)))
    if source:
        original = app.config.book_originals.get(str(source), source)
        if edition != ENGLISH:
            original = f"docs/locale/{edition}/LC_MESSAGES/{PurePosixPath(original).stem}.po"
        buttons.append(("pencil", EDIT, f"{repository}/edit/main/{original}"))
    context["book_buttons"] = [(icon, words.get(says, says), address) for icon, says, address in buttons]


def colab(repository: str, version: str, notebook) -> str:
    name = repository.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{name}/blob/v{version}/{notebook}"


def setup(app):
    app.add_config_value("book_words", {}, "env", [dict])
    app.add_config_value("book_originals", {"index.md": "docs/index.md"}, "env", [dict])
    app.connect("html-page-context", add_buttons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
