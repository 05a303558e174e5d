"""Exercises 01.tokenizer and 01.decode: text to byte ids and back."""

import torch

from perceiver_edu.course.exercise import Exercise, Mistake
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer

CLS, SEP, OFFSET = ByteTokenizer.CLS, ByteTokenizer.SEP, ByteTokenizer.BYTE_OFFSET

# ---------------------------------------------------------------- text to ids


def encode_cases():
    return {
        "ASCII, bare": {"text": "one byte", "add_special_tokens": False},
        "ASCII, with [CLS] and [SEP]": {"text": "Perceiver", "add_special_tokens": True},
        "letters of two bytes": {"text": "naïve café", "add_special_tokens": True},
        "Chinese and an emoji": {"text": "猫 🎉!", "add_special_tokens": False},
    }


def as_line(ids) -> str | None:
    """Ids as a line of numbers, which a report can show side by side. Raises: Misfit for anything else."""
    if ids is None:
        return None
    if isinstance(ids, torch.Tensor) and ids.ndim == 1:
        ids = ids.tolist()
    try:
        if isinstance(ids, str | dict):
            raise TypeError
        return " ".join(str(int(i)) for i in ids)
    except (TypeError, ValueError):
        raise Misfit(f"expected a list of ids, which are numbers; got {shown(ids)}.") from None


def encode_variant(text, add_special_tokens, unit="bytes", offset=OFFSET, ends=(CLS, SEP), when="asked"):
    numbers = {
        "bytes": text.encode(),
        "characters": map(ord, text),
        "utf-16": text.encode("utf-16-le"),
        "ascii": text.encode("ascii", "ignore"),
        "questions": text.encode("ascii", "replace"),
    }[unit]
    ids = [number + offset for number in numbers]
    wanted = {"asked": add_special_tokens, "never": False, "always": True}[when]
    return [ends[0], *ids, ends[1]] if wanted else ids


def encode_in_model(function, report):
    """The learner's ids, read by the pretrained model: are the scores the same?"""
    text, hidden = "The old café was empty, and she went into the house.", " into"
    model, tokenizer = pretrained(), ByteTokenizer()
    start = 1 + len(text[: text.index(hidden)].encode())
    hole = slice(start, start + len(hidden))
    yours = call(function, {"text": text, "add_special_tokens": True})
    fillings, scores = [], []
    for ids in (tokenizer.encode(text), [int(i) for i in yours]):
        ids = torch.tensor([ids], device=model.device)
        ids[0, hole] = tokenizer.MASK
        with torch.no_grad():
            scores.append(model(ids)[0, hole])
        fillings.append(tokenizer.decode(scores[-1].argmax(-1)))
    report.say(f"Read by the whole model, with `{hidden}` hidden:")
    report.table(
        ("ids from", "filled byte by byte"),
        [("the library", repr(fillings[0])), ("your function", repr(fillings[1]))],
    )
    return torch.equal(*scores)


TOKENIZER = Exercise(
    id="01.tokenizer",
    title="text to ids",
    minutes=6,
    difficulty=1,
    paper="section 4.1",
    name="encode",
    cases=encode_cases,
    reference=lambda text, add_special_tokens: as_line(ByteTokenizer().encode(text, add_special_tokens)),
    variant=encode_variant,
    mistakes={
        "no offset": Mistake(
            "The bytes are there, but 0 to 5 belong to the special ids: add 6 to every byte.", {"offset": 0}
        ),
        "one less": Mistake("There are six special ids, 0 to 5. The first byte id is 6.", {"offset": 5}),
        "one more": Mistake("There are six special ids, 0 to 5. Add 6, not 7.", {"offset": 7}),
        "characters": Mistake(
            "You took the characters' code points, `ord`. Take the UTF-8 bytes, `text.encode()`: a code "
            "point can be above 255.",
            {"unit": "characters"},
        ),
        "utf-16": Mistake("These are the bytes of UTF-16. Take UTF-8.", {"unit": "utf-16"}),
        "dropped": Mistake(
            "What is not ASCII is dropped. Encode as UTF-8: it has everything.", {"unit": "ascii"}
        ),
        "question marks": Mistake(
            "What is not ASCII became a question mark. Encode as UTF-8: it has everything.",
            {"unit": "questions"},
        ),
        "never": Mistake("[CLS] and [SEP] are missing where they are asked for.", {"when": "never"}),
        "always": Mistake("[CLS] and [SEP] come also where they are not asked for.", {"when": "always"}),
        "swapped": Mistake("[SEP] and [CLS] have changed places.", {"ends": (SEP, CLS)}),
        "bos": Mistake(
            "The text is wrapped in [BOS] and [EOS]. This model uses [CLS] and [SEP], 4 and 5.",
            {"ends": (ByteTokenizer.BOS, ByteTokenizer.EOS)},
        ),
        "offset on specials": Mistake(
            "6 was added to [CLS] and [SEP] too. They are ids already, 4 and 5.",
            {"ends": (CLS + OFFSET, SEP + OFFSET)},
        ),
    },
    observe=lambda result, arguments: as_line(result),
    in_model=encode_in_model,
)

