"""Exercises of notebook 05: the first divergence, five bugs, rounding or bug, and the loss."""

from perceiver_edu.course.exercises.divergence import FIRST_DIVERGENCE
from perceiver_edu.course.exercises.masked_loss import MASKED_LOSS
from perceiver_edu.course.exercises.planted_bugs import PLANTED_BUGS
from perceiver_edu.course.exercises.rounding import NOISE_OR_BUG

EXERCISES = [FIRST_DIVERGENCE, NOISE_OR_BUG, PLANTED_BUGS, MASKED_LOSS]
