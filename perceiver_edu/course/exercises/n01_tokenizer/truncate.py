"""Exercise 01.truncate: as much of a text as a model has room for, in whole characters."""

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.passages import ARTICLE_1
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call

ROOM = 64  # ids, in the table of real texts


def truncate_cases():
    return {
        "a text that fits": {"text": "naïve", "limit": 11},
        "a text that just fits": {"text": "猫🎉", "limit": 9},
        "ASCII": {"text": "Bytes are not bits.", "limit": 9},
        "the cut between two characters": {"text": "naïve café", "limit": 6},
        "the cut within a character of two bytes": {"text": "naïve café", "limit": 5},
        "the cut within one of three": {"text": "猫猫猫 in English", "limit": 7},
        "the cut within one of four": {"text": "OK 🎉, go on", "limit": 8},
        "no room for the first character": {"text": "🎉 ends", "limit": 5},
        "no room for any byte": {"text": "bytes", "limit": 2},
        "the cut after a U+FFFD in the text": {"text": "a\ufffd\ufffd, b", "limit": 6},
        "the cut within one": {"text": "a\ufffd\ufffd, b", "limit": 7},
        "an accent that is a character of its own": {"text": "cafe\u0301s", "limit": 7},
    }


def truncate_variant(text, limit, unit="bytes", special=2, half="dropped"):
    room = max(0, limit - special)
    if unit == "characters":
        return text[:room]
    taken = text.encode()[:room]
    if half == "all that fit":  # goes on behind a character that does not fit
        kept, used = "", 0
        for character in text:
            if used + len(character.encode()) <= room:
                kept, used = kept + character, used + len(character.encode())
        return kept
    if half == "too many dropped":  # although the last character is whole
        whole = taken.decode(errors="ignore")
        return whole if taken == text.encode() else whole[:-1]
    if half == "stripped":
        return taken.decode(errors="replace").rstrip("\ufffd")
    if half == "word":
        whole = taken.decode(errors="ignore")
        return whole if taken == text.encode() else whole.rpartition(" ")[0]
    return taken.decode(errors={"dropped": "ignore", "shown": "replace"}[half])


def truncate_in_practice(function, report):
    """How much of one sentence fits, language by language."""
    rows = []
    for language, text in ARTICLE_1.items():
        kept = truncate_variant(text, ROOM)
        yours = call(function, {"text": text, "limit": ROOM})
        rows.append((language, len(text), f"{len(kept) / len(text):.0%}", kept, yours))
    return beside(
        report,
        (
            translated("in {number} ids", number=ROOM),
            translated("characters"),
            translated("that fit"),
            translated("a right answer"),
            translated("yours"),
        ),
        rows,
    )


EXERCISE = Exercise(
    title="truncate between two characters",
    about="8 minutes · medium · section 4.1",
    name="truncate",
    cases=truncate_cases,
    variant=truncate_variant,
    mistakes={
        "unit": {
            "characters": "You counted characters, but the limit is a number of ids, and an id stands for a "
            "byte."
        },
        "special": {
            0: "[CLS] and [SEP] take one id each, so two bytes fewer fit.",
            1: "Two special ids are added, [CLS] and [SEP], but you left room for only one.",
        },
        "half": {
            "shown": "An incomplete character at the end became U+FFFD. Leave it out.",
            "stripped": "U+FFFD can be part of the text itself, and then `rstrip` removes it as well. Drop "
            "the bytes of an incomplete character before you decode.",
            "too many dropped": "The last character is gone although all of its bytes fit. Drop a character "
            "only if the cut goes through it.",
            "all that fit": "The text ends at the first character that does not fit. You skipped it and went "
            "on with shorter ones after it.",
            "word": "You cut at a blank. The text may end within a word, but not within a character.",
        },
    },
    in_model=truncate_in_practice,
)
