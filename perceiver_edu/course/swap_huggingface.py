"""How a replacement of one of our stages is called inside `transformers.PerceiverForMaskedLM`."""

import torch
from torch import nn

from perceiver_edu.course.place import translated
from perceiver_edu.errors import InputError


class Replacement(nn.Module):
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
            raise InputError(
                translated(
                    "the {stage} must return a tensor, got {name}",
                    stage=self.stage,
                    name=type(result).__name__,
                )
            )
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


class HFEmbedding(Replacement):
    def forward(self, inputs, *args, **kwargs):
        embedded = self.compute(inputs)
        return embedded, None, embedded


class HFEncoder(Replacement):
    def forward(self, hidden_states, attention_mask=None, inputs=None, inputs_mask=None, *args, **kwargs):
        return (self.compute(inputs, bool_mask(inputs_mask)),)


class HFProcessor(Replacement):
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


class HFDecoder(Replacement):
    def forward(self, hidden_states, attention_mask=None, inputs=None, *args, **kwargs):
        return (self.compute(hidden_states, inputs),)


class HFHead(Replacement):
    def forward(self, hidden_states, embedding_layer):
        return self.compute(hidden_states, embedding_layer.weight)


class HFCrossAttend(Replacement):
    """A whole cross_attend or self_attend, norms and residuals with it."""

    def forward(self, hidden_states, attention_mask=None, inputs=None, inputs_mask=None, *args, **kwargs):
        if inputs is None:
            return (self.compute(hidden_states),)
        return (self.compute(hidden_states, inputs, bool_mask(inputs_mask)),)


class HFAttention(Replacement):
    """Ours begins after the norms and ends before the residual; Hugging Face's holds both."""

    def forward(self, hidden_states, attention_mask=None, inputs=None, inputs_mask=None, *args, **kwargs):
        replaced = self.__dict__["replaced"]
        queries = replaced.self.layernorm1(hidden_states)
        read = queries if inputs is None else replaced.self.layernorm2(inputs)
        result = self.compute(queries, read, bool_mask(inputs_mask))
        return (result + hidden_states if replaced.use_query_residual else result,)


ADAPTERS = {
    "embedding": HFEmbedding,
    "encoder": HFEncoder,
    "processor": HFProcessor,
    "decoder": HFDecoder,
    "mlm_head": HFHead,
}
