"""Notebook 05: swap a stage, plant a bug, and find the first wrong tensor."""

from copy import deepcopy
from functools import lru_cache, partial
from typing import NamedTuple

import torch

from perceiver_edu.course.place import translated
from perceiver_edu.course.planted import MUTATIONS
from perceiver_edu.course.report import Report
from perceiver_edu.course.swap import run_filled
from perceiver_edu.course.widgets.base import (
    Experiment,
    choice,
    embedded,
    or_loaded,
    readable,
    text_box,
    widget,
)
from perceiver_edu.filling import MASK_TOKEN, find_holes
from perceiver_edu.instruments.parity import BOUNDARIES, Row, difference, huggingface_copy
from perceiver_edu.instruments.plots.parity import differences_by_stage
from perceiver_edu.language import to_translate
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.stages import STAGES

NONE = to_translate("none")
MASKED = f"She opened the door and went{5 * MASK_TOKEN} the house."
BUGS = {name: plant for name, plant in MUTATIONS.items() if name != "one block instead of two"}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Reference(NamedTuple):
    """What is the same for every bug: the right model, and the reference's tensors."""

    model: PerceiverIOForMaskedLM
    theirs: dict[str, torch.Tensor]  # at each boundary
    right: list[Row]  # the ledger of the right model
    before: str  # the text, filled by it
    note: str


class Broken(NamedTuple):
    """A model with something wrong, beside the reference."""

    what: str
    known: Reference
    rows: list[Row]  # the ledger of the broken model
    after: str  # the text, filled by it
    note: str

    @property
    def first(self) -> Row | None:
        return next((row for row in self.rows if not row.ok), None)


def reference(model, hf_copy, text: str, dtype: str) -> Reference:
    """Both models in this dtype, run on the text; they are copied where they have to change."""
    if model.mlm_head.bias.dtype != DTYPES[dtype]:
        model, hf_copy = (deepcopy(m).to(DTYPES[dtype]) for m in (model, hf_copy))
    text, note = readable(model, text)
    theirs, _ = run_filled(hf_copy, text, holes_of(text), ours=False)
    ours, before = run_filled(model, text, holes_of(text), ours=True)
    return Reference(model, theirs, ledger_rows(ours, theirs), before, note)


def untrained_like(model) -> PerceiverIOForMaskedLM:
    """The same sizes, with fresh random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PerceiverIOForMaskedLM(model.config).eval()


def holes_of(text: str) -> list[tuple[int, int]]:
    return find_holes(text) if MASK_TOKEN in text else []


def ledger_rows(ours: dict, theirs: dict) -> list[Row]:
    return [difference(boundary, ours[boundary], theirs[boundary]) for boundary in BOUNDARIES]


def break_it(reference_of, untrained, text: str, stage: str, bug: str, dtype: str) -> Broken:
    """The model with an untrained stage, a bug, or both.

    `reference_of` (text, dtype) -> a `Reference`; `untrained` () -> a model with fresh weights.
    """
    known = reference_of(text, dtype)
    weights = {id(weight): weight for weight in known.model.parameters()}
    broken = deepcopy(known.model, weights)  # it shares the weights, which no bug changes
    if stage != NONE:
        setattr(broken, stage, deepcopy(getattr(untrained(), stage)).to(broken.mlm_head.bias))
    if bug != NONE:
        BUGS[bug](broken)
    text, _ = readable(broken, text)
    ours, after = run_filled(broken, text, holes_of(text), ours=True)
    what = translated(" and ").join(
        [translated("untrained {stage}", stage=stage)] * (stage != NONE) + [translated(bug)] * (bug != NONE)
    ) or translated("nothing wrong")
    return Broken(what, known, ledger_rows(ours, known.theirs), after, known.note)


def draw(figure, broken: Broken) -> str:
    ax = figure.subplots()
    figure.subplots_adjust(0.1, 0.12, 0.76, 0.96)
    differences_by_stage(ax, {"right": broken.known.right}, {"yours": broken.rows})
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")  # quicker to draw than 10 with an exponent
    ax.minorticks_off()
    first = (
        translated("first at {stage}", stage=broken.first.stage)
        if broken.first
        else translated("nowhere more than rounding")
    )
    return translated(
        "The difference from the reference at each boundary, as a share of the scale, for the "
        "right model and for yours ({what}): {first}.",
        what=broken.what,
        first=first,
    )


def tell(broken: Broken) -> Report:
    rows = []
    for row in broken.rows:
        said = (
            translated("ok")
            if row.ok
            else translated("first divergence")
            if row is broken.first
            else translated("differs")
        )
        rows.append((row.stage, f"{row.max_abs:.1e}", f"{row.tolerance * max(1.0, row.scale):.1e}", said))
    report = Report("ledger").table(
        (translated("boundary"), translated("largest difference"), translated("allowed"), ""), rows
    )
    return report.table(
        (translated("filled by"), ""),
        [(translated("the right model"), broken.known.before), (translated("yours"), broken.after)],
    )


@widget(
    "05_parity",
    "break-lab",
    needs="setup ledger",
    example=lambda: [embedded(), huggingface_copy(embedded()), f"It was {MASK_TOKEN * 3} by then."],
)
def plant_a_bug(model=None, hf_copy=None, text: str = MASKED, bug: str = NONE) -> Experiment:
    """Swap a stage or plant a bug, beside `huggingface_copy(model)`. Holes in the text are written [MASK].

    `bug`: the one that is planted at first, by its name in the list.
    """
    model = or_loaded(model)
    hf_copy = huggingface_copy(model) if hf_copy is None else hf_copy
    controls = {
        "text": text_box("text", text, "The model's input; [MASK] is one missing byte."),
        "stage": choice(
            "swap in an untrained", [NONE, *STAGES], NONE, "A stage with newly initialised weights."
        ),
        "bug": choice("plant a bug", [NONE, *BUGS], bug, "A mistake that raises no error."),
        "dtype": choice(
            "numbers", list(DTYPES), "float32", "In float64, rounding errors shrink; a bug does not."
        ),
    }
    reference_of = lru_cache(maxsize=2)(lambda text, dtype: reference(model, hf_copy, text, dtype))
    untrained = lru_cache(lambda: untrained_like(model))
    compute = partial(break_it, reference_of, untrained)
    return Experiment("plant-a-bug", controls, compute, draw, tell, size=(9, 3))
