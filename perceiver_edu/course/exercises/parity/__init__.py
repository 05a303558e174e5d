"""Exercises of notebook 05: the first divergence, five bugs, rounding or bug, and the loss."""

from perceiver_edu.course.exercises.parity.first_divergence import FIRST_DIVERGENCE
from perceiver_edu.course.exercises.parity.masked_loss import MASKED_LOSS
from perceiver_edu.course.exercises.parity.noise_or_bug import NOISE_OR_BUG
from perceiver_edu.course.exercises.parity.planted_bugs import PLANTED_BUGS

EXERCISES = [FIRST_DIVERGENCE, NOISE_OR_BUG, PLANTED_BUGS, MASKED_LOSS]
