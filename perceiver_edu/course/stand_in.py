"""What stands in the place of a stage: a replacement, called as our stage is, in our model or in another."""

import torch
from torch import nn

from perceiver_edu.errors import InputError
from perceiver_edu.pretrained import huggingface_name

STAGES = ("embedding", "encoder", "processor", "decoder", "mlm_head")


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
