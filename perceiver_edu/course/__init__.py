"""What a learner touches: a stage's code, exercises and their checks, stage swap, predictions, progress."""

from perceiver_edu.course.checks import check
from perceiver_edu.course.claims import claims
from perceiver_edu.course.fast_mode import full_or_fast
from perceiver_edu.course.live import training_progress
from perceiver_edu.course.notation import notation
from perceiver_edu.course.overview import course_overview
from perceiver_edu.course.prediction import predict, reveal
from perceiver_edu.course.source import show_source
from perceiver_edu.course.swap import swap_stage

__all__ = [
    "check",
    "claims",
    "course_overview",
    "full_or_fast",
    "notation",
    "predict",
    "reveal",
    "show_source",
    "swap_stage",
    "training_progress",
]
