"""Text that every machine has: the documentation of Python and of the installed packages.

Nothing is imported and nothing is downloaded. The text depends on the versions that are installed, so figures
made from it agree between two machines only about as well as their versions do.
"""

import ast
import re
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from perceiver_edu.errors import InputError
from perceiver_edu.training.corpus import crop_pack, in_groups

STANDARD_LIBRARY = "python"
SOURCES = (STANDARD_LIBRARY, "numpy")  # what the course needs anyway
NOT_TEXT_FOR_READERS = {
    "test",
    "tests",
    "testing",
    "site-packages",
    "dist-packages",
    "lib2to3",
    "__pycache__",
}


def documentation(sources: Iterable[str] = SOURCES) -> list[str]:
    """Return the prose of packages' docstrings, a document for each module, in a fixed order.

    "python" stands for the standard library, with the topics of Python's `help()` where they are installed
    (some Linux systems put `pydoc_data` into a package of its own; without it the text is shorter by about a
    tenth). A paragraph that came before is left out, so none of the documents quotes another.

    Raises: InputError for a package that is not installed.
    """
    seen, documents = set(), []
    for source in sources:
        texts = [*topics(), *docstrings(source)] if source == STANDARD_LIBRARY else docstrings(source)
        for text in texts:
            new = [paragraph for paragraph in dict.fromkeys(prose(text)) if paragraph not in seen]
            seen.update(new)
            if new:
                documents.append("\n".join(new))
    return documents


def documentation_crops(length: int, sources: Iterable[str] = SOURCES) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops to train on and crops held out, each (num_crops, length) int16; every tenth document is held out.

    Raises: InputError as `documentation`, and for a `length` without room for a byte.
    """
    documents = documentation(sources)
    training = [text for number, text in enumerate(documents) if number % 10]

    def crops(texts: list[str]) -> torch.Tensor:
        return torch.cat([crop_pack(group, length) for group in in_groups(texts, 10)])

    return crops(training), crops(documents[::10])


def topics() -> Iterator[str]:
    """What `help("TOPIC")` shows, topic by topic; nothing where `pydoc_data` is not installed."""
    if find_spec("pydoc_data") is not None:
        from pydoc_data.topics import topics as texts

        yield from (texts[name] for name in sorted(texts))


def docstrings(package: str) -> Iterator[str]:
    """All docstrings of each module of a package, joined: read from the files, so that no code runs."""
    if package == STANDARD_LIBRARY:
        folder = Path(sysconfig.get_paths()["stdlib"])
    else:
        found = find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise InputError(f"package {package!r} is not installed: pip install {package}")
        folder = Path(found.submodule_search_locations[0])
    for file in sorted(folder.rglob("*.py")):
        if NOT_TEXT_FOR_READERS.isdisjoint(file.relative_to(folder).parts):
            try:
                tree = ast.parse(file.read_bytes())
            except (SyntaxError, ValueError):
                continue  # a template, or Python of another version
            yield "\n\n".join(filter(None, map(docstring, statements(tree))))


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """As `ast.walk`, in the same order, but without the expressions, which are most of a file."""
    waiting = deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))


def docstring(node: ast.AST) -> str | None:
    """The docstring of a module, class or function; None for anything else."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return ast.get_docstring(node) if isinstance(node, documented) else None


def prose(text: str) -> list[str]:
    """The paragraphs of a text that are whole sentences, each on one line: no tables, code or lists."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    return [paragraph for paragraph in paragraphs if is_prose(paragraph)]


def is_prose(paragraph: str) -> bool:
    """Does it begin and end as a sentence, is it long enough, and made of little but words?"""
    if len(paragraph) < 40 or not paragraph[0].isupper() or paragraph[-1] != ".":
        return False
    plain = sum(char.isalpha() or char in " ,.'" for char in paragraph)
    return plain > 0.94 * len(paragraph)
