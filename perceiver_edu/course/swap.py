"""Put another stage into a whole model, and see which tensors change: the proof that a stage is right."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch

from perceiver_edu.borrow import changes_model, eval_mode
from perceiver_edu.course.guard import bind
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import CHANGED, SAME, Report
from perceiver_edu.course.swap_huggingface import ADAPTERS, HFAttention, HFCrossAttend, Replacement
from perceiver_edu.errors import InputError
from perceiver_edu.filling import fill_in, find_holes, hole_length
from perceiver_edu.instruments.parity import BOUNDARIES, Row, difference, ledger
from perceiver_edu.instruments.tracing import record
from perceiver_edu.stages import STAGES
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.utf8_search import best_byte_strings
from perceiver_edu.weights.huggingface import huggingface_name
from perceiver_edu.weights.pretrained import load_pretrained, weights_name

TEXT, HIDDEN = "She opened the door and went into the house.", " into"
LONGER = " And so on, byte by byte."  # a second, longer text pads the first: a stage that reads padding shows


class Swap(NamedTuple):
    """What a swapped stage does to the model: every boundary, and the text filled before and after."""

    stage: str
    rows: list[Row]
    text: str  # the text with its hole
    before: str
    after: str

    @property
    def ok(self) -> bool:
        """No boundary has moved by more than rounding, and the text is filled as before."""
        return all(row.ok for row in self.rows) and self.before == self.after

    @property
    def ledger(self) -> str:
        return ledger(self.rows)

    def describe(self, report: Report) -> Report:
        report.pre(self.ledger)
        return report.table(
            (translated("the hole filled"), ""),
            [
                (translated("text"), self.text),
                (translated("before"), repr(self.before)),
                (translated("after"), repr(self.after)),
            ],
        )

    def report(self) -> Report:
        return self.describe(
            Report(translated("`{stage}` swapped", stage=self.stage), SAME if self.ok else CHANGED)
        )

    def __repr__(self):
        return repr(self.report())

    def _repr_html_(self):
        return self.report()._repr_html_()


@changes_model
def swap_stage(model, stage: str, replacement, text: str = TEXT, spans=HIDDEN) -> Iterator[Swap]:
    """Replace a stage while the block runs, and compare the model with itself.

        with swap_stage(model, "encoder", my_encoder) as swap:
            fill_mask(model, "…")  # the whole model, with your encoder
        swap  # the ledger, and the text filled before and after

    Args:
        model: our `PerceiverIOForMaskedLM`, or `transformers.PerceiverForMaskedLM` itself.
        stage: embedding, encoder, processor, decoder or mlm_head; or a part of one by our name, such as
            "encoder.cross_attend", "processor.self_attends.0" or "encoder.cross_attend.attention".
        replacement: a function or an `nn.Module`, called as our stage is, for both kinds of model. Its
            tensors must be on the model's device.
        text, spans: the text that is filled before and after; `spans` as in `fill_mask`.

    At the end of the block, also after an error, the model is as it was.

    Raises: InputError for a stage that does not exist, a replacement that cannot be called or does not return
    a tensor, and a text that does not fit. Errors of the replacement itself are passed on.
    """
    ours = hasattr(model, "mlm_head")
    if not ours and type(model).__name__ != "PerceiverForMaskedLM":
        raise InputError(
            translated(
                "swap_stage takes a PerceiverIOForMaskedLM or a transformers.PerceiverForMaskedLM, got "
                "{name}",
                name=type(model).__name__,
            )
        )
    if not callable(replacement):
        raise InputError(
            translated(
                "a replacement is a function or an nn.Module, got {name}", name=type(replacement).__name__
            )
        )
    path, kind = find_place(model, stage, ours)
    holes = find_holes(text, spans)
    before, filled_before = run_filled(model, text, holes, ours)
    parent, _, name = path.rpartition(".")
    parent, replaced = model.get_submodule(parent), model.get_submodule(path)
    setattr(parent, name, kind(stage, replacement, replaced))
    try:
        after, filled_after = run_filled(model, text, holes, ours)
        rows = [difference(boundary, after[boundary], before[boundary]) for boundary in BOUNDARIES]
        hidden = fill_in(text, holes, ["_" * hole_length(text[start:stop]) for start, stop in holes])
        yield Swap(stage, rows, hidden, filled_before, filled_after)
    finally:
        setattr(parent, name, replaced)


def find_place(model, stage, ours: bool):
    """A stage's name -> its path in this model, and how to call a replacement there."""
    if not isinstance(stage, str):
        raise InputError(
            translated(
                "a stage is named by a str, one of {stages}; got {name}",
                stages=", ".join(STAGES),
                name=type(stage).__name__,
            )
        )
    if ours:
        path, kind = stage, Replacement
    elif stage in STAGES:
        path, kind = STAGES[stage].huggingface, ADAPTERS[stage]
    else:
        path = huggingface_name(stage)
        kind = HFAttention if stage.endswith(".attention") else HFCrossAttend
    known = dict(model.named_modules())
    inside = ours or stage in STAGES or stage.endswith((".attention", ".cross_attend"))
    inside = inside or stage.rpartition(".")[0] == "processor.self_attends"
    if path not in known or not path or not inside:
        raise InputError(
            translated(
                "there is no stage {stage!r}; the stages are {stages}", stage=stage, stages=", ".join(STAGES)
            )
        )
    return path, kind


