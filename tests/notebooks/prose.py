"""Numbers about the prose of notebooks and pages: python tests/notebooks/prose.py FILES

They are places to look at, and a floor that the tests hold; good sentences are the goal.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat

FEWEST_WORDS, MOST_COLONS = 14, 1.3  # words in a sentence, at least; colons per 100 words, at most
# Private words for which the field has its own, and habits of translated English: {pattern: what to write}.
WRONG = {
    r"\bhonest(ly)?\b": "the number and its uncertainty",
    r"\b(in the place of)\b": "instead of",
    r"\bdearer\b": "more expensive",
    r"\bguessers?\b": "baseline",
    r"\bexam\b": "held-out evaluation",
    r"\bto be had\b": "a plain verb",
    r"\b(nobody|somebody|everybody)\b": "the person or part that acts",
    r"\bwritten out\b": "unfused attention",
}


class Prose(NamedTuple):
    words: int
    sentences: int
    colons: int
    wrong: list[str]  # "word: what to write instead"

    @property
    def words_per_sentence(self) -> float:
        return self.words / max(1, self.sentences)

    @property
    def colons_per_100_words(self) -> float:
        return 100 * self.colons / max(1, self.words)


def prose(path: Path) -> str:
    """The running text of a notebook or a page, without code, formulas, tables, headings and links."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for pattern, instead in [
        (r"(?s)```.*?```", " "),
        (r"(?s)\$\$.*?\$\$", " x "),
        (r"\$[^$\n]*\$", " x "),
        (r"(?s)<!--.*?-->", " "),
        (r"<[^>]+>", " "),
        (r"`[^`]*`", "code"),
        (r"!?\[([^\]]*)\]\([^)]*\)", r"\1"),
        (r"(?m)^\s*(\||#|[-=]{3,}).*$", ""),
    ]:
        text = re.sub(pattern, instead, text)
    return text


def measure(path: Path) -> Prose:
    text = prose(path)
    parts = re.split(r"(?<=[.!?])\s+|\n\s*\n|\n\s*[-*\d]+[.)]?\s", text)
    found = [(re.search(pattern, text, re.I), instead) for pattern, instead in WRONG.items()]
    return Prose(
        words=len(re.findall(r"\w[\w'-]*", text)),
        sentences=sum(bool(re.search(r"\w", part)) for part in parts),
        colons=len(re.findall(r"[\w)]:(?:\s|\*)", text)),
        wrong=[f"{word[0]!r}: write {instead}" for word, instead in found if word],
    )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        p = measure(Path(name))
        print(f"{name:<34}{p.words:7} words{p.words_per_sentence:7.1f} a sentence", end="")
        print(f"{p.colons_per_100_words:7.2f} colons per 100   {'; '.join(p.wrong)}")
