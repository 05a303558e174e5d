"""How the command line prints: tables where somebody watches, plain columns in a pipe, JSON for programs."""

import json
import math
import sys
from collections.abc import Collection, Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from perceiver_edu.filling import Filling
    from perceiver_edu.instruments.machine import Peaks
    from perceiver_edu.instruments.profiling import StageProfile

Item = TypeVar("Item")


def visible(text: str, keep: str = "") -> str:
    """Control and direction characters as escapes, so that no text can drive the terminal."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def watched(items: Collection[Item], what: str) -> Iterable[Item]:
    """The items, under a progress bar once that has taken two seconds.

    There is a bar in a terminal and in a notebook, and none where nobody would see it.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not (sys.stderr.isatty() or hasattr(shell, "kernel")):
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


def print_fillings(text: str, holes: Sequence[tuple[int, int]], fillings: "Sequence[list[Filling]]") -> None:
    """For each hole a table; then the text with the best filling of each.

    Args:
        text: the text before filling.
        holes: (start, stop) of each hole, in characters.
        fillings: for each hole, the best first.
    """
    from rich.text import Text

    console = new_console()
    for number, ((start, stop), ranked) in enumerate(zip(holes, fillings, strict=True), 1):
        num_bytes = len(ranked[0].text.encode())
        size = f"{num_bytes} byte{'s' * (num_bytes > 1)}"
        console.print(f"hole {number}, characters {start} to {stop}, {size}: {text[start:stop]!r}")
        table = new_table(console, "#rank", "#probability", "filling")
        for rank, filling in enumerate(ranked, 1):
            table.add_row(str(rank), f"{filling.probability:.3g}", repr(filling.text))
        console.print(table)
        console.print()

    filled, done = Text(), 0
    for (start, stop), ranked in sorted(zip(holes, fillings, strict=True)):
        filled.append(visible(text[done:start], keep="\n"))
        filled.append(visible(ranked[0].text), style="bold underline")
        done = stop
    filled.append(visible(text[done:], keep="\n"))
    console.print(filled, soft_wrap=True)


def print_profile(rows: "Sequence[StageProfile]", peaks: "Peaks") -> None:
    """A table of the stages, the last row of which is the whole run, beside what this machine can do."""
    console = new_console()
    table = new_table(console, "stage", "#GFLOP", "#ms", "#of the time", "#GFLOP/s", "#of peak", "#peak MB")
    whole = rows[-1].seconds
    for row in rows:
        rate = row.flops_per_second
        table.add_row(
            row.stage,
            f"{row.flops / 1e9:.3g}",
            f"{row.seconds * 1e3:.3g}",
            f"{row.seconds / whole:.0%}",
            f"{rate / 1e9:.0f}" if row.flops else "",
            f"{rate / peaks.flops_per_second:.0%}" if row.flops else "",
            f"{row.peak_bytes / 1e6:.1f}",
        )
    console.print(table)
    best = f"{peaks.flops_per_second / 1e9:,.0f} GFLOP/s in {peaks.dtype}"
    console.print(f"this machine's best ({peaks.device}): {best}, {peaks.bytes_per_second / 1e9:.0f} GB/s")


def print_provenance(name: str, origin: dict[str, Any]) -> None:
    """What `provenance` says of weights called `name`."""
    console = new_console()
    console.print(f"weights: {visible(name)}\nfolder: {visible(origin['folder'])}", soft_wrap=True)
    if "revision" in origin:
        console.print(f"hub: {visible(origin['repository'])}, revision {origin['revision']}", soft_wrap=True)
    table = new_table(console, "file", "#bytes", "sha256")
    for file, about in origin["files"].items():
        table.add_row(visible(file), f"{about['bytes']:,}", about["sha256"])
    console.print(table)


def print_course(notebooks: Iterable[dict[str, Any]], done: Container[str], following: Path | None) -> None:
    """The notebooks of the course as a table, and how to go on.

    Args:
        notebooks: as `read_notebooks` gives them.
        done: the exercises that are done, by id.
        following: the file of the next notebook, or None where all is done.
    """
    console = new_console()
    table = new_table(console, "notebook", "#minutes", "#done", "exercises")
    for notebook in notebooks:
        own = notebook["exercises"]
        marks = "  ".join(f"{'●' if i in done else '○'} {i.partition('.')[2]}" for i in own)
        count = f"{sum(i in done for i in own)} of {len(own)}" if own else ""
        table.add_row(visible(notebook["title"]), str(notebook["minutes"] or ""), count, visible(marks))
    console.print(table)
    if following:
        console.print(f"next: {visible(following.stem)}; to open it: perceiver-edu course --open")
    else:
        console.print("every exercise is done")


def new_console() -> "Console":
    """A rich console that takes no text for markup; where nobody watches, one that never wraps."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 1_000_000
    return console


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
