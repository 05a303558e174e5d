"""How the command line prints: tables in a terminal, plain columns in a pipe, JSON for programs."""

import codecs
import json
import math
import os
import sys
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Item = TypeVar("Item")


PLAIN_SIGNS = "perceiver_edu.plain_signs"  # for `errors=` of a stream whose encoding lacks some characters
PLAIN = {"●": "*", "○": "-", "≥": ">=", "≤": "<=", "×": "x", "·": "-", "…": "...", "–": "-", "±": "+-"}
PLAIN |= {"✓": "+", "✗": "x"}


def plain_signs(error: UnicodeError) -> tuple[str | bytes, int]:
    """Our own signs in ASCII, and anything else as an escape."""
    if isinstance(error, UnicodeEncodeError) and (sign := PLAIN.get(error.object[error.start])):
        return sign, error.start + 1
    return codecs.backslashreplace_errors(error)


codecs.register_error(PLAIN_SIGNS, plain_signs)


def visible(text: str, keep: str = "") -> str:
    """Control and direction characters as escapes, so that no text can drive the terminal."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def watched(items: Collection[Item], what: str) -> Iterable[Item]:
    """The items, under a progress bar once that has taken two seconds.

    There is a bar in a terminal and in a notebook, and none where nobody would see it.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    seen = sys.stderr.isatty() or hasattr(shell, "kernel")
    if not seen or os.environ.get("TQDM_DISABLE"):  # which tqdm's bars for notebooks do not look at
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit=" arrays", delay=2, leave=False)


def print_json(**values: Any) -> None:
    """One object on stdout, all ASCII. NaN and infinity, which JSON lacks, become null."""

    def without_nan(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_nan(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [without_nan(part) for part in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    print(json.dumps(without_nan(values), indent=2, allow_nan=False))


def new_console() -> "Console":
    """A rich console that takes no text for markup; where nobody watches, one that never wraps."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 1_000_000
    return console


def print_verdict(console: "Console", good: bool, words: str) -> None:
    """The result in one line, green or red where the terminal has colours."""
    console.print(f"{'✓' if good else '✗'} {visible(words)}", style="green" if good else "bold red")


def amount(value: float) -> str:
    """Three digits, or as many as a large number has before its point: never 1.33e+03."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def new_table(console: "Console", *columns: str) -> "Table":
    """An empty table, ruled in a terminal and plain elsewhere; a column named "#…" is set to the right."""
    from rich import box
    from rich.table import Table

    watched = console.is_terminal
    table = Table(box=box.SIMPLE_HEAD if watched else None, pad_edge=watched)
    for column in columns:
        number = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if number else "left", overflow="fold")
    return table
