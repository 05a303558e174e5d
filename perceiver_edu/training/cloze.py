"""One missing word at a time, in easy sentences and in held-out text."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch

from perceiver_edu.data import CLOZE
from perceiver_edu.errors import InputError, whole_number
from perceiver_edu.filling import fill_mask
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.masking import word_units

CONTEXT = 80  # ids on each side of a word of running text

Item = tuple[str, str, str]  # what is before the missing word, the word with its space, and what is after it


@dataclass
class Guess:
    """One sentence with a missing word, and the model's fillings."""

    sentence: str  # with ____ for the word
    answer: str
    guesses: list[str]  # the five best, best first

    @property
    def rank(self) -> int:
        """The rank of the answer among the five fillings, from 0; 5 if it is not among them."""
        return self.guesses.index(self.answer) if self.answer in self.guesses else 5


@dataclass
class ClozeResult:
    """As a string: the two counts, and the sentences whose first guess is wrong."""

    guesses: list[Guess]

    def right(self, k: int) -> int:
        """The number of sentences whose answer is among the first `k` fillings, k ≤ 5."""
        return sum(guess.answer in guess.guesses[:k] for guess in self.guesses)

    def counts(self) -> str:
        total = len(self.guesses)
        return f"first guess right {self.right(1)} of {total}, among five {self.right(5)} of {total}"

    def __str__(self) -> str:
        lines = [f"cloze: {self.counts()}"]
        for guess in self.guesses:
            if guess.answer != guess.guesses[0]:
                shown = ", ".join(map(repr, guess.guesses))
                lines.append(f"  {guess.sentence}  {guess.answer!r}, predicted: {shown}")
        return "\n".join(lines)


@dataclass
class Comparison:
    """The same words filled independently and jointly. As a string: a few lines."""

    independent: ClozeResult
    joint: ClozeResult

    def moved(self) -> tuple[int, int]:
        """For how many words the answer ranks higher when they are filled jointly, and for how many lower.

        An answer that is not among the five fillings ranks sixth.
        """
        pairs = list(zip(self.independent.guesses, self.joint.guesses, strict=True))
        return sum(b.rank < a.rank for a, b in pairs), sum(b.rank > a.rank for a, b in pairs)

    def __str__(self) -> str:
        up, down = self.moved()
        return "\n".join(
            [
                f"  independently: {self.independent.counts()}",
                f"  jointly:       {self.joint.counts()}",
                f"  the answer ranks higher jointly for {up}, lower for {down}",
            ]
        )


def evaluate_cloze(
    model: PerceiverIOForMaskedLM, path: str | PathLike = CLOZE, joint: bool = False
) -> ClozeResult:
    """Fill the missing word of each sentence; the model sees how many bytes it has, including its space.

    `path`: a JSON list of {"before": …, "answer": …, "after": …}; `answer` begins with its space.
    `joint`: as in `fill_mask`.

    Raises: InputError for a file of another form.
    """
    return guess_words(model, read_cloze(path), joint)


def read_cloze(path: str | PathLike = CLOZE) -> list[Item]:
    """Raises: InputError for a file of another form than `evaluate_cloze` takes."""
    try:
        items = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        items = [(item["before"], item["answer"], item["after"]) for item in items]
        if not items:
            raise ValueError("there are none")
        if not all(isinstance(part, str) for item in items for part in item):
            raise TypeError("before, answer and after must be texts")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a list of cloze sentences: {error!r}") from error
    return items


def hidden_words(crops: torch.Tensor, number: int, seed: int = 0) -> list[Item]:
    """Words of running text, each to be hidden alone, with its space: crops (n, M) -> at most `number` items.

    A word is a space and letters; each crop gives at most one, with `CONTEXT` ids of the same document on
    either side. Which crops and words these are depends on `seed`.
    """
    whole_number("number", number, 1)
    generator = torch.Generator().manual_seed(whole_number("seed", seed, 0, 2**63 - 1))
    tokenizer = ByteTokenizer()
    items: list[Item] = []
    for row in torch.randperm(len(crops), generator=generator).tolist():
        ids, units = crops[row].long(), word_units(crops[row : row + 1].long())[0]
        for unit in torch.randperm(int(units.max()), generator=generator).add(1).tolist():
            word = (units == unit).nonzero().flatten()
            start, stop = int(word[0]), int(word[-1]) + 1
            answer = tokenizer.decode(ids[start:stop].tolist())
            if answer[0] != " " or not answer[1:].isalpha():
                continue
            special = (ids < tokenizer.BYTE_OFFSET).nonzero().flatten()
            first = max([start - CONTEXT, *special[special < start].add(1).tolist()])
            last = min([stop + CONTEXT, *special[special >= stop].tolist()])
            before, after = (
                bytes((ids[part] - tokenizer.BYTE_OFFSET).tolist()).decode(errors="ignore")  # cut characters
                for part in (slice(first, start), slice(stop, last))
            )
            items.append((before, answer, after))
            break
        if len(items) == number:
            break
    return items


def guess_words(model: PerceiverIOForMaskedLM, items: Iterable[Item], joint: bool = False) -> ClozeResult:
    """The five best fillings of each missing word."""
    results = []
    for before, answer, after in items:
        span = (len(before), len(before) + len(answer))
        [fillings] = fill_mask(model, before + answer + after, spans=span, top_k=5, joint=joint)
        results.append(Guess(f"{before} ____{after}", answer, [filling.text for filling in fillings]))
    return ClozeResult(results)


def compare_fillings(model: PerceiverIOForMaskedLM, items: Iterable[Item]) -> Comparison:
    """Fill the same words independently and jointly."""
    items = list(items)
    return Comparison(guess_words(model, items), guess_words(model, items, joint=True))
