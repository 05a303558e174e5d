"""Exercises of notebook 08: a query of one's own, twins across a split, and an honest comparison."""

from perceiver_edu.course.exercises.finetuning.honest import HONEST
from perceiver_edu.course.exercises.finetuning.one_query import ONE_QUERY
from perceiver_edu.course.exercises.finetuning.twins import TWINS

EXERCISES = [ONE_QUERY, TWINS, HONEST]
