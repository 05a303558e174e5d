"""Exercises of notebook 00: the shapes of the five stages, and the slip in the model card."""

from perceiver_edu.course.exercises.quickstart.shapes import SHAPES
from perceiver_edu.course.exercises.quickstart.slip import SLIP

EXERCISES = [SHAPES, SLIP]
