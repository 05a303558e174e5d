"""Weights in and out.

No tensor is reshaped or transposed on the way: loading is a list of renames and a strict `load_state_dict`.
"""

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.terminal import watched
from perceiver_edu.weights.files import (
    read_bin,
    read_json,
    read_safetensors,
    shard_names,
    to_json,
)
from perceiver_edu.weights.golden import golden_check
from perceiver_edu.weights.hub import REAL, download
from perceiver_edu.weights.huggingface import RENAMES, huggingface_name, read_config
from perceiver_edu.writing import write_whole

if TYPE_CHECKING:
    from transformers import PerceiverConfig, PerceiverForMaskedLM

EMBEDDED = Path(__file__).parent / "embedded"
WEIGHTS_VARIABLE = "PERCEIVER_EDU_WEIGHTS"
RANDOM_SEED = 0
MOST_BLOCKS = 1000  # repeats of the stack with the same weights: no file limits them
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

Model = TypeVar("Model", bound=nn.Module)


def weights_name(name_or_path: str | os.PathLike | None = None) -> str:
    """What `load_pretrained(name_or_path)` loads: None = PERCEIVER_EDU_WEIGHTS, or else "embedded"."""
    return str(name_or_path or os.environ.get(WEIGHTS_VARIABLE) or "embedded")


def load_pretrained(
    name_or_path: str | os.PathLike | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    revision: str | None = None,
) -> PerceiverIOForMaskedLM:
    """A model with its weights, in eval mode.

    Args:
        name_or_path: None = the environment variable PERCEIVER_EDU_WEIGHTS, or else "embedded"; "embedded" =
            the small checkpoint inside this package; "random" = full size, seeded; a folder, or the id of a
            repository on the Hugging Face hub ("deepmind/language-perceiver"), in Hugging Face's layout.
        device: where the model goes ("cpu", "cuda", "cuda:1", "mps").
        dtype: what the weights are converted to, whatever they are stored in.
        revision: branch, tag or commit of a hub repository.

    DeepMind's weights are held to their published values before anything uses them (`golden_check`).

    Raises: InputError, naming file and key, for weights that are missing, broken or not those of a
    Perceiver for masked language modelling; the model is never half loaded.
    """
    device = usable_device(device)
    name = weights_name(name_or_path)
    if name == "random":
        with torch.random.fork_rng():
            torch.manual_seed(RANDOM_SEED)
            model = PerceiverIOForMaskedLM(PerceiverIOConfig())
    else:
        model = load_folder(find_folder(name, revision))
        if name == REAL and revision is None:
            golden_check(model)
    model = model.to(device=device, dtype=dtype).eval()
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise InputError(f"{name}: it holds numbers too large for {dtype}")
    return model


def from_huggingface(hf_model: "PerceiverForMaskedLM") -> PerceiverIOForMaskedLM:
    """A copy of a live `transformers.PerceiverForMaskedLM`: same weights, device, dtype and mode.

    Raises: InputError for another class of model, or a configuration that is not supported.
    """
    name = type(hf_model).__name__
    if name != "PerceiverForMaskedLM":
        raise InputError(f"from_huggingface takes a PerceiverForMaskedLM, got {name}")
    config = read_config(hf_model.config.to_dict(), source=name)
    tensors = {key: tensor.detach().clone() for key, tensor in hf_model.state_dict().items()}
    return build(config, tensors, name, PerceiverIOForMaskedLM).train(hf_model.training)


def save_pretrained(model: PerceiverIOForMaskedLM, folder: str | os.PathLike) -> None:
    """Write a folder that this library and `transformers.PerceiverForMaskedLM.from_pretrained` open.

    Each file is written beside its place and moved there whole: a crash leaves the old file or the new one.

    Raises: InputError where the folder cannot be written.
    """
    tensors = {huggingface_name(name): tensor for name, tensor in model.state_dict().items()}
    write_folder(folder, model.config, tensors, {"architectures": ["PerceiverForMaskedLM"]})


def write_folder(
    folder: str | os.PathLike,
    config: PerceiverIOConfig,
    tensors: dict[str, torch.Tensor],
    about: dict[str, Any],
) -> None:
    """Config, weights and tokenizer in Hugging Face's layout, under Hugging Face's names.

    `about`: what config.json holds beside the sizes.

    Raises: InputError where the folder cannot be written.
    """
    from safetensors.torch import save

    tensors = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    about = {"model_type": "perceiver"} | about | {"dtype": dtype}
    tokenizer = {
        "tokenizer_class": "PerceiverTokenizer",
        "model_max_length": config.max_position_embeddings,
    }
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}))
        write_whole(folder / "config.json", to_json(about | config.to_dict()))
        write_whole(folder / "tokenizer_config.json", to_json(tokenizer))
    except OSError as error:
        raise InputError(f"cannot write the model to {folder}: {error.strerror or error}") from None


