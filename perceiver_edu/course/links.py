"""The links of the notebooks: they are written for a checkout, and lead somewhere in every other place too.

In the repository, notebooks link to `../perceiver_edu/encoder.py`, `02_encoder.ipynb` or `images/stages.png`.
"""

import os
import posixpath
import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from perceiver_edu import __version__, data
from perceiver_edu.course.start import START
from perceiver_edu.errors import InputError

LINK = re.compile(r"(?<=\]\()(?:\.\./|images/|\d\d_)[^)#\s]+")  # the target, without `#section`
OF_CODE = re.compile(r"\[`([^`\]]+)`\](?=\()")  # JupyterLab gives code in a link the look of plain code
GLOSSARY = "docs/glossary.md"  # in a course folder it lies beside the notebooks
LIBRARY = "library"  # the folder of a course folder with copies of what its notebooks link to


def relink(text: str, locate: Callable[[str], str]) -> str:
    """The Markdown of a notebook with other targets: `locate(path in the repository)` gives them.

    A link of code becomes one of plain words, so that it looks like a link in JupyterLab, too.
    """
    text = OF_CODE.sub(r"[\1]", text)
    return LINK.sub(lambda link: locate(posixpath.normpath(f"notebooks/{link[0]}")), text)


def on_the_web(path: str) -> str:
    """The address of a file of the repository, as it was when this version was released."""
    return f"{repository()}/blob/v{__version__}/{path}"


def in_course(path: str, folder: Path) -> str:
    """Where a link to a file of the repository leads from the notebooks of a course folder.

    JupyterLab opens files of one folder only. So a link leads to the file itself where the course folder
    is in its checkout; else to a copy in `library/`, where the file is installed; else to the web.
    """
    if path == "README.md":
        return START  # to readers of the repository it is what the start page is to learners
    if path == GLOSSARY or path.startswith("notebooks/"):
        return path.partition("/")[2]
    file = source_of(path)
    if file and data.CHECKOUT and folder.is_relative_to(data.CHECKOUT):
        return Path(os.path.relpath(file, folder)).as_posix()
    return f"{LIBRARY}/{path}" if file else on_the_web(path)


def source_of(path: str) -> Path | None:
    """The file of this checkout or of the installed package, or None where there is none."""
    file = (data.CHECKOUT or data.PACKAGE.parent) / path
    return file if (data.CHECKOUT or path.startswith("perceiver_edu/")) and file.is_file() else None


@cache
def repository() -> str:
    """The address of the repository, from [project.urls] in pyproject.toml."""
    try:
        urls = dict(url.split(", ", 1) for url in metadata("perceiver-edu").get_all("Project-URL") or [])
        return urls["Repository"]
    except (PackageNotFoundError, KeyError):
        raise InputError(
            "perceiver-edu is not installed here as its pyproject.toml says: install it again"
        ) from None
