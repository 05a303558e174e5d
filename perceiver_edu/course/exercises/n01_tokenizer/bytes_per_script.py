"""Exercise 01.bytes_per_script: how many bytes a text takes, by its script."""

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.swap import call
from perceiver_edu.tokenizer import ByteTokenizer

REAL_TEXTS = {
    "The cat sat on the mat.": dict(plain=23, accented=0, chinese=0, emoji=0),
    "Où est le café ?": dict(plain=14, accented=2, chinese=0, emoji=0),
    "猫坐在垫子上": dict(plain=0, accented=0, chinese=6, emoji=0),
    "OK 👍🎉": dict(plain=3, accented=0, chinese=0, emoji=2),
}


def script_cases():
    return {
        "English only": dict(plain=17, accented=0, chinese=0, emoji=0),
        "accented letters": dict(plain=11, accented=3, chinese=0, emoji=0),
        "Chinese": dict(plain=2, accented=0, chinese=7, emoji=0),
        "all of them": dict(plain=13, accented=5, chinese=8, emoji=3),
        "an empty text": dict(plain=0, accented=0, chinese=0, emoji=0),
    }


def count_by_encoding(plain, accented, chinese, emoji):
    text = "a" * plain + "é" * accented + "猫" * chinese + "🎉" * emoji
    return len(ByteTokenizer().encode(text))


def script_variant(plain, accented, chinese, emoji, sizes=(1, 2, 3, 4), ends=2):
    counts = (plain, accented, chinese, emoji)
    return sum(size * count for size, count in zip(sizes, counts, strict=True)) + ends


def script_in_practice(function, report):
    """The prediction beside what the library makes of real sentences."""
    rows = [
        (text, len(text), len(ByteTokenizer().encode(text)), call(function, counts))
        for text, counts in REAL_TEXTS.items()
    ]
    return beside(report, ("real texts", "characters", "ids", "your prediction"), rows)


EXERCISE = Exercise(
    title="predict the number of ids",
    about="4 minutes · easy · section 4.1",
    name="num_ids",
    cases=script_cases,
    reference=count_by_encoding,
    variant=script_variant,
    mistakes={
        "sizes": {
            (1, 1, 1, 1): "You counted characters. An id is a byte, and only ASCII has one byte for each "
            "character.",
            (1, 1, 3, 4): "An accented letter has one byte in Latin-1. In UTF-8 it has two.",
            (2, 2, 2, 4): "These are the sizes of UTF-16: two bytes, or four.",
            (4, 4, 4, 4): "These are the sizes of UTF-32: four bytes each.",
            (1, 2, 2, 2): "You gave two bytes to all that is not ASCII. It is 2, 3 or 4, by the code point.",
            (1, 2, 2, 4): "A Chinese character has three bytes in UTF-8: its code point is above 2047.",
            (1, 2, 3, 3): "An emoji has four bytes in UTF-8: its code point is above 65535.",
        },
        "ends": {
            0: "[CLS] and [SEP] are missing: two more ids in every text.",
            1: "Two special ids are added, [CLS] before and [SEP] after.",
        },
    },
    in_model=script_in_practice,
)
