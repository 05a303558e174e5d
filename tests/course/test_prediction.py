"""Predictions: asked for in a box, kept, and compared with the result before the cell shows it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from perceiver_edu import InputError
from perceiver_edu.course import place, predict, prediction, reveal
from perceiver_edu.course.overview import course_overview, read_overview
from perceiver_edu.course.prediction import NotPredicted, Question, compared, predictions_in
from perceiver_edu.course.progress import mark_done, read_all

pytestmark = pytest.mark.usefixtures("file")
QUESTION = "How many bytes does `naïve` have?"
DOUBLES = ["stays", "doubles"]


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A kernel in which nothing was asked."""
    monkeypatch.setattr(prediction, "ASKED_HERE", {})
    monkeypatch.setattr(prediction, "NOT_NOTED", {})
    monkeypatch.setattr(prediction, "STOPPED", set())


@pytest.fixture
def at_work(monkeypatch):
    monkeypatch.setattr(prediction, "learner_at_work", lambda: True)


@pytest.mark.parametrize(
    ("answer", "typed", "kind"),
    [("doubles", "doubles", {"choices": DOUBLES}), (1300, "1,300 bytes", {"number": "bytes"}),
     (0.5, ".5", {"number": ""}), ("two <b>", " two <b> ", {"text": True})],
)  # fmt: skip
def test_an_answer_is_kept_and_is_there_again(answer, typed, kind):
    box = predict("00.a", QUESTION, **kind)
    box.predict.click()
    assert "00.a" not in read_all().predictions and box.said.value, "an empty field is no answer"
    box.field.value = typed
    box.predict.click()
    assert read_all().predictions == {"00.a": answer}
    again = predict("00.a", QUESTION, **kind)
    assert again.field.value == str(answer) and "Now run the next cell" in again.said.value
    assert "<b>" not in again.said.value


@pytest.mark.parametrize(("kind", "typed"), [({"number": ""}, "12"), ({"text": True}, "a guess")])
def test_what_is_typed_counts_with_enter_or_when_the_field_is_left(kind, typed):
    box = predict("00.a", QUESTION, **kind)
    assert not box.field.continuous_update, "its value comes with Enter, or when the field is left"
    box.field.value = typed
    assert list(read_all().predictions) == ["00.a"] and "Your prediction" in box.said.value
    box.field.value = " "
    assert "Your prediction" in box.said.value, "an emptied field takes nothing back"


def test_a_choice_counts_when_its_button_is_clicked():
    box = predict("00.a", QUESTION, choices=DOUBLES)
    box.field.value = "stays"
    assert read_all().predictions == {}


@pytest.mark.parametrize(
    ("typed", "number"), [("1,500", 1500), ("12,345,678", 12345678), ("1,500.5", 1500.5)]
)
def test_commas_group_thousands(typed, number):
    assert Question("00.a", QUESTION, unit="").read(typed) == number


@pytest.mark.parametrize("typed", ["many", "nan", "1e999", "-inf", "12 apples", "[1]", "1,5", "0,25", "1,50"])
def test_what_is_no_number_is_asked_for_again(typed):
    box = predict("00.a", QUESTION, number="bytes")
    box.field.value = typed
    box.predict.click()
    assert "Type a number" in box.said.value and read_all().predictions == {}


def test_skip_all_leaves_answers_alone(notebooks, file):
    path = notebooks / "00_first.ipynb"
    content = json.loads(path.read_text("utf-8"))
    content["cells"][1]["source"] = "predict('00.a', 'x', text=True)\npredict('00.b', 'y', number='')"
    path.write_text(json.dumps(content), "utf-8")
    first, second = predict("00.a", "x", text=True), predict("00.c", "z", text=True)
    first.field.value = "mine"
    first.predict.click()
    second.skip_all.click()
    assert read_all().predictions == {"00.a": "mine", "00.b": None, "00.c": None}
    assert "Skipped" in second.said.value
    mark_done("00.a")
    assert read_all().predictions["00.a"] == "mine", "an exercise does not drop predictions"
    said = "1 of 3 exercises are solved, and 1 of 2 predictions are made"
    assert (
        read_overview().count == said
        and said in repr(course_overview())
        and "1 of 2" in repr(course_overview())
    )


def test_a_result_waits_for_the_prediction_where_a_learner_is_at_work(at_work, capsys):
    with pytest.raises(NotPredicted, match="Run the cell with the prediction above"):
        reveal("00.a", 15)
    box = predict("00.a", QUESTION, number="bytes")
    with pytest.raises(NotPredicted, match="Answer or skip the prediction above"):
        reveal("00.a", 15)
    assert capsys.readouterr().out == ""
    box.skip.click()
    reveal("00.a", 15, explain="Two of them belong to ï.")
    box.field.value = "13"
    box.predict.click()
    reveal("00.a", torch.tensor(15))
    assert capsys.readouterr().out.splitlines() == [
        "The result: 15 bytes. Two of them belong to ï.",
        "You predicted 13 bytes; the result is 15 bytes.",
    ]


def test_elsewhere_it_only_says_the_result(capsys):
    reveal("00.a", np.float64(0.25))
    predict("00.a", QUESTION, choices=DOUBLES)
    reveal("00.a", "doubles")
    assert capsys.readouterr().out == "The result: 0.25.\nThe result: “doubles”.\n"


