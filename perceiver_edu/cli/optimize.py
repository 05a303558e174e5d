"""`perceiver-edu optimize`."""

from typing import Annotated

import typer

from perceiver_edu.cli.shared import WEIGHTS_HELP
from perceiver_edu.errors import choose, library
from perceiver_edu.terminal import visible

DTYPES = ("float32", "bfloat16")


def optimize(
    folder: Annotated[str, typer.Argument(help="The folder to create.", show_default=False)],
    weights: Annotated[
        str | None, typer.Option("--weights", "-w", help=WEIGHTS_HELP, show_default=False)
    ] = None,
    dtype: Annotated[
        str, typer.Option(help=f"Data type of the arithmetic: {' or '.join(DTYPES)}.")
    ] = "float32",
    int8: Annotated[
        bool, typer.Option("--int8", help="Matrix products in 8-bit integers: smaller, but not exact.")
    ] = False,
):
    """Convert a model for OpenVINO's CPU kernels once, and keep it in a folder.

    The converted model computes the same function, usually faster. `fill`, `evaluate` and `load_optimized`
    open the folder in a second or two. The conversion takes ten seconds to a minute, and needs
    pip install "perceiver-edu[fast]".

    \b
    Examples:
      perceiver-edu optimize fast
      perceiver-edu fill "The c[MASK]t sat on the mat." --weights fast
      perceiver-edu optimize small --weights deepmind/language-perceiver --int8
    """
    choose("--dtype", dtype, DTYPES)
    import torch

    from perceiver_edu.fast import optimize as optimize_model
    from perceiver_edu.openvino_engine import check_new
    from perceiver_edu.weights.pretrained import load_pretrained, weights_name

    check_new(folder)  # before the conversion, which takes a while
    library("openvino", "fast")
    if int8:
        library("nncf", "fast")
    name = weights_name(weights)
    fast = optimize_model(load_pretrained(name), engine="openvino", dtype=getattr(torch, dtype), int8=int8)
    fast.save(folder)
    print(f"{visible(name)}, converted for OpenVINO, is in {visible(folder)}")
    if fast.int8_error is not None:
        print(
            f"on texts not used for calibration, logits differ by up to {fast.int8_error:.1%} of the largest"
        )
