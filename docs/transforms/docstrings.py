"""Docstrings are written as Markdown and plain text; Sphinx reads reStructuredText."""

import re
from inspect import isclass, isroutine

CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
SIGNS = re.compile(r"\*|\||(?<=\w)_(?!\w)")  # what would begin emphasis, a substitution or a link

FIELDS = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")


def to_rst(line: str) -> str:
    """One line of a docstring: `code` gets its two backticks, and no other sign means anything."""
    parts = CODE.split(line)  # text, code, text, …
    parts[::2] = [SIGNS.sub(r"\\\g<0>", part) for part in parts[::2]]
    parts[1::2] = [f"``{code}``" for code in parts[1::2]]
    return "".join(parts)


def process(app, what, name, obj, options, lines):
    """An indented block after an empty line is code, unless it belongs to `Args:` and the like."""
    rst, before, in_code, head = [], "", False, ""
    for line in lines:
        indented = line.startswith("    ")
        if line and not indented:
            in_code, head = False, line
        elif indented and not before and not in_code and not FIELDS.match(head):
            rst += [".. code-block:: text", ""]
            in_code = True
        rst.append(line if in_code else to_rst(line))
        before = line
    lines[:] = rst


def sign(app, what, name, obj, options, signature, returned):
    """The default of a dataclass's field that is made by a function: `<factory>` is no Python."""
    return (signature or "").replace("<factory>", "...") or None, returned


def skip(app, what, name, obj, skipped, options):
    """The fields of a named tuple, whose docstrings only count them."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def skip_imported(app, what, name, obj, skipped, options):
    """What a module imports from other libraries. Autodoc leaves it out as well, but only after it has parsed
    the modules that it comes from."""
    imported = what == "module" and (isclass(obj) or isroutine(obj))
    return True if imported and not (obj.__module__ or "").startswith("perceiver_edu") else None


def setup(app):
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-skip-member", skip_imported)
    app.connect("autodoc-process-signature", sign)
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon reads `Args:`
    return {"parallel_read_safe": True, "parallel_write_safe": True}
