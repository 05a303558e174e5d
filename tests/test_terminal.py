"""What is printed where somebody watches, and where nobody does."""

import io
import sys
import time

import pytest

from perceiver_edu.terminal import amount, watched


@pytest.mark.parametrize(
    "value, shown", [(1330.4, "1,330"), (133.04, "133"), (13.304, "13.3"), (0.0133, "0.0133"), (0, "0")]
)
def test_an_amount_has_three_digits_and_no_exponent(value, shown):
    assert amount(value) == shown


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    "stream, seconds, shown", [(Screen, 0.6, True), (Screen, 0, False), (io.StringIO, 0.6, False)]
)
def test_a_bar_shows_what_takes_seconds_where_somebody_watches(stream, seconds, shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    seen = []
    for item in watched("abcde", "loading weights"):
        seen.append(item)
        time.sleep(seconds)
    assert seen == list("abcde")
    written = sys.stderr.getvalue()
    assert "loading weights" in written and "5" in written if shown else written == ""
