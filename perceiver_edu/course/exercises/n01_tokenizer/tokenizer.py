"""Exercise 01.tokenizer: text to byte ids."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer

CLS, SEP, OFFSET = ByteTokenizer.CLS, ByteTokenizer.SEP, ByteTokenizer.BYTE_OFFSET


def encode_cases():
    return {
        "ASCII, without special ids": {"text": "one byte", "add_special_tokens": False},
        "ASCII, with [CLS] and [SEP]": {"text": "Perceiver", "add_special_tokens": True},
        "letters of two bytes": {"text": "naïve café", "add_special_tokens": True},
        "Chinese and an emoji": {"text": "猫 🎉!", "add_special_tokens": False},
        "an empty text": {"text": "", "add_special_tokens": True},
        "white space at both ends, a byte 0": {"text": " \tno\x00  one \n", "add_special_tokens": True},
    }


def as_line(ids, arguments) -> str | None:
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
        raise Misfit(
            translated("expected a list of ids, which are numbers; got {ids}.", ids=shown(ids))
        ) from None


def encode_variant(text, add_special_tokens, unit="bytes", offset=OFFSET, ends=(CLS, SEP), when="asked"):
    numbers = {
        "bytes": text.encode(),
        "characters": map(ord, text),
        "utf-16": text.encode("utf-16-le"),
        "stripped": text.strip().encode(),
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
    report.say(translated("What the whole model fills in when `{hidden}` is hidden:", hidden=hidden))
    rows = zip((translated("the library"), translated("your function")), map(repr, fillings), strict=True)
    report.table((translated("ids from"), translated("filled byte by byte")), list(rows))
    return torch.equal(*scores)


EXERCISE = Exercise(
    title="text to ids",
    about="6 minutes · easy · section 4.1",
    name="encode",
    cases=encode_cases,
    reference=ByteTokenizer().encode,
    variant=encode_variant,
    mistakes={
        "offset": {
            0: "These are the bytes, but ids 0 to 5 belong to the special tokens. Add 6 to every byte.",
            5: "There are six special ids, 0 to 5, so the first byte id is 6. Add 6, not 5.",
            7: "There are six special ids, 0 to 5, so the first byte id is 6. Add 6, not 7.",
        },
        "unit": {
            "characters": "You used the characters' code points (`ord`), which can be above 255. Use the "
            "UTF-8 bytes, `text.encode()`.",
            "stripped": "White space at the ends of the text is lost. Every byte becomes an id.",
            "utf-16": "These are the bytes of UTF-16. Use UTF-8.",
            "ascii": "Characters that are not ASCII are dropped. Encode as UTF-8, which can represent every "
            "character.",
            "questions": "Characters that are not ASCII became question marks. Encode as UTF-8, which can "
            "represent every character.",
        },
        "when": {
            "never": "[CLS] and [SEP] are missing although `add_special_tokens` is true.",
            "always": "[CLS] and [SEP] are added although `add_special_tokens` is false.",
        },
        "ends": {
            (SEP, CLS): "[SEP] and [CLS] are swapped.",
            (ByteTokenizer.BOS, ByteTokenizer.EOS): "The text is wrapped in [BOS] and [EOS]. This model uses "
            "[CLS] and [SEP], which are 4 and 5.",
            (CLS + OFFSET, SEP + OFFSET): "You added 6 to [CLS] and [SEP] as well, but 4 and 5 are ids "
            "already.",
        },
    },
    view=as_line,
    in_model=encode_in_model,
)
