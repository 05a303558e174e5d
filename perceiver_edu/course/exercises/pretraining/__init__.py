"""Exercises of notebook 07: the loss in parts, the loop, the start, and the shape of a hole."""

from perceiver_edu.course.exercises.pretraining.aligned_start import ALIGNED_START
from perceiver_edu.course.exercises.pretraining.hole_shape import HOLE_SHAPE
from perceiver_edu.course.exercises.pretraining.loss_in_parts import LOSS_IN_PARTS
from perceiver_edu.course.exercises.pretraining.training_loop import TRAINING_LOOP

EXERCISES = [HOLE_SHAPE, LOSS_IN_PARTS, TRAINING_LOOP, ALIGNED_START]
