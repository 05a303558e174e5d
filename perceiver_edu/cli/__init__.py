"""The command line, `perceiver-edu fill | parity | profile | …`: thin functions around the library.

A command is a function in a file of its own, listed below. What the user did wrong is an `InputError`, which
`main` turns into one line and exit code 2. Imports that take long stay inside the functions.
"""

import atexit
import os
import signal
import sys
import warnings
from typing import Annotated, Any

import typer

from perceiver_edu.cli.course import course
from perceiver_edu.cli.evaluate import evaluate
from perceiver_edu.cli.fill import fill
from perceiver_edu.cli.finetune import finetune
from perceiver_edu.cli.parity import parity
from perceiver_edu.cli.pretrain import pretrain
from perceiver_edu.cli.profile import profile
from perceiver_edu.cli.weights import weights
from perceiver_edu.errors import DivergedError, InputError, InputWarning
from perceiver_edu.terminal import visible

INTERRUPTED = "perceiver-edu: interrupted"

app = typer.Typer(
    help="Learn Perceiver IO: fill holes in a text, compare every stage with Hugging Face's model, "
    "train a model of your own and see how good it is.",
    epilog="`perceiver-edu COMMAND --help` has examples.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 a check failed or the training diverged, 2 the user's error, 130
    Ctrl-C. On stderr there is one line.

    Anything else that goes wrong is a bug of ours and keeps its traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not so in a shell's background
        signal.signal(signal.SIGINT, interrupt)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # all is done: too late to interrupt
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # where a terminal knows no UTF-8, escapes instead of an error
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = show_warning
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
        sys.exit(1 if isinstance(error, DivergedError) else 2)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    except SystemExit as done:  # typer's answer to a KeyboardInterrupt
        if done.code == 130:
            print(INTERRUPTED, file=sys.stderr)
        raise


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
):
    pass


for command in (fill, parity, pretrain, finetune, evaluate, profile, weights, course):
    app.command()(command)