def usable_device(device: str | torch.device) -> torch.device:
    """Raises: InputError for a device that does not exist on this machine."""
    try:
        device = torch.device(device)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, ModuleNotFoundError):
        usable = ["cpu"]
        usable += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        usable += ["mps"] if torch.backends.mps.is_available() else []
        raise InputError(f"device {str(device)!r} is not usable here; there is {', '.join(usable)}") from None
    return device


# From a name to a model


def find_folder(name: str, revision: str | None = None) -> Path:
    """A folder's path, "embedded", or a hub id whose files are downloaded where missing -> the folder."""
    if name == "embedded":
        return EMBEDDED
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{name} is a file; give the folder that holds config.json and model.safetensors")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name):
        raise InputError(
            f'no weights {name!r}: there is no such folder; other choices are "embedded", "random", '
            'or a hub id such as "deepmind/language-perceiver"'
        )
    return download(name, revision)


def load_folder(folder: Path) -> PerceiverIOForMaskedLM:
    """config.json and weights -> model. Prefers safetensors; a .bin is read with `weights_only=True`."""
    config_file = folder / "config.json"
    config = read_config(read_json(config_file), source=config_file)
    return build(config, *read_tensors(folder), PerceiverIOForMaskedLM)


def read_tensors(folder: Path) -> tuple[dict[str, torch.Tensor], Path]:
    """The weights in a folder, under Hugging Face's names, and the file they came from."""
    if (folder / "model.safetensors").exists():
        source = folder / "model.safetensors"
        tensors = read_safetensors(source)
    elif (folder / "model.safetensors.index.json").exists():
        source = folder / "model.safetensors.index.json"
        tensors = {}
        for shard in shard_names(source):
            tensors |= read_safetensors(folder / shard)
    elif (folder / "pytorch_model.bin").exists():
        source = folder / "pytorch_model.bin"
        tensors = read_bin(source)
    else:
        raise InputError(f"{folder} holds neither model.safetensors nor pytorch_model.bin")
    return tensors, source


def build(
    config: "PerceiverIOConfig | PerceiverConfig",
    tensors: dict[str, torch.Tensor],
    source: str | Path,
    new: Callable[[Any], Model],
    renames: Collection[tuple[str, str]] = RENAMES,
    purpose: str = "masked language modelling",
) -> Model:
    """A model from Hugging Face's tensors, checked first: names, shapes, finite numbers.

    The model, `new(config)`, is laid out without memory; so a config that claims huge sizes costs nothing.
    """
    if config.num_self_attends_per_block > len(tensors):
        raise InputError(f"{source} holds no weights for {config.num_self_attends_per_block} self-attends")
    if config.num_blocks > MOST_BLOCKS:
        raise InputError(f"{source}: num_blocks {config.num_blocks} would run for ever")
    try:
        with torch.device("meta"):
            model = new(config)
    except (RuntimeError, TypeError) as error:  # from sizes that no 64-bit number holds
        raise InputError(f"{source}: no model can be that large: {str(error).splitlines()[0]}") from None

    expected = {
        huggingface_name(name, renames): (name, tensor) for name, tensor in model.state_dict().items()
    }
    for problem, keys in (
        ("lacks", expected.keys() - tensors.keys()),
        (f"has, beside a Perceiver for {purpose},", tensors.keys() - expected.keys()),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise InputError(f"{source} {problem} {min(keys, key=str)!r}{more}; nothing was loaded")

    state = {}
    for key, (name, asked) in watched(expected.items(), "loading weights"):  # they are read from disk here
        tensor = tensors[key]
        if tensor.shape != asked.shape:
            raise InputError(
                f"{source}: {key!r} has shape {tuple(tensor.shape)}, the config asks for {tuple(asked.shape)}"
            )
        kinds = FLOATS if asked.is_floating_point() else [asked.dtype]  # a batch norm counts its batches
        if tensor.dtype not in kinds or tensor.layout != torch.strided or tensor.is_meta:
            raise InputError(f"{source}: {key!r} holds {tensor.dtype}, not plain floating-point numbers")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(f"{source}: {key!r} claims more numbers than the file holds")
        if not tensor.isfinite().all():
            raise InputError(f"{source}: {key!r} holds NaN or infinite numbers")
        state[name] = tensor
    model.load_state_dict(state, strict=True, assign=True)
    return model
