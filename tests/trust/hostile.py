"""Load hundreds of broken folders of weights, in a process of its own: python hostile.py FOLDER MUTANTS SEED

Prints one JSON object: how many were refused by one line, how many loaded, and what else happened.
"""

import json
import os
import pickle
import random
import resource
import shutil
import struct
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from perceiver_edu import InputError, load_pretrained

NASTY = [0, -1, 1, 3, 2**31, 2**62, 10**30, 1.5, float("nan"), "", "x" * 10_000, None, True, [], {}, [[]] * 9,
         10**4000, json.loads("[" * 400 + "]" * 400)]  # fmt: skip


class Trap:
    """Unpickling this would leave a folder behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def header_of(content: bytes) -> tuple[dict, bytes]:
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_header(header, payload: bytes, length=None) -> bytes:
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    return struct.pack("<Q", len(text) if length is None else length) + text + payload


def mutate(folder: Path, rng: random.Random, trap: Path) -> str:
    """Break one thing in `folder` -> what kind of thing."""
    weights, config = folder / "model.safetensors", folder / "config.json"
    content = weights.read_bytes()
    header, payload = header_of(content)
    key = rng.choice([k for k in header if k != "__metadata__"])
    kind = rng.choice(KINDS)
    if kind == "truncated":
        weights.write_bytes(content[: rng.randrange(len(content))])
    elif kind == "header bits":
        changed = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(content) - len(payload))] ^= 1 << rng.randrange(8)
        weights.write_bytes(changed)
    elif kind == "header length":
        weights.write_bytes(with_header(header, payload, rng.choice([0, 2**20, 2**40, 2**63])))
    elif kind == "huge tensor":
        size = rng.choice([2**20, 2**40, 2**62])
        header[key]["shape"] = [size, size]
        if rng.random() < 0.5:
            header[key]["data_offsets"] = [0, size * size * 4 % 2**63]
        weights.write_bytes(with_header(header, payload))
    elif kind == "overlap":
        other = rng.choice([k for k in header if k not in ("__metadata__", key)])
        header[key]["data_offsets"] = header[other]["data_offsets"]
        weights.write_bytes(with_header(header, payload))
    elif kind == "dtype":
        header[key]["dtype"] = rng.choice(["F64", "I8", "U8", "BOOL", "F8_E4M3", "I64", "C64", "X"])
        weights.write_bytes(with_header(header, payload))
    elif kind == "deep header":
        weights.write_bytes(with_header(b'{"a":' * 50_000, payload))
    elif kind == "tensors":
        tensors = load_file(weights)
        change = rng.choice(["nan", "inf", "gone", "extra", "shape", "long", "half"])
        if change in ("nan", "inf"):
            tensors[key].view(-1)[rng.randrange(tensors[key].numel())] = float(change)
        elif change == "gone":
            del tensors[key]
        elif change == "extra":
            tensors["extra"] = torch.ones(3)
        elif change == "shape":
            tensors[key] = torch.ones(*tensors[key].shape, 2)
        elif change == "long":
            tensors[key] = tensors[key].long()
        else:
            tensors[key] = tensors[key].to(torch.float8_e4m3fn)
        weights.write_bytes(save(tensors, metadata={"format": "pt"}))
    elif kind == "config":
        values = json.loads(config.read_text())
        values[rng.choice(list(values))] = rng.choice(NASTY)
        config.write_text(json.dumps(values))
    elif kind == "config text":
        text = bytearray(config.read_bytes())
        text[rng.randrange(len(text))] = rng.randrange(256)
        long = b'{"d_model": ' + b"9" * 5000 + b"}"
        deep = [b'{"a":' * 100_000, b"[" * 100_000]
        config.write_bytes(rng.choice([text, *deep, b"\xff\xfe", b"", b"null", long]))
    elif kind == "long config":
        with config.open("wb") as file:
            file.truncate(2**33)  # claims 8 GiB
    elif kind == "index":
        weights.rename(folder / "part.safetensors")
        names = rng.choice(
            [["../part.safetensors"], ["/etc/passwd"], [None], [[]], [3], [], ["gone.safetensors"]]
        )
        index = rng.choice([{"weight_map": dict(enumerate(names))}, {"weight_map": names}, {}, []])
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    elif kind == "pickle":
        tensors = load_file(weights)
        weights.unlink()
        path = folder / "pytorch_model.bin"
        if rng.random() < 0.5:
            torch.save(tensors | {key: Trap(str(trap))}, path)
        else:
            path.write_bytes(pickle.dumps(Trap(str(trap)), protocol=rng.randrange(5)))
    elif kind == "shards":
        names = rng.choice([["a", "a"], ["a", "b"]])
        tensors = load_file(weights)
        weights.unlink()
        for name in names:  # each shard has all the tensors, or one twice
            part = tensors if rng.random() < 0.5 else {key: tensors[key]}
            (folder / f"{name}.safetensors").write_bytes(save(part))
        index = {"weight_map": {f"{i}": f"{name}.safetensors" for i, name in enumerate(names)}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    elif kind == "many layers":
        layers = rng.choice([3000, 10**9])
        values = json.loads(config.read_text()) | {"num_self_attends_per_block": layers}
        config.write_text(json.dumps(values))
        many = {f"perceiver.encoder.self_attends.{i}.layernorm.bias": torch.ones(1) for i in range(3000)}
        weights.write_bytes(save(load_file(weights) | many))
    elif kind == "no plain file":
        path = rng.choice([weights, config])
        path.unlink()
        where = rng.choice(
            ["/dev/zero", "/etc/passwd", "/proc/self/environ", str(folder), "pipe", "/nowhere"]
        )
        os.mkfifo(path) if where == "pipe" else path.symlink_to(where)
    return kind


KINDS = [
    "truncated", "header bits", "header length", "shards", "many layers", "huge tensor", "overlap", "dtype",
    "deep header", "tensors", "config", "config text", "long config", "index", "pickle", "no plain file",
]  # fmt: skip


def main(source: Path, mutants: int, seed: int):
    torch.set_num_threads(1)
    whole = load_pretrained(source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rng = random.Random(seed)
    found = {"refused": 0, "loaded": 0, "kinds": {}, "wrong": []}
    with tempfile.TemporaryDirectory() as scratch:
        trap = Path(scratch, "trapped")
        for number in range(mutants):
            folder = Path(scratch, str(number))
            shutil.copytree(source, folder)
            kind = mutate(folder, rng, trap)
            found["kinds"][kind] = found["kinds"].get(kind, 0) + 1
            try:
                model = load_pretrained(folder)
            except InputError as error:
                found["refused"] += 1
                if "\n" in str(error) or len(str(error)) > 1200:
                    found["wrong"].append(f"{number} {kind}: {str(error)[:300]!r}")
            except BaseException as error:
                found["wrong"].append(f"{number} {kind}: {type(error).__name__}: {str(error)[:300]}")
            else:  # then it is whole: every number finite, every size the one the config gave before
                found["loaded"] += 1
                sizes = [p.shape for p in model.parameters()]
                finite = all(p.isfinite().all() for p in model.parameters())
                if sizes != [p.shape for p in whole.parameters()] or not finite:
                    found["wrong"].append(f"{number} {kind}: another model was loaded")
            if trap.exists():
                found["wrong"].append(f"{number} {kind}: code from the file has run")
                trap.rmdir()
            shutil.rmtree(folder)
    found["megabytes"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
