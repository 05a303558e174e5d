"""Exercise 01.pack: ten documents, joined and cut into crops."""

import inspect
from functools import partial
from itertools import groupby

import torch
from torch import nn

from perceiver_edu.course.comparison import side_by_side
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call
from perceiver_edu.language import to_translate
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.corpus import crop_pack, in_groups, packing_efficiency

PAD, CLS, SEP, OFFSET = (getattr(ByteTokenizer, name) for name in ("PAD", "CLS", "SEP", "BYTE_OFFSET"))


def pack_cases():
    ten = ["It was late.", "Oh!", "The cafés had closed, all but one.", "So?", "He sat there.", "naïve"]
    ten += ["And then the door opened, and nobody came in.", " x = 1\n", "猫", "The end."]
    return {
        "one short document": {"documents": ["It was late."], "length": 19},
        "one document, several crops": {"documents": [ten[6]], "length": 17},
        "ten documents": {"documents": ten, "length": 23},
    }


def pack_variant(documents, length, unit="bytes", between="[SEP]", cut="joined", end="text", offset=OFFSET):
    """Documents to crops, with a switch for each mistake that many make; untouched, it is right."""
    as_numbers = {
        "bytes": str.encode,
        "stripped": lambda t: t.strip().encode(),
        "characters": partial(map, ord),
    }
    bodies = [[n + offset for n in as_numbers[unit](text)] for text in documents]
    room, step = length - 2, length if cut == "steps of length" else length - 2
    if cut in ("each", "truncated"):
        groups = [body[:room] if cut == "truncated" else body for body in bodies]
    else:
        sign = {"nothing": [], "space": [38], "newline": [16], "[PAD]": [PAD]}.get(between, [SEP])
        joined = [i for body in bodies for i in (*sign, *body)][len(sign) :]
        groups = [[*joined, SEP] if between == "after each" else joined]
    if cut == "wrapped first":
        groups, room, step = [[i for body in bodies for i in (CLS, *body, SEP)]], length, length
    elif cut == "bare":
        room = step = length
    crops = []
    for group in groups:
        for start in range(0, len(group) + (cut == "one more"), step):
            body = group[start : start + room]
            padding = [PAD] * (room - len(body))
            if cut == "dropped" and padding:
                continue
            if cut in ("wrapped first", "bare"):
                crops.append(body + padding)
            elif end == "text":
                crops.append([CLS, *body, SEP, *padding])
            elif end == "no [CLS]":
                crops.append([*body, SEP, *padding, PAD])
            elif end == "last column":
                crops.append([CLS, *body, *padding, SEP])
            else:  # no [SEP] where there is padding
                crops.append([CLS, *body, *([*padding, PAD] if padding else [SEP])])
    return torch.tensor(crops, dtype=torch.int64).reshape(-1, length)


def text_of(crops) -> list[bytes]:
    """The documents that stand in the crops: bytes, cut where a [SEP] does not end a crop."""
    ids = []
    for row in crops.tolist():
        real = [i for i in row if i != PAD]
        ids += real[1:-1]
    parts = [[]]
    for i in ids:
        parts.append([]) if i == SEP else parts[-1].append(i)
    return [bytes(i - OFFSET for i in part if OFFSET <= i < ByteTokenizer.VOCAB_SIZE) for part in parts]


def read_aloud(row) -> str:
    """A crop's ids as a line to read: "[CLS]So␣it␣is.[SEP][PAD] × 3"."""
    text = ""
    for known, ids in groupby(row.tolist(), lambda i: 0 <= i < ByteTokenizer.VOCAB_SIZE and i != PAD):
        ids = list(ids)
        if known:
            text += ByteTokenizer().decode(ids).replace(" ", "␣").replace("\n", "⏎")
        else:
            text += f"[PAD] × {len(ids)}" if set(ids) == {PAD} else "".join(f"<{i}>" for i in ids)
    return text


