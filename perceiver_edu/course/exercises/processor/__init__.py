"""Exercises of notebook 03: one layer, the stack, what it costs, and decoding before the end."""

from perceiver_edu.course.exercises.processor.cost import COST
from perceiver_edu.course.exercises.processor.early_decode import EARLY_DECODE
from perceiver_edu.course.exercises.processor.self_attend import SELF_ATTEND
from perceiver_edu.course.exercises.processor.stack import STACK

EXERCISES = [SELF_ATTEND, STACK, COST, EARLY_DECODE]
