"""Links to files of the repository lead to their source page in the book, or to the repository; those to the
live page, which Sphinx does not make, lead to it."""

import posixpath
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

FRONT = "README.md"  # the front page says what the README says
LIVE = "live/index.html"


class Sources(SphinxPostTransform):
    default_priority = 8  # just before MyST, which would call these links broken

    def run(self, **_):
        for node in list(self.document.findall(pending_xref)):
            target = node["reftarget"]
            if node["reftype"] != "myst" or node.get("refdomain") or target.startswith("#"):
                continue
            path, _, fragment = target.partition("#")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(node["refdoc"]), path))
            address = self.address(path, fragment)
            if address:
                link = nodes.reference("", "", *node.children, refuri=address, internal=":" not in address)
                node.replace_self(link)

    def address(self, path: str, fragment: str) -> str | None:
        builder, modules = self.app.builder, self.env.domains.python_domain.modules
        if path == LIVE:
            if builder.name == "html":  # all editions share the page
                return self.config.book_english + posixpath.relpath(path, posixpath.dirname(self.env.docname))
            return f"{self.config.book_pages}/{LIVE}"
        if self.config.book_english and (address := self.in_english(path)):
            return address
        page = None
        if path == FRONT:
            page = self.config.root_doc
        elif path.endswith(".py"):
            module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if module in modules and path.endswith("/__init__.py"):
                page, fragment = modules[module].docname, modules[module].node_id
            elif module in modules:
                page = "_modules/" + module.replace(".", "/")
        if page and builder.name == "html":
            return builder.get_relative_uri(self.env.docname, page) + (f"#{fragment}" if fragment else "")
        if not (self.config.book_root / path).exists():
            return None
        kind = "tree" if (self.config.book_root / path).is_dir() else "blob"
        return f"{self.config.book_repository}/{kind}/v{self.config.release}/{path}" + (
            f"#{fragment}" if fragment else ""
        )

    def in_english(self, path: str) -> str | None:
        """Of what only the English edition shows; it was built before."""
        name = f"_modules/{path}" if path.endswith(".py") else path
        page = Path(name).with_suffix(".html").as_posix()
        front = self.app.builder.get_relative_uri(self.env.docname, self.config.root_doc)
        if (Path(self.app.outdir) / self.config.book_english / page).is_file() and path != FRONT:
            return posixpath.dirname(front) + ("/" if "/" in front else "") + self.config.book_english + page
        return None


def setup(app):
    app.add_config_value("book_english", "", "env", [str])
    app.add_config_value("book_root", None, "env")
    app.add_config_value("book_repository", "", "env", [str])
    app.add_config_value("book_pages", "", "env", [str])
    app.add_post_transform(Sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
