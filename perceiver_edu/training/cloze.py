"""Easy sentences with a missing word: what a reader fills in without thinking."""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from perceiver_edu.data import CLOZE
from perceiver_edu.errors import InputError
from perceiver_edu.filling import fill_mask
from perceiver_edu.model import PerceiverIOForMaskedLM


@dataclass
class Guess:
    """One sentence with a missing word, and what the model put there."""

    sentence: str  # with ____ for the word
    answer: str
    guesses: list[str]  # the five best, best first


@dataclass
class ClozeResult:
    """As a string: the two shares, and the sentences whose first guess is wrong."""

    guesses: list[Guess]

    def right(self, k: int) -> int:
        """The number of sentences whose answer is among the first `k` guesses, k ≤ 5."""
        return sum(guess.answer in guess.guesses[:k] for guess in self.guesses)

    def __str__(self) -> str:
        total = len(self.guesses)
        lines = [
            f"cloze: first guess right {self.right(1)} of {total}, among five {self.right(5)} of {total}"
        ]
        for guess in self.guesses:
            if guess.answer != guess.guesses[0]:
                shown = ", ".join(map(repr, guess.guesses))
                lines.append(f"  {guess.sentence}  {guess.answer!r}, guessed: {shown}")
        return "\n".join(lines)


def evaluate_cloze(model: PerceiverIOForMaskedLM, path: str | PathLike = CLOZE) -> ClozeResult:
    """Asks for the missing word of each sentence; the model sees how many bytes it has, with its space.

    `path`: a JSON list of {"before": …, "answer": …, "after": …}; `answer` begins with its space.

    Raises: InputError for a file of another form.
    """
    try:
        items = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        items = [(item["before"], item["answer"], item["after"]) for item in items]
        if not items:
            raise ValueError("there are none")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a list of cloze sentences: {error!r}") from error
    results = []
    for before, answer, after in items:
        span = (len(before), len(before) + len(answer))
        [fillings] = fill_mask(model, before + answer + after, spans=span, top_k=5)
        results.append(Guess(f"{before} ____{after}", answer, [filling.text for filling in fillings]))
    return ClozeResult(results)
