"""Exercise 01.hidden_ids: from a piece of a text to its ids."""

from perceiver_edu.course.exercise import Exercise


def span_cases():
    return {
        "English only": {"text": "Some words of this sentence are missing.", "hidden": " missing."},
        "a hole at the start, whose word occurs again": {
            "text": "Bytes are not bits, Bytes.",
            "hidden": "Bytes",
        },
        "a letter of two bytes": {"text": "A naïve café opens.", "hidden": " café"},
        "characters of three and four bytes": {"text": "é, 猫 – 🎉: é猫🎉!", "hidden": "é猫🎉"},
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
            "characters": "You counted characters, but ids stand for bytes, and ï has two. Count in "
            "`text.encode()`.",
            "start": "What comes before the hidden part is counted in characters, but ids stand for bytes, "
            "and ï has two.",
            "length": "The length of the hidden part is counted in characters, but é has two bytes.",
        },
        "find": {str.rindex: "You found the last occurrence of the hidden part. The first one counts."},
        "slip": {
            (-1, -1): "Everything is one position too early, because [CLS] is at position 0.",
            (-1, 0): "Only the stop takes [CLS] into account. The start is one position too early, so the "
            "slice includes an id that is not hidden.",
            (0, -1): "The last hidden byte is missing, because a slice ends before its stop.",
            (-1, 1): "The slice has one byte too many at each end.",
            (0, 1): "The slice has one byte too many at the end. A slice does not include its stop.",
        },
    },
)
