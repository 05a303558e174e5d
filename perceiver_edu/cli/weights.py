"""`perceiver-edu weights`."""

from typing import Annotated, Any

import typer

from perceiver_edu.cli.shared import WEIGHTS_HELP, Json
from perceiver_edu.errors import InputError
from perceiver_edu.terminal import new_console, new_table, print_json, visible


def weights(
    name: Annotated[
        str | None, typer.Argument(metavar="[WEIGHTS]", help=WEIGHTS_HELP, show_default=False)
    ] = None,
    as_json: Json = False,
):
    """Show where weights are stored and what they are.

    The output lists their folder and revision, and the size and SHA-256 of each file. Weights from the hub
    are downloaded first if they are not in the cache yet. The model itself is not loaded.

    \b
    Examples:
      perceiver-edu weights
      perceiver-edu weights deepmind/language-perceiver
      perceiver-edu weights runs/first/model --json
    """
    from perceiver_edu.weights.files import provenance
    from perceiver_edu.weights.pretrained import find_folder, weights_name

    name = weights_name(name)
    if name == "random":
        raise InputError("random weights come from a seed, not from files: name other weights")
    origin = provenance(find_folder(name))
    if as_json:
        print_json(weights=name, **origin)
    else:
        print_provenance(name, origin)


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
