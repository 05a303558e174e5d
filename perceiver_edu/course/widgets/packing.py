"""Notebook 01: join documents before they are split into crops, and see how much padding is left."""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, slider, stops, widget
from perceiver_edu.instruments.plots.packing import packing_strip, packing_waste
from perceiver_edu.training.corpus import crop_pack, in_groups

MOST = 20  # documents joined
SHOWN = 20  # documents in the strip


class Packed(NamedTuple):
    """Documents joined `joined` at a time and cut into crops of `length` ids."""

    joined: int
    length: int
    strips: dict[str, list[torch.Tensor]]  # the first documents alone and joined: their crops
    crops: int  # of all documents
    waste: list[float]  # share of padding in all crops, for 1, 2, … documents joined
    expected: list[float]  # the same by the rule: half a crop for each pack


def pack_documents(documents: Sequence[str], joined: int, length: int) -> Packed:
    sizes = [len(document.encode()) for document in documents]
    strips = {"each alone": list(map(torch.atleast_2d, crops_of(documents[:SHOWN], 1, length)))}
    strips[f"{joined} at a time"] = crops_of(documents[:SHOWN], joined, length)
    waste = [padding(sizes, n, length) for n in range(1, MOST + 1)]
    mean = sum(sizes) / len(sizes)
    expected = [(length / 2) / (n * mean + length / 2) for n in range(1, MOST + 1)]
    return Packed(joined, length, strips, num_crops(sizes, joined, length), waste, expected)


def crops_of(documents, joined: int, length: int) -> list[torch.Tensor]:
    return [crop_pack(group, length) for group in in_groups(documents, joined)]


def num_crops(sizes: Sequence[int], joined: int, length: int) -> int:
    """As `crop_pack` cuts: `length` - 2 places in a crop, and a [SEP] between two documents."""
    ids = [sum(group) + len(group) - 1 for group in in_groups(sizes, joined)]
    return sum(-(-number // (length - 2)) for number in ids)


def padding(sizes: Sequence[int], joined: int, length: int) -> float:
    """The share of [PAD] in all crops, from the sizes of the documents in bytes alone."""
    crops = num_crops(sizes, joined, length)
    packs = -(-len(sizes) // joined)
    real = sum(sizes) + (len(sizes) - packs) + 2 * crops  # bytes, [SEP] between two, [CLS] and [SEP] around
    return 1 - real / (crops * length)


def draw(figure, packed: Packed) -> str:
    above, below = figure.subplots(2, height_ratios=(1, 1.7))
    figure.subplots_adjust(0.11, 0.13, 0.99, 0.98, hspace=0.25)
    packing_strip(above, packed.strips)
    for image in above.images:
        image.set_interpolation("nearest")  # five times as fast as the default, for tens of thousands of ids
    above.set_xlim(0, 1.05 * above.get_xlim()[1])
    packing_waste(below, packed.waste, packed.expected, marked=packed.joined)
    now = packed.waste[packed.joined - 1]
    return translated(
        "Two strips of crops of {length} ids, each document alone and {joined} joined; below, a "
        "bar for 1 to {most} documents joined. {joined} joined leave {now:.1%} padding.",
        length=packed.length,
        joined=packed.joined,
        most=MOST,
        now=now,
    )


def tell(packed: Packed) -> Report:
    now, alone = packed.waste[packed.joined - 1], packed.waste[0]
    rows = [
        (translated("each alone"), f"{alone:.1%}", f"{packed.expected[0]:.1%}"),
        (
            translated("{joined} joined", joined=packed.joined),
            f"{now:.1%}",
            f"{packed.expected[packed.joined - 1]:.1%}",
        ),
    ]
    report = Report("documents joined").table(
        (translated("documents"), translated("padding"), translated("by the rule")), rows
    )
    report.say(
        translated(
            "The strips show at most the first {shown} documents, and the bars all of them.", shown=SHOWN
        )
    )
    return report.say(
        translated(
            "All documents together are {crops:,} crops of {length:,} ids now.",
            crops=packed.crops,
            length=packed.length,
        )
    )


def help_pages() -> list[str]:
    """The help pages of the classes of `torch.nn`, each once."""
    pages = [inspect.getdoc(page) for _, page in sorted(vars(torch.nn).items()) if inspect.isclass(page)]
    return list(dict.fromkeys(filter(None, pages)))


@widget(
    "01_tokenizer",
    "waste-lab",
    needs="setup bpe",
    example=lambda: [["a" * 300, "b" * 5000, "é" * 700]],
)
def join_documents(
    documents: Sequence[str] | None = None, joined: int = 10, length: int = 2048
) -> Experiment:
    """Show how much padding is left when documents are joined, and when crops are longer or shorter."""
    documents = [document for document in (help_pages() if documents is None else documents) if document]
    lengths = [(f"{n:,}", n) for n in (256, 512, 1024, 2048, 4096)]
    controls = {
        "joined": slider("documents joined", joined, 1, MOST,
                         "How many documents are joined before they are split into crops."),
        "length": stops("ids in a crop", lengths, length, "The length of a crop, in ids."),
    }  # fmt: skip
    compute = partial(pack_documents, documents)
    return Experiment("join-documents", controls, compute, draw, tell, size=(9, 4.4))
