"""Weights in and out.

No tensor is reshaped or transposed on the way: loading is a list of renames and a strict `load_state_dict`.
"""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from perceiver_edu.borrow import COMPILED
from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.data import PACKAGE
from perceiver_edu.errors import InputError, brief
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.terminal import watched
from perceiver_edu.weights.files import (
    ONLY_A_PICKLE,
    check_saved_together,
    read_json,
    read_safetensors,
    shard_names,
    to_json,
    weight_file,
)
from perceiver_edu.weights.golden import golden_check
from perceiver_edu.weights.hub import REAL, download, is_hub_id
from perceiver_edu.weights.huggingface import RENAMES, huggingface_name, read_config
from perceiver_edu.writing import write_together

if TYPE_CHECKING:
    from transformers import PerceiverConfig, PerceiverForMaskedLM

EMBEDDED = PACKAGE / "weights" / "embedded"
WEIGHTS_VARIABLE = "PERCEIVER_EDU_WEIGHTS"
RANDOM_SEED = 0
MOST_LAYERS = 1000  # that one run may pass; no file limits the repeats of layers with the same weights
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


Model = TypeVar("Model", bound=nn.Module)


def weights_name(name_or_path: str | os.PathLike | None = None) -> str:
    """Return the name of what `load_pretrained(name_or_path)` loads.

    None stands for the environment variable PERCEIVER_EDU_WEIGHTS or, if that is not set, for "embedded".
    """
    return str(name_or_path or os.environ.get(WEIGHTS_VARIABLE) or "embedded")


def load_pretrained(
    name_or_path: str | os.PathLike | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    revision: str | None = None,
) -> PerceiverIOForMaskedLM:
    """Return a pretrained model in eval mode.

    Args:
        name_or_path: None = the environment variable PERCEIVER_EDU_WEIGHTS, or else "embedded"; "embedded" =
            the small checkpoint inside this package; "random" = full size, seeded; a folder, or the id of a
            repository on the Hugging Face hub ("deepmind/language-perceiver"), in Hugging Face's layout.
        device: where the model goes ("cpu", "cuda", "cuda:1", "mps").
        dtype: to which the weights are converted, whatever they are stored in.
        revision: branch, tag or commit of a hub repository; nothing else has one.

    DeepMind's weights are compared with their published values before they are used (`golden_check`),
    whatever the revision: all of them hold the same weights.

    Raises: InputError, naming file and key, for weights that are missing, broken or not those of a
    Perceiver for masked language modelling; the model is never half loaded.
    """
    device, dtype = usable_device(device), usable_dtype(dtype)
    name = weights_name(name_or_path)
    if name == "random":
        check_no_revision(name, revision)
        with torch.random.fork_rng():
            torch.manual_seed(RANDOM_SEED)
            model = PerceiverIOForMaskedLM(PerceiverIOConfig())
    else:
        model = load_folder(find_folder(name, revision))
        if name == REAL:
            golden_check(model)
    return converted(model, name, device, dtype)


def from_huggingface(hf_model: "PerceiverForMaskedLM") -> PerceiverIOForMaskedLM:
    """Return a copy of a live `transformers.PerceiverForMaskedLM`: same weights, device, dtype and mode.

    Raises: InputError for another class of model, or a configuration that is not supported.
    """
    name = type(hf_model).__name__
    if name != "PerceiverForMaskedLM":
        raise InputError(f"from_huggingface takes a PerceiverForMaskedLM, got {name}")
    config = read_config(hf_model.config.to_dict(), source=name)
    tensors = {key: tensor.detach().clone() for key, tensor in hf_model.state_dict().items()}
    return build(config, tensors, name, PerceiverIOForMaskedLM).train(hf_model.training)


