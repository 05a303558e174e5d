"""The command line, `perceiver-edu fill | parity | profile | …`: thin functions around the library.

A command is a function in a file of its own, listed below. What the user did wrong is an `InputError`, which
`main` turns into one line and exit code 2. Imports that take long stay inside the functions.
"""

import atexit
import contextlib
import errno
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from perceiver_edu.cli.classroom import classroom
from perceiver_edu.cli.course import course
from perceiver_edu.cli.evaluate import evaluate
from perceiver_edu.cli.export import export
from perceiver_edu.cli.fill import fill
from perceiver_edu.cli.finetune import finetune
from perceiver_edu.cli.optimize import optimize
from perceiver_edu.cli.parity import parity
from perceiver_edu.cli.predict import predict
from perceiver_edu.cli.pretrain import pretrain
from perceiver_edu.cli.profile import profile
from perceiver_edu.cli.weights import weights
from perceiver_edu.errors import DivergedError, InputError, InputWarning
from perceiver_edu.language import gettext, use_language
from perceiver_edu.terminal import PLAIN_SIGNS, visible

INTERRUPTED = "perceiver-edu: interrupted"
LANGUAGE = (
    "The language of this help and of what is said there: en or zh. If omitted: the variable "
    "PERCEIVER_EDU_LANGUAGE, or your locale. Every command takes this option, too."
)


class Spoken(TyperGroup):
    """The commands, whose help is in the user's language."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        translate_help(self)
        return super().make_context(*args, **kwargs)


def helps(command: Any) -> Iterator[tuple[Any, str]]:
    """(part of a command, name of its help): the command, its options and arguments, its subcommands."""
    yield from ((command, name) for name in ("help", "epilog") if getattr(command, name))
    yield from ((option, "help") for option in command.params if getattr(option, "help", None))
    for subcommand in getattr(command, "commands", {}).values():
        yield from helps(subcommand)


def paragraphs(text: str) -> list[str]:
    """Those of a help that are translated: not those with examples, which keep their lines."""
    return [" ".join(part.split()) for part in text.split("\n\n") if not part.startswith("\b")]


def translate_help(command: Any) -> None:
    for part, name in helps(command):
        found = []
        for text in getattr(part, name).split("\n\n"):
            [words] = paragraphs(text) or [""]
            translation = gettext(words)
            text = text.replace("Examples:", gettext("Examples:"))
            found.append(text if translation == words else translation)
        setattr(part, name, "\n\n".join(found))


def speak(arguments: list[str]) -> list[str]:
    """Use the language of --language -> the arguments without it. `course` has an option of this name itself.

    Raises: InputError for a language that there is not.
    """
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for place, (option, value) in enumerate(pairwise([*ours, ""])):
        joined = option.startswith("--language=")
        if joined or option == "--language":
            if not joined and not value:
                raise InputError("--language needs a value: en or zh")
            use_language(option.partition("=")[2] if joined else value)
            return arguments if ours[0] == "course" else arguments[:place] + arguments[place + 2 - joined :]
    return arguments


app = typer.Typer(
    cls=Spoken,
    help="Learn Perceiver IO: fill holes in a text, compare every stage with Hugging Face's model, train a "
    "model of your own and evaluate it.",
    epilog="`perceiver-edu COMMAND --help` has examples.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 2 the user's error, 130 Ctrl-C, 1 a check that failed, a training that
    diverged, or a reader who has gone.

    The user's error is one line on stderr: a value that cannot be used, a full disk, too little memory.

    Anything else that goes wrong is a bug of ours and keeps its traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not so in a shell's background
        signal.signal(signal.SIGINT, interrupt)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # all is done: too late to interrupt
    arguments = sys.argv[1:] if arguments is None else arguments
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # for a terminal that knows no UTF-8
            stream.reconfigure(errors=PLAIN_SIGNS)
    warnings.showwarning = show_warning
    code = 0
    try:
        try:
            check_not_empty(arguments)
            arguments = speak(arguments)
            code = app(arguments or ["--help"], prog_name="perceiver-edu", standalone_mode=False) or 0
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except typer.TyperException as error:  # an option that does not exist, a value of another type
        code = refuse(f"{error.format_message()} (perceiver-edu {command_of(arguments)}--help)")
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate" not in str(error):  # torch's way to say so
            raise
        code = refuse(gettext("not enough memory: choose smaller sizes"))
    except OSError as error:
        code = 1 if reader_has_left(error) else refuse(str(error))
    except InputError as error:
        refuse(str(error))
        code = 1 if isinstance(error, DivergedError) else 2
    except SystemExit as done:
        code = done.code
    if code == 130:
        say(INTERRUPTED)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # else Python tries again as it ends, and says so
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def check_not_empty(arguments: list[str]) -> None:
    """Raises: InputError for a value without a character, such as a variable of the shell that is not set.

    No option takes one, and as the name of a folder Python would understand the working folder.
    """
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for before, value in zip(["", *ours], ours, strict=False):
        joined = re.fullmatch(r"(--[a-z-]+)=", value)
        if joined or not value:
            option = joined[1] if joined else before
            after = gettext("the value after {option} is empty: give a value, or leave it out", option=option)
            empty = gettext("an argument is empty: give a value, or leave it out")
            raise InputError(after if option.startswith("-") else empty)


def open_streams() -> None:
    """Descriptors that the caller has closed lead nowhere: else the next file that is opened would be one.

    Raises: SystemExit where stdout is closed, as the answer would be lost.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free, and it stays open
        if name != "stdin":  # which is None where there is no text to read
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8"))
    if "stdout" in closed:
        sys.exit(refuse("standard output is closed, so the answer would be lost: redirect it to a file"))


def reader_has_left(error: OSError) -> bool:
    """Has whoever read our output seen enough? Windows then calls writing an invalid argument."""
    invalid = os.name == "nt" and error.errno == errno.EINVAL and error.filename is None
    return invalid or isinstance(error, BrokenPipeError)


def refuse(message: str) -> int:
    """One line on stderr -> the exit code."""
    say(f"perceiver-edu: {InputError(message)}")
    return 2


def say(line: str) -> None:
    """A line on stderr, if stderr is open."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def command_of(arguments: list[str]) -> str:
    """ "fill " where the command exists."""
    names = [command.__name__ for command in COMMANDS]
    return f"{arguments[0]} " if arguments and arguments[0] in names else ""


def interrupt(signal_number, frame):
    """Ctrl-C. During an import an exception would crash the C code underneath: there we leave at once."""
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            os.write(2, f"{INTERRUPTED}\n".encode())
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


def show_warning(message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Ours is one line without the place in our code; another library's looks as ever."""
    if issubclass(category, InputWarning):
        print(f"perceiver-edu: warning: {visible(str(message))}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, *where[:2]), end="", file=sys.stderr)


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
    language: Annotated[str | None, typer.Option("--language", help=LANGUAGE, show_default=False)] = None,
):
    pass  # what --language says was heard before: see `speak`


COMMANDS = (
    fill,
    parity,
    pretrain,
    finetune,
    predict,
    evaluate,
    profile,
    optimize,
    export,
    weights,
    course,
    classroom,
)
for command in COMMANDS:
    app.command()(command)
