"""Exercises of notebook 04: the decoder, the tied head, the asked positions and what they save."""

from perceiver_edu.course.exercises.decoder.decoder import DECODER
from perceiver_edu.course.exercises.decoder.savings import SAVINGS
from perceiver_edu.course.exercises.decoder.some_queries import SOME_QUERIES
from perceiver_edu.course.exercises.decoder.tied_head import TIED_HEAD

EXERCISES = [DECODER, TIED_HEAD, SOME_QUERIES, SAVINGS]
