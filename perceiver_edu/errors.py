from collections.abc import Iterable


class InputError(ValueError):
    """What the user gave cannot be used; the message says what was wrong and what to do."""


def choose(what: str, name: str, choices: Iterable[str]) -> None:
    """Raises: InputError for a name that is not among the choices."""
    choices = list(choices)
    if name not in choices:
        raise InputError(f"no {what} {name!r}; there is {', '.join(choices)}")
