"""The files of a folder of weights, treated as untrusted input: nothing in them is run or believed."""

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError

PIECE = 2**20  # bytes read at a time
LONGEST_JSON = 2**24  # bytes; the longest index of shards is far below
CONFIG_SUM = "config_sha256"  # in the metadata of model.safetensors
ONLY_IN_TRAINING = {"attention_probs_dropout_prob", "initializer_range"}  # these may be edited
OF_TEXT = {field.name for field in fields(PerceiverIOConfig)} - ONLY_IN_TRAINING
MAY_DIFFER = ONLY_IN_TRAINING | {"id2label", "label2id", "dtype", "transformers_version"}
ONLY_A_PICKLE = (
    "has only pytorch_model.bin, a pickle, which this library does not open. Give a revision that has "
    'model.safetensors (on the hub often revision="refs/pr/1"), or let transformers read it: '
    "from_huggingface(model)"
)


def read_json(path: Path) -> dict[str, Any]:
    """Raises: InputError for a file that is missing, no plain file, too long, or holds no JSON object."""
    if plain_size(path) > LONGEST_JSON:
        raise InputError(f"{path} is longer than any configuration: {path.stat().st_size:,} bytes")
    try:
        values = parse_json(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a JSON object")
    return values


def parse_json(text: str) -> Any:
    """Raises: ValueError for what is not JSON, and for an object in which a key occurs twice, of which Python
    would keep the last value without a word. RecursionError for what is nested too deeply."""
    return json.loads(text, object_pairs_hook=with_different_keys)


def with_different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r:.40} occurs twice in one object")
    return values


def plain_size(path: Path) -> int:
    """Bytes of a plain file: a pipe or a device would never end. Raises: InputError for anything else."""
    try:
        about = path.stat()
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing: a folder of weights holds config.json and model.safetensors"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is not a plain file")
    return about.st_size


def shard_names(index: Path) -> list[str]:
    """The files that model.safetensors.index.json names. Raises: InputError for names outside its folder."""
    weight_map = read_json(index).get("weight_map")
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not names or not all(
        isinstance(n, str) and re.fullmatch(r"[\w-][\w.-]*\.safetensors", n) for n in names
    ):
        raise InputError(f"{index}: weight_map must name .safetensors files in the same folder")
    return sorted(set(names))


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Raises: InputError for a file that is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    plain_size(path)
    try:
        tensors = load_file(
            path
        )  # mapped into memory, and Windows does not allow a mapped file to be replaced
        return {name: tensor.clone() for name, tensor in tensors.items()} if os.name == "nt" else tensors
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is missing, truncated or damaged ({error}); fetch it again") from None


def weight_file(
    tensors: dict[str, torch.Tensor], config: Mapping[str, Any], names: Collection[str] = OF_TEXT
) -> list[bytes | memoryview]:
    """The content of model.safetensors, in pieces. Its header has a checksum of the config.json beside it, or
    of these fields of it.

    The checksum is inserted here, because safetensors writes several entries in a random order.
    """
    from safetensors.torch import save

    content = save(tensors, metadata={"format": "pt"})
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"][CONFIG_SUM] = config_sum(config, names)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers after it are aligned
    return [len(text).to_bytes(8, "little"), text, memoryview(content)[end:]]


def check_saved_together(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises: InputError if model.safetensors was saved with another config.json than this.

    Files of other libraries, and those of perceiver_edu 0.1, do not say with which they were saved; of other
    models than those of text, earlier versions noted only the fields that all models share.
    """
    from safetensors import safe_open

    path = folder / "model.safetensors"
    if not path.exists():  # several files, which only other libraries write
        return
    with safe_open(path, "pt") as file:
        saved = (file.metadata() or {}).get(CONFIG_SUM)
    if saved not in (None, config_sum(config, OF_TEXT), config_sum(config, all_fields(config))):
        raise InputError(
            f"{folder} was only half replaced, or its config.json was changed: model.safetensors was saved "
            "with other sizes. Save the model again"
        )


def config_sum(config: Mapping[str, Any], names: Collection[str]) -> str:
    """SHA-256 of these fields of a config.json."""
    sizes = {name: config.get(name) for name in names}
    return hashlib.sha256(json.dumps(sizes, sort_keys=True).encode()).hexdigest()


def all_fields(config: Mapping[str, Any]) -> set[str]:
    """Those that say something of the computation; names of labels, for one, may be edited."""
    return config.keys() - MAY_DIFFER


def provenance(folder: Path) -> dict[str, Any]:
    """Where weights come from: folder, the hub's commit where it has one, size and sha256 of each file."""
    snapshot = re.search(r"models--([^/]+)--([^/]+)/snapshots/([0-9a-f]{40})$", folder.resolve().as_posix())
    suffixes = (".json", ".safetensors", ".bin")
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in suffixes and path.is_file()]
    sums = zip(paths, sha256_of_each(paths), strict=True)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": digest} for path, digest in sums}
    hub = {"repository": f"{snapshot[1]}/{snapshot[2]}", "revision": snapshot[3]} if snapshot else {}
    return {"folder": str(folder), **hub, "files": files}


def sha256(path: Path, read: Callable[[int], Any] = lambda size: None) -> str:
    """Of a file's content, in hexadecimal. `read` is told the size of each piece that has been read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            read(len(piece))
    return digest.hexdigest()


def sha256_of_each(paths: Sequence[Path], progress: bool = True) -> list[str]:
    """As `sha256`, for several files. If that takes more than two seconds, stderr shows how far it is."""
    from tqdm.auto import tqdm

    size = sum(path.stat().st_size for path in paths)
    options = dict(unit="B", unit_scale=True, delay=2, mininterval=1, leave=False, disable=not progress)
    with tqdm(total=size, desc="computing SHA-256", **options) as bar:
        return [sha256(path, bar.update) for path in paths]


def to_json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
