"""JupyterLab, opened at a notebook of the course."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from perceiver_edu import data
from perceiver_edu.course.place import translated
from perceiver_edu.errors import InputError


def lab_command(notebook: Path) -> list[str]:
    """What starts JupyterLab at a notebook. It serves the notebook's folder, or the checkout around it: the
    notebooks link to files there.

    With -P, Python imports nothing from the folder where the command is typed.
    """
    notebook = notebook.resolve()
    checkout = data.CHECKOUT and data.CHECKOUT.resolve()
    root = checkout if checkout and notebook.is_relative_to(checkout) else notebook.parent
    command = [sys.executable, "-P", "-m", "jupyter", "lab", "--ip", "127.0.0.1"]
    command.append(f"--ServerApp.root_dir={root}")
    command.append(f"--LabApp.default_url=/lab/tree/{quote(notebook.relative_to(root).as_posix())}")
    command.append("--LabApp.news_url=None")  # no question about news over the first page
    return command + ["--allow-root"] * (hasattr(os, "geteuid") and os.geteuid() == 0)


def shell_line(command: Sequence[str]) -> str:
    """A command as it is typed."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def open_lab(notebook: Path, arguments: Sequence[str] = ()) -> None:
    """Become JupyterLab, with these further arguments; this does not return.

    Raises: InputError where it is not installed.
    """
    command = [*lab_command(notebook), *arguments]
    if find_spec("jupyterlab") is None:
        raise InputError(
            translated(
                "JupyterLab is not installed in this environment. Install it: {install}. Then this "
                "command starts it: {command}",
                install=shell_line([sys.executable, "-m", "pip", "install", "perceiver-edu[lab]"]),
                command=shell_line(command),
            )
        )
    if os.name == "nt":  # there, exec gives the terminal back at once
        sys.exit(subprocess.call(command))
    sys.stdout.flush()
    os.execv(command[0], command)
