"""Exercises of notebook 01: bytes and ids, text to crops, hidden words."""

from perceiver_edu.course.exercises.tokenizer.bytes_per_script import BYTES_PER_SCRIPT
from perceiver_edu.course.exercises.tokenizer.encoding import DECODE, TOKENIZER
from perceiver_edu.course.exercises.tokenizer.packing import PACK
from perceiver_edu.course.exercises.tokenizer.words import MASK_WORDS

EXERCISES = [BYTES_PER_SCRIPT, TOKENIZER, DECODE, PACK, MASK_WORDS]
