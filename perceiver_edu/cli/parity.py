"""`perceiver-edu parity`."""

from typing import Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import WEIGHTS_HELP, Device, Json
from perceiver_edu.terminal import print_json

PARITY_TEXTS = [  # of different lengths in bytes, so that one row has padding
    "Perceiver IO reads bytes, thinks in latents and answers queries.",
    "你好, naïve world!",
]


def parity(
    weights: Annotated[str | None, typer.Argument(help=WEIGHTS_HELP, show_default=False)] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Also every layer of the processor.")] = False,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Compare every stage with Hugging Face's model.

    Both get the same weights and the same texts. Exit code 0: all stages agree. 1: they do not, and the
    first divergence is marked.

    \b
    Examples:
      perceiver-edu parity
      perceiver-edu parity random --layers
      perceiver-edu parity deepmind/language-perceiver --json
    """
    from perceiver_edu import ByteTokenizer
    from perceiver_edu.instruments import compare_stages, huggingface_twin, ledger

    model, name = shared.load(weights, device)
    longest = min(model.config.max_position_embeddings, max(len(text.encode()) + 2 for text in PARITY_TEXTS))
    ids, mask = ByteTokenizer().batch(PARITY_TEXTS, pad_to=longest, truncation=True)
    rows = compare_stages(
        model, huggingface_twin(model), ids.to(model.device), mask.to(model.device), layers=layers
    )
    agree = all(row.ok for row in rows)
    shared.say_which(model, name)
    if as_json:
        print_json(weights=name, ok=agree, rows=[row._asdict() | {"ok": row.ok} for row in rows])
    else:
        print(ledger(rows))
    if not agree:
        raise typer.Exit(1)
