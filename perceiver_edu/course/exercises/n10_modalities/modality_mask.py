"""Exercise 10.modality_mask: which inputs the encoder may read, where some examples lack a modality."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.modalities import modality_mask


def mask_cases():
    there = {"image": torch.tensor([True, False, True]), "sound": torch.tensor([True, True, False])}
    sizes = {"sound": 4, "image": 6}
    three = {"video": 2, "audio": 5, "label": 1}  # neither by the alphabet, in any direction, nor by size
    return {
        "each example lacks a different modality": {"sizes": sizes, "present": there},
        "three modalities, one not in `present`": {
            "sizes": three,
            "present": {"video": torch.tensor([False, True]), "label": torch.tensor([True, False])},
        },
    }


def mask_variant(sizes, present, inverted=False, order="sorted", wrong=""):
    """sizes {name: M_k}, present {name: (B,) bool} -> (B, M) bool, True = may be read."""
    if not wrong and order == "sorted":
        mask = modality_mask(sizes, present)
    else:
        everyone = torch.ones_like(next(iter(present.values())))
        names = {"sorted": sorted(sizes), "given": list(sizes), "present": list(present)}[order]
        names += [name for name in sizes if name not in names]
        parts = []
        for name in names:
            there = present.get(name, ~everyone if wrong == "absent" else everyone)
            if wrong == "whole batch":
                there = there.all().expand_as(there)
            parts.append(there[:, None].expand(-1, 1 if wrong == "one each" else sizes[name]))
        mask = torch.cat(parts, dim=1)
    return ~mask if inverted else mask


def as_bools(mask, arguments):
    if isinstance(mask, torch.Tensor) and mask.dtype != torch.bool:
        raise Misfit(translated("expected a bool mask, True = may be read; got {mask}.", mask=shown(mask)))
    return mask


EXERCISE = Exercise(
    title="hide a modality",
    about="6 minutes · easy · section 4.3",
    name="which_inputs",
    cases=mask_cases,
    variant=mask_variant,
    mistakes={
        "inverted": {True: "The mask is inverted. Here True means that the input may be read."},
        "order": {
            "given": "You arrange the modalities in the order of `sizes`. The input array has them in "
            "alphabetical order, so go through `sorted(sizes)`.",
            "present": "You arrange the modalities in the order of `present`. The input array has them in "
            "alphabetical order, so go through `sorted(sizes)`.",
        },
        "wrong": {
            "absent": "A modality that is not in `present` is masked. It is there for every example.",
            "whole batch": "A modality that one example lacks is masked in all of them. Each example has a "
            "row of its own.",
            "one each": "Each modality has one column. It needs as many as it has inputs: `sizes[name]`.",
        },
    },
    view=as_bools,
    terse=True,
)
