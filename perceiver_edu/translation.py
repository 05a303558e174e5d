"""The course in another language: its Markdown, with what the catalogues say in place of the English.

A text is cut into blocks: a heading, a paragraph, an item of a list, a row of a table, the label of a
folding. The English of a block, without its line breaks, is its key in the catalogue. A block that a
catalogue lacks stays English, so a sentence that was changed is untranslated until somebody translates it,
but never wrong. Code and formulas are no blocks. Catalogues are PO files, which `docs/catalogues.py` writes.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

FENCE = re.compile(r"\s*(`{3,}|~{3,})")
CAPTION = re.compile(r"(:caption: )(.+?)(\s*)")  # of a table of contents, which is a fence
CODE_BLOCK = re.compile(r" {4,}(?![-*+] |\d+\. )")
FORMULA = re.compile(r"\s*\$\$")
HEADING = re.compile(r"(#{1,6} +)(.+?)(\s*)")
FOLDING = re.compile(r"(\s*<details>\s*<summary>)(.+?)(</summary>\s*)")
HTML = re.compile(r"\s*</?(?:details|summary)>\s*|\s*<!--.*-->\s*")
ROW = re.compile(r"(\s*\|\s*)(.+?)(\s*\|\s*)")
RULE = re.compile(r"[\s|:-]+")  # between the head and the rows of a table
QUOTE = re.compile(r"(> ?)(.+?)(\s*)")
ITEM = re.compile(r"(\s*(?:[-*+]|\d+\.) +)(.+?)(\s*)")
STARTS = (FENCE, FORMULA, HEADING, FOLDING, HTML, ROW, QUOTE, ITEM)  # a line that ends a paragraph

CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
MATHS = re.compile(r"(?<![\\$])(\$\$?)(?![\s$])(.+?)(?<![\s\\$])\1(?![\d$])")
TARGET = re.compile(r"(?<=\]\()[^)\s]+(?=\))|<https?://[^>\s]+>")
TAG = re.compile(r"</?[a-zA-Z][^>]*>|<!--.*?-->|&#?\w+;")
# A release in an address: a key has VERSION in its place, so that a release alone changes no key.
RELEASE = re.compile(r"(?<=/v)\d+\.\d+[\w.]*(?=[/?])")
VERSION = "{version}"

ANCHOR = re.compile(r"(?<=\]\()([^)#\s]*#)([^)\s]+)(?=\))")  # of a link to a heading
LONGEST_HEADING = 100


class Block(NamedTuple):
    """What is translated as a whole, between what is not translated."""

    before: str
    lines: str  # as written
    after: str

    @property
    def key(self) -> str:
        return RELEASE.sub(VERSION, " ".join(self.lines.split()))


def blocks(markdown: str) -> Iterator[Block | str]:
    """The blocks of a text, and as strings what is not translated. Joined, they are the text."""
    lines = markdown.splitlines(keepends=True)
    while lines:
        line = lines.pop(0)
        body, end = line.rstrip("\n"), line[len(line.rstrip("\n")) :]
        if fence := FENCE.match(line):
            yield line
            while lines:
                line = lines.pop(0)
                if caption := CAPTION.fullmatch(line):
                    yield Block(*caption.groups())
                else:
                    yield line
                if line.strip() == fence[1]:
                    break
        elif FORMULA.match(line):
            yield line
            while line.count("$$") < 2 and lines:
                line = lines.pop(0)
                yield line
                if "$$" in line:
                    break
        elif not body.strip() or HTML.fullmatch(body) or RULE.fullmatch(body) or CODE_BLOCK.match(line):
            yield line
        elif one := next(
            filter(None, (kind.fullmatch(body) for kind in (HEADING, FOLDING, ROW, QUOTE))), None
        ):
            yield from block(one[1], one[2], one[3] + end)
        else:
            item = ITEM.fullmatch(body)
            before = item[1] if item else re.match(r"\s*", line)[0]  # type: ignore[index]
            text = line[len(before) :]
            while lines and lines[0].strip() and not any(start.match(lines[0]) for start in STARTS):
                text += lines.pop(0)
            words = text.rstrip()
            yield from block(before, words, text[len(words) :])


def block(before: str, words: str, after: str) -> Iterator[Block | str]:
    """A block, or plain text where there is nothing to translate: no word outside code and formulas."""
    bare = words
    for fixed in (CODE, MATHS, TARGET, TAG):
        bare = fixed.sub("", bare)
    if re.search(r"[^\W\d_]", bare):
        yield Block(before, words, after)
    else:
        yield before + words + after


def keys(markdown: str) -> list[str]:
    """The keys of a text's blocks, in order."""
    return [part.key for part in blocks(markdown) if isinstance(part, Block)]


def translate(markdown: str, look_up: Callable[[str], str | None]) -> str:
    """The text in another language. `look_up(key)` gives a translation, or nothing where there is none."""
    found = []
    for part in blocks(markdown):
        if isinstance(part, str):
            found.append(part)
        elif words := look_up(part.key):
            release = RELEASE.search(part.lines)
            words = words.replace(VERSION, release[0]) if release else words
            found.append(part.before + words + part.after)
        else:
            found.append("".join(part))
    return "".join(found)


def page_translator(words: dict[str, str]) -> Callable[[str], str]:
    """What puts a text into another language; links to headings lead to the headings in that language.

    It is made once for many texts, because finding all headings takes longer than translating a cell.
    """
    anchors = anchors_of(words)

    def translated(markdown: str) -> str:
        text = translate(markdown, words.get)
        return ANCHOR.sub(lambda link: link[1] + anchors.get(link[2].lower(), link[2]), text)

    return translated if words else str


def translate_notes(markdown: str, words: dict[str, str], linked: Collection[str]) -> str:
    """As `page_translator`, for JupyterLab, which finds no heading by a name with Chinese characters.

    Links keep the English name of a heading, and each heading gets an anchor for the names in `linked` that
    mean it, unless JupyterLab, which keeps capitals, calls it so itself.
    """
    found = []
    for part in blocks(markdown):
        if isinstance(part, Block) and part.before.startswith("#"):
            itself = words.get(part.key, part.key).replace(" ", "-")
            names = {name for name in linked if name.lower() == anchor(part.key)} - {itself}
            found += [f'<a id="{name}"></a>\n\n' for name in sorted(names)]
        found.append("".join(part))
    return translate("".join(found), words.get)


def linked_in(markdown: str) -> set[str]:
    """The names of headings to which links of a text lead."""
    return {link[2] for link in ANCHOR.finditer(markdown)}


def anchors_of(words: dict[str, str]) -> dict[str, str]:
    """{anchor of an English heading: the anchor that it has in the other language}."""
    return {
        anchor(english): anchor(other) for english, other in words.items() if len(english) <= LONGEST_HEADING
    }


def anchor(heading: str) -> str:
    """As GitHub, Jupyter and MyST write it, but for capitals, which Jupyter keeps."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
