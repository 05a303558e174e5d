"""What a learner touches: the code of a stage, shown where it is explained."""

from perceiver_edu.course.source import show_source

__all__ = ["show_source"]
