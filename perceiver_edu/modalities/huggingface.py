"""Weights of Hugging Face's Perceivers for images, optical flow and multimodal autoencoding.

The only file of this folder that knows Hugging Face's parameter names. Loading is a list of renames and a
strict `load_state_dict`: no tensor is reshaped.
"""

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from perceiver_edu.borrow import COMPILED
from perceiver_edu.errors import InputError, brief
from perceiver_edu.modalities.architectures import ARCHITECTURES, new
from perceiver_edu.modalities.model import PerceiverIO
from perceiver_edu.weights.files import all_fields, check_saved_together, read_json, to_json, weight_file
from perceiver_edu.weights.huggingface import RENAMES as INNER_RENAMES
from perceiver_edu.weights.huggingface import huggingface_name
from perceiver_edu.weights.pretrained import (
    build,
    check_tensors,
    converted,
    expected_tensors,
    find_folder,
    read_tensors,
    usable_device,
    usable_dtype,
    without_memory,
    without_sharing,
)
from perceiver_edu.writing import write_together

if TYPE_CHECKING:
    from transformers import PerceiverConfig, PerceiverPreTrainedModel

RENAMES = [  # ours -> Hugging Face's
    ("inputs.features.conv", "perceiver.input_preprocessor.CONV"),  # which one, `renames_for` says
    ("inputs.features.norm", "perceiver.input_preprocessor.convnet.batchnorm"),
    ("inputs.features.project", "perceiver.input_preprocessor.conv_after_patches"),
    (
        "inputs.positions.positions.positions",
        "perceiver.input_preprocessor.position_embeddings.position_embeddings",
    ),
    ("inputs.positions.project", "perceiver.input_preprocessor.positions_projection"),
    ("inputs.padding.tags", "perceiver.input_preprocessor.padding"),
    ("inputs.mask_tokens", "perceiver.input_preprocessor.mask"),
    ("queries.padding.tags", "perceiver.decoder.padding"),
    (
        "queries.queries.label.positions",
        "perceiver.decoder.modalities.label.decoder.output_position_encodings.position_embeddings",
    ),
    ("queries.positions", "perceiver.decoder.decoder.output_position_encodings.position_embeddings"),
    ("decoder.cross_attend", "perceiver.decoder.decoder.decoding_cross_attention"),
    *((f"head.heads.{name}.project", f"perceiver.output_postprocessor.modalities.{name}.classifier")
      for name in ("audio", "image", "label")),
    ("head.project", "perceiver.decoder.decoder.final_layer"),
    *INNER_RENAMES,
]  # fmt: skip


def renames_for(architecture: str) -> list[tuple[str, str]]:
    """The list with the name of that class's convolution filled in."""
    conv = "convnet.conv" if architecture.endswith("ConvProcessing") else "convnet_1x1"
    return [(ours, theirs.replace("CONV", conv)) for ours, theirs in RENAMES]


def from_huggingface(hf_model: "PerceiverPreTrainedModel") -> PerceiverIO:
    """Return a copy of a live Hugging Face Perceiver for images, optical flow or multimodal autoencoding.

    Raises: InputError for another class of model.
    """
    tensors = {key: tensor.detach().clone() for key, tensor in hf_model.state_dict().items()}
    name = type(hf_model).__name__
    return filled(name, hf_model.config, tensors, source=name).train(hf_model.training)


def load_pretrained(
    name_or_path: str | os.PathLike,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    revision: str | None = None,
) -> PerceiverIO:
    """Return a pretrained model in eval mode: `load_pretrained("deepmind/vision-perceiver-fourier")`.

    Other names are deepmind/vision-perceiver-learned, vision-perceiver-conv, optical-flow-perceiver and
    multimodal-perceiver, or a folder in Hugging Face's layout, whose config.json gives the class.

    A repository that has only a pickle is not opened. The hub's converter often offers safetensors under
    `revision="refs/pr/1"`; otherwise load the model with transformers, and pass it to `from_huggingface`.

    Raises: InputError for weights that are missing, broken or of another class; never half loaded.
    """
    from transformers import PerceiverConfig

    device, dtype = usable_device(device), usable_dtype(dtype)
    folder = find_folder(str(name_or_path), revision)
    values = read_json(folder / "config.json")
    try:
        config = PerceiverConfig.from_dict(values)
        (name,) = values["architectures"]
    except Exception as error:  # transformers checks the values its own way
        raise InputError(f"{folder / 'config.json'} does not describe a Perceiver: {error}") from None
    model = filled(name, config, *read_tensors(folder))
    check_saved_together(folder, values)
    return converted(model, str(name_or_path), device, dtype)


def save_pretrained(model: PerceiverIO, folder: str | os.PathLike) -> None:
    """Save a model as a folder that `load_pretrained` and the same class of Hugging Face open.

    If `torch.compile` wraps the model, the original is saved.

    Raises: InputError for a model that is not one of Hugging Face's architectures or could not be loaded
    again, or a folder that cannot be written.
    """
    if model.architecture is None or model.config is None:
        raise InputError(
            "a folder is written for Hugging Face's architectures only: build the model by "
            "modalities.architectures.new, or save its state_dict by torch.save"
        )
    architecture, renames = model.architecture, renames_for(model.architecture)
    tensors = {
        huggingface_name(name.replace(COMPILED, ""), renames): tensor
        for name, tensor in model.state_dict().items()
    }
    expected = expected_tensors(
        without_memory(model.config, architecture, partial(new, architecture)), renames
    )
    check_tensors(expected, tensors, f"not saved: this {architecture}", architecture)
    tensors = without_sharing(tensors)
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    values = json.loads(model.config.to_json_string())
    values |= {"architectures": [architecture], "model_type": "perceiver", "dtype": dtype}
    try:
        write_together(
            Path(folder),
            {
                "config.json": [to_json(values)],
                # moved first: it says what belongs to it
                "model.safetensors": weight_file(tensors, values, all_fields(values)),
            },
        )
    except OSError as error:
        raise InputError(f"cannot write the model to {folder}: {error.strerror or error}") from None


def filled(
    architecture: str, config: "PerceiverConfig", tensors: dict[str, torch.Tensor], source: str | Path
) -> PerceiverIO:
    """The model of that class and these sizes, with these tensors, each checked by `pretrained.build`."""
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        raise InputError(f"{brief(architecture)} is not one of {', '.join(ARCHITECTURES)}")
    return build(
        config,
        tensors,
        source,
        new=partial(new, architecture),
        renames=renames_for(architecture),
        purpose=architecture,
    )
