"""`perceiver-edu parity`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import WEIGHTS_HELP, Device, Json
from perceiver_edu.terminal import amount, new_console, new_table, print_json, print_verdict

if TYPE_CHECKING:
    from perceiver_edu.instruments.parity import Row

PARITY_TEXTS = [  # of different lengths in bytes, so that one row has padding
    "Perceiver IO reads bytes, thinks in latents and answers queries.",
    "你好, naïve world!",
]


def parity(
    weights: Annotated[str | None, typer.Argument(help=WEIGHTS_HELP, show_default=False)] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also compare every layer of the processor.")
    ] = False,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Compare every stage with Hugging Face's model.

    Both models get the same weights and the same texts. The exit code is 0 if all stages agree. Otherwise it
    is 1, and the first divergence is marked.

    \b
    Examples:
      perceiver-edu parity
      perceiver-edu parity random --layers
      perceiver-edu parity deepmind/language-perceiver --json
    """
    from perceiver_edu import ByteTokenizer
    from perceiver_edu.instruments import compare_stages, huggingface_copy

    model, name = shared.load_stages(weights, device)
    longest = min(model.config.max_position_embeddings, max(len(text.encode()) + 2 for text in PARITY_TEXTS))
    ids, mask = ByteTokenizer().batch(PARITY_TEXTS, pad_to=longest, truncation=True)
    rows = compare_stages(
        model, huggingface_copy(model), ids.to(model.device), mask.to(model.device), layers=layers
    )
    agree = all(row.ok for row in rows)
    shared.say_which(model, name)
    if as_json:
        print_json(weights=name, ok=agree, rows=[row._asdict() | {"ok": row.ok} for row in rows])
    else:
        print_rows(rows)
    if not agree:
        raise typer.Exit(1)


def print_rows(rows: "Sequence[Row]") -> None:
    """The verdict, and a line for each stage that was compared, the first divergence marked."""
    console = new_console()
    first = next((row for row in rows if not row.ok), None)
    if first is None:
        same = f"the model computes what Hugging Face's does: all {len(rows)} arrays agree"
        print_verdict(console, True, same)
    else:
        print_verdict(console, False, f"the models differ from {first.stage!r} on")
    table = new_table(console, "array", "shape", "#difference", "#scale", "#allowed", "")
    for row in rows:
        said = "ok" if row.ok else "first divergence" if row is first else "differs"
        shape, allowed = " × ".join(map(str, row.shape)), row.tolerance * max(1.0, row.scale)
        numbers = f"{row.max_abs:.1e}", amount(row.scale), f"{allowed:.1e}"
        table.add_row(row.stage, shape, *numbers, said, style=None if row.ok else "red")
    console.print(table)
