"""Is this implementation right? It is when every tensor at every stage's boundary equals Hugging Face's."""

from collections.abc import Collection
from itertools import zip_longest
from math import inf
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import torch

from perceiver_edu.borrow import eval_mode
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.tracing import record
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.stages import STAGES
from perceiver_edu.weights.golden import golden_check as golden_check
from perceiver_edu.weights.huggingface import huggingface_name
from perceiver_edu.weights.pretrained import save_pretrained

if TYPE_CHECKING:
    from transformers import PerceiverForMaskedLM

BOUNDARIES = {s.boundary: (s.name, s.huggingface) for s in STAGES.values()}  # our module, Hugging Face's

# Largest difference allowed, as a fraction of the largest number in the tensor (or of 1, if that is larger).
# Two correct programs add the same numbers in a different order; this allows for the rounding.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}


class Row(NamedTuple):
    """One boundary of the ledger."""

    stage: str  # what the tensor is called in the paper's figure
    shape: tuple[int, ...]
    max_abs: float  # largest |ours - theirs|
    scale: float  # largest |theirs|
    tolerance: float  # what max_abs / max(1, scale) may be, for this dtype

    @property
    def ok(self) -> bool:
        return self.scale < inf and self.max_abs <= self.tolerance * max(1.0, self.scale)  # not for NaN


@torch.no_grad()
def compare_stages(
    model: PerceiverIOForMaskedLM,
    hf_model: "PerceiverForMaskedLM",
    ids: torch.Tensor,
    mask: torch.Tensor | None = None,
    layers: bool = False,
) -> list[Row]:
    """Compare what leaves each stage of both models on the same ids, in the order of the data flow.

    ids (B, M) int64, mask (B, M) bool. `hf_model` has the same weights and dtype. `layers=True` adds a row
    for each layer of the processor ("processed by layer 1", counted from 1 and on through several blocks).
    Both models run in eval mode, and are left in their own mode.

    Raises: InputError if the two have different dtypes, or processors of different depth.
    """
    boundaries = list(BOUNDARIES.items())
    if layers:
        depth = len(model.processor.self_attends)
        if depth != len(hf_model.perceiver.encoder.self_attends):
            other = len(hf_model.perceiver.encoder.self_attends)
            raise InputError(f"the models differ in depth: {depth} layers here, {other} in Hugging Face's")
        pairs = [(f"processor.self_attends.{i}", f"perceiver.encoder.self_attends.{i}") for i in range(depth)]
        boundaries[2:2] = [(f"processed by layer {i + 1}", pair) for i, pair in enumerate(pairs)]

    here, there = run_both(model, hf_model, ids, mask, [pair for _, pair in boundaries])
    rows, repeats = [], []
    for stage, (ours, theirs) in boundaries:
        for call, (a, b) in enumerate(zip_longest(here[ours], there[theirs])):
            if call == 0:
                rows.append(compared(stage, a, b))
            else:  # the same layer in a later block
                layer = int(ours.rsplit(".", 1)[1]) + call * depth + 1
                repeats.append((layer, compared(f"processed by layer {layer}", a, b)))
    before = [row.stage for row in rows].index("processed")
    rows[before:before] = [row for _, row in sorted(repeats, key=lambda pair: pair[0])]
    return rows


def run_both(
    model: PerceiverIOForMaskedLM,
    hf_model: "PerceiverForMaskedLM",
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    pairs: Collection[tuple[str, str]],
) -> tuple[dict[str, list[torch.Tensor]], dict[str, list[torch.Tensor]]]:
    """What leaves the modules of each pair (our name, theirs), in one run of each model in eval mode."""
    dtype = model.mlm_head.bias.dtype
    if hf_model.dtype != dtype:
        raise InputError(
            f"the models differ in dtype, {dtype} against {hf_model.dtype}: pass dtype= to from_pretrained"
        )
    with (
        eval_mode(model),
        eval_mode(hf_model),
        record(model, [ours for ours, _ in pairs]) as here,
        record(hf_model, [theirs for _, theirs in pairs]) as there,
    ):
        model(ids, mask)
        hf_model(ids, attention_mask=mask if mask is None else mask.long(), return_dict=False)
    return here, there


