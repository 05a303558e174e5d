"""Put another stage into a whole model, and see which tensors change: the proof that a stage is right."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from perceiver_edu.course.report import CHANGED, SAME, Report
from perceiver_edu.errors import InputError
from perceiver_edu.fill_mask import fill_in, find_holes, hole_length
from perceiver_edu.instruments.parity import BOUNDARIES, Row, difference, ledger
from perceiver_edu.instruments.tracing import record
from perceiver_edu.pretrained import huggingface_name
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.utf8_search import best_byte_strings

STAGES = ("embedding", "encoder", "processor", "decoder", "mlm_head")
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
            ("the hole filled", ""),
            [("text", self.text), ("before", repr(self.before)), ("after", repr(self.after))],
        )

    def report(self) -> Report:
        return self.describe(Report(f"`{self.stage}` swapped", SAME if self.ok else CHANGED))

    def __repr__(self):
        return repr(self.report())

    def _repr_html_(self):
        return self.report()._repr_html_()


@contextmanager
def swap_stage(model, stage: str, replacement, text: str = TEXT, spans=HIDDEN) -> Iterator[Swap]:
    """Put `replacement` in the place of a stage while the block runs, and compare the model with itself.

        with swap_stage(model, "encoder", my_encoder) as swap:
            fill_mask(model, "…")  # the whole model, with your encoder
        swap  # the ledger, and the text filled before and after

    Args:
        model: our `PerceiverIOForMaskedLM`, or `transformers.PerceiverForMaskedLM` itself.
        stage: embedding, encoder, processor, decoder or mlm_head; or a part of one by our name, such as
            "encoder.cross_attend", "processor.self_attends.0" or "encoder.cross_attend.attention".
        replacement: a function or an `nn.Module`, called as our stage is, for both kinds of model. Its
            tensors must be on the model's device.
        text, spans: what is read, and filled before and after; `spans` as in `fill_mask`.

    At the end of the block, also after an error, the model is what it was.

    Raises: InputError for a stage that does not exist, a replacement that cannot be called or returns no
    tensor, and a text that does not fit. What the replacement itself raises passes through.
    """
    ours = hasattr(model, "mlm_head")
    if not ours and type(model).__name__ != "PerceiverForMaskedLM":
        raise InputError(
            "swap_stage takes a PerceiverIOForMaskedLM or a transformers.PerceiverForMaskedLM, "
            f"got {type(model).__name__}"
        )
    if not callable(replacement):
        raise InputError(f"a replacement is a function or an nn.Module, got {type(replacement).__name__}")
    path, kind = where(model, stage, ours)
    holes = find_holes(text, spans)
    before, filled_before = observe(model, text, holes, ours)
    parent, _, name = path.rpartition(".")
    parent, replaced = model.get_submodule(parent), model.get_submodule(path)
    parent._modules[name] = kind(stage, replacement, replaced)
    try:
        after, filled_after = observe(model, text, holes, ours)
        rows = [difference(boundary, after[boundary], before[boundary]) for boundary in BOUNDARIES]
        hidden = fill_in(text, holes, ["_" * hole_length(text[start:stop]) for start, stop in holes])
        yield Swap(stage, rows, hidden, filled_before, filled_after)
    finally:
        parent._modules[name] = replaced


@torch.no_grad()
def observe(model, text: str, holes, ours: bool) -> tuple[dict[str, torch.Tensor], str]:
    """One run over the text with its holes, padded -> the tensor at each boundary, and the text filled."""
    tokenizer = ByteTokenizer()
    masked = fill_in(text, holes, ["[MASK]" * hole_length(text[start:stop]) for start, stop in holes])
    longest = model.config.max_position_embeddings
    ids, mask = tokenizer.batch([masked])
    if ids.shape[1] > longest:
        raise InputError(
            f"the text is {ids.shape[1]} ids long, this model reads {longest}: give a shorter text="
        )
    ids, mask = tokenizer.batch([masked, masked + LONGER], min(longest, ids.shape[1] + len(LONGER)), True)
    device = next(model.parameters()).device
    ids, mask = ids.to(device), mask.to(device)

    names = {boundary: pair[0 if ours else 1] for boundary, pair in BOUNDARIES.items()}
    was_training = model.training
    try:
        with record(model.eval(), names.values()) as seen:
            model(ids, mask) if ours else model(ids, attention_mask=mask.long())
    finally:
        model.train(was_training)
    tensors = {boundary: seen[name][-1] for boundary, name in names.items()}

    fillings = []
    for start, stop in sorted(holes):
        first = 1 + len(tokenizer.encode(text[:start], add_special_tokens=False))  # after [CLS]
        scores = tensors["logits"][0, first : first + hole_length(text[start:stop])].cpu().double()
        scores = scores.log_softmax(-1)[:, tokenizer.BYTE_OFFSET :].nan_to_num(-1e9)  # (bytes, 256)
        fillings.append(best_byte_strings(scores.numpy(), 1)[0][0].decode())
    return tensors, fill_in(text, sorted(holes), fillings)


def where(model, stage, ours: bool):
    """A stage's name -> its path in this model, and how to call a replacement there."""
    if not isinstance(stage, str):
        raise InputError(f"a stage is named by a str, one of {', '.join(STAGES)}; got {type(stage).__name__}")
    if ours:
        path, kind = stage, Stage
    elif stage in HUGGING_FACE:
        path, kind = HUGGING_FACE[stage]
    else:
        path = huggingface_name(stage)
        kind = HFAttention if stage.endswith(".attention") else HFCrossAttend
    known = dict(model.named_modules())
    inside = ours or stage in STAGES or stage.endswith((".attention", ".cross_attend"))
    inside = inside or stage.rpartition(".")[0] == "processor.self_attends"
    if path not in known or not path or not inside:
        raise InputError(f"there is no stage {stage!r}; there is {', '.join(STAGES)}")
    return path, kind


