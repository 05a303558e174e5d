"""What the commands share: options, and the model that the user asked for."""

import os
import re
import sys
from typing import Annotated, Any

import typer

from perceiver_edu.errors import InputError, brief, choose
from perceiver_edu.language import gettext
from perceiver_edu.terminal import visible

WEIGHTS_HELP = (
    'Which weights to use: "embedded" (in this package), "random" (full size), a folder, or a hub id such as '
    "deepmind/language-perceiver. If omitted: the environment variable PERCEIVER_EDU_WEIGHTS, or embedded."
)
MOST_BYTES = 2**20  # of standard input; no model reads as many
Weights = Annotated[str | None, typer.Option("--weights", "-w", help=WEIGHTS_HELP, show_default=False)]
Device = Annotated[str, typer.Option("--device", "-d", help="Where to compute: cpu, cuda, cuda:1, mps.")]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help='What runs the model: "stages" (the readable code), "torch" or "openvino" (the same function, '
        "faster; for openvino the model is first converted, which takes ten seconds to a minute). "
        "If omitted: openvino for a folder that `perceiver-edu optimize` wrote, otherwise stages.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def load(weights: str | None, device: str, engine: str | None = None):
    """The model that the user asked for, and the name of its weights."""
    from perceiver_edu.fast import ENGINES, optimize
    from perceiver_edu.openvino_engine import is_optimized, load_optimized
    from perceiver_edu.weights.pretrained import load_pretrained, weights_name

    name = weights_name(weights)
    if engine is not None:
        choose("engine", engine, ["stages", *ENGINES])
    if is_optimized(name):
        if engine not in (None, "openvino") or device != "cpu":
            raise InputError(
                gettext(
                    "{name} is an optimized model, which runs only with --engine openvino and --device cpu",
                    name=name,
                )
            )
        return load_optimized(name), name
    model = load_pretrained(name, device=device)
    return model if engine in (None, "stages") else optimize(model, engine=engine), name


def load_stages(weights: str | None, device: str):
    """As `load`, for a command that looks at the stages one at a time."""
    from perceiver_edu.openvino_engine import is_optimized
    from perceiver_edu.weights.pretrained import weights_name

    name = weights_name(weights)
    if is_optimized(name):
        raise InputError(
            f"{name} is an optimized model, in which the stages are joined: name the weights from which it "
            "was made"
        )
    return load(weights, device)


def say_which(model, name: str):
    """On stderr, whose answer it is and what computed it; a command says so when it has an answer, so that an
    error stays one line."""
    note = gettext(" (untrained, so its answers are meaningless)") if name == "random" else ""
    engine = getattr(model, "engine", None)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    what = (
        gettext("optimized, run by {engine}", engine=engine)
        if engine
        else gettext("{number:,} parameters", number=num_parameters)
    )
    print(
        gettext(
            "weights: {name}{note}, {what}, on {device}",
            name=visible(name),
            note=note,
            what=what,
            device=model.device,
        ),
        file=sys.stderr,
    )


def read_stdin(one_text: bool = True) -> str:
    """All of standard input, without a byte-order mark and one newline at the end.

    Raises: InputError where it is not UTF-8, or `one_text` longer than any model reads: it may have no end.
    """
    if sys.stdin is None:
        raise InputError(gettext("there is no text: give one, or pipe it in"))
    if sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"
        print(gettext("type the text, then {end} on a line of its own", end=end), file=sys.stderr)
    raw = sys.stdin.buffer.read(MOST_BYTES + 1 if one_text else -1)
    if one_text and len(raw) > MOST_BYTES:
        raise InputError(
            gettext(
                "standard input is longer than any model reads ({most:,} bytes): shorten it", most=MOST_BYTES
            )
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            gettext(
                "standard input is not valid UTF-8: byte {place} is 0x{byte:02x}",
                place=error.start,
                byte=raw[error.start],
            )
        ) from None
    return re.sub(r"\r?\n\Z", "", text)


def parse_span(span: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,18}):([0-9]{1,18})", span)
    if not found:
        raise InputError(
            gettext("--span takes START:STOP in characters, such as 8:11, got {span}", span=brief(span))
        )
    return int(found[1]), int(found[2])


def refuse_ignored(context: typer.Context, options: tuple[str, ...], where: str) -> None:
    """Raises: InputError if one of these options stood on the command line, where none of them is used."""
    found = typed(context, dict.fromkeys(options))
    params = [param for param in context.command.params if param.name in found]
    names = ["/".join([param.opts[0], *param.secondary_opts]) for param in params]  # --cloze/--no-cloze
    if names:
        raise InputError(f"leave out {', '.join(names)}, which would be ignored {where}")


def typed(context: typer.Context, choices: dict[str, Any]) -> dict[str, Any]:
    """Those of the choices that stood on the command line; the others come from a preset."""
    return {
        name: value
        for name, value in choices.items()
        if (source := context.get_parameter_source(name)) is not None and source.name != "DEFAULT"
    }
