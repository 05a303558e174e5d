"""Exercise 01.decode: byte ids to text."""

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.tokenizer import ByteTokenizer

OFFSET = ByteTokenizer.BYTE_OFFSET


def decode_cases():
    encode = ByteTokenizer().encode
    return {
        "ASCII": {"ids": encode("one byte", False), "skip_special_tokens": True},
        "letters of two bytes": {"ids": encode("naïve café", False), "skip_special_tokens": True},
        "special ids, skipped": {"ids": encode("a[MASK]c 🎉[PAD]"), "skip_special_tokens": True},
        "special ids, shown": {"ids": encode("a[MASK]c 猫[PAD]"), "skip_special_tokens": False},
        "an incomplete character at the end": {
            "ids": encode("cat 猫", False)[:-1],
            "skip_special_tokens": False,
        },
        "no ids": {"ids": [], "skip_special_tokens": True},
        "white space, a byte 0, an incomplete character in the middle": {
            "ids": [byte + OFFSET for byte in b" \x00\tcaf\xc3 noir \n"],
            "skip_special_tokens": True,
        },
        "bytes that spell a special name": {
            "ids": [byte + OFFSET for byte in b"hide it behind [MASK]."] + [ByteTokenizer.SEP],
            "skip_special_tokens": True,
        },
        "three invalid bytes in a row": {
            "ids": [byte + OFFSET for byte in b"a\xff\xfe\xe7\x8c b"],
            "skip_special_tokens": True,
        },
    }


def decode_variant(ids, skip_special_tokens, how="", offset=OFFSET, specials="asked", errors="replace"):
    skip = {"asked": skip_special_tokens, "always": True, "inverted": not skip_special_tokens}
    skip = skip.get(specials, False)
    ids = ids[1:-1] if specials == "ends" else ids
    shown = [b"" if skip else name.encode() for name in ByteTokenizer.SPECIAL_TOKENS]
    parts = [shown[i] if i < OFFSET else bytes([(i - offset) % 256]) for i in ids]
    if how == "alone":
        return "".join(part.decode(errors=errors) for part in parts)
    text = b"".join(parts).decode("latin-1" if how == "latin" else "utf-8", errors)
    return text.strip() if how == "stripped" else text


EXERCISE = Exercise(
    title="ids to text",
    about="5 minutes · medium · section 4.1",
    name="decode",
    cases=decode_cases,
    reference=ByteTokenizer().decode,
    variant=decode_variant,
    mistakes={
        "how": {
            "latin": "Each byte became a character of its own, but `chr` is right only for ASCII. Collect "
            "the bytes and decode them together.",
            "alone": "Each byte is decoded alone, so a letter of several bytes is never complete. Collect "
            "the bytes and decode them together.",
            "stripped": "White space at the ends of the text is lost. Every byte is part of the text.",
        },
        "offset": {0: "You did not subtract the offset: byte = id - 6."},
        "errors": {
            "ignore": "An incomplete character vanishes. A reader should see that something was there, so "
            'use errors="replace".',
            "backslashreplace": "An incomplete character appears as an escape sequence. The library writes "
            'U+FFFD, which errors="replace" does.',
        },
        "specials": {
            "always": "Special ids are skipped even where they should be shown.",
            "never": "Special ids are shown even where they should be skipped.",
            "inverted": "`skip_special_tokens` has the opposite effect here: True should leave special ids "
            "out.",
            "ends": "The first and the last id are always dropped. Special ids can appear anywhere or be "
            "missing, so test each id.",
        },
    },
)