def save_pretrained(model: PerceiverIOForMaskedLM, folder: str | os.PathLike) -> None:
    """Save a model as a folder that `load_pretrained` and `transformers.PerceiverForMaskedLM` open.

    The model is checked as `load_pretrained` would check it, and every file is complete on disk, before the
    first file of an older model is replaced. If the process is killed between two files, `load_pretrained`
    says so. If `torch.compile` wraps the model, the original is saved.

    Raises: InputError for a model that could not be loaded again, or if the folder cannot be written.
    """
    if not hasattr(model, "mlm_head") or not isinstance(model.config, PerceiverIOConfig):
        raise InputError(
            f"save_pretrained takes a PerceiverIOForMaskedLM, got {type(model).__name__}: save the model "
            "that was optimized or wrapped; for a classifier there is save_classifier"
        )
    tensors = {
        huggingface_name(name.replace(COMPILED, "")): tensor for name, tensor in model.state_dict().items()
    }
    about = {"architectures": ["PerceiverForMaskedLM"]}
    write_folder(folder, model.config, tensors, about, PerceiverIOForMaskedLM)


def write_folder(
    folder: str | os.PathLike,
    config: PerceiverIOConfig,
    tensors: dict[str, torch.Tensor],
    about: dict[str, Any],
    new: Callable[[Any], Model],
    renames: Collection[tuple[str, str]] = RENAMES,
) -> None:
    """Config, weights and tokenizer in Hugging Face's layout, under Hugging Face's names.

    Args:
        tensors: exactly those that `new(config)` has, which is checked before anything is written.
        about: what config.json holds beside the sizes.
        new, renames: as for `build`.

    Raises: InputError for other tensors, and where the folder cannot be written.
    """
    architecture = about["architectures"][0]
    expected = expected_tensors(without_memory(config, architecture, new), renames)
    check_tensors(expected, tensors, f"not saved: this {architecture}", architecture)
    tensors = without_sharing(tensors)
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    values = {"model_type": "perceiver"} | about | {"dtype": dtype} | config.to_dict()
    tokenizer = {
        "tokenizer_class": "PerceiverTokenizer",
        "model_max_length": config.max_position_embeddings,
    }
    folder = Path(folder)
    try:
        write_together(
            folder,
            {
                "tokenizer_config.json": [to_json(tokenizer)],
                "config.json": [to_json(values)],
                "model.safetensors": weight_file(tensors, values),  # moved first: it says what belongs to it
            },
        )
    except OSError as error:
        raise InputError(f"cannot write the model to {folder}: {error.strerror or error}") from None


