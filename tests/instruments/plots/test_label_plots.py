"""The pictures of scores show the scores: a line of means, a dot for each seed."""

import pytest

from perceiver_edu.instruments import accuracy_by_labels, accuracy_of_seeds


def test_a_line_of_means_and_a_dot_for_each_seed(ax):
    scores = {"one": {10: [0.5, 0.7], 20: [0.8, 0.8]}, "two": {10: [0.3, 0.4], 20: [0.5, 0.6]}}
    accuracy_by_labels(ax, scores, 0.2, "a title")
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines() if line.get_label() in scores}
    assert list(lines["one"]) == pytest.approx([0.6, 0.8])
    assert list(lines["two"]) == pytest.approx([0.35, 0.55])
    dots = sorted(y for line in ax.get_lines() if line.get_marker() == "." for y in line.get_ydata())
    assert dots == sorted(v for by_size in scores.values() for values in by_size.values() for v in values)
    assert ax.get_ylim()[0] <= 0.14 and ax.get_title() == "a title"


def test_a_row_for_each_method(ax):
    accuracy_of_seeds(ax, {"one": [0.5, 0.7], "two": [0.9, 0.9]}, 0.2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    assert {text.get_text() for text in ax.texts} == {"0.60", "0.90"}


def test_every_number_of_labels_has_its_tick_also_where_a_method_stops_early(ax):
    accuracy_by_labels(ax, {"one": {10: [0.5], 20: [0.6], 40: [0.7]}, "two": {20: [0.4]}}, 0.2, "")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "20", "40"]
