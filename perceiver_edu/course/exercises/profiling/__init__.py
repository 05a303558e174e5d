"""Exercises of notebook 06: FLOPs, two crossings, the roofline, a ladder, and the price of training."""

from perceiver_edu.course.exercises.profiling.crossings import CROSSOVER, TRANSFORMER
from perceiver_edu.course.exercises.profiling.flops import FLOPS
from perceiver_edu.course.exercises.profiling.intensity import INTENSITY
from perceiver_edu.course.exercises.profiling.ladder import LADDER
from perceiver_edu.course.exercises.profiling.training_cost import TRAINING

EXERCISES = [FLOPS, CROSSOVER, TRANSFORMER, INTENSITY, LADDER, TRAINING]
