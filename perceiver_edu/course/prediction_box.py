"""The box in a notebook that asks for a prediction; `prediction.py` says what it is for."""

import html
import re

import ipywidgets

from perceiver_edu.course.place import translated
from perceiver_edu.course.prediction import Question, all_answers, keep
from perceiver_edu.course.shown import Shown
from perceiver_edu.errors import InputError
from perceiver_edu.language import to_translate

BEFORE = to_translate("Before you run the next cell, predict.")

LOOK = """<style>
.perceiver-prediction {border-left: 4px solid #0072B2; padding-left: 1em}
.perceiver-prediction p {margin: .2em 0; line-height: 1.5}
.perceiver-prediction .widget-radio-box label {height: auto; line-height: 1.5; white-space: normal}
</style>"""


class PredictionBox(Shown):
    """A question, a field for the answer, and buttons. Without a kernel it is read as plain text."""

    def __init__(self, question: Question):
        self.question = question
        self.field = self._field()
        self.predict = ipywidgets.Button(description=translated("Predict"), button_style="primary")
        self.skip = ipywidgets.Button(description=translated("Skip"))
        self.skip_all = ipywidgets.Button(
            description=translated("Skip all in this notebook"),
            layout={"width": "auto"},
            tooltip=translated("Answers that you gave stay."),
        )
        self.said = ipywidgets.HTML()
        unit = [ipywidgets.Label(translated(question.unit))] if question.unit else []
        super().__init__(
            [
                ipywidgets.HTML(
                    f"{LOOK}<p><b>{translated(BEFORE)}</b> {marked_up(translated(question.text))}</p>"
                ),
                ipywidgets.HBox([self.field, *unit], layout={"flex_flow": "row wrap"}),
                ipywidgets.HBox([self.predict, self.skip, self.skip_all], layout={"flex_flow": "row wrap"}),
                self.said,
            ]
        )
        self.add_class("perceiver-prediction")
        self.predict.on_click(lambda button: self.answer())
        self.skip.on_click(lambda button: self.note([question.id]))
        self.skip_all.on_click(lambda button: self.note(self._open_ones()))
        self._restore()
        if not question.choices:  # what was typed counts with Enter, or when another cell is chosen
            self.field.observe(lambda change: change.new.strip() and self.answer(), "value")

    def answer(self) -> None:
        """Take what stands in the field as the prediction."""
        try:
            answer = self.question.read(str(self.field.value or ""))
        except InputError as error:
            return self._say(str(error))
        self._tell(keep({self.question.id: answer}))

    def note(self, skipped: list[str]) -> None:
        self._tell(keep(dict.fromkeys(skipped)))

    def _field(self):
        wide = {"width": "max-content", "max_width": "100%"}
        if self.question.choices:
            options = [(translated(answer), answer) for answer in self.question.choices]
            return ipywidgets.RadioButtons(options=options, value=None, layout=wide)
        if self.question.unit is not None:
            hint, wide = translated("a number"), {"width": "12em"}
        else:
            hint, wide = translated("a few words"), {"width": "36em", "max_width": "100%"}
        return ipywidgets.Text(placeholder=hint, layout=wide, continuous_update=False)

    def _restore(self) -> None:
        """The answer that was given before, perhaps in another kernel."""
        answer = all_answers().get(self.question.id)
        if self.question.choices:
            self.field.value = answer if answer in self.question.choices else None
        elif answer is not None:
            self.field.value = str(answer)
        self._tell("")

    def _tell(self, problem: str) -> None:
        """The state of this prediction in words."""
        answers, id = all_answers(), self.question.id
        self.predict.description = translated("Predict") if answers.get(id) is None else translated("Change")
        if id not in answers:
            return self._say(problem)
        answer = answers[id]
        state = (
            translated("Skipped")
            if answer is None
            else translated("Your prediction: {answer}", answer=self.question.say(answer))
        )
        self._say(translated("{state}. Now run the next cell. {problem}", state=state, problem=problem))

    def _say(self, words: str) -> None:
        self.said.value = f'<p role="status">{html.escape(words)}</p>' if words else ""

    def _open_ones(self) -> list[str]:
        """This prediction and all of its notebook that have no answer."""
        from perceiver_edu.course.overview import read_overview

        number, answers = self.question.id[:2], all_answers()
        asked = [id for notebook in read_overview().notebooks for id in notebook.predictions]
        return [
            id for id in dict.fromkeys([self.question.id, *asked]) if id[:2] == number and id not in answers
        ]

    @property
    def sentence(self) -> str:
        """All of it as plain text."""
        return "\n".join(
            [
                f"{translated(BEFORE)} {translated(self.question.text)}",
                *(f"- {kind}" for kind in self._kinds()),
            ]
        )

    def _kinds(self) -> list[str]:
        """The choices, or what an answer is."""
        if self.question.choices or self.question.unit is None:
            return [*map(translated, self.question.choices)] or [translated("a few words")]
        return [
            translated("a number ({unit})", unit=translated(self.question.unit))
            if self.question.unit
            else translated("a number")
        ]

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        items = "".join(f"<li>{marked_up(kind)}</li>" for kind in self._kinds())
        data["text/html"] = (
            f"<p><b>{translated(BEFORE)}</b> {marked_up(translated(self.question.text))}</p><ul>{items}</ul>"
        )
        return bundle


def marked_up(text: str) -> str:
    """Escaped, with `code` in backticks set as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text))