# The order in which the layers with weights run inside a cross_attend or a self_attend.
PARTS = [
    *("q_norm", "kv_norm", "attention.query", "attention.key", "attention.value", "attention.output"),
    *("mlp_norm", "mlp.expand", "mlp.contract"),
]


@torch.no_grad()
def compare_parts(
    model: PerceiverIOForMaskedLM,
    hf_model: "PerceiverForMaskedLM",
    stage: str,
    ids: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> list[Row]:
    """Compare the layers with weights inside one cross_attend or self_attend, and at last the whole.

    `stage` is our name: "encoder.cross_attend", "processor.self_attends.3" (counted from 0) or
    "decoder.cross_attend". Rows have our names of the layers. With several blocks, the first is compared.

    Raises: InputError for another stage.
    """
    inside = [f"{stage}.{part}" for part in PARTS if f"{stage}.{part}" in dict(model.named_modules())]
    if not inside or stage.count(".") != (2 if stage.startswith("processor.") else 1):
        raise InputError(
            f"there is no cross_attend or self_attend {stage!r}; choose from encoder.cross_attend, "
            f"processor.self_attends.0 to .{len(model.processor.self_attends) - 1}, decoder.cross_attend"
        )
    pairs = {name.removeprefix(f"{stage}."): (name, huggingface_name(name)) for name in inside}
    pairs["all of it"] = (stage, huggingface_name(stage))
    here, there = run_both(model, hf_model, ids, mask, pairs.values())
    calls = {part: next(zip_longest(here[a], there[b])) for part, (a, b) in pairs.items()}
    return [compared(part, *tensors) for part, tensors in calls.items()]


def compared(stage: str, ours: torch.Tensor | None, theirs: torch.Tensor | None) -> Row:
    """Their row. None = this module never ran in one of the two, which is a difference without limit."""
    if ours is not None and theirs is not None:
        return difference(stage, ours, theirs)
    ran = theirs if ours is None else ours
    assert ran is not None, "a recorded module ran in one of them"
    return Row(stage, (), inf, float(ran.abs().max()), TOLERANCES[ran.dtype])


def difference(stage: str, ours: torch.Tensor, theirs: torch.Tensor) -> Row:
    """Two tensors of one shape -> their row. A different shape is a difference without limit."""
    scale = float(theirs.abs().max())
    max_abs = float((ours - theirs).abs().max()) if ours.shape == theirs.shape else inf
    return Row(stage, tuple(ours.shape), max_abs, scale, TOLERANCES[theirs.dtype])


def ledger(rows: list[Row]) -> str:
    """Return the rows as text, a line for each, with the first divergence marked."""
    lines = [f"{'stage':<22}{'shape':<18}{'max |difference|':>17}{'scale':>10}{'allowed':>11}"]
    first = next((row for row in rows if not row.ok), None)
    for row in rows:
        verdict = "ok" if row.ok else "first divergence" if row is first else "differs"
        allowed = row.tolerance * max(1.0, row.scale)
        shape = " × ".join(map(str, row.shape))
        lines.append(
            f"{row.stage:<22}{shape:<18}{row.max_abs:>17.1e}{row.scale:>10.3g}{allowed:>11.1e}  {verdict}"
        )
    return "\n".join(lines)


def huggingface_copy(model: PerceiverIOForMaskedLM) -> "PerceiverForMaskedLM":
    """Return a copy of the model in Hugging Face's class, `transformers.PerceiverForMaskedLM`.

    The weights travel through a temporary saved folder.
    """
    from transformers import PerceiverForMaskedLM
    from transformers.utils import logging

    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            save_pretrained(model, folder)
            hf_model = PerceiverForMaskedLM.from_pretrained(folder, dtype=model.mlm_head.bias.dtype)
    finally:
        if was_shown:
            logging.enable_progress_bar()
    return hf_model.train(model.training).to(device=model.device)
