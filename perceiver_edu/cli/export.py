"""`perceiver-edu export`."""

from pathlib import Path
from typing import Annotated

import typer

from perceiver_edu.cli.shared import WEIGHTS_HELP
from perceiver_edu.errors import InputError, library
from perceiver_edu.terminal import visible


def export(
    weights: Annotated[
        str, typer.Argument(help=WEIGHTS_HELP.partition(" If omitted")[0], show_default=False)
    ],
    file: Annotated[str, typer.Argument(help="The file to write.", metavar="FILE.onnx", show_default=False)],
    stages: Annotated[
        bool,
        typer.Option(
            "--stages",
            help="Also return the arrays between the stages, the latents after each layer and every "
            "attention map, and take the number of layers as an input.",
        ),
    ] = False,
):
    """Write a model as an ONNX file.

    ONNX Runtime and other programs run the file without Python, and it returns the same logits as the model
    for texts, batches and output positions of any number. An existing file is replaced. The export takes ten
    seconds to a minute, and needs pip install "perceiver-edu[export]".

    \b
    Examples:
      perceiver-edu export embedded model.onnx
      perceiver-edu export embedded stages.onnx --stages
      perceiver-edu export runs/first/model first.onnx
    """
    from perceiver_edu.writing import check_folder_of, check_output, write_whole

    if Path(file).suffix != ".onnx":
        raise InputError(f"{file} does not end in .onnx: give the file to write after the weights")
    check_folder_of(file)
    check_output(file)  # before the export, which takes a while
    from perceiver_edu.export import export as export_model
    from perceiver_edu.weights.pretrained import load_pretrained

    library("onnx", "export")
    library("onnxscript", "export")
    content = export_model(load_pretrained(weights), stages)
    write_whole(file, content)
    print(f"{visible(weights)} is in {visible(file)}, {len(content):,} bytes")
