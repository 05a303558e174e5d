"""The files of a folder of weights, treated as untrusted input: nothing in them is run or believed."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from perceiver_edu.errors import InputError

LONGEST_JSON = 2**24  # bytes; the longest index of shards is far below
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
        values = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a JSON object")
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
        tensors = load_file(path)  # mapped into memory, and Windows lets nobody replace a mapped file
        return {name: tensor.clone() for name, tensor in tensors.items()} if os.name == "nt" else tensors
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is missing, truncated or damaged ({error}); fetch it again") from None


def provenance(folder: Path) -> dict[str, Any]:
    """Where weights come from: folder, the hub's commit where it has one, size and sha256 of each file."""
    snapshot = re.search(r"models--([^/]+)--([^/]+)/snapshots/([0-9a-f]{40})$", folder.resolve().as_posix())
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin") and path.is_file():
            files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    hub = {"repository": f"{snapshot[1]}/{snapshot[2]}", "revision": snapshot[3]} if snapshot else {}
    return {"folder": str(folder), **hub, "files": files}


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
