import re

import nbformat
import pytest
from outputs import NOTEBOOKS

GLOSSARY = (NOTEBOOKS[0].parents[1] / "docs" / "glossary.md").read_text("utf-8")
ENTRIES = re.findall(r"^### (.+)\n(.+) \[(\d\d)\]\(\.\./(notebooks/\S+)\)$", GLOSSARY, re.MULTILINE)


def words(path) -> str:
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells).casefold()


def test_every_entry_has_its_sentence_and_its_notebook():
    assert len(ENTRIES) == GLOSSARY.count("\n### ") > 40
    assert len({term.casefold() for term, *_ in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_uses_what_it_introduces(path):
    text = words(path)
    for term, _, number, link in ENTRIES:
        if number == path.stem[:2]:
            assert link == f"notebooks/{path.name}"
            assert term.casefold() in text, f"{term} does not occur in {path.name}"
