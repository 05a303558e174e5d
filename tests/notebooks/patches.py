"""The answers that learners hand in, written as changes to a few whole solutions.

Each file of answers/ belongs to one exercise. A block begins with a header "@@ kind: words @@ title", where
the kind is one of four:

    correct     the answer passes, although its style differs from the notebook's solution
    mistake     the report names the mistake and contains the words (several are joined by " & ")
    unknown     the answer is refused, and no known mistake is named
    base        not an answer, only a solution from which others are derived

Below the header comes either a whole answer, which replaces the stub, or the changes that turn a base into
the answer. The base is the solution in the notebook, unless the header says "from NAME", which refers to a
block above whose header says "as NAME".

    @@ mistake: not divided by √d @@ forgotten
    ! q @ k.mT / d**0.5 => q @ k.mT
    @@ mistake: mask is not used @@ forgotten
    - if kv_mask is not None:
    -     scores = scores.masked_fill(~kv_mask[:, None], -1e9)

    @@ base as loop @@ one head after the other
    def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
        ...

    @@ unknown from loop @@ the queries doubled
    = q = query(x_q)
    + q = 2 * q

A line "! old => new" replaces a part of a line. Whole lines are changed by neighbouring lines to remove ("-
") or to keep ("= "), followed by what comes after them or in their place ("+ "). The next "- " or "= "
after a "+ " begins another change, and so does a blank line. The changes are made in order. What a change
looks for must occur exactly once; add neighbouring lines where it does not. Only the indentation within a
change matters.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

HEADER = re.compile(r"@@ (correct|mistake|unknown|base)(?: from (\w+))?(?: as (\w+))?(?:: (.+))? @@ (.+)")
FORM = (
    "A header has the form: @@ kind from NAME as NAME: words @@ title, where the kind is correct, mistake, "
    "unknown or base, and from, as and words may be left out."
)
SIGNS = ["! ", "- ", "= ", "+ "]


class Answer(NamedTuple):
    kind: str
    words: list[str]
    title: str
    source: str


def read(path: Path, solution: str) -> list[Answer]:
    """The answers in a file, in order. A ValueError names the block that does not fit its base."""
    bases, found = {None: solution}, []
    lines = path.read_text("utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("@@")]
    if not starts:
        raise ValueError(f"{path.name} has no block. {FORM}")
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = "\n".join(lines[start + 1 : stop]).strip("\n")
        try:
            header = HEADER.fullmatch(lines[start])
            if not header:
                raise ValueError(FORM)
            kind, base, name, words, title = header.groups()
            if (kind == "mistake") != bool(words):
                raise ValueError("A mistake needs words that its report contains; the other kinds have none.")
            if name in bases if name else kind == "base":
                raise ValueError(f"A base needs a name of its own, as NAME; there is {known(bases)}.")
            if base not in bases:
                raise ValueError(f"No block above is called {base}; there is {known(bases)}.")
            source = (
                patched(bases[base], body.splitlines()) if not body or body[:2] in SIGNS else parsed(body)
            )
        except ValueError as error:
            raise ValueError(f"{path.name}, line {start + 1}: {lines[start]}\n{error}") from error
        if name:
            bases[name] = source
        if kind != "base":
            found.append(Answer(kind, words.split(" & ") if words else [], title, source))
    return found


def known(bases: dict) -> str:
    return ", ".join(filter(None, bases)) or "none yet"


def parsed(source: str) -> str:
    """A whole answer, if it is Python."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        raise ValueError(
            f"This is neither Python ({error.msg}) nor a list of changes, whose lines begin with '! ', '- ', "
            f"'= ' or '+ ', the blank included:\n{source}"
        ) from error
    return source


def patched(source: str, changes: list[str]) -> str:
    """The source after the changes. A ValueError quotes the change that does not fit."""
    result, hunks = source, [[]]
    for line in changes:
        if line and line[:2].ljust(2) not in SIGNS:
            raise ValueError(f"A change begins with one of {SIGNS}, unlike this line: {line}")
        signs = "".join(old[0] for old in hunks[-1]) + line[:1]
        if line and re.fullmatch(r"[-=]+\+*", signs):
            hunks[-1].append(line)
        else:
            hunks.append([line] if line else [])
    for hunk in filter(None, hunks):
        result = part_replaced(result, hunk[0]) if hunk[0][0] == "!" else lines_replaced(result, hunk)
    if ast.dump(ast.parse(parsed(result))) == ast.dump(ast.parse(source)):
        raise ValueError("The answer is the same as its base.")
    return result


def part_replaced(source: str, change: str) -> str:
    old, arrow, new = change[2:].partition(" =>")
    if not arrow:
        raise ValueError(f"A replacement has the form '! old => new', unlike this line: {change}")
    if source.count(old) != 1:
        times = f"{source.count(old)} times instead of once"
        raise ValueError(f"The base contains this {times}: {change}\nThe base is:\n{source}")
    return source.replace(old, new.strip())


def lines_replaced(source: str, hunk: list[str]) -> str:
    lines = [line for line in source.splitlines() if line.strip()]
    old = [line[2:].strip() for line in hunk if line[0] != "+"]
    stripped = [line.strip() for line in lines]
    places = [n for n in range(len(lines)) if old and stripped[n : n + len(old)] == old]
    if len(places) != 1:
        hunk_and_base = "\n".join([*hunk, "The base is:", source])
        raise ValueError(f"The base contains this {len(places)} times instead of once:\n{hunk_and_base}")
    [place] = places
    shift = indent(lines[place]) - indent(hunk[0][2:])
    kept = [lines[place + n] for n in range(len(old)) if hunk[n][0] == "="]
    added = [" " * (indent(line[2:]) + shift) + line[2:].strip() for line in hunk if line[0] == "+"]
    return "\n".join([*lines[:place], *kept, *added, *lines[place + len(old) :]])


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())