@torch.no_grad()
def run_filled(model, text: str, holes, ours: bool) -> tuple[dict[str, torch.Tensor], str]:
    """One run over the text with its holes, padded -> the tensor at each boundary, and the text filled."""
    tokenizer = ByteTokenizer()
    masked = fill_in(text, holes, ["[MASK]" * hole_length(text[start:stop]) for start, stop in holes])
    longest = model.config.max_position_embeddings
    ids, mask = tokenizer.batch([masked])
    if ids.shape[1] > longest:
        raise InputError(
            translated(
                "the text has {number} ids, but this model reads at most {longest}: give a shorter text=",
                number=ids.shape[1],
                longest=longest,
            )
        )
    ids, mask = tokenizer.batch([masked, masked + LONGER], min(longest, ids.shape[1] + len(LONGER)), True)
    device = next(model.parameters()).device
    ids, mask = ids.to(device), mask.to(device)

    names = {boundary: pair[0 if ours else 1] for boundary, pair in BOUNDARIES.items()}
    with eval_mode(model), record(model, names.values()) as seen:
        model(ids, mask) if ours else model(ids, attention_mask=mask.long())
    tensors = {boundary: seen[name][-1] for boundary, name in names.items()}

    fillings = []
    for start, stop in sorted(holes):
        first = 1 + len(tokenizer.encode(text[:start], add_special_tokens=False))  # after [CLS]
        scores = tensors["logits"][0, first : first + hole_length(text[start:stop])].cpu().double()
        scores = scores.log_softmax(-1)[:, tokenizer.BYTE_OFFSET : tokenizer.VOCAB_SIZE].nan_to_num(
            -1e9
        )  # (bytes, 256)
        fillings.append(best_byte_strings(scores.numpy(), 1)[0][0].decode())
    return tensors, fill_in(text, sorted(holes), fillings)


# What a check does with an answer that is right


def pretrained():
    """The weights that the notebooks use, loaded once."""
    return _load(weights_name())


@lru_cache(maxsize=1)
def _load(name):
    return load_pretrained(name)


def call(function, arguments: dict):
    """The learner's function with these arguments, by name or by position; what it raises passes through."""
    return bind(function, arguments)()


def into_model(stage: str, replacement, report: Report) -> bool:
    """Swap the stage in the pretrained model and show what it does there -> is the model unchanged?"""
    model = pretrained()
    with swap_stage(model, stage, replacement) as swap:
        pass
    report.say(
        translated(
            "In the whole model ({weights} weights), your code instead of `{stage}`:",
            weights=weights_name(),
            stage=stage,
        )
    )
    swap.describe(report)
    if not swap.ok:
        report.say(
            translated(
                "One sentence proves nothing, because a wrong stage may fill a hole in the same way. The "
                "ledger decides."
            )
        )
    return swap.ok
