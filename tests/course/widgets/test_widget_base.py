"""The mechanism under all widgets, without a browser."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from perceiver_edu import InputError
from perceiver_edu.course import shown, widgets
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets import base
from perceiver_edu.course.widgets.base import Experiment, from_above, readable, slider, text_box
from perceiver_edu.course.widgets.strip import hole_after, middle_word


def double(number, text):
    if number == 3:
        raise InputError("three <is> not possible")
    if number == 4:
        raise ZeroDivisionError("<b>bad</b>")
    return 2 * number, text


def draw(figure, result):
    figure.subplots().plot([0, result[0]])
    return f'a line to {result[0]} "{result[1]}"'


def tell(result):
    return Report("double").table(("twice", "text"), [result])


@pytest.fixture
def experiment():
    controls = {
        "number": slider("number", 1, 0, 9, "the number to double"),
        "text": text_box("text", "", "any text"),
    }
    return Experiment("double", controls, double, draw, tell, size=(3, 2))


def test_picture_and_words_show_the_state(experiment):
    experiment.state = {"number": 7}
    assert experiment.result == (14, "") and experiment.alt == 'a line to 14 ""'
    assert "<td" in experiment.view.value and ">14</td>" in experiment.view.value
    assert 'alt="a line to 14 &quot;&quot;"' in experiment.view.value
    assert "data:image/png;base64," in experiment.view.value
    assert {"perceiver-widget", "perceiver-double"} <= set(experiment._dom_classes)


def in_an_event_loop(work):
    """Call `work` inside a running loop, of a thread of its own: this one may have a loop, a browser's."""

    async def some_time():
        work()
        await asyncio.sleep(0.1)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, some_time()).result()


def test_a_burst_of_events_is_drawn_once_with_the_last_state(experiment, monkeypatch):
    monkeypatch.setattr(base, "DEBOUNCE", 0.02)
    monkeypatch.setattr(base, "get_ipython", lambda: SimpleNamespace(kernel="of a notebook"))

    def burst():
        for number in (5, 6, 7, 8, 9, 2):
            experiment.state = {"number": number}
        assert experiment.draws == before  # nothing yet

    before = experiment.draws
    in_an_event_loop(burst)
    assert experiment.draws == before + 1 and experiment.result[0] == 4


def test_without_a_kernel_each_event_is_drawn_at_once_whatever_event_loop_runs(experiment):
    def burst():
        for number in (5, 6, 2):
            experiment.state = {"number": number}
            assert experiment.result[0] == 2 * number

    in_an_event_loop(burst)


@pytest.mark.parametrize(
    "number, sentence",
    [(3, "three &lt;is&gt; not possible"), (4, "ZeroDivisionError: &lt;b&gt;bad&lt;/b&gt;")],
)
def test_an_error_is_one_sentence_and_the_widget_goes_on(experiment, number, sentence, capsys):
    before = experiment.picture
    experiment.state = {"number": number}
    head, shown = experiment.view.value.split('<div class="perceiver-stale" aria-hidden="true">')
    assert head.count('role="alert"') == 1 and sentence in head and "<img" in shown
    assert experiment.picture is before, "the last picture stays, dimmed"
    experiment.state = {"number": 5}
    assert experiment.problem == "" and ">10</td>" in experiment.view.value
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("number", [3, 4, 5])
def test_while_it_works_it_says_so(experiment, number):
    seen, compute = [], experiment._compute

    def look(**state):
        seen.append("perceiver-busy" in experiment.view._dom_classes)
        return compute(**state)

    experiment._compute = look
    experiment.state = {"number": number}
    assert seen == [True] and "perceiver-busy" not in experiment.view._dom_classes


def test_nothing_piles_up(experiment):
    view, children, size = experiment.view, experiment.children, len(experiment.view.value)
    for number in (1, 2, 0, 5, 3, 6, 7, 8, 9) * 3:
        experiment.state = {"number": number}
    assert experiment.view is view and experiment.children == children
    assert len(experiment.view.value) < 1.5 * size
    [axes] = experiment.figure.axes
    assert len(axes.lines) == 1


def test_what_is_typed_is_escaped_everywhere(experiment):
    experiment.state = {"text": "\"><script>alert('x')</script>"}
    assert "<script" not in experiment.view.value and "&lt;script&gt;" in experiment.view.value