class Stage(nn.Module):
    """Stands in the place of a stage. What the replacement does not have, the stage it replaced gives."""

    def __init__(self, stage, replacement, replaced):
        super().__init__()
        self.stage, self.replacement = stage, replacement
        self.__dict__["replaced"] = replaced  # not registered: it is not a part of this module

    def forward(self, *args):
        return self.compute(*args)

    def compute(self, *args):
        result = self.replacement(*args)
        if not isinstance(result, torch.Tensor):
            raise InputError(f"the {self.stage} must return a tensor, got {type(result).__name__}")
        return result

    def __getattr__(self, name):
        for source in (super().__getattr__, lambda name: getattr(self.replacement, name)):
            try:
                return source(name)
            except AttributeError:
                continue
        return getattr(self.__dict__["replaced"], name)


# Hugging Face's modules take more arguments than ours, and return tuples. Each class below translates one.


def bool_mask(additive):
    """Hugging Face's mask (B, 1, 1, M), 0 or very negative -> ours (B, M) bool."""
    if additive is None:
        return None
    return additive[:, 0, 0] if additive.dtype == torch.bool else additive[:, 0, 0] == 0


class HFEmbedding(Stage):
    def forward(self, inputs, *args, **kwargs):
        embedded = self.compute(inputs)
        return embedded, None, embedded


class HFEncoder(Stage):
    def forward(self, hidden_states, attention_mask=None, inputs=None, inputs_mask=None, *args, **kwargs):
        return (self.compute(inputs, bool_mask(inputs_mask)),)


class HFProcessor(Stage):
    """Sits at Hugging Face's `encoder`, which is cross-attention and processor in one."""

    def __init__(self, stage, replacement, replaced):
        super().__init__(stage, replacement, replaced)
        self.cross_attention = replaced.cross_attention  # still a boundary

    def forward(self, hidden_states, attention_mask=None, inputs=None, inputs_mask=None, **kwargs):
        from transformers.modeling_outputs import BaseModelOutputWithCrossAttentions

        read = self.cross_attention(hidden_states, inputs=inputs, inputs_mask=inputs_mask)[0]
        latents = self.compute(read)
        if kwargs.get("return_dict", True):
            return BaseModelOutputWithCrossAttentions(last_hidden_state=latents)
        return (latents,)


class HFDecoder(Stage):
    def forward(self, hidden_states, attention_mask=None, inputs=None, *args, **kwargs):
        return (self.compute(hidden_states, inputs),)


class HFHead(Stage):
    def forward(self, hidden_states, embedding_layer):
        return self.compute(hidden_states, embedding_layer.weight)


class HFCrossAttend(Stage):
    """A whole cross_attend or self_attend, norms and residuals with it."""

    def forward(self, hidden_states, attention_mask=None, inputs=None, inputs_mask=None, *args, **kwargs):
        if inputs is None:
            return (self.compute(hidden_states),)
        return (self.compute(hidden_states, inputs, bool_mask(inputs_mask)),)


class HFAttention(Stage):
    """Ours begins after the norms and ends before the residual; Hugging Face's holds both."""

    def forward(self, hidden_states, attention_mask=None, inputs=None, inputs_mask=None, *args, **kwargs):
        replaced = self.__dict__["replaced"]
        queries = replaced.self.layernorm1(hidden_states)
        read = queries if inputs is None else replaced.self.layernorm2(inputs)
        result = self.compute(queries, read, bool_mask(inputs_mask))
        return (result + hidden_states if replaced.use_query_residual else result,)


HUGGING_FACE = {  # our stage: (Hugging Face's module, how to call a replacement there)
    "embedding": ("perceiver.input_preprocessor", HFEmbedding),
    "encoder": ("perceiver.encoder.cross_attention", HFEncoder),
    "processor": ("perceiver.encoder", HFProcessor),
    "decoder": ("perceiver.decoder.decoding_cross_attention", HFDecoder),
    "mlm_head": ("embedding_decoder", HFHead),
}
