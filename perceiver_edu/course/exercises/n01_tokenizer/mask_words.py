"""Exercise 01.mask_words: whole words hidden, each with its leading space."""

import torch
from torch.nn.functional import cross_entropy

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.masking import IGNORE, word_units

PAD, MASK, CLS, SEP = ByteTokenizer.PAD, ByteTokenizer.MASK, ByteTokenizer.CLS, ByteTokenizer.SEP
OFFSET = ByteTokenizer.BYTE_OFFSET


def words_cases():
    def ids(text, padding=0):
        return torch.tensor(ByteTokenizer().encode(text) + [PAD] * padding)

    return {
        "one word": {"ids": ids("one two three"), "chosen": {1: "mask"}},
        "the first word and the last": {"ids": ids("So it is, naïve one."), "chosen": {0: "mask", 4: "mask"}},
        "one masked, one kept": {"ids": ids("to be or not to be"), "chosen": {2: "mask", 4: "keep"}},
        "two spaces, a new line, padding": {
            "ids": ids("He  left.\nShe did not. Why?", 3),
            "chosen": {1: "keep", 2: "mask", 4: "mask"},
        },
        "a text without words": {"ids": ids("", 2), "chosen": {}},
        "white space at both ends, a tab, a byte 0": {
            "ids": ids("\tVoilà,\tHe\x00 left. \n", 2),
            "chosen": {0: "mask", 1: "keep"},
        },
    }


SIGNS = {PAD: "□", MASK: "▒", CLS: "⟨", SEP: "⟩", IGNORE: "∅"}
SIGNS |= {OFFSET + byte: sign for byte, sign in ((32, "␣"), (10, "⏎"), (9, "⇥"))}
TAKEN_FOR = {"160": (160, 32), "no tab": (9, 97)}  # mistake: a byte, and the byte that it is taken for


def signs(ids: torch.Tensor) -> str:
    """Ids, or labels, as a line to look at: ▒ for [MASK], ∅ for a label of -100."""

    def sign(i):
        return SIGNS.get(i) or (chr(i - OFFSET) if "!" <= chr(max(0, i - OFFSET)) <= "~" else f"<{i}>")

    return "".join(map(sign, ids.tolist()))


def as_signs(result, arguments=None) -> dict[str, str] | None:
    """(inputs, labels) -> both as lines. Raises: Misfit where they are not two rows of numbers."""
    if result is None:
        return None
    if isinstance(result, dict) and set(result) == {"inputs", "labels"}:
        result = (result["inputs"], result["labels"])
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Misfit(
            translated("expected two tensors, `return inputs, labels`; got {result}.", result=shown(result))
        )
    lines = {}
    for name, row in zip(("inputs", "labels"), result, strict=True):
        row = torch.as_tensor(row) if isinstance(row, list | tuple) else row
        if not isinstance(row, torch.Tensor) or row.ndim != 1 or row.is_floating_point():
            raise Misfit(
                translated(
                    "expected {name} to be ids, a tensor (M,) of whole numbers; got {row}.",
                    name=name,
                    row=shown(row),
                )
            )
        lines[name] = signs(row)
    return lines


def library_words(ids, chosen):
    """The library's words, numbered from 0; those in `chosen` are hidden, or kept and still asked for."""
    units = word_units(ids[None])[0] - 1  # (M,), -1 where there is no word
    asked = torch.isin(units, torch.tensor(list(chosen)))
    hidden = torch.isin(units, torch.tensor([word for word, how in chosen.items() if how == "mask"]))
    return ids.masked_fill(hidden, MASK), ids.masked_fill(~asked, IGNORE)


def words_variant(ids, chosen, space="leading", first=0, labels="chosen", keep="asked", put=MASK, swap=False):
    """Whole-word masking, with a switch for each mistake that many make; untouched, it is right."""
    units = word_units(ids[None])[0]
    byte = ids - OFFSET
    white = (byte == 32) | ((byte >= 9) & (byte <= 13))
    if space in TAKEN_FOR:
        number, other = TAKEN_FOR[space]
        units = word_units(ids.masked_fill(byte == number, OFFSET + other)[None])[0]
    if space in ("none", "trailing", "all", "blank only"):
        letters = (ids >= OFFSET) & (byte != 32 if space == "blank only" else ~white)
        starts = letters & ~letters.roll(1)
        number = starts.cumsum(0)
        units = number * letters
        if space == "trailing":
            units = torch.where(white & letters.roll(1), units.roll(1), units)
        elif space == "all":
            units = torch.where(white, (number + 1) * (number < number.max()), units)
        elif space == "blank only":
            units = torch.where((byte == 32) & letters.roll(-1), units.roll(-1), units)
    elif space == "each blank":
        units = ((byte == 32).cumsum(0) + 1) * (ids >= OFFSET)
    elif space == "special ids":
        leading = white & (~white).roll(-1)
        word = leading | ~white
        before = word.roll(1)
        before[0] = False
        units = (word & (leading | ~before)).cumsum(0) * word
    units = units - 1 + first * (units > 0)
    masked = [word for word, how in chosen.items() if how == "mask" or keep == "masked"]
    asked = masked if keep == "forgotten" else list(chosen)
    hidden = torch.isin(units, torch.tensor(masked))
    inputs = ids.masked_fill(hidden, put)
    not_asked = ~torch.isin(units, torch.tensor(asked))
    targets = {
        "chosen": ids.masked_fill(not_asked, IGNORE),
        "everywhere": ids.clone(),
        "zero": ids.masked_fill(not_asked, PAD),
        "rest": ids.masked_fill(~not_asked, IGNORE),
        "mask": inputs.masked_fill(not_asked, IGNORE),
        "not padding": ids.masked_fill(ids == PAD, IGNORE),
    }[labels]
    return (targets, inputs) if swap else (inputs, targets)