def pack_properties(_):
    arguments = pack_cases()["ten documents"]  # of one document the properties say little
    documents, length = arguments["documents"], arguments["length"]

    def all_bytes(call):
        seen, wanted = b"".join(text_of(call(**arguments))), "".join(documents).encode()
        in_order = translated("{number} of {all} bytes, in order", number=len(seen), all=len(wanted))
        found = translated("{number} of {all} bytes", number=len(seen), all=len(wanted))
        return seen == wanted, in_order if seen == wanted else found

    def width(call):
        seen = tuple(call(**arguments).shape)
        return seen[1:] == (length,), translated("shape {seen}, length {length}", seen=seen, length=length)

    def ends(call):
        crops = call(**arguments)
        texts = [row[: len(row) - row.count(PAD)] for row in crops.tolist()]  # with [PAD] in it, if misplaced
        good = [text[0] == CLS and text[-1] == SEP and PAD not in text for text in texts]
        return all(good), translated("{number} of {all} crops", number=sum(good), all=len(good))

    def padding(call):
        padded = (call(**arguments) == PAD).any(1).tolist()
        return not any(padded[:-1]), translated(
            "{number} of {all} crops are padded", number=sum(padded), all=len(padded)
        )

    yield "every crop has `length` ids", width
    yield "every byte of every document appears once, in order", all_bytes
    yield "every crop begins with [CLS] and ends with [SEP], before any padding", ends
    yield "only the last crop is padded", padding


def help_pages() -> list[str]:
    """What `help` shows of each class in torch.nn: a corpus that everyone has who has torch."""
    pages = (inspect.getdoc(page) for _, page in sorted(vars(nn).items()) if inspect.isclass(page))
    return list(dict.fromkeys(filter(None, pages)))


def pack_in_practice(function, report):
    """Real documents, ten at a time, into crops of 2048: the library's and the learner's."""
    pages = help_pages()
    groups = [{"documents": group, "length": 2048} for group in in_groups(pages, 10)]
    crops = {
        translated("the library"): torch.cat([crop_pack(**group) for group in groups]),
        translated("your function"): torch.cat([call(function, group) for group in groups]),
    }
    rows = [(who, len(made), f"{1 - packing_efficiency(made):.1%}") for who, made in crops.items()]
    report.table(
        (
            translated("{number} help pages of torch.nn", number=len(pages)),
            translated("crops of 2048 ids"),
            translated("special ids and padding"),
        ),
        rows,
    )
    return torch.equal(*(made.long() for made in crops.values()))


EXERCISE = Exercise(
    title="ten documents to crops",
    about="10 minutes · medium · appendix F.3",
    name="pack",
    cases=pack_cases,
    reference=lambda documents, length: crop_pack(documents, length).long(),
    variant=pack_variant,
    mistakes={
        "cut": {
            "each": "Each document is split and padded on its own. Join the documents first, then split.",
            "truncated": "Each document is truncated where its crop is full, and the rest is lost. Continue "
            "it in the next crop.",
            "dropped": "A crop that is not full is dropped, so its bytes are lost. Pad it instead.",
            "steps of length": "You advance in steps of `length`, but a crop holds only length - 2 ids of "
            "text, so two are lost at each cut.",
            "wrapped first": "[CLS] and [SEP] are put around each document before splitting, so a crop may "
            "begin without [CLS]. Put them around each crop.",
            "one more": "If the ids fill the crops exactly, you add an extra, empty crop.",
            "bare": "The crops have no [CLS] and [SEP] of their own. Only length - 2 ids of text go into "
            "each crop.",
        },
        "between": {
            "nothing": "Nothing separates two documents, so the end of one runs into the beginning of the "
            "next. Put [SEP] between them.",
            "newline": "A newline separates two documents, but a document can contain newlines itself. It "
            "cannot contain [SEP], so use that.",
            "space": "A space separates two documents, but a document can contain spaces itself. It cannot "
            "contain [SEP], so use that.",
            "after each": "The last document is followed by a separator as well as the crop's own [SEP]. "
            "Separators belong only between two documents.",
            "[PAD]": "[PAD] separates two documents. Padding is masked, so the model would not see the "
            "separator: use [SEP].",
        },
        "end": {
            "last column": "In the padded crop, [SEP] is in the last column. It ends the text, so padding "
            "comes after it.",
            "missing": "The padded crop has no [SEP] at the end of its text.",
            "no [CLS]": "The crops begin without [CLS].",
        },
        "unit": {
            "characters": "You used the characters' code points (`ord`). Use the UTF-8 bytes, "
            "`text.encode()`.",
            "stripped": "White space at the ends of a document is lost. Every byte is part of the text.",
        },
        "offset": {0: "The bytes lack their offset: id = byte + 6."},
    },
    properties=pack_properties,
    sizes=lambda **arguments: {"num_crops": len(crop_pack(**arguments)), "length": arguments["length"]},
    rows=partial(side_by_side, axes=(to_translate("crop"), to_translate("column")), read=read_aloud),
    in_model=pack_in_practice,
)