def test_a_page_without_a_kernel_says_what_is_there(experiment):
    bundle = experiment._repr_mimebundle_()
    assert "run this cell" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.parametrize(
    "old, new, hole, expected",
    [
        ("one two six", "one two six.", (3, 7), (3, 7)),
        ("one two six", "is one two six", (3, 7), (6, 10)),
        ("one two six", "one to six", (3, 7), (3, 6)),
        ("one two six", "one t", (3, 7), (3, 5)),
        ("one two six", "one six", (3, 7), None),
        ("one two six", "He put", (3, 7), None),
        ("one two six", "", (3, 7), None),
        ("one two six", "one ttwo six", (4, 7), (4, 8)),
    ],
)
def test_a_hole_stays_on_its_letters(old, new, hole, expected):
    assert hole_after(old, new, hole) == expected


@pytest.mark.parametrize(
    "text, hidden",
    [
        ("", ""),
        ("He", "He"),
        ("He put on his hat and coat.", " hat"),
        ("… !", "… !"),
        ("a" * 300, "a" * 24),
        ("[MASK] it was", " it"),
        ("你好世界你好世界", "你好世界你好世界"),
    ],
)
def test_a_new_text_hides_the_word_in_its_middle(text, hidden):
    assert text[slice(*middle_word(text, 24))] == hidden


def test_a_hole_follows_what_is_typed_until_the_reader_hides_something():
    experiment = widgets.mask_a_span(base.embedded())
    sentence = "He put on his hat and coat."
    for length in range(1, len(sentence) + 1):
        experiment.state = {"text": sentence[:length]}
    assert experiment.result.hidden == " hat"
    experiment.strip.hole = [3, 6]
    experiment.state = {"text": "Yes, " + sentence}
    assert experiment.result.hidden == "put" and experiment.strip.hole == [8, 11]
    experiment.state = {"text": "x" * 3000}
    assert experiment.strip.end == 254 and not experiment.problem


def test_an_experiment_without_what_stands_above_is_a_sentence(experiment):
    asleep = from_above(lambda: not_there(experiment))  # noqa: F821
    assert "Run All Above" in repr(asleep) and "`not_there`" in repr(asleep) and asleep.still() is None
    assert 'data-commandlinker-command="notebook:run-all-above"' in asleep._repr_html_()
    assert from_above(lambda: experiment) is experiment

    def broken():
        return not_there  # noqa: F821

    with pytest.raises(NameError):
        from_above(lambda: broken())


def test_a_learner_gets_no_second_picture(experiment, monkeypatch):
    monkeypatch.setattr(base, "learner_at_work", lambda: True)
    monkeypatch.setattr("IPython.display.display", None)
    experiment.still()


def test_beside_a_widget_in_a_kernel_is_what_a_page_shows_later(experiment, monkeypatch):
    seen = []
    monkeypatch.setattr(shown, "publish_display_data", seen.append)
    monkeypatch.setattr(shown, "display", lambda data, **more: seen.append((data, more["metadata"])))
    experiment._ipython_display_()
    assert len(seen) == 1, "there is no kernel"
    monkeypatch.setattr(shown, "get_ipython", lambda: SimpleNamespace(kernel="of a notebook"))
    experiment._ipython_display_()
    _, (asleep, mark), view = seen
    assert "application/vnd.jupyter.widget-view+json" in view and set(mark) == {shown.MARK}
    above, cell = (f'command="notebook:{command}"' for command in ("run-all-above", "run-cell"))
    assert asleep["text/html"].index(above) < asleep["text/html"].index(cell)


def test_of_two_threads_one_draws_after_the_other():
    inside, most = 0, 0

    def compute(number):
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        time.sleep(0.05)
        inside -= 1
        return number, ""

    numbers = [{"number": slider("number", n, 0, 9, "any number")} for n in (1, 2)]
    experiments = [Experiment("slow", controls, compute, draw, tell, (3, 2)) for controls in numbers]
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(Experiment.update, 2 * experiments):
            pass
    assert most == 1 and [experiment.problem for experiment in experiments] == ["", ""]


@pytest.mark.parametrize("sign", ["a", "é", "猫", "🙂", "[MASK]"])
def test_a_text_is_read_as_far_as_the_model_goes(sign):
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=32))
    cost = {"a": 1, "é": 2, "猫": 3, "🙂": 4, "[MASK]": 1}[sign]
    fits = 30 // cost
    assert readable(model, sign * fits) == (sign * fits, "")
    text, note = readable(model, sign * (fits + 1000))
    assert text == sign * fits and "30 bytes" in note
