"""A limit for code that may hang."""

import signal
from contextlib import contextmanager


@contextmanager
def at_most(seconds):
    """Raises: AssertionError in the block when this time is over. A TimeoutError would not do: it is an
    OSError, which readers of files report as a file that cannot be read."""

    def late(*_):
        raise AssertionError(f"still running after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
