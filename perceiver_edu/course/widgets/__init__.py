"""Experiments with controls, one module each; `base` is the mechanism under them, and how to make one."""

from perceiver_edu.course.widgets.base import Experiment
from perceiver_edu.course.widgets.bugs import plant_a_bug
from perceiver_edu.course.widgets.costs import cost_sliders
from perceiver_edu.course.widgets.export import Export
from perceiver_edu.course.widgets.heads import pick_a_head
from perceiver_edu.course.widgets.hole import mask_a_span
from perceiver_edu.course.widgets.layers import stop_and_ablate
from perceiver_edu.course.widgets.modalities import drop_a_sense, fourier_bands, shuffle_pixels
from perceiver_edu.course.widgets.packing import join_documents
from perceiver_edu.course.widgets.playground import playground
from perceiver_edu.course.widgets.queries import query_lab
from perceiver_edu.course.widgets.runs import browse_run
from perceiver_edu.course.widgets.thawing import frozen_or_thawed

__all__ = [
    "Experiment",
    "Export",
    "browse_run",
    "cost_sliders",
    "drop_a_sense",
    "fourier_bands",
    "frozen_or_thawed",
    "join_documents",
    "mask_a_span",
    "pick_a_head",
    "plant_a_bug",
    "playground",
    "query_lab",
    "shuffle_pixels",
    "stop_and_ablate",
]
