"""Exercises of notebook 06: FLOPs, two crossings, the roofline, a ladder, and the price of training."""

from perceiver_edu.course.exercises.crossings import CROSSOVER, TRANSFORMER
from perceiver_edu.course.exercises.flops import FLOPS
from perceiver_edu.course.exercises.intensity import INTENSITY
from perceiver_edu.course.exercises.ladder import LADDER
from perceiver_edu.course.exercises.training_cost import TRAINING

EXERCISES = [FLOPS, CROSSOVER, TRANSFORMER, INTENSITY, LADDER, TRAINING]
