"""Exercise 09.near_duplicates: which test texts have a near-duplicate among the training texts?"""

import re
import unicodedata

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.training.origins import skeleton


def near_duplicate_cases():
    return {
        "copies": dict(
            training=["Return the sum.", "Draw a line.", "Return the sum."],
            test=["Draw a circle.", "Return the sum.", "Draw a line.", "Return the sum."],
        ),
        "case, spaces and punctuation": dict(
            training=["Return the sum of x, y.", "A tensor.", "Read it.", "Go On.", "To day"],
            test=["return the SUM of x y", "Read them.", "a  tensor", "Write it.", "GO ON.", "Today"],
        ),
        "numbers": dict(
            training=["Layer 3 of 12 is cut.", "No number here.", "Axis_0 comes first"],
            test=["Layer 7 of 24 is cut.", "Layer is here.", "Axis 1 comes first."],
        ),
        "similar, but no near-duplicates": dict(
            training=["The dog bit the man.", "One café", "Twice.", "An elbow below.", "Listen.", "Straße"],
            test=[
                "The man bit the dog.",
                "One caf",
                "One cafe",
                "Silent.",
                "Once.",
                "Once.",
                "An elbow, below",
                "Café one",
                "The dog bit the the man.",
                "Strasse",
            ],
        ),
        "no training texts": dict(training=[], test=["One café"]),
    }


def near_duplicate_variant(training, test, keeps="letters", lower=True, wrong=""):
    """-> the numbers of the test texts that have a near-duplicate in training."""
    key = {
        "letters": lambda t: skeleton(t) if lower else re.sub(r"[\W\d_]", "", t),
        "all": lambda t: t,
        "digits": lambda t: re.sub(r"[\W_]+", "", t),
        "ascii": lambda t: re.sub(r"[^a-zA-Z]", "", t),
        "no accents": lambda t: skeleton(unicodedata.normalize("NFD", t)),
        "spaces": lambda t: re.sub(r"[^\w\s]|[\d_]", "", t),
        "words": lambda t: re.sub(r"[\W\d_]+", " ", t).split(),
        "sorted words": lambda t: sorted(re.sub(r"[\W\d_]+", " ", t).split()),
        "sorted letters": lambda t: sorted(skeleton(t)),
        "bag": lambda t: frozenset(re.sub(r"[\W\d_]+", " ", t).split()),
    }[keeps]
    training, test = ([text.lower() if lower else text for text in texts] for texts in (training, test))
    known, asked = [key(text) for text in training], [key(text) for text in test]
    if wrong == "training":
        return [i for i, text in enumerate(known) if text in asked]
    if wrong == "kept":
        return [i for i, text in enumerate(asked) if text not in known]
    if wrong == "itself":
        return [i for i, text in enumerate(asked) if text in known or text in asked[:i]]
    if wrong == "each other":
        return [i for i, text in enumerate(asked) if text in known or asked.count(text) > 1]
    if wrong == "from 1":
        return [i + 1 for i, text in enumerate(asked) if text in known]
    if wrong == "repeats":
        return sorted(i for text in known for i, other in enumerate(asked) if text == other)
    if wrong == "first":
        return sorted(asked.index(text) for text in asked if text in known)
    return [i for i, text in enumerate(asked) if text in known]


def found_numbers(found, arguments):
    """The numbers in order. Raises: Misfit for the texts themselves."""
    if not isinstance(found, list | tuple | set):
        return found
    try:
        return sorted(map(int, found))
    except (TypeError, ValueError):
        raise Misfit(
            translated(
                "expected the numbers of the test texts, such as [0, 2]; got {found}. `enumerate(test)` "
                "gives number and text.",
                found=shown(found),
            )
        ) from None


EXERCISE = Exercise(
    title="near-duplicates across the split",
    about="6 minutes · easy · section 4.1",
    name="near_duplicates",
    cases=near_duplicate_cases,
    variant=near_duplicate_variant,
    mistakes={
        "keeps": {
            "all": "Punctuation and spaces still count. Keep only the letters.",
            "digits": "Texts that differ only in a number are near-duplicates, too. Ignore digits.",
            "ascii": "`[^a-z]` removes letters such as é, so `café` and `caf` become equal.",
            "no accents": "The accents are removed, so `café` and `cafe` become equal.",
            "spaces": "Spaces still count, so `a  tensor` is not found.",
            "words": "The words are compared one by one, but `To day` and `Today` have the same letters.",
            "sorted words": "The words are compared in any order. “The man bit the dog” is another text than "
            "“The dog bit the man”.",
            "sorted letters": "The letters are compared in any order, so `Listen` and `Silent` become equal.",
            "bag": "You compare sets of words, which lose order and repetitions.",
        },
        "lower": {False: "`The` and `the` still differ. Ignore case."},
        "wrong": {
            "repeats": "A test text appears once for each near-duplicate in training. Return it once.",
            "first": "`test.index(text)` is the number of the first text of its kind. Use `enumerate`.",
            "training": "These are numbers of training texts. Return those of test texts.",
            "kept": "These are the test texts without a near-duplicate. Return those with one.",
            "itself": "You count a test text that repeats another test text. That is not a leak, because it "
            "is not in the training texts.",
            "each other": "You count test texts that resemble only each other. That is not a leak, "
            "because nothing like them is in the training texts.",
            "from 1": "Your numbers count from 1. Count from 0, as in Python.",
        },
    },
    view=found_numbers,
)
