"""What an exercise is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from perceiver_edu.course.comparison import side_by_side
from perceiver_edu.course.guard import as_function
from perceiver_edu.language import in_every_language


class Mistake(NamedTuple):
    """A classic mistake: the sentence that names it, and the switch that makes `variant` make it."""

    says: str
    switches: dict[str, Any]


@dataclass(frozen=True)
class Exercise:
    """One exercise. The sizes of its inputs are all different, so that a swapped axis shows."""

    title: str
    about: str  # as in the notebook: minutes · easy, medium or hard · the sections of the paper to read
    name: str  # of the function that the learner writes
    cases: Callable[[], dict[str, dict[str, Any]]]  # what is tested, from easy to hard: arguments by name
    variant: Callable  # (**arguments, **switches) -> result; without switches, the right one
    mistakes: dict[str, dict[Any, str]]  # {switch of `variant`: {value: the sentence that names the mistake}}
    reference: Callable | None = None  # (**arguments) -> the library's own result; None: that of `variant`
    view: Callable = lambda result, arguments: result  # what is compared of a result; Misfit if there is none
    compared: str = ""  # what `view` returns, in words
    # (arguments) -> what a right answer does, such as "the rows sum to 1", each with a test: it gets the
    # learner's function, and returns whether the property holds and what was seen.
    properties: Callable[[dict], Iterable[tuple[str, Callable]]] | None = None
    sizes: Callable[..., dict[str, int]] | None = None  # (**arguments) -> {"B": 2, …}, to name axes by
    rows: Callable = side_by_side  # (expected, got, sizes) -> the rows of the table that shows both
    trains: bool = False  # the result is trained through: its gradients are compared, too
    terse: bool = False  # results are so short that a known mistake is not told by them, but only guessed
    folds: bool = False  # the expected result is the solution, so it is folded away
    accept: Callable = as_function  # (what is handed in, self) -> a function of the arguments; or a Misfit
    in_model: Callable | None = None  # (function, report) -> bool: puts it into the whole model and shows it
    id: str = ""  # "02.cross_attention", from the module's path: `all_exercises` fills it in

    @property
    def arguments(self) -> list[str]:
        return list(next(iter(self.cases().values())))

    @property
    def known_mistakes(self) -> list[Mistake]:
        pairs = ((switch, *pair) for switch, values in self.mistakes.items() for pair in values.items())
        return [Mistake(says, {switch: value}) for switch, value, says in pairs]

    def sentences(self) -> Iterator[str]:
        """All that a report may say of these data, in English: the course translates it where it is shown."""
        yield self.title
        yield from filter(None, [self.compared])
        yield from (mistake.says for mistake in self.known_mistakes)
        for label, arguments in self.cases().items():
            yield label
            yield from (says for says, _ in self.properties(arguments)) if self.properties else ()

    def named_in(self, text: str) -> list[str]:
        """The sentences, in English, of the known mistakes that a report in any language names, however its
        lines are broken."""
        left, found = "".join(text.split()), []
        sentences = (mistake.says for mistake in self.known_mistakes)
        said = {words: says for says in sentences for words in in_every_language(says)}
        for words in sorted(said, key=len, reverse=True):  # the longest first: one may contain another
            if (squeezed := "".join(words.split())) in left:
                left = left.replace(squeezed, " ")
                found.append(said[words])
        return list(dict.fromkeys(found))

    @torch.no_grad()
    def expected(self, arguments: dict[str, Any]):
        """What is compared of the right result."""
        return self.view((self.reference or self.variant)(**arguments), arguments)

    @torch.no_grad()
    def mistaken(self, arguments: dict[str, Any], switches: dict[str, Any]):
        """What is compared of the result that these switches give."""
        return self.view(self.variant(**arguments, **switches), arguments)
