import re
import reprlib
import warnings
from collections.abc import Iterable, Mapping
from operator import index
from types import ModuleType
from typing import Any

from perceiver_edu.terminal import visible

LONGEST_MESSAGE = 1000  # characters
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 100


def in_users_language(message: str) -> str:
    """What is shown of an error or a warning, whose `args` keep the English."""
    from perceiver_edu.language import translated_message  # which imports this module

    return translated_message(message)


class InputError(ValueError):
    """An error of the user's: a value that cannot be used. The message says what was wrong and what to do.

    The message is one line without control characters, whatever names and texts it quotes. Write it as an
    f-string: `docs/error_messages.py` finds it in the source, and a user reads it in their language.
    """

    def __init__(self, message: str):
        message = visible(re.sub(r"\s+", lambda blank: " " if "\n" in blank[0] else blank[0], message))
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[: LONGEST_MESSAGE // 2]} … {message[-LONGEST_MESSAGE // 2 :]}"
        super().__init__(message)

    def __str__(self) -> str:
        return in_users_language(super().__str__())


class DivergedError(InputError):
    """The numbers of a training run became NaN or infinite. The command line ends with exit code 1."""


class InputWarning(UserWarning):
    """What the user gave was used, but not all of it, or not as it may seem."""

    def __str__(self) -> str:
        return in_users_language(super().__str__())


def warn(message: str) -> None:
    """An `InputWarning` at the line that called the caller; the command line prints it as one line."""
    warnings.warn(message, InputWarning, stacklevel=3)


def choose(what: str, name: str, choices: Iterable[str]) -> None:
    """Raises: InputError for a name that is not among the choices."""
    choices = list(choices)
    if name not in choices:
        raise InputError(f"no {what} {brief(name)}; choose from {', '.join(choices)}")


def check_list(what: str, values: object) -> None:
    """Raises: InputError for what is no list of texts although Python can iterate over it: the items of a str
    are letters, those of a dictionary or a table are the names of its columns, and a set has no order."""
    if isinstance(values, str | bytes):
        raise InputError(f"{what} must be a list, not one {type(values).__name__}: wrap it as [text]")
    if isinstance(values, Mapping | set | frozenset) or hasattr(values, "columns"):
        how = "give one of its columns, such as list(table['text'])"
        raise InputError(f"{what} must be a list, not a {type(values).__name__}: {how}")


def whole_number(name: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """The value as an int. Raises: InputError for anything but a whole number in the range."""
    try:
        number = index(value)
    except TypeError:
        number = lowest - 1
    if isinstance(value, bool) or number < lowest or (highest is not None and number > highest):
        allowed = f"≥ {lowest:,}" if highest is None else f"from {lowest:,} to {highest:,}"
        raise InputError(f"{name} must be a whole number {allowed}, got {brief(value)}")
    return number


def library(name: str, extra: str) -> ModuleType:
    """The library, imported. Raises: InputError where it is not installed, as this package's `extra` does."""
    try:
        return __import__(name)
    except ImportError:
        raise InputError(
            f'this needs {name}, which is not installed: pip install "perceiver-edu[{extra}]"'
        ) from None


def brief(value: object) -> str:
    """The repr of a value, shortened, for a message; never raises, whatever the value does."""
    try:
        return _brief.repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return f"an object of type {type(value).__name__}"
