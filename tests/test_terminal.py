"""What is printed where somebody watches, and where nobody does."""

import io
import sys
import time

from perceiver_edu.terminal import watched


class Screen(io.StringIO):
    def isatty(self):
        return True


def slowly(items, seconds):
    seen = []
    for item in items:
        seen.append(item)
        time.sleep(seconds)
    return seen


def test_a_bar_shows_what_takes_seconds(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    assert slowly(watched("abcde", "loading weights"), 0.6) == list("abcde")
    assert "loading weights" in sys.stderr.getvalue() and "5" in sys.stderr.getvalue()


def test_what_is_quick_shows_none(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    assert slowly(watched("abcde", "loading weights"), 0) == list("abcde")
    assert "loading" not in sys.stderr.getvalue()


def test_where_nobody_watches_there_is_none(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert slowly(watched("abcde", "loading weights"), 0.6) == list("abcde")
    assert sys.stderr.getvalue() == ""
