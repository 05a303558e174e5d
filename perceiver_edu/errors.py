import warnings
from collections.abc import Iterable, Mapping


class InputError(ValueError):
    """What the user gave cannot be used; the message says what was wrong and what to do."""


class DivergedError(InputError):
    """The numbers of a training run became NaN or infinite. The command line ends with exit code 1."""


class InputWarning(UserWarning):
    """What the user gave was used, but not all of it, or not as it may seem."""


def warn(message: str) -> None:
    """An `InputWarning` at the line that called the caller; the command line prints it as one line."""
    warnings.warn(message, InputWarning, stacklevel=3)


def choose(what: str, name: str, choices: Iterable[str]) -> None:
    """Raises: InputError for a name that is not among the choices."""
    choices = list(choices)
    if name not in choices:
        raise InputError(f"no {what} {name!r}; there is {', '.join(choices)}")


def check_list(what: str, values: object) -> None:
    """Raises: InputError for what is no list of texts although Python can iterate over it: the items of a str
    are letters, those of a dictionary or a table are the names of its columns, and a set has no order."""
    if isinstance(values, str | bytes):
        raise InputError(f"{what} must be a list, not one {type(values).__name__}: wrap it as [text]")
    if isinstance(values, Mapping | set | frozenset) or hasattr(values, "columns"):
        how = "give one of its columns, such as list(table['text'])"
        raise InputError(f"{what} must be a list, not a {type(values).__name__}: {how}")
