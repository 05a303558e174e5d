"""Exercise 00.slip: the slip in the model card."""

from perceiver_edu.course.exercise import Exercise, Mistake

CARD = "This is an incomplete sentence where some words are missing."


def slip_cases():
    return {
        "the card's sentence": {"text": CARD, "hidden": " missing."},
        "a hole at the start": {"text": "Bytes are small.", "hidden": "Bytes"},
        "two bytes in one letter": {"text": "A naïve café opens.", "hidden": " café"},
    }


def slip_variant(text, hidden, wrong=""):
    """-> (start, stop): which ids of `ByteTokenizer().encode(text)` are the hidden bytes."""
    start = 1 + len(text[: text.index(hidden)].encode())
    stop = start + len(hidden.encode())
    characters = 1 + text.index(hidden)
    return {
        "": (start, stop),
        "no CLS": (start - 1, stop - 1),
        "card": (start - 1, stop),
        "characters": (characters, characters + len(hidden)),
        "length in characters": (start, start + len(hidden)),
        "last": (start, stop - 1),
        "both ends": (start - 1, stop + 1),
        "one more": (start, stop + 1),
    }[wrong]


SLIP = Exercise(
    id="00.slip",
    title="which ids are hidden?",
    minutes=5,
    difficulty=1,
    paper="section 4.1",
    name="hidden_ids",
    cases=slip_cases,
    reference=slip_variant,
    variant=slip_variant,
    mistakes={
        "no CLS": Mistake(
            "Everything is one place too early: [CLS] comes first, at 0. This is the slice of DeepMind's own "
            "notebook, which feeds no [CLS].",
            {"wrong": "no CLS"},
        ),
        "card": Mistake(
            "This is the card's own slip: the start without [CLS], the stop with it. One byte too many.",
            {"wrong": "card"},
        ),
        "characters": Mistake(
            "You counted characters. Ids are bytes, and ï has two: count in `text.encode()`.",
            {"wrong": "characters"},
        ),
        "length in characters": Mistake(
            "The start is right. The length is counted in characters; é has two bytes.",
            {"wrong": "length in characters"},
        ),
        "last": Mistake(
            "The last hidden byte is missing: a slice ends one after its last place.", {"wrong": "last"}
        ),
        "both ends": Mistake("One byte too many at each end.", {"wrong": "both ends"}),
        "one more": Mistake(
            "One byte too many at the end: a slice does not hold its stop.", {"wrong": "one more"}
        ),
    },
)
