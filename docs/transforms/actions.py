"""The buttons of a page: open it with a kernel, take its notebook along, suggest an edit."""

from pathlib import PurePosixPath


def add_buttons(app, pagename, templatename, context, doctree):
    """[(icon, what it says, address), …] for `_templates/actions.html`."""
    repository, version = app.config.book_repository, app.config.release
    source = app.env.doc2path(pagename, base=False) if pagename in app.env.found_docs else None
    buttons = []
    if source and PurePosixPath(source).suffix == ".ipynb":
        buttons.append(("rocket", "Open in Colab", colab(repository, version, source)))
        buttons.append(
            ("download", "Download notebook", context["pathto"](f"downloads/{source}", resource=True))
        )
    if source:
        original = app.config.book_originals.get(str(source), source)
        buttons.append(("pencil", "Suggest an edit", f"{repository}/edit/main/{original}"))
    context["book_buttons"] = buttons


def colab(repository: str, version: str, notebook) -> str:
    name = repository.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{name}/blob/v{version}/{notebook}"


def setup(app):
    app.add_config_value("book_originals", {"index.md": "docs/index.md"}, "env", [dict])
    app.connect("html-page-context", add_buttons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
