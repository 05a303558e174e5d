"""Labelled text that every machine has: which installed package does a piece of documentation come from?

Nothing is imported from the packages and nothing is downloaded; their files are read. The texts depend on the
versions that are installed, so figures agree between two machines about as well as their versions do.
"""

import ast
import re
import sysconfig
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from perceiver_edu.errors import InputError
from perceiver_edu.training.documentation import (
    NOT_TEXT_FOR_READERS,
    STANDARD_LIBRARY,
    docstring,
    prose,
    statements,
)

PACKAGES = ("matplotlib", "numpy", STANDARD_LIBRARY, "torch", "transformers")  # what the course needs anyway
KINDS = {
    ast.Module: "module",
    ast.ClassDef: "class",
    ast.FunctionDef: "function",
    ast.AsyncFunctionDef: "function",
}


class Origin(NamedTuple):
    """A paragraph of documentation, and where it comes from."""

    text: str
    package: str
    module: str  # the file, such as "numpy/linalg/_linalg.py"
    kind: str  # what it documents: "module", "class" or "function"


def documentation_origins(
    per_package: int, packages: Iterable[str] = PACKAGES, longest: int = 200
) -> list[Origin]:
    """`per_package` paragraphs of each package, of at most `longest` bytes, verbatim.

    That is: with the names of packages in them, and with all that was copied from file to file.

    The files come in an order that depends on nothing but their names, as do the paragraphs: at most eight of
    a file.

    Raises: InputError for a package that is not installed, or that has too little text.
    """
    found = []
    for package in packages:
        own = []
        for origin in paragraphs(package, longest):
            own.append(origin)
            if len(own) == per_package:
                break
        if len(own) < per_package:
            raise InputError(f"{package} has {len(own)} such paragraphs, fewer than {per_package}")
        found += own
    return found


def paragraphs(package: str, longest: int, most: int = 8) -> Iterator[Origin]:
    """File by file, in the order of a hash of their names."""
    folder = folder_of(package)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
    names = [name for name in names if NOT_TEXT_FOR_READERS.isdisjoint(name.split("/"))]
    for name in sorted(names, key=lambda name: blake2b(name.encode()).digest()):
        try:
            tree = ast.parse((folder / name).read_bytes())
        except (SyntaxError, ValueError):
            continue  # a template, or Python of another version
        own = [
            Origin(paragraph, package, f"{package}/{name}", KINDS[type(node)])
            for node in statements(tree)
            for paragraph in prose(docstring(node) or "")
            if len(paragraph.encode()) <= longest
        ]
        yield from sorted(own, key=lambda origin: blake2b(origin.text.encode()).digest())[:most]


def folder_of(package: str) -> Path:
    """Where a package's files are. Raises: InputError for one that is not installed."""
    if package == STANDARD_LIBRARY:
        return Path(sysconfig.get_paths()["stdlib"])
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"package {package!r} is not installed: pip install {package}")
    return Path(next(iter(spec.submodule_search_locations)))


def skeleton(text: str) -> str:
    """What is left of a text without case, digits, signs and spaces; near-duplicates share it.

    skeleton("Returns 3 axes.") == skeleton("returns 4 axes") == "returnsaxes"
    """
    return re.sub(r"[\W\d_]+", "", text.lower())


def without_near_duplicates(origins: list[Origin]) -> list[Origin]:
    """The first of each group of texts with the same skeleton; none, if several packages share it."""
    groups: dict[str, list[Origin]] = {}
    for origin in origins:
        groups.setdefault(skeleton(origin.text), []).append(origin)
    return [group[0] for group in groups.values() if len({origin.package for origin in group}) == 1]


NAMES = re.compile(
    r"matplotlib|pyplot|mpl|numpy|np\b|scipy|python|torch|aten|cuda|transformers?\b|hugging", re.I
)


def without_names(origins: list[Origin]) -> list[Origin]:
    """The texts in which no package is named, nor what only one of them would name."""
    return [origin for origin in origins if not NAMES.search(origin.text)]


def split_by_module(origins: list[Origin], share: float = 0.3) -> tuple[list[Origin], list[Origin]]:
    """-> (training, test): a file's texts are all in the one or all in the other; by a hash of its name."""
    training: list[Origin] = []
    test: list[Origin] = []
    for origin in origins:
        chance = int.from_bytes(blake2b(f"test {origin.module}".encode(), digest_size=4).digest()) / 2**32
        (test if chance < share else training).append(origin)
    return training, test
