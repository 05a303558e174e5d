"""Exercise 01.hidden_ids: from a piece of a text to its ids."""

from perceiver_edu.course.exercise import Exercise


def span_cases():
    return {
        "English only": {"text": "Some words of this sentence are missing.", "hidden": " missing."},
        "a hole at the start, and its word once more": {
            "text": "Bytes are not bits, Bytes.",
            "hidden": "Bytes",
        },
        "two bytes in one letter": {"text": "A naïve café opens.", "hidden": " café"},
        "three bytes, and four": {"text": "é, 猫 – 🎉: é猫🎉!", "hidden": "é猫🎉"},
    }


def span_variant(text, hidden, unit="bytes", slip=(0, 0), find=str.index):
    """-> (start, stop): which ids of `ByteTokenizer().encode(text)` are the hidden bytes."""
    length = {"bytes": lambda part: len(part.encode()), "characters": len}
    start = 1 + length["characters" if unit in ("characters", "start") else "bytes"](
        text[: find(text, hidden)]
    )
    stop = start + length["bytes" if unit in ("bytes", "start") else "characters"](hidden)
    return start + slip[0], stop + slip[1]


EXERCISE = Exercise(
    title="which ids are hidden?",
    about="5 minutes · easy · section 4.1",
    name="hidden_ids",
    cases=span_cases,
    variant=span_variant,
    mistakes={
        "unit": {
            "characters": "You counted characters. Ids are bytes, and ï has two: count in `text.encode()`.",
            "start": "What comes before the hidden part is counted in characters. Ids are bytes, and ï has "
            "two.",
            "length": "The length is counted in characters; é has two bytes.",
        },
        "find": {str.rindex: "This is where the part occurs last. Its first occurrence counts."},
        "slip": {
            (-1, -1): "Everything is one position too early: [CLS] comes first, at 0.",
            (-1, 0): "Only the stop counts [CLS]. The start is one position too early, so one id that is "
            "not hidden comes along.",
            (0, -1): "The last hidden byte is missing: a slice ends one after its last position.",
            (-1, 1): "One byte too many at each end.",
            (0, 1): "One byte too many at the end: a slice does not hold its stop.",
        },
    },
)
