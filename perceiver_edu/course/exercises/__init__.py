"""The exercises. A module in a numbered folder is one: `n02_encoder/cost.py` holds 02.cost.

A new exercise is a module with an `EXERCISE = Exercise(…)`, its four cells in the notebook (task, stub,
hints, solution), and examples of what learners hand in, under tests/notebooks/answers.
"""

from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from pkgutil import walk_packages

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.place import translated
from perceiver_edu.course.renamed import today
from perceiver_edu.errors import InputError


def all_exercises() -> dict[str, Exercise]:
    """Every exercise by its id, in the order of the notebooks."""
    found = {}
    for module in walk_packages(__path__, f"{__name__}."):
        folder, _, name = module.name.removeprefix(f"{__name__}.").partition(".")
        if name:
            exercise_id = f"{folder[1:3]}.{name}"
            found[exercise_id] = replace(import_module(module.name).EXERCISE, id=exercise_id)
    return found


def find(exercise_id) -> Exercise:
    """By its id, or the one that it had in an older version.

    Raises: InputError for an id that does not exist, with the nearest ones.
    """
    known = all_exercises()
    if isinstance(exercise_id, str) and today(exercise_id) in known:
        return known[today(exercise_id)]
    near = get_close_matches(exercise_id, known, n=3) if isinstance(exercise_id, str) else []
    hint = (
        translated("Did you mean {near}?", near=" or ".join(near))
        if near
        else translated("The exercises are {known}.", known=", ".join(known))
    )
    raise InputError(
        translated("There is no exercise {exercise_id!r}. {hint}", exercise_id=exercise_id, hint=hint)
    )
