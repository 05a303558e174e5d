import re
import reprlib
from collections.abc import Iterable
from operator import index
from typing import Any

from perceiver_edu.terminal import visible

LONGEST_MESSAGE = 1000  # characters
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 100


class InputError(ValueError):
    """What the user gave cannot be used; the message says what was wrong and what to do.

    The message is one line without control characters, whatever names and texts it quotes.
    """

    def __init__(self, message: str):
        message = visible(re.sub(r"\s*\n\s*", " ", message))
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[: LONGEST_MESSAGE // 2]} … {message[-LONGEST_MESSAGE // 2 :]}"
        super().__init__(message)


def choose(what: str, name: str, choices: Iterable[str]) -> None:
    """Raises: InputError for a name that is not among the choices."""
    choices = list(choices)
    if name not in choices:
        raise InputError(f"no {what} {brief(name)}; there is {', '.join(choices)}")


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


def brief(value: object) -> str:
    """The repr of a value, shortened, for a message; never raises, whatever the value does."""
    try:
        return _brief.repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return f"an object of type {type(value).__name__}"
