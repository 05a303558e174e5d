"""Exercise 00.slip: the slip in the model card."""

from perceiver_edu.course.exercise import Exercise

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
        "no CLS": (start - 1, stop - 1),
        "card": (start - 1, stop),
        "characters": (characters, characters + len(hidden)),
        "length in characters": (start, start + len(hidden)),
        "last": (start, stop - 1),
        "both ends": (start - 1, stop + 1),
        "one more": (start, stop + 1),
    }.get(wrong, (start, stop))


EXERCISE = Exercise(
    title="which ids are hidden?",
    about="5 minutes · easy · section 4.1",
    name="hidden_ids",
    cases=slip_cases,
    variant=slip_variant,
    mistakes={
        "wrong": {
            "no CLS": "Everything is one place too early: [CLS] comes first, at 0. This is the slice of "
            "DeepMind's own notebook, which feeds no [CLS].",
            "card": "This is the card's own slip: the start without [CLS], the stop with it. One byte too "
            "many.",
            "characters": "You counted characters. Ids are bytes, and ï has two: count in `text.encode()`.",
            "length in characters": "The start is right. The length is counted in characters; é has two "
            "bytes.",
            "last": "The last hidden byte is missing: a slice ends one after its last place.",
            "both ends": "One byte too many at each end.",
            "one more": "One byte too many at the end: a slice does not hold its stop.",
        }
    },
)
