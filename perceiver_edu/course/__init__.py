"""What a learner touches: the code of a stage, exercises and their checks, stage swap, progress."""

from perceiver_edu.course.checks import check
from perceiver_edu.course.fast_mode import full_or_fast
from perceiver_edu.course.overview import course_overview
from perceiver_edu.course.source import show_source
from perceiver_edu.course.swap import swap_stage

__all__ = ["check", "course_overview", "full_or_fast", "show_source", "swap_stage"]
