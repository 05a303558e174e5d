"""Fast mode: smaller sizes in the notebooks, for a slow machine or a test. A claim that holds only at full
size is not asserted then; everything else is."""

import os
from functools import cache

from perceiver_edu.course.place import translated

FAST_VARIABLE = "PERCEIVER_EDU_FAST"


def full_or_fast(full, fast):
    """Return `full`, or `fast` if PERCEIVER_EDU_FAST is set, which the notebook then says.

    steps = full_or_fast(600, 60)
    """
    if os.environ.get(FAST_VARIABLE, "0") in ("", "0"):
        return full
    announce()
    return fast


@cache
def announce():
    """Once a notebook, for its texts and committed outputs speak of the full sizes."""
    print(
        translated(
            "fast mode ({variable}): smaller sizes, so other numbers than the text says",
            variable=FAST_VARIABLE,
        )
    )
