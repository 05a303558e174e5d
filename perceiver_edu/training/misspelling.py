"""Sentences with and without a slip of the keyboard: a question about texts whose labels cost nothing."""

import random
import re
from itertools import islice

from perceiver_edu.training.origins import PACKAGES, Origin, paragraphs, split_by_module, without_twins

LABELS = ("as written", "misspelled")
WORD = re.compile(r"\b[a-zA-Z]{5,}\b")


def misspell(text: str, rng: random.Random) -> str | None:
    """Two neighbouring letters inside one word of five or more letters exchanged; None where there is no such
    word. First and last letter stay: misspell("a short word") may be "a shrot word"."""
    places = [
        place
        for word in WORD.finditer(text)
        for place in range(word.start() + 1, word.end() - 2)
        if text[place] != text[place + 1]
    ]
    if not places:
        return None
    i = rng.choice(places)
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def spelling_texts(
    training: int, test: int, longest: int = 120, seed: int = 0
) -> dict[str, tuple[list[str], list[int]]]:
    """{"training": (texts, labels), "test": …}: every second text misspelled, label 1; no text is in twice.

    The texts are paragraphs of documentation of at most `longest` bytes. All texts of a file are on one side.
    """
    enough = 2 * (training + test) // len(PACKAGES)  # of each package; some have no long word
    origins = without_twins([o for package in PACKAGES for o in islice(paragraphs(package, longest), enough)])
    sides = zip(("training", "test"), split_by_module(origins), (training, test), strict=True)
    rng = random.Random(seed)
    return {name: half_misspelled(own, number, rng) for name, own, number in sides}


def half_misspelled(origins: list[Origin], number: int, rng: random.Random) -> tuple[list[str], list[int]]:
    """At most `number` of the texts in random order, every second one with a slip."""
    texts: list[str] = []
    for origin in rng.sample(origins, len(origins)):
        slipped = misspell(origin.text, rng)
        if (
            slipped is not None and len(texts) < number
        ):  # texts without a long word are left out on both sides
            texts.append(slipped if len(texts) % 2 else origin.text)
    return texts, [i % 2 for i in range(len(texts))]
