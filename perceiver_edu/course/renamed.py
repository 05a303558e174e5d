"""What had another number or name in an older version: files of the course, and ids of exercises.

A learner's progress and answers are kept under the old names, so these tables only ever grow.
"""

FILES = {
    "06_profiling.ipynb": "06_cost_model.ipynb",
    "07_pretraining.ipynb": "08_pretraining.ipynb",
    "08_finetuning.ipynb": "09_finetuning.ipynb",
    "09_modalities.ipynb": "10_modalities.ipynb",
    "10_playground.ipynb": "11_playground.ipynb",
}

EXERCISES = {
    "07.geometry": "08.geometry",
    "07.loss": "08.loss",
    "07.loop": "08.loop",
    "07.start": "08.start",
    "08.twins": "09.near_duplicates",
    "09.twins": "09.near_duplicates",
    "08.one_query": "09.one_query",
    "08.honest": "09.compare",
    "09.honest": "09.compare",
    "09.image_adapter": "10.image_adapter",
    "09.modality_mask": "10.modality_mask",
    "09.dense_query": "10.dense_query",
}


def today(exercise_id: str) -> str:
    """The id that an exercise has now."""
    return EXERCISES.get(exercise_id, exercise_id)
