"""The command line, `perceiver-edu fill | parity`: thin functions around the library.

A new command is one more function under `@app.command()`. What the user did wrong is an `InputError`, which
`main` turns into one line and exit code 2. Imports that take long stay inside the functions.
"""

import os
import re
import sys
from typing import Annotated

import typer

from perceiver_edu.errors import InputError
from perceiver_edu.terminal import print_fillings, print_json, visible

PARITY_TEXTS = [  # of different lengths in bytes, so that one row has padding
    "Perceiver IO reads bytes, thinks in latents and answers queries.",
    "你好, naïve world!",
]

app = typer.Typer(
    help="Learn Perceiver IO: fill holes in a text, and compare every stage with Hugging Face's model.",
    epilog="`perceiver-edu COMMAND --help` has examples.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WEIGHTS_HELP = (
    'Whose weights: "embedded" (in this package), "random" (full size), a folder, or a hub id such as '
    "deepmind/language-perceiver. If omitted: the environment variable PERCEIVER_EDU_WEIGHTS, or embedded."
)
Weights = Annotated[str | None, typer.Option("--weights", "-w", help=WEIGHTS_HELP, show_default=False)]
Device = Annotated[str, typer.Option("--device", "-d", help="Where to compute: cpu, cuda, cuda:1, mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 a check failed, 2 the user's error (one line on stderr), 130 Ctrl-C.

    Anything else that goes wrong is a bug of ours and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # where a terminal knows no UTF-8, escapes instead of an error
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(arguments, prog_name="perceiver-edu")
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InputError, OSError) as error:
        print(f"perceiver-edu: {visible(str(error))}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as done:
        if done.code == 130:
            print("perceiver-edu: interrupted", file=sys.stderr)
        raise


def print_version(wanted: bool):
    if wanted:
        from perceiver_edu import __version__

        print(f"perceiver-edu {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
):
    pass


@app.command()
def fill(
    text: Annotated[
        str | None, typer.Argument(help="The text; from standard input if omitted or -.", show_default=False)
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", "-m", help="A part of the text to hide and guess. Repeat for several holes."),
    ] = None,
    span: Annotated[
        list[str] | None,
        typer.Option(
            "--span", "-s", help="The same by place: START:STOP in characters, from 0.", metavar="A:B"
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="How many fillings for each hole.")] = 5,
    weights: Weights = None,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Guess what stands in the holes of a text.

    A hole is a part of the text that you name with --mask or --span; without those, each [MASK] in the text
    is one missing byte. Fillings have as many bytes as the hole, and are ranked by probability.

    \b
    Examples:
      perceiver-edu fill "Paris is the capital of France." --mask " capital"
      perceiver-edu fill "The c[MASK]t sat on the mat." --top-k 3
      perceiver-edu fill "one and one is two" --span 8:11 --mask " two"
      cat letter.txt | perceiver-edu fill --mask " sincerely" --json
    """
    from perceiver_edu.fill_mask import fill_in, fill_mask, find_holes

    text = read_stdin() if text in (None, "-") else text
    spans = [*(mask or []), *map(parse_span, span or [])] or None
    holes = find_holes(text, spans)  # a slip in the text shows before any weights are read
    model, name = load(weights, device)
    fillings = fill_mask(model, text, spans, top_k)
    say_which(model, name)
    best = [hole[0].text for hole in fillings]
    if as_json:
        print_json(
            weights=name,
            text=text,
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


@app.command()
def parity(
    weights: Annotated[str | None, typer.Argument(help=WEIGHTS_HELP, show_default=False)] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Also every layer of the processor.")] = False,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Compare every stage with Hugging Face's model of the same weights.

    Exit code 0: all stages agree. 1: they do not, and the first divergence is marked.

    \b
    Examples:
      perceiver-edu parity
      perceiver-edu parity random --layers
      perceiver-edu parity deepmind/language-perceiver --json
    """
    from perceiver_edu import ByteTokenizer
    from perceiver_edu.instruments import compare_stages, huggingface_twin, ledger

    model, name = load(weights, device)
    longest = min(model.config.max_position_embeddings, max(len(text.encode()) + 2 for text in PARITY_TEXTS))
    ids, mask = ByteTokenizer().batch(PARITY_TEXTS, pad_to=longest, truncation=True)
    rows = compare_stages(
        model, huggingface_twin(model), ids.to(model.device), mask.to(model.device), layers=layers
    )
    agree = all(row.ok for row in rows)
    say_which(model, name)
    if as_json:
        print_json(weights=name, ok=agree, rows=[row._asdict() | {"ok": row.ok} for row in rows])
    else:
        print(ledger(rows))
    if not agree:
        raise typer.Exit(1)


# What the commands share


def load(weights: str | None, device: str):
    """The model that the user asked for, and the name of its weights."""
    from perceiver_edu.pretrained import WEIGHTS_VARIABLE, load_pretrained

    name = weights or os.environ.get(WEIGHTS_VARIABLE) or "embedded"
    return load_pretrained(name, device=device), name


def say_which(model, name: str):
    """On stderr, whose answer it is; a command says so when it has one, so that an error stays one line."""
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    note = " (untrained: its answers mean nothing)" if name == "random" else ""
    print(
        f"weights: {visible(name)}{note}, {num_parameters:,} parameters, on {model.device}", file=sys.stderr
    )


def read_stdin() -> str:
    """All of standard input, less one newline at the end. Raises: InputError where it is not UTF-8."""
    if sys.stdin is None:
        raise InputError("there is no text: give one, or pipe it in")
    if sys.stdin.isatty():
        print("type the text, then Ctrl-D on a line of its own", file=sys.stderr)
    raw = sys.stdin.buffer.read()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not valid UTF-8: byte {error.start} is 0x{raw[error.start]:02x}"
        ) from None
    return re.sub(r"\r?\n\Z", "", text)


def parse_span(span: str) -> tuple[int, int]:
    try:
        start, stop = map(int, span.split(":"))
    except ValueError:
        raise InputError(f"--span takes START:STOP in characters, such as 8:11, got {span!r}") from None
    return start, stop


if __name__ == "__main__":
    main()
