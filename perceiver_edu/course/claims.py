"""What the text of a notebook says about results is tested by the notebook itself, in folded cells."""

from collections.abc import Iterator
from contextlib import contextmanager

from perceiver_edu.course.place import learner_at_work, translated
from perceiver_edu.language import to_translate

OTHER_INPUTS = to_translate(
    "What the text says about this result does not hold for yours, because the text was written for the "
    "original inputs. Nothing is wrong with your change."
)


@contextmanager
def claims() -> Iterator[None]:
    """Guard assertions about results that a learner may change, in a folded cell after the edited one.

        with claims():
            assert runs["untouched"].bits < 0.5

    In a learner's notebook, a claim that fails becomes one sentence. Everywhere else it fails, as in tests.
    """
    try:
        yield
    except Exception as error:
        if not learner_at_work():
            raise
        missing = isinstance(error, NameError)
        print(translated("Run the cell above first.") if missing else translated(OTHER_INPUTS))
