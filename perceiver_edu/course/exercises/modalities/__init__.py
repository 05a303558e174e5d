"""Exercises of notebook 09: an image adapter, a mask by modality, dense queries."""

from perceiver_edu.course.exercises.modalities.dense_query import DENSE_QUERY
from perceiver_edu.course.exercises.modalities.image_adapter import IMAGE_ADAPTER
from perceiver_edu.course.exercises.modalities.modality_mask import MODALITY_MASK

EXERCISES = [IMAGE_ADAPTER, MODALITY_MASK, DENSE_QUERY]