# ---------------------------------------------------------------- ids to text


def decode_cases():
    encode = ByteTokenizer().encode
    return {
        "ASCII": {"ids": encode("one byte", False), "skip_special_tokens": True},
        "letters of two bytes": {"ids": encode("naïve café", False), "skip_special_tokens": True},
        "special ids, skipped": {"ids": encode("a[MASK]c 🎉[PAD]"), "skip_special_tokens": True},
        "special ids, shown": {"ids": encode("a[MASK]c 猫[PAD]"), "skip_special_tokens": False},
        "half a character at the end": {"ids": encode("cat 猫", False)[:-1], "skip_special_tokens": False},
    }


def decode_variant(
    ids, skip_special_tokens, how="together", offset=OFFSET, specials="asked", errors="replace"
):
    names = ByteTokenizer.SPECIAL_TOKENS
    skip = {"asked": skip_special_tokens, "always": True, "never": False, "ends": False}[specials]
    ids = ids[1:-1] if specials == "ends" else ids
    parts = [
        (names[i].encode() if not skip else b"") if i < OFFSET else bytes([(i - offset) % 256]) for i in ids
    ]
    if how == "together":
        return b"".join(parts).decode(errors=errors)
    if how == "latin":
        return b"".join(parts).decode("latin-1")
    return "".join(part.decode(errors=errors) for part in parts)


DECODE = Exercise(
    id="01.decode",
    title="ids to text",
    minutes=5,
    difficulty=2,
    paper="section 4.1",
    name="decode",
    cases=decode_cases,
    reference=lambda ids, skip_special_tokens: ByteTokenizer().decode(ids, skip_special_tokens),
    variant=decode_variant,
    mistakes={
        "each byte a character": Mistake(
            "Each byte became a character of its own: `chr` is right for ASCII only. Collect the bytes, "
            "and decode them together.",
            {"how": "latin"},
        ),
        "each byte decoded": Mistake(
            "Each byte is decoded alone, so a letter of several bytes is never whole. Collect the bytes, "
            "and decode them together.",
            {"how": "alone"},
        ),
        "no offset": Mistake("The 6 was not taken off: byte = id - 6.", {"offset": 0}),
        "ignored": Mistake(
            'Half a character vanishes. A reader should see that something is there: errors="replace".',
            {"errors": "ignore"},
        ),
        "backslashes": Mistake(
            'Half a character shows as an escape. The library writes U+FFFD: errors="replace".',
            {"errors": "backslashreplace"},
        ),
        "never shown": Mistake(
            "Special ids are skipped even where they should be shown.", {"specials": "always"}
        ),
        "never skipped": Mistake(
            "Special ids are shown even where they should be skipped.", {"specials": "never"}
        ),
        "ends cut": Mistake(
            "The first and the last id are cut off, whatever they are. Special ids can stand anywhere, and "
            "may be missing: look at each id.",
            {"specials": "ends"},
        ),
    },
)
