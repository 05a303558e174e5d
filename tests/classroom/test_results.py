"""The report of a class: every named mistake is found again, and nothing that a student typed is run."""

import csv
import io

import pytest

from perceiver_edu.classroom.assignments import grade_id
from perceiver_edu.classroom.results import (
    FAILED,
    RIGHT,
    STOPPED,
    UNGRADED,
    UNKNOWN,
    UNTOUCHED,
    Mark,
    Results,
    as_html,
    mistakes_csv,
    points_csv,
    read_errors,
    said_of,
    write_results,
)
from perceiver_edu.course.exercises import all_exercises
from perceiver_edu.course.report import NOT_YET, WAITING, NotRight, Report
from perceiver_edu.language import LANGUAGES, speaking


def test_every_named_mistake_of_the_course_is_found_in_the_text_of_its_report(tally):
    number = 0
    for exercise_id, exercise in all_exercises().items():
        for mistake in exercise.known_mistakes:
            report = Report(exercise.title, NOT_YET).say(f"Right so far: one case. {mistake.says} And more.")
            errors = {grade_id(exercise_id): [("NotRight", str(NotRight(report)))]}
            assert said_of(grade_id(exercise_id), False, errors) == [mistake.says]
            number += 1
    tally("named mistakes found in reports", number)
    assert number > 300


def test_what_else_can_become_of_an_exercise():
    def said(*errors, cell="02-cost", full_marks=False):
        return said_of(cell, full_marks, {"02-cost": list(errors)})

    assert said(full_marks=True) == [RIGHT]
    assert said(("NotRight", str(NotRight(Report("cost", WAITING).say("Nothing below waits."))))) == [
        UNTOUCHED
    ]
    assert said(("NotRight", str(NotRight(Report("cost", NOT_YET).say("Something."))))) == [UNKNOWN]
    assert said(("NameError", "name 'multiply_adds' is not defined")) == [FAILED]
    assert said(("Stopped", "this cell took more than 120 seconds")) == [STOPPED]
    assert said() == [FAILED], "no points and no error, such as a teacher's correction"
    assert said(cell="02-kinds") == [UNGRADED] and said_of("02-cost", False, None) == [UNGRADED]


@pytest.mark.parametrize("language", LANGUAGES)
def test_reports_are_read_in_the_language_in_which_they_were_graded(language):
    [mistake, *_] = all_exercises()["02.cost"].known_mistakes
    with speaking(language):
        reports = Report("cost", WAITING), Report("cost", NOT_YET).say(mistake.says)
        texts = [str(NotRight(report)) for report in reports]
    assert texts[0].startswith(WAITING) == (language == "en"), "otherwise it is translated"
    found = [said_of("02-cost", False, {"02-cost": [("NotRight", text)]}) for text in texts]
    assert found == [[UNTOUCHED], [mistake.says]]


def test_a_damaged_notebook_is_one_that_could_not_be_graded(tmp_path):
    for content in (
        "",
        "[]",
        "{}",
        '{"cells": 3}',
        '{"cells": [{"metadata": {"nbgrader": 3}}]}',
        "[" * 100_000,
    ):
        path = tmp_path / "01_tokenizer.ipynb"
        path.write_text(content, "utf-8")
        assert read_errors(path) is None
    assert read_errors(tmp_path / "nowhere.ipynb") is None


HOSTILE = '<script>alert("x")</script>'
MISTAKE = "Compare `a < b` first."
RESULTS = Results(
    {"02-cost": "02.cost · what it costs", "own": "=HYPERLINK(1)"},
    ["ada", HOSTILE, "=1+1"],
    {
        ("02-cost", "ada"): Mark(2, 2, [RIGHT]),
        ("02-cost", HOSTILE): Mark(0, 2, [MISTAKE]),
        ("02-cost", "=1+1"): Mark(0, 2, [MISTAKE]),
        ("own", "ada"): Mark(0.5, 1, [UNKNOWN]),
    },
)


def test_a_mistake_comes_before_what_as_many_left_undone():
    marks = {("own", "ada"): Mark(0, 1, [UNTOUCHED]), ("own", "bela"): Mark(0, 1, [MISTAKE])}
    assert list(Results({"own": "own"}, ["ada", "bela"], marks).counted("own")) == [MISTAKE, UNTOUCHED]


def test_the_page_counts_and_escapes(tmp_path):
    page = as_html(RESULTS)
    assert "<script" not in page and "&lt;script&gt;" in page and "<code>a &lt; b</code>" in page
    assert "<td>1 of 3</td>" in page and "<summary>2</summary>" in page
    assert [path.name for path in write_results(tmp_path, RESULTS)] == [
        "report.html",
        "points.csv",
        "mistakes.csv",
    ]
    assert (tmp_path / "report.html").read_text("utf-8") == page


def test_the_tables_hold_the_same_and_no_formulas():
    points = list(csv.reader(io.StringIO(points_csv(RESULTS))))
    assert points[0] == ["exercise", "right", "handed in", "points", "ada", HOSTILE, "'=1+1"]
    assert points[1] == ["02.cost · what it costs", "1", "3", "2", "2", "0", "0"]
    assert points[2] == ["'=HYPERLINK(1)", "0", "1", "1", "0.5", "", ""]
    assert points[3] == ["total", "", "", "", "2.5", "0", "0"]
    mistakes = list(csv.reader(io.StringIO(mistakes_csv(RESULTS))))
    assert mistakes[1] == ["02.cost · what it costs", "2", MISTAKE, f"{HOSTILE} =1+1"]
    assert mistakes[2][1:3] == ["1", UNKNOWN]
