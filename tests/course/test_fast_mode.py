"""Fast mode: the small size where it is asked for, the full one everywhere else, and a word about it."""

import pytest

from perceiver_edu.course import full_or_fast
from perceiver_edu.course.fast_mode import FAST_VARIABLE, announce


@pytest.fixture(autouse=True)
def not_yet_said():
    announce.cache_clear()


@pytest.mark.parametrize("value, expected", [(None, 600), ("", 600), ("0", 600), ("1", 60), ("yes", 60)])
def test_the_variable_chooses_the_size(value, expected, monkeypatch, capsys):
    monkeypatch.delenv(FAST_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(FAST_VARIABLE, value)
    assert full_or_fast(600, 60) == expected
    assert ("fast mode" in capsys.readouterr().out) == (expected == 60)


def test_a_notebook_says_it_once(monkeypatch, capsys):
    monkeypatch.setenv(FAST_VARIABLE, "1")
    assert full_or_fast([1, 2], [1]) == [1] and full_or_fast(7, 3) == 3
    assert capsys.readouterr().out.count("fast mode") == 1