def without_sharing(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors on the CPU, each with memory of its own, as in a file: tied weights are written twice."""
    own: dict[str, torch.Tensor] = {}
    taken = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        own[name] = tensor.clone() if memory in taken else tensor
        taken.add(memory)
    return own


def usable_device(device: str | torch.device) -> torch.device:
    """Raises: InputError for a device that does not exist on this machine."""
    try:
        device = torch.device(device)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, ModuleNotFoundError, TypeError):
        usable = ["cpu"]
        usable += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        usable += ["mps"] if torch.backends.mps.is_available() else []
        raise InputError(
            f"device {str(device)!r} is not usable here; choose from {', '.join(usable)}"
        ) from None
    return device


def usable_dtype(dtype: torch.dtype) -> torch.dtype:
    """Raises: InputError for what weights cannot be converted to."""
    if dtype not in FLOATS:
        raise InputError(f"dtype must be {', '.join(map(str, FLOATS))}, got {brief(dtype)}")
    return dtype


def converted(model: Model, name: str, device: torch.device, dtype: torch.dtype) -> Model:
    """The model there, in that dtype and in eval mode. Raises: InputError for numbers it cannot hold."""
    model = model.to(device=device, dtype=dtype).eval()
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        raise InputError(f"{name}: it contains numbers too large for {dtype}")
    return model


# From a name to a model


def find_folder(name: str, revision: str | None = None) -> Path:
    """A folder's path, "embedded", or a hub id whose files are downloaded where missing -> the folder."""
    try:
        path = EMBEDDED if name == "embedded" else Path(name).expanduser()
        is_folder, is_file = path.is_dir(), path.exists()
    except (OSError, RuntimeError, ValueError):  # too long for a path, or ~ of a user who does not exist
        is_folder = is_file = False
    if is_folder:
        check_no_revision(name, revision)
        return path
    if is_file:
        raise InputError(f"{name} is a file; give the folder that holds config.json and model.safetensors")
    if not is_hub_id(name):
        raise InputError(
            f'no weights {brief(name)}: there is no such folder; other choices are "embedded", "random", '
            'or a hub id such as "deepmind/language-perceiver"'
        )
    return download(name, revision)


def check_no_revision(name: str, revision: str | None) -> None:
    """Raises: InputError for a revision of what is not downloaded."""
    if revision is not None:
        raise InputError(f"{name} is not a repository on the hub: leave out revision={brief(revision)}")


def load_folder(folder: Path) -> PerceiverIOForMaskedLM:
    """config.json and weights -> model."""
    config_file = folder / "config.json"
    values = read_json(config_file)
    model = build(read_config(values, config_file), *read_tensors(folder), PerceiverIOForMaskedLM)
    check_saved_together(folder, values)
    return model


def read_tensors(folder: Path) -> tuple[dict[str, torch.Tensor], Path]:
    """The weights in a folder, under Hugging Face's names, and the file they came from."""
    if (folder / "model.safetensors").exists():
        source = folder / "model.safetensors"
        tensors = read_safetensors(source)
    elif (folder / "model.safetensors.index.json").exists():
        source = folder / "model.safetensors.index.json"
        tensors = {}
        for shard in shard_names(source):
            part = read_safetensors(folder / shard)
            if tensors.keys() & part.keys():
                raise InputError(f"{source}: {brief(min(tensors.keys() & part.keys()))} is in several files")
            tensors |= part
    elif (folder / "pytorch_model.bin").exists():
        raise InputError(f"{folder} {ONLY_A_PICKLE}")
    else:
        raise InputError(f"{folder} has no model.safetensors")
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
    layers = config.num_self_attends_per_block
    if layers > len(tensors):
        raise InputError(f"{source} does not contain weights for {layers} self-attends")
    model = without_memory(config, source, new)
    expected = expected_tensors(model, renames)
    check_tensors(expected, tensors, source, purpose)
    state = {name: tensors[key] for key, (name, _) in expected.items()}
    model.load_state_dict(state, strict=True, assign=True)
    return model


def without_memory(
    config: "PerceiverIOConfig | PerceiverConfig", source: str | Path, new: Callable[[Any], Model]
) -> Model:
    """`new(config)`, whose tensors have shapes and no numbers. Raises: InputError for sizes beyond reason."""
    if max(1, config.num_self_attends_per_block) * config.num_blocks > MOST_LAYERS:
        raise InputError(
            f"{source}: num_blocks {config.num_blocks} would run for ever; all blocks together may have "
            f"{MOST_LAYERS} layers"
        )
    try:
        with torch.device("meta"):
            return new(config)
    except (RuntimeError, TypeError, ArithmeticError) as error:  # sizes of 0, or that no number holds
        raise InputError(f"{source}: these sizes cannot be built: {error}") from None


def expected_tensors(
    model: nn.Module, renames: Collection[tuple[str, str]]
) -> dict[str, tuple[str, torch.Tensor]]:
    """Hugging Face's name -> our name, and a tensor of the right shape."""
    return {huggingface_name(name, renames): (name, tensor) for name, tensor in model.state_dict().items()}


def check_tensors(
    expected: Mapping[str, tuple[str, torch.Tensor]],
    tensors: Mapping[str, torch.Tensor],
    source: str | Path,
    purpose: str,
) -> None:
    """Raises: InputError for names and shapes other than expected, and for numbers that are not finite."""
    for problem, keys in (
        ("lacks", expected.keys() - tensors.keys()),
        (f"has, beside a Perceiver for {purpose},", tensors.keys() - expected.keys()),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise InputError(f"{source} {problem} {brief(min(keys))}{more}")
    for key, (_, asked) in watched(expected.items(), "weights"):  # of a file, they are read from disk here
        tensor = tensors[key]
        if tensor.shape != asked.shape:
            raise InputError(
                f"{source}: {key!r} has shape {tuple(tensor.shape)}, the config asks for {tuple(asked.shape)}"
            )
        kinds = FLOATS if asked.is_floating_point() else [asked.dtype]  # a batch norm counts its batches
        if tensor.dtype not in kinds or tensor.layout != torch.strided or tensor.is_meta:
            kind = f"a tensor of {tensor.dtype}, {tensor.layout}, on {tensor.device}"
            raise InputError(f"{source}: {key!r} is {kind}, not plain floating-point numbers")
        if not tensor.isfinite().all():
            raise InputError(f"{source}: {key!r} contains NaN or infinite numbers")
