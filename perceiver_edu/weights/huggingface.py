"""Hugging Face's names for what we call by the paper's: of parameters, and of a configuration's fields."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError, brief

RENAMES = [  # our words (the paper's) -> Hugging Face's; the longer names come first
    ("embedding.byte_embedding", "perceiver.input_preprocessor.embeddings"),
    ("embedding.position_embedding", "perceiver.input_preprocessor.position_embeddings"),
    ("encoder.latents", "perceiver.embeddings.latents"),
    ("encoder.cross_attend", "perceiver.encoder.cross_attention"),
    ("processor.self_attends", "perceiver.encoder.self_attends"),
    ("queries.positions", "perceiver.decoder.output_position_encodings.position_embeddings"),
    ("decoder.cross_attend", "perceiver.decoder.decoding_cross_attention"),
    ("mlm_head.bias", "embedding_decoder.bias"),
    # inside a cross_attend or self_attend
    (".attention.output", ".attention.output.dense"),
    (".attention.query", ".attention.self.query"),
    (".attention.key", ".attention.self.key"),
    (".attention.value", ".attention.self.value"),
    (".q_norm", ".attention.self.layernorm1"),
    (".kv_norm", ".attention.self.layernorm2"),
    (".mlp_norm", ".layernorm"),
    (".mlp.expand", ".mlp.dense1"),
    (".mlp.contract", ".mlp.dense2"),
]
CLASSIFIER_RENAMES = [  # what `transformers.PerceiverForSequenceClassification` calls otherwise
    ("queries.positions", "perceiver.decoder.decoder.output_position_encodings.position_embeddings"),
    ("decoder.cross_attend", "perceiver.decoder.decoder.decoding_cross_attention"),
    ("heads.0", "perceiver.decoder.decoder.final_layer"),
    *RENAMES,
]


def huggingface_name(name: str, renames: Iterable[tuple[str, str]] = RENAMES) -> str:
    """Our parameter name -> the name in `transformers.PerceiverForMaskedLM`."""
    for ours, theirs in renames:
        name = re.sub(re.escape(ours) + r"(?=\.|$)", theirs, name, count=1)
    return name


def read_config(
    values: Mapping[str, Any], source: str | Path, architecture: str = "PerceiverForMaskedLM"
) -> PerceiverIOConfig:
    """Hugging Face's configuration -> ours. A field that is not given has Hugging Face's default."""
    if values.get("model_type") != "perceiver":
        named = brief(values.get("model_type"))
        raise InputError(f"{source}: model_type is {named}, not 'perceiver'")
    architectures = values.get("architectures") or ["PerceiverForMaskedLM"]
    if not isinstance(architectures, list) or architecture not in architectures:
        named = brief(architectures)
        raise InputError(f"{source}: architectures is {named}, not {architecture}")
    ours: dict[str, Any] = {"qk_channels": None, "v_channels": None}
    ours |= {f.name: values[f.name] for f in fields(PerceiverIOConfig) if f.name in values}
    try:
        return PerceiverIOConfig(**ours)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
