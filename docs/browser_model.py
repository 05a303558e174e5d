"""The live page's files: the embedded model, small enough to download, and ONNX Runtime, which runs it.

ONNX Runtime comes from npm, in the version whose SHA-256 is below. Both are kept in build/live, so that they
are fetched and exported once. `python docs/browser_model.py build/book` writes the page into the book. If npm
or a network is missing, about.json has a sentence instead, and the page shows it.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from conf import ROOT
from onnx.external_data_helper import set_external_data

from perceiver_edu.course.widgets.hole import HOLE, TEXT
from perceiver_edu.export import export, num_layers
from perceiver_edu.stages import STAGES
from perceiver_edu.weights.pretrained import EMBEDDED, load_pretrained

RUNTIME = "onnxruntime-web"
VERSION = "1.30.0"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
NEEDED = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]
KEPT = ROOT / "build/live"
WIDGETS = ROOT / "perceiver_edu/course/widgets"
SMALL = 1024  # numbers; shorter arrays stay in the graph


class Unavailable(Exception):
    """ONNX Runtime cannot be fetched; the message says why, and what to do."""


def add_live_page(book: Path) -> str:
    """Write the folder live of the book -> a sentence that says what is missing, if ONNX Runtime is."""
    live = book / "live"
    shutil.rmtree(live, ignore_errors=True)
    shutil.copytree(ROOT / "docs/live", live)
    for name in ("strip.js", "strip.css"):  # the strip of the notebooks' experiments, as it is
        shutil.copy2(WIDGETS / name, live)
    try:
        about = {"wasm": runtime(live / "ort")} | browser_model(live)
    except Unavailable as error:
        about = {"missing": f"This copy of the book was built without the model for the browser: {error}"}
    (live / "about.json").write_text(json.dumps(about, indent=1), "utf-8")
    return about.get("missing", "")


def package() -> str:
    return f"{RUNTIME}-{VERSION}.tgz"


def runtime(folder: Path) -> dict[str, Any]:
    """Put ONNX Runtime's files into the folder -> where its WebAssembly is. Raises: Unavailable."""
    KEPT.mkdir(parents=True, exist_ok=True)
    archive = KEPT / package()
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Unavailable(
                "npm was not found. Install Node.js, which contains it, and build the book again."
            )
        command = [npm, "pack", f"{RUNTIME}@{VERSION}", "--pack-destination", str(KEPT)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"npm could not fetch {RUNTIME} {VERSION}. {done.stderr.strip()[-300:]}")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        archive.unlink()
        sys.exit(f"{archive.name} has the SHA-256 {found} instead of {SHA256}, so it was deleted.")
    folder.mkdir()
    with tarfile.open(archive) as files:
        for name in NEEDED:
            member = files.extractfile(f"package/dist/{name}")
            assert member is not None
            (folder / name).write_bytes(member.read())
    wasm = folder / NEEDED[-1]
    return {"file": f"ort/{wasm.name}", "bytes": wasm.stat().st_size}


def browser_model(folder: Path) -> dict[str, Any]:
    """Write the embedded model's graph and weights into the folder -> what the page has to know of them."""
    kept, model = KEPT / f"model-{fingerprint()}", load_pretrained("embedded")
    if not kept.exists():
        for old in KEPT.glob("model-*"):
            shutil.rmtree(old)
        unfinished = KEPT / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        graph, weights = split(export(model, stages=True))
        (unfinished / "graph").write_bytes(graph)
        (unfinished / "weights").write_bytes(weights)
        unfinished.rename(kept)
    config = model.config
    stages = [{"name": "text", "array": "ids", "symbols": "B, M", "boundary": "ids", "colour": ""}]
    stages += [
        {"name": s.name, "array": s.array, "symbols": s.shape, "boundary": s.boundary, "colour": s.colour}
        for s in STAGES.values()
    ]
    about: dict[str, Any] = {
        "longest": config.max_position_embeddings,
        "layers": num_layers(config),
        "heads": config.num_self_attention_heads,
        "text": TEXT,
        "hole": HOLE,
        "stages": stages,
    }
    for name, ending in (("graph", "onnx"), ("weights", "bin")):
        content = (kept / name).read_bytes()
        file = f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"  # a new model is a new address
        (folder / file).write_bytes(content)
        about[name] = {"file": file, "bytes": len(content)}
    return about


def fingerprint() -> str:
    """Of all that the exported model depends on."""
    digest = hashlib.sha256(torch.__version__.encode() + onnx.__version__.encode())
    for path in [
        Path(__file__),
        EMBEDDED / "model.safetensors",
        *sorted((ROOT / "perceiver_edu").glob("*.py")),
    ]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def split(content: bytes) -> tuple[bytes, bytes]:
    """An ONNX file with float32 weights -> the graph without them, and the weights, packed without any loss.

    The embedded checkpoint is stored in bfloat16, whose 16 bits are the upper half of a float32. The packed
    weights have the exponents first and the signs with the mantissas behind them, because gzip compresses
    the exponents alone to a third. The page puts them together again, and gives them to ONNX Runtime as the
    file "weights" that the graph names.
    """
    model, parts, start = onnx.load_from_string(content), [], 0
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        bits = np.ascontiguousarray(values).view(np.uint32).ravel()
        if (bits & 0xFFFF).any():
            sys.exit(
                f"{tensor.name} of the live page's model is not bfloat16, so packing it would lose digits."
            )
        tensor.ClearField("raw_data")
        tensor.raw_data = b""
        set_external_data(tensor, "weights", start, 4 * bits.size)
        tensor.ClearField("raw_data")
        parts.append(bits >> 16)
        start += 4 * bits.size
    halves = np.concatenate(parts)
    exponents, rest = halves >> 7 & 0xFF, (halves >> 8 & 0x80) | (halves & 0x7F)
    packed = np.concatenate([exponents, rest]).astype(np.uint8).tobytes()
    return model.SerializeToString(), compress(packed)


def compress(content: bytes) -> bytes:
    """As gzip. Numbers hardly repeat each other, so looking for repetitions takes long and gains nothing."""
    gzip = zlib.compressobj(wbits=zlib.MAX_WBITS + 16, strategy=zlib.Z_HUFFMAN_ONLY)
    return gzip.compress(content) + gzip.flush()


if __name__ == "__main__":
    add_live_page(Path(sys.argv[1]))
