"""`perceiver-edu weights`."""

from typing import Annotated

import typer

from perceiver_edu.cli.shared import WEIGHTS_HELP, Json
from perceiver_edu.errors import InputError
from perceiver_edu.terminal import print_json, print_provenance


def weights(
    name: Annotated[
        str | None, typer.Argument(metavar="[WEIGHTS]", help=WEIGHTS_HELP, show_default=False)
    ] = None,
    as_json: Json = False,
):
    """Say where weights lie and what they are.

    That is their folder and revision, and size and SHA-256 of each file. Weights from the hub are
    downloaded first, where they are not in the cache yet. Nothing is loaded.

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
        raise InputError("random weights come from a seed, not from files")
    origin = provenance(find_folder(name))
    if as_json:
        print_json(weights=name, **origin)
    else:
        print_provenance(name, origin)
