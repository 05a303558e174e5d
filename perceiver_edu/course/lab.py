"""JupyterLab, opened at a notebook of the course."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from perceiver_edu.course.overview import NOTEBOOKS
from perceiver_edu.errors import InputError


def lab_command(notebook: Path) -> list[str]:
    """What starts JupyterLab at a notebook, in the repository's folder: the notebooks link to the code.

    With -P, Python imports nothing from the folder where the command is typed.
    """
    notebook = notebook.resolve()
    root = notebook.parent.parent if notebook.parent.name == NOTEBOOKS.name else notebook.parent
    command = [sys.executable, "-P", "-m", "jupyter", "lab", "--ip", "127.0.0.1"]
    command.append(f"--ServerApp.root_dir={root}")
    command.append(f"--LabApp.default_url=/lab/tree/{notebook.relative_to(root).as_posix()}")
    return command + ["--allow-root"] * (hasattr(os, "geteuid") and os.geteuid() == 0)


def open_lab(notebook: Path, arguments: Sequence[str] = ()) -> None:
    """Become JupyterLab, with these further arguments; this does not return.

    Raises: InputError where it is not installed.
    """
    command = [*lab_command(notebook), *arguments]
    if find_spec("jupyterlab") is None:
        join = subprocess.list2cmdline if os.name == "nt" else shlex.join
        raise InputError(
            "JupyterLab is not installed in this environment. Install it: "
            f"{join([sys.executable, '-m', 'pip', 'install', 'jupyterlab', 'ipykernel'])}. "
            f"Then this command starts it: {join(command)}"
        )
    if os.name == "nt":  # there, exec gives the terminal back at once
        sys.exit(subprocess.call(command))
    sys.stdout.flush()
    os.execv(command[0], command)