def test_the_stop_is_one_sentence_in_a_notebook(capsys):
    shell = InteractiveShell()
    shell.run_cell(
        "from perceiver_edu.course.prediction import NotPredicted; raise NotPredicted('First answer.')"
    )
    assert capsys.readouterr().out.strip() == "First answer."


def test_a_name_that_is_missing_because_a_prediction_is_open(at_work, capsys):
    shell, advice = InteractiveShell.instance(), "If `strips` comes from that cell, answer or skip"

    def missing():
        assert isinstance(shell.run_cell("print(strips)").error_in_exec, NameError)
        return capsys.readouterr().out

    shell.push({"reveal": reveal})
    try:
        box = predict("00.a", QUESTION, number="bytes")
        assert advice not in missing(), "no cell was stopped yet"
        stopped = shell.run_cell("reveal('00.a', 15)\nstrips = 1")
        assert isinstance(stopped.error_in_exec, NotPredicted)
        capsys.readouterr()
        assert "NameError" in (shown := missing()) and advice in shown
        box.skip.click()
        assert advice in missing(), "the cell has not run since"
        shell.run_cell("reveal('00.a', 15)")
        capsys.readouterr()
        assert "NameError" in (shown := missing()) and advice not in shown
    finally:
        shell.set_custom_exc((), None)


def test_a_learner_is_at_work_in_a_course_folder_or_on_a_host(monkeypatch, tmp_path):
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.chdir(tmp_path)
    (tmp_path / place.RECORD).touch()
    assert not place.learner_at_work(), "this is a test"
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert place.learner_at_work()
    (tmp_path / place.RECORD).unlink()
    assert not place.learner_at_work(), "a plain notebook"
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    assert not place.learner_at_work()
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert place.learner_at_work()
    del shell.kernel
    assert not place.learner_at_work()


def test_an_answer_that_cannot_be_noted_counts_in_this_kernel(at_work, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path))  # a folder
    box = predict("00.a", QUESTION, number="bytes")
    box.field.value = "15"
    box.predict.click()
    assert "cannot be" in box.said.value
    reveal("00.a", 15)
    assert capsys.readouterr().out == "✓ You predicted 15 bytes, and the result is 15 bytes.\n"


@pytest.mark.parametrize(
    ("unit", "answer", "actual", "said"),
    [
        ("ms", 10, 45, "You predicted 10 ms; the result is 45 ms, 4.5 times as much."),
        ("ms", 3000, 10, "You predicted 3,000 ms; the result is 10 ms, 300 times less."),
        ("bits", 1.05, 1.0, "✓ You predicted 1.05 bits, and the result is 1 bit."),
        ("bits", 1.2, 1.0, "You predicted 1.2 bits; the result is 1 bit."),
        ("bytes", 200, 201, "You predicted 200 bytes; the result is 201 bytes."),
        ("%", 0, 0.0, "✓ You predicted 0%, and the result is 0%."),
        ("", -1, 5, "You predicted -1; the result is 5."),
        (None, "a\x1b", "b", "You predicted “a\\x1b”; the result is “b”."),
        (None, 3, "b", "The result: “b”."),
    ],
)
def test_the_comparison_is_one_line(unit, answer, actual, said):
    assert compared(Question("00.a", QUESTION, unit=unit), answer, actual) == said


@pytest.mark.parametrize(
    ("id", "kind"),
    [("a", {"text": True}), ("00.a", {}), ("00.a", {"text": True, "number": ""}),
     ("00.a", {"choices": "ab"}), ("00.a", {"choices": ["a", "a"]}), ("00.a", {"choices": [1, 2]})],
)  # fmt: skip
def test_a_question_of_another_form_is_refused(id, kind):
    with pytest.raises(InputError, match="prediction"):
        predict(id, QUESTION, **kind)


@pytest.mark.parametrize(
    ("kind", "actual"),
    [
        ({"choices": DOUBLES}, "halves"),
        ({"number": "ms"}, "3"),
        ({"text": True}, None),
        ({"text": True}, True),
    ],
)
def test_a_result_of_another_kind_is_refused(kind, actual):
    predict("00.a", QUESTION, **kind)
    with pytest.raises(InputError, match=r"prediction 00\.a: the result must be"):
        reveal("00.a", actual)


def test_pages_without_a_kernel_show_question_and_choices():
    data = predict("00.a", "Is `a` < `b`?", choices=["<yes>", "no"])._repr_mimebundle_()
    assert (
        "<code>a</code> &lt; <code>b</code>" in data["text/html"]
        and "<li>&lt;yes&gt;</li>" in data["text/html"]
    )
    assert data["text/plain"].splitlines()[1:] == ["- <yes>", "- no"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "a number (ms)" in predict("00.b", "?", number="ms")._repr_mimebundle_()["text/html"]


def test_predictions_are_found_in_code_cells():
    cells = [
        {
            "cell_type": "code",
            "source": ["predict('02.a', 'x',\n", "  text=True)\npredict(\n  \"02.b\", 'y')"],
        },
        {"cell_type": "code", "source": "predict('02.a', 'again')\nmodel.predict('no id')"},
        {"cell_type": "markdown", "source": "predict('02.c')"},
    ]
    assert predictions_in(cells) == ["02.a", "02.b"]
