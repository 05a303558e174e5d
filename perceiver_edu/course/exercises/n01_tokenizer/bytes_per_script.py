"""Exercise 01.bytes_per_script: how many bytes a text takes, by its script."""

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.place import translated
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
    return beside(
        report,
        (
            translated("real texts"),
            translated("characters"),
            translated("ids"),
            translated("your prediction"),
        ),
        rows,
    )


EXERCISE = Exercise(
    title="predict the number of ids",
    about="4 minutes · easy · section 4.1",
    name="num_ids",
    cases=script_cases,
    reference=count_by_encoding,
    variant=script_variant,
    mistakes={
        "sizes": {
            (1, 1, 1, 1): "You counted characters, but an id stands for a byte, and only an ASCII character "
            "is exactly one byte.",
            (1, 1, 3, 4): "An accented letter takes one byte in Latin-1, but two in UTF-8.",
            (2, 2, 2, 4): "These are the sizes in UTF-16, where a character takes two or four bytes. Use "
            "UTF-8.",
            (4, 4, 4, 4): "These are the sizes in UTF-32, where every character takes four bytes. Use UTF-8.",
            (1, 2, 2, 2): "You gave two bytes to every character that is not ASCII. In UTF-8 it is 2, 3 or "
            "4, depending on the code point.",
            (1, 2, 2, 4): "A Chinese character takes three bytes in UTF-8, because its code point is above "
            "2047.",
            (1, 2, 3, 3): "An emoji takes four bytes in UTF-8, because its code point is above 65535.",
        },
        "ends": {
            0: "[CLS] and [SEP] are missing, which are two more ids in every text.",
            1: "Every text gets two special ids, [CLS] before it and [SEP] after it.",
        },
    },
    in_model=script_in_practice,
)
