class InputError(ValueError):
    """What the user gave cannot be used; the message says what was wrong and what to do."""
