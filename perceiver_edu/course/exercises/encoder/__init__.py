"""Exercises of notebook 02: cross-attention, its mask and its cost."""

from perceiver_edu.course.exercises.encoder.additive_mask import ADDITIVE_MASK
from perceiver_edu.course.exercises.encoder.cost import COST
from perceiver_edu.course.exercises.encoder.cross_attention import CROSS_ATTENTION

EXERCISES = [CROSS_ATTENTION, ADDITIVE_MASK, COST]
