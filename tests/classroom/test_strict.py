"""A strict check raises, for graders; attempts are noted for learners who ask for it, and for nobody else."""

import json

import pytest

from perceiver_edu.course import check
from perceiver_edu.course.checks import UNNAMED
from perceiver_edu.course.progress import note, read_all, switch_attempts
from perceiver_edu.course.report import NotRight


def num_ids(plain, accented, chinese, emoji):
    return 1 + plain + 2 * accented + 3 * chinese + 4 * emoji + 1


def without_special_ids(plain, accented, chinese, emoji):
    return plain + 2 * accented + 3 * chinese + 4 * emoji


def stub(plain, accented, chinese, emoji):
    raise NotImplementedError


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.delenv("PERCEIVER_EDU_STRICT", raising=False)
    return tmp_path / "progress.json"


@pytest.mark.parametrize("wrong", [stub, without_special_ids, None, 3])
def test_a_strict_check_raises_its_report(wrong, monkeypatch):
    report = check("01.bytes_per_script", wrong)
    with pytest.raises(NotRight) as raised:
        check("01.bytes_per_script", wrong, strict=True)
    assert str(raised.value) == repr(report) and isinstance(raised.value, AssertionError)
    for value in ("", "0"):
        monkeypatch.setenv("PERCEIVER_EDU_STRICT", value)
        check("01.bytes_per_script", wrong)
    monkeypatch.setenv("PERCEIVER_EDU_STRICT", "1")
    with pytest.raises(NotRight):
        check("01.bytes_per_script", wrong)


def test_a_strict_check_of_a_right_answer_returns_its_report():
    assert check("01.bytes_per_script", num_ids, strict=True).ok


def test_a_strict_check_of_no_exercise_raises():
    with pytest.raises(NotRight, match="There is no exercise"):
        check("01.nothing", num_ids, strict=True)


def test_a_notebook_shows_the_report_and_one_line(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    with pytest.raises(NotRight) as raised:
        check("01.bytes_per_script", without_special_ids, strict=True)
    for _ in range(2):  # IPython asks for it twice
        line = raised.value._render_traceback_()
        assert line == ["NotRight: 01.bytes_per_script · predict the number of ids"]
    assert shown == [raised.value.report]


def test_attempts_are_noted_only_where_the_learner_asks(file):
    check("01.bytes_per_script", without_special_ids)
    check("01.bytes_per_script", num_ids)
    assert "attempts" not in json.loads(file.read_text("utf-8"))
    assert switch_attempts(True) == ""
    for answer in (stub, without_special_ids, lambda *args: 7, num_ids):
        check("01.bytes_per_script", answer)
    note(predictions={"01.a": 3})  # whatever is noted later leaves them alone
    [first, second, third] = [said for _, *said in read_all().attempts["01.bytes_per_script"]]
    assert len(first) == 1 and "[CLS]" in first[0]
    assert (second, third) == ([UNNAMED], [])
    assert switch_attempts(False) == ""
    assert "attempts" not in json.loads(file.read_text("utf-8")) and read_all().done


def test_a_damaged_list_of_attempts_is_a_damaged_file(file):
    for attempts in ("3", "[]", '{"01.a": 3}', '{"01.a": [[1]]}'):
        file.write_text(f'{{"done": {{}}, "attempts": {attempts}}}', "utf-8")
        assert "damaged" in read_all().problem
