"""The exercises, one folder for each notebook."""

from difflib import get_close_matches
from importlib import import_module

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.errors import InputError

MODULES = {
    "00": "quickstart",
    "01": "tokenizer",
    "02": "encoder",
    "03": "processor",
    "04": "decoder",
    "05": "parity",
    "06": "profiling",
    "07": "pretraining",
    "08": "finetuning",
    "09": "modalities",
}


def all_exercises() -> dict[str, Exercise]:
    """Every exercise by its id, in the order of the course."""
    modules = [import_module(f"{__name__}.{name}") for name in MODULES.values()]
    return {exercise.id: exercise for module in modules for exercise in module.EXERCISES}


def find(exercise_id) -> Exercise:
    """Raises: InputError for an id that does not exist, with the nearest ones."""
    known = all_exercises()
    if isinstance(exercise_id, str) and exercise_id in known:
        return known[exercise_id]
    near = get_close_matches(exercise_id, known, n=3) if isinstance(exercise_id, str) else []
    raise InputError(f"There is no exercise {exercise_id!r}. There is {', '.join(near or known)}.")
