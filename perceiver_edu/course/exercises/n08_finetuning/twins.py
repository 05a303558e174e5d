"""Exercise 08.twins: which test texts does a model know already, because training holds their twin?"""

import re

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.training.origins import skeleton


def twin_cases():
    return {
        "copies": dict(
            training=["Return the sum.", "Draw a line."],
            test=["Draw a circle.", "Return the sum.", "Draw a line."],
        ),
        "case, spaces and signs": dict(
            training=["Return the sum of x, y.", "A tensor.", "Read it.", "Go On."],
            test=["return the SUM of x y", "Read them.", "a  tensor", "Write it.", "GO ON."],
        ),
        "numbers": dict(
            training=["Layer 3 of 12 is cut.", "No number here.", "Axis_0 comes first"],
            test=["Layer 7 of 24 is cut.", "Layer is here.", "Axis 1 comes first."],
        ),
        "near, but no twins": dict(
            training=["The dog bit the man.", "One café", "Twice.", "An elbow below."],
            test=[
                "The man bit the dog.",
                "One caf",
                "Once.",
                "Once.",
                "An elbow, below",
                "Café one",
                "The dog bit the the man.",
            ],
        ),
    }


def twin_variant(training, test, wrong=""):
    """-> the numbers of the test texts that have a twin in training."""
    key = {
        "exact": lambda t: t,
        "case": lambda t: re.sub(r"\W|_", "", t),
        "no case only": lambda t: t.lower(),
        "digits": lambda t: re.sub(r"[\W_]+", "", t.lower()),
        "ascii": lambda t: re.sub(r"[^a-z]", "", t.lower()),
        "spaces": lambda t: re.sub(r"[^\w\s]|[\d_]", "", t.lower()),
        "words": lambda t: tuple(sorted(re.sub(r"[\W\d_]+", " ", t.lower()).split())),
        "bag": lambda t: frozenset(re.sub(r"[\W\d_]+", " ", t.lower()).split()),
    }.get(wrong, skeleton)
    known, asked = [key(text) for text in training], [key(text) for text in test]
    if wrong == "training":
        return [i for i, text in enumerate(known) if text in asked]
    if wrong == "kept":
        return [i for i, text in enumerate(asked) if text not in known]
    if wrong == "itself":
        return [i for i, text in enumerate(asked) if text in known or text in asked[:i]]
    if wrong == "from 1":
        return [i + 1 for i, text in enumerate(asked) if text in known]
    return [i for i, text in enumerate(asked) if text in known]


EXERCISE = Exercise(
    title="twins across the split",
    about="6 minutes · easy · section 4.1",
    name="twins",
    cases=twin_cases,
    variant=twin_variant,
    mistakes={
        "wrong": {
            "exact": "Only exact copies are found. A capital or a full stop makes no new text.",
            "no case only": "Capitals are forgotten, as they should be; signs and spaces are not.",
            "case": "`The` and `the` still differ, or numbers do: forget case and digits too.",
            "digits": "Texts that differ in a number only are twins too: forget the digits.",
            "ascii": "`[^a-z]` throws away letters such as é: `café` and `caf` become twins.",
            "spaces": "Spaces still count, so `a  tensor` is not found.",
            "words": "The words are compared in any order. A dog that bit a man is another text.",
            "bag": "Sets of words are compared: order and repeats are lost.",
            "training": "These are numbers of training texts. The test texts must go.",
            "kept": "These are the test texts to keep. Those with a twin are asked for.",
            "itself": "A test text that repeats another test text is counted. That is no leak: training "
            "does not hold it.",
            "from 1": "The numbers count from 1. In Python they count from 0.",
        }
    },
    view=lambda found, _: sorted(map(int, found)) if isinstance(found, list | tuple | set) else found,
    terse=True,
)
