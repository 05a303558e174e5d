"""Predictions: `predict` asks before a cell runs, and `reveal` compares in that cell once it is answered.

    predict("10.three", "What does it cost to zero three latents?", choices=["nothing", "half", "all"])
    reveal("10.three", "nothing" if after < 1.1 * before else "half")

A notebook's predictions are those that its code cells ask: `predictions_in` finds them by their ids.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from perceiver_edu.course.place import learner_at_work, translated
from perceiver_edu.course.progress import Answer, note, read_all
from perceiver_edu.errors import InputError, brief
from perceiver_edu.language import to_translate
from perceiver_edu.terminal import visible

THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")  # as in 1,500; in 1,5 the comma may mean a point
ASKED = re.compile(r"""\bpredict\(\s*["'](\d\d\.\w+)["']""")
LONGEST = 300  # characters of an answer in words
CLOSE = 0.1  # a predicted number that is not whole counts as right within this fraction of the result
FAR = 2  # from this ratio on, it is said
OPEN = to_translate("Answer or skip the prediction above, then run this cell again.")
STOPPED_ABOVE = to_translate(
    "A prediction above was still open, and it stopped its cell. If `{name}` comes from that cell, answer or "
    "skip the prediction, and run the cells from there on."
)


@dataclass(frozen=True)
class Question:
    """A prediction that is asked for, in one of three kinds."""

    id: str
    text: str
    choices: tuple[str, ...] = ()
    unit: str | None = None  # of a number

    def read(self, typed: str) -> Answer:
        """What was typed or chosen, as an answer. Raises: InputError where it is none."""
        typed = typed.strip()[:LONGEST]
        if not typed:
            raise InputError(
                translated("Choose one of the answers.")
                if self.choices
                else translated("The field is empty.")
            )
        if self.unit is None:
            return typed
        digits = typed.removesuffix(self.unit).removesuffix(translated(self.unit)).strip()
        digits = THOUSANDS.sub("", digits).replace("_", "")
        try:
            number = float(digits)
        except ValueError:
            number = float("inf")
        if abs(number) > 1e30 or number != number:
            raise InputError(
                translated("Type a number, such as 12 or 0.5, instead of {typed}.", typed=brief(typed))
            )
        return int(number) if number.is_integer() else number

    def say(self, answer: Answer) -> str:
        """An answer in words: 13 bytes, or “it doubles”."""
        if isinstance(answer, str):
            return f"“{visible(translated(answer) if answer in self.choices else answer)}”"
        number = f"{answer:,}" if isinstance(answer, int) else f"{answer:,.3g}"
        unit = translated(self.unit) if self.unit else ""
        if number == "1" and len(unit) > 2:
            unit = unit.removesuffix("s")
        return f"{number}{unit}" if unit in ("", "%") else f"{number} {unit}"


def are_choices(choices: list) -> bool:
    return all(isinstance(each, str) for each in choices) and 1 < len(choices) == len(set(choices))


class NotPredicted(Exception):
    """Stops a cell whose prediction is still open. A notebook shows one sentence, and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


ASKED_HERE: dict[str, Question] = {}  # in this kernel, by id
STOPPED: set[str] = set()  # ids of those whose cell was stopped and has not run since
NOT_NOTED: dict[str, Answer] = {}  # answers that the progress file did not take


def predict(
    id: str, question: str, *, choices: Sequence[str] | None = None, number: str | None = None,
    text: bool = False,
):  # fmt: skip
    """Ask for a prediction: the last line of a cell of its own, before the cell with the result.

    Args:
        id: number of the notebook, a dot and a name, such as "10.three"; `reveal` repeats it.
        question: one or two sentences of plain text, with `code` in backticks.
        choices: the answers to choose from; or
        number: the unit of a number, such as "bytes", or "" if there is none; or
        text: whether the answer is a few words.

    Raises: InputError for an id of another form, and unless exactly one kind of answer is given.
    """
    from perceiver_edu.course.prediction_box import PredictionBox

    if not isinstance(id, str) or not re.fullmatch(r"\d\d\.\w+", id):
        raise InputError(f'the id of a prediction looks like "10.three", got {brief(id)}')
    if (choices is not None) + (number is not None) + bool(text) != 1:
        raise InputError(f"prediction {id}: give one of choices=[…], number='unit' and text=True")
    if choices is not None and (isinstance(choices, str) or not are_choices(list(choices))):
        raise InputError(f"prediction {id}: choices must be a list of two or more different texts")
    if learner_at_work():
        from IPython import get_ipython

        if shell := get_ipython():
            shell.set_custom_exc((NameError,), tell_what_is_open)
    ASKED_HERE.pop(id, None)  # the one that was asked last comes last
    ASKED_HERE[id] = Question(id, question, tuple(choices or ()), number)
    return PredictionBox(ASKED_HERE[id])


def reveal(id: str, actual: Any, *, explain: str = "") -> None:
    """Compare the result with the prediction, in one line. Call it before the cell prints or draws anything.

    In a learner's notebook, it stops the cell until the prediction is made or skipped.

    Args:
        actual: the result: one of the choices, a number, or a few words.
        explain: a sentence to put after it.

    Raises: InputError for a result that is not one of the choices, or not a number.
    """
    question = ASKED_HERE.get(id)
    actual = checked(question, id, actual)
    answers = all_answers()
    if id not in answers and learner_at_work():
        STOPPED.add(id)
        raise NotPredicted(
            translated(OPEN)
            if question
            else translated(
                "Run the cell with the prediction above, answer or skip it, then run this cell again."
            )
        )
    STOPPED.discard(id)
    show(f"{compared(question or Question(id, ''), answers.get(id), actual)} {explain}".strip())


def tell_what_is_open(shell, kind, error, traceback, tb_offset=None) -> None:
    """After a NameError in a cell: the name may come from a cell that an open prediction has stopped."""
    shell.showtraceback((kind, error, traceback), tb_offset)
    if STOPPED and error.name not in shell.user_ns:
        show(translated(STOPPED_ABOVE, name=error.name))


def stop_while_open() -> None:
    """Stop a learner's cell, before it trains for minutes, if the prediction asked last is still open."""
    asked = [*ASKED_HERE][-1:]
    if asked and asked[0] not in all_answers() and learner_at_work():
        STOPPED.add(asked[0])
        raise NotPredicted(translated(OPEN))


def checked(question: Question | None, id: str, actual: Any) -> Answer:
    """What came out, as plain Python."""
    if hasattr(actual, "item"):  # a tensor or an array of one number
        actual = actual.item()
    if not isinstance(actual, str | Real) or isinstance(actual, bool):
        raise InputError(f"prediction {id}: the result must be a number or a text, got {brief(actual)}")
    if question and question.choices and actual not in question.choices:
        known = ", ".join(map(repr, question.choices))
        raise InputError(f"prediction {id}: the result must be one of {known}, got {brief(actual)}")
    if question and question.unit is not None and isinstance(actual, str):
        raise InputError(f"prediction {id}: the result must be a number, got {brief(actual)}")
    return actual if isinstance(actual, str | int) else float(actual)


def compared(question: Question, answer: Answer, actual: Answer) -> str:
    """Prediction and result in one sentence. `answer`: None where the prediction was skipped."""
    result = question.say(actual)
    if answer is None or isinstance(answer, str) != isinstance(actual, str):
        return translated("The result: {result}.", result=result)
    predicted = translated("You predicted {answer}", answer=question.say(answer))
    if answer == actual or is_close(answer, actual):
        return translated("✓ {predicted}, and the result is {result}.", predicted=predicted, result=result)
    return translated(
        "{predicted}; the result is {result}{ratio}.",
        predicted=predicted,
        result=result,
        ratio=ratio(answer, actual),
    )


def is_close(answer: Answer, actual: Answer) -> bool:
    return isinstance(actual, float) and abs(answer - actual) <= CLOSE * abs(actual)


def ratio(answer: Answer, actual: Answer) -> str:
    """How far apart two numbers are, where they are far apart."""
    if isinstance(answer, str) or answer * actual <= 0:
        return ""
    factor = max(answer / actual, actual / answer)
    if factor < FAR:
        return ""
    times = f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"
    more, less = to_translate(", {times} times as much"), to_translate(", {times} times less")
    return translated(more if abs(actual) > abs(answer) else less, times=times)


def show(line: str) -> None:
    """One line, escaped: as HTML in a notebook, printed elsewhere."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return print(line)
    untouched = " mathjax_ignore tex2jax_ignore" * ("$" in line)  # JupyterLab would typeset $…$
    markup = f'<p class="perceiver-reveal{untouched}"><b>{html.escape(line)}</b></p>'
    display({"text/plain": line, "text/html": markup}, raw=True)


def all_answers() -> dict[str, Answer]:
    return read_all().predictions | NOT_NOTED


def keep(answers: dict[str, Answer]) -> str:
    """Note answers -> "", or why they are kept in this kernel only."""
    problem = note(predictions=answers, what=to_translate("Your prediction counts here"))
    for id, answer in answers.items():
        NOT_NOTED.pop(id, None)
        if problem:
            NOT_NOTED[id] = answer
    return problem


def predictions_in(cells: Iterable[dict[str, Any]]) -> list[str]:
    """The ids of the predictions that a notebook's code cells ask for, in order."""
    sources = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return list(dict.fromkeys(id for source in sources for id in ASKED.findall(source)))
