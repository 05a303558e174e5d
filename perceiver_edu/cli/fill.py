"""`perceiver-edu fill`."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import Device, Engine, Json, Weights
from perceiver_edu.errors import InputError
from perceiver_edu.language import gettext
from perceiver_edu.terminal import new_console, new_table, print_json, visible

if TYPE_CHECKING:
    from perceiver_edu.filling import Filling


def fill(
    text: Annotated[
        str | None, typer.Argument(help="The text; from standard input if omitted or -.", show_default=False)
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", "-m", help="A part of the text to hide and fill. Repeat for several holes."),
    ] = None,
    span: Annotated[
        list[str] | None,
        typer.Option(
            "--span", "-s", help="The same by position: START:STOP in characters, from 0.", metavar="A:B"
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="How many fillings to show for each hole.")] = 5,
    joint: Annotated[
        bool,
        typer.Option(
            "--joint",
            help="Fill the bytes of a hole one by one, the most certain first: slower, but with fewer "
            "non-words.",
        ),
    ] = False,
    weights: Weights = None,
    device: Device = "cpu",
    engine: Engine = None,
    as_json: Json = False,
):
    """Fill the holes in a text.

    A hole is a part of the text that you name with --mask or --span; without those, each [MASK] in the text
    is one missing byte. Fillings have as many bytes as the hole, and are ranked by probability.

    \b
    Examples:
      perceiver-edu fill "The old man shook his head." --mask " head"
      perceiver-edu fill "The c[MASK]t sat on the mat." --top-k 3
      perceiver-edu fill "She shook her head and said no." --mask " head" --joint
      perceiver-edu fill "He shook his head and left." --span 13:17 --mask " and"
      cat letter.txt | perceiver-edu fill --mask " sincerely" --json
    """
    from perceiver_edu.filling import fill_in, fill_mask, find_holes

    text = shared.read_stdin() if text in (None, "-") else text
    spans = [*(mask or []), *map(shared.parse_span, span or [])] or None
    try:
        holes = find_holes(text, spans)  # a slip in the text shows before any weights are read
    except InputError:
        if os.path.isfile(text):
            raise InputError(f"{visible(text)} is a file: write < before its name to fill its text") from None
        raise
    model, name = shared.load(weights, device, engine)
    fillings = fill_mask(model, text, spans, top_k, joint)
    shared.say_which(model, name)
    best = [hole[0].text for hole in fillings]
    if as_json:
        print_json(
            weights=name,
            text=text,
            joint=joint,
            filled=fill_in(text, holes, best),
            holes=[
                {
                    "start": start,
                    "stop": stop,
                    "hidden": text[start:stop],
                    "fillings": [filling._asdict() for filling in hole],
                }
                for (start, stop), hole in zip(holes, fillings, strict=True)
            ],
        )
    else:
        print_fillings(text, holes, fillings)


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
        size = gettext("{number} bytes", number=num_bytes) if num_bytes > 1 else gettext("1 byte")
        console.print(
            gettext(
                "hole {number}, characters {start} to {stop}, {size}: {hidden!r}",
                number=number,
                start=start,
                stop=stop,
                size=size,
                hidden=text[start:stop],
            )
        )
        table = new_table(console, f"#{gettext('rank')}", f"#{gettext('probability')}", gettext("filling"))
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