@torch.no_grad()
def words_in_model(function, report):
    """The loss that the learner's inputs and labels give in the pretrained model."""
    model, text = pretrained(), "She opened the door and went into the house, and he was there."
    ids = torch.tensor(ByteTokenizer().encode(text))
    arguments = {"ids": ids, "chosen": {2: "mask", 5: "mask", 8: "keep", 10: "mask"}}
    rows, losses = [], []
    both = {
        translated("the library"): library_words(**arguments),
        translated("your function"): call(function, arguments),
    }
    for who, made in both.items():
        inputs, labels = (torch.as_tensor(row, device=model.device) for row in made)
        logits = model(inputs[None])[0, : len(ids)]
        bits = cross_entropy(logits, labels) / torch.log(torch.tensor(2.0))
        losses.append(float(bits))
        rows.append((who, int((labels != IGNORE).sum()), f"{float(bits):.3f}"))
    report.say(
        translated(
            "This is what the labels are for: the loss of the whole model on “{text}”, averaged over "
            "the targets.",
            text=text,
        )
    )
    report.table(
        (translated("inputs and labels from"), translated("targets"), translated("bits per byte")), rows
    )
    return abs(losses[0] - losses[1]) < 1e-4


EXERCISE = Exercise(
    title="hide whole words",
    about="10 minutes · medium · appendix F.3",
    name="mask_words",
    cases=words_cases,
    reference=library_words,
    variant=words_variant,
    mistakes={
        "space": {
            "none": "The space before the word is still visible. It belongs to the word and is masked with "
            "it.",
            "trailing": "You masked the space after the word. The space before the word is the one that "
            "belongs to it.",
            "all": "All white space before the word is masked. Only the single byte directly before the word "
            "belongs to it.",
            "blank only": "Only a blank ends a word in your code. A new line and a tab do so, too.",
            "no tab": "A tab does not end a word in your code. It is white space, like the blank and the new "
            "line.",
            "160": "`chr(160)` is white space, but the byte 160 is not: it is the second byte of à, for "
            "example. Use `bytes([i - 6]).isspace()`, or compare ids.",
            "each blank": "You split at every single blank. As a result, two blanks in a row make an empty "
            "word, and a new line does not end one.",
            "special ids": "One of your words contains [CLS], [SEP] or [PAD]. Special ids belong to no word; "
            "they end one.",
        },
        "first": {
            1: "You masked the word before the chosen one. The first word is number 0, and [CLS] is not a "
            "word."
        },
        "labels": {
            "everywhere": "Every byte has a label. Only the chosen words are targets; all other labels are "
            "-100.",
            "not padding": "Every byte except padding has a label. Only the chosen words are targets; all "
            "other labels are -100.",
            "zero": "The label is 0 where there is no target, which makes [PAD] a target. `cross_entropy` "
            "ignores only -100.",
            "rest": "The labels are inverted: everything is a target except the chosen words.",
            "mask": "The labels are taken from the masked ids, so the targets are [MASK]. Take them from "
            "`ids`.",
        },
        "keep": {
            "forgotten": 'A word to "keep" has no label. It is a target, too; otherwise the model learns to '
            "trust every byte it sees.",
            "masked": 'A word to "keep" was masked. It should stay as it is.',
        },
        "put": {
            PAD: "The words became [PAD], which is 0. Use [MASK], which is 3, so that the model sees that "
            "something is there.",
            IGNORE: "The inputs contain -100. That value is for labels only; the inputs get [MASK], which is "
            "3.",
        },
        "swap": {True: "Inputs and labels are swapped."},
    },
    view=as_signs,
    in_model=words_in_model,
)
