"""One command records a device: every way to run the model, beside what the device can do, in one folder.

The folder holds `record.json`, pictures, and traces of at most 2 MB. `reduced=True` does all of it with a
small model and two batch sizes, in seconds, so that the first run on a card does not stop at a typo.
"""

import contextlib
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError
from perceiver_edu.fast import optimize
from perceiver_edu.instruments.costs import stage_costs, total
from perceiver_edu.instruments.launches import count_launches, seconds_per_call
from perceiver_edu.instruments.machine import (
    machine_peaks,
    measure,
    measure_each,
    processor_name,
    synchronize,
)
from perceiver_edu.instruments.memory import LiveBytes, checkpointed
from perceiver_edu.instruments.parity import huggingface_copy
from perceiver_edu.instruments.profiling import profile_stages, stage_spans
from perceiver_edu.instruments.timeline import busy, read_trace, trimmed
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.weights.files import to_json
from perceiver_edu.writing import check_plain, write_whole

RECORD = "record.json"
SIZES = PerceiverIOConfig()
SMALL = PerceiverIOConfig(
    max_position_embeddings=64, d_model=32, num_latents=16, d_latents=48, num_self_attends_per_block=3,
    num_self_attention_heads=2, num_cross_attention_heads=2, qk_channels=16, v_channels=48,
)  # fmt: skip
BATCHES, SMALL_BATCHES = (1, 2, 4, 8, 16, 32, 64), (1, 3)
TRACED = (0, 5)  # which of the batch sizes are traced; the last of the small ones
PRECISIONS = {"float32": "highest", "tf32": "high", "bfloat16": "highest", "float16": "highest"}
WHO = HF, OURS, FAST = ("Hugging Face", "perceiver-edu", "optimize()")
SECONDS_FOR_ALL = 240.0  # after that no further row is begun, and the record says so
SHRINK = 8  # of the products that find the peaks, where the record is reduced


class Way(NamedTuple):
    """One way to run a model: who, how, and in which precision."""

    who: str  # of WHO; "optimize()" is our model in its fast form
    how: str  # "eager", "autocast", "compiled", "reduce-overhead" or "graphs"
    precision: str


def ways(on_gpu: bool) -> Iterator[Way]:
    """Of each model: eager in several precisions, autocast, replayed as a CUDA graph, compiled.

    `optimize()` runs in every way that it could take on a GPU, so that a record can decide which it takes.
    What is compiled comes last, because it needs most of the time, and least wanted last of all.
    """
    short = "bfloat16"
    for who in WHO:
        several = ("float32", "tf32", short, "float16") if on_gpu else ("float32", short)
        for precision in several if who != FAST else (short,):
            yield Way(who, "eager", precision)
        if who != FAST:
            yield Way(who, "autocast", short)
        if on_gpu:
            yield Way(who, "graphs", short)
    if on_gpu:
        yield Way(FAST, "reduce-overhead", short)
        for who in reversed(WHO):
            yield Way(who, "compiled", short)
    else:  # without kernels of its own, and of one model: enough to try the path
        yield Way(OURS, "compiled", "float32")


def record(folder: str | Path, device: str | torch.device, *, reduced: bool = False) -> dict[str, Any]:
    """Measure, and write the folder -> what `record.json` holds.

    Raises: InputError for a folder that is not empty.
    """
    folder, device = Path(folder), torch.device(device)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder: name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    config = SMALL if reduced else SIZES
    batches = SMALL_BATCHES if reduced else BATCHES
    torch.manual_seed(0)
    model = PerceiverIOForMaskedLM(config).eval().requires_grad_(False).to(device)
    M = config.max_position_embeddings
    ids = torch.randint(6, 262, (max(batches), M), device=device)
    peaks = measured_peaks(device, reduced)
    found: dict[str, Any] = {
        "machine": about(device),
        "reduced": reduced,
        "config": config.to_dict(),
        "M": M,
        "peaks": peaks,
        "seconds_per_call": seconds_per_call(device),
        "kernels": dict(count_launches(lambda: model(ids[:1]))),
        "attention": attention_backends(device, 64 if reduced else 2048),
    }
    found["stages"] = {
        str(B): [row._asdict() for row in profile_stages(model, ids[:B], repeats=3, warmup=1)]
        for B in (batches[0], batches[-1])
    }
    found["traces"] = traces(model, ids, batches, folder)
    found["memory"] = memory_curves(device, reduced)
    found["rows"] = rows(model, ids, batches, peaks, began + SECONDS_FOR_ALL)
    found["seconds"] = time.perf_counter() - began
    write_whole(folder / RECORD, to_json(found))
    pictures(found, folder)
    return found


def about(device: torch.device) -> dict[str, Any]:
    """The device, the host's CPU, the driver, the versions and the day."""
    on_gpu = device.type == "cuda"
    versions = {}
    for name in ("torch", "transformers", "numpy", "perceiver-edu"):
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    machine: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if on_gpu else processor_name(),
        "cpu": processor_name(),  # a launch-bound run depends on it as much as on the card
        "kind": device.type,
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "versions": versions,
    }
    if on_gpu:
        machine |= {
            "capability": list(torch.cuda.get_device_capability(device)),
            "memory_bytes": torch.cuda.get_device_properties(device).total_memory,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": driver(),
        }
    return machine


def driver() -> str:
    """As nvidia-smi names it; what went wrong where it cannot be asked."""
    ask = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown ({type(error).__name__})"


@contextlib.contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """ "highest" = float32, "high" = TF32 where the card has it; as it was afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def measured_peaks(device: torch.device, reduced: bool) -> dict[str, Any]:
    """{precision: FLOP/s of the fastest product}, and bytes per second."""
    found: dict[str, Any] = {}
    repeats = 1 if reduced else 5
    for name in PRECISIONS if device.type == "cuda" else ("float32", "bfloat16"):
        with matmul_precision(PRECISIONS[name]):
            dtype = getattr(torch, name.replace("tf32", "float32"))
            peaks = machine_peaks(device, dtype, repeats=repeats, shrink=SHRINK if reduced else 1)
        found[name] = peaks.flops_per_second
        found["bytes_per_second"] = peaks.bytes_per_second
    return found


def attention_backends(device: torch.device, M: int) -> list[dict[str, Any]]:
    """Which kernels take heads of these widths, on this device, and in how many seconds for one text."""
    found = []
    for precision in ("float32", "bfloat16"):
        for keys, values in ((32, 160), (160, 160), (32, 96)):
            for name in ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH"):
                q, k = (torch.randn(1, 8, n, keys, device=device) for n in (M // 8, M))
                v = torch.randn(1, 8, M, values, device=device)
                q, k, v = (x.to(getattr(torch, precision)) for x in (q, k, v))
                backend = getattr(SDPBackend, name)
                row: dict[str, Any] = {"precision": precision, "keys": keys, "values": values, "kernel": name}
                row["taken"] = takes(backend, q, k, v) is None
                if row["taken"]:
                    with sdpa_kernel(backend):
                        attend = partial(F.scaled_dot_product_attention, q, k, v)
                        row["seconds"] = measure(attend, device, repeats=5, warmup=1)
                found.append(row)
    return found


def takes(backend: SDPBackend, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> str | None:
    """None where this kernel can do it, else what torch says."""
    try:
        with sdpa_kernel(backend):
            F.scaled_dot_product_attention(q, k, v)
            synchronize(q.device.type)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return None


def rows(
    model: PerceiverIOForMaskedLM, ids: torch.Tensor, batches: tuple[int, ...], peaks: dict, deadline: float
) -> list[dict[str, Any]]:
    """Every way at every batch size; one that fails, or has no time left, says so."""
    on_gpu = model.device.type == "cuda"
    hf_copy = huggingface_copy(model).eval().requires_grad_(False)
    reference = logits_of(model, OURS)(ids[:1])
    found = []
    for way in ways(on_gpu):
        base = hf_copy if way.who == HF else model
        sizes = batches if way.how in ("eager", "autocast") else (batches[0], batches[-1])
        for B in sizes:
            row: dict[str, Any] = way._asdict() | {"batch": B}
            if time.perf_counter() > deadline:
                found.append(row | {"problem": "no time was left"})
                continue
            try:
                found.append(row | one(way, base, model.config, ids[:B], peaks, reference))
            except (RuntimeError, ValueError) as error:  # out of memory, or what the card lacks
                found.append(row | {"problem": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"})
    return found


def one(
    way: Way,
    base: nn.Module,
    config: PerceiverIOConfig,
    ids: torch.Tensor,
    peaks: dict,
    reference: torch.Tensor,
) -> dict[str, Any]:
    """Seconds and their range, throughput, the share of the measured peak, memory and error of one row."""
    device, B = ids.device, len(ids)
    model = base
    if way.who == FAST:
        model = optimized(base, way)
    elif way.precision in ("bfloat16", "float16") and way.how != "autocast":
        model = deepcopy(base).to(getattr(torch, way.precision))
    row: dict[str, Any] = {}
    run = logits_of(model, way.who)
    if way.how == "autocast":
        run = autocast(run, device, torch.bfloat16)
    if way.how == "compiled":
        row["backend"] = "inductor" if device.type == "cuda" else "eager"  # a CPU may lack a compiler
        run = torch.compile(run, backend=row["backend"])
    call: Callable[[], object] = partial(run, ids)
    with torch.inference_mode(), matmul_precision(PRECISIONS[way.precision]):
        answer = run(ids[:1]) if way.how != "graphs" else None
        if way.how == "graphs":
            call = graphed(call)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        times = measure_each(call, device, repeats=5, warmup=2)
    seconds = statistics.median(times)
    flops = total(stage_costs(config, ids.shape[1], config.max_position_embeddings, B)).flops
    row |= {
        "seconds": seconds,
        "fastest": min(times),
        "slowest": max(times),
        "texts_per_second": B / seconds,
        "of_peak": flops / seconds / peaks[way.precision],
    }
    if answer is not None:
        scale = float(reference.abs().max())
        row["error_of_scale"] = float((answer.float() - reference).abs().max()) / scale
    if device.type == "cuda":
        row["peak_bytes"] = torch.cuda.max_memory_allocated(device)
    return row


def optimized(model: nn.Module, way: Way) -> nn.Module:
    """Our model in its fast form; "reduce-overhead" is what `compile=True` takes on CUDA."""
    assert isinstance(model, PerceiverIOForMaskedLM)
    compiled = way.how == "reduce-overhead"
    fast = optimize(model, engine="torch", dtype=getattr(torch, way.precision), compile=compiled)
    assert isinstance(fast, nn.Module)
    return fast


def logits_of(model: nn.Module, who: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """ids (B, M) -> logits (B, M, V), by either model."""
    if who == HF:
        return lambda ids: model(inputs=ids).logits
    return lambda ids: model(ids)


def autocast(run: Callable, device: torch.device, dtype: torch.dtype) -> Callable:
    def mixed(ids: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, dtype=dtype):
            return run(ids)

    return mixed


def graphed(run: Callable[[], object]) -> Callable[[], None]:
    """`run` as one CUDA graph: its kernels are recorded once, and launched together from then on."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is allocated or chosen at the first call is done before
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = run()

    def replay(kept: object = kept) -> None:  # the result lies in the graph's own memory
        graph.replay()

    return replay


def traces(
    model: PerceiverIOForMaskedLM, ids: torch.Tensor, batches: tuple[int, ...], folder: Path
) -> list[dict[str, Any]]:
    """A trace of one forward pass at two batch sizes, and how busy the GPU was."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = model.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    found = []
    for B in dict.fromkeys(batches[min(place, len(batches) - 1)] for place in TRACED):
        with torch.inference_mode(), stage_spans(model):
            for _ in range(2):
                model(ids[:B])
            synchronize(model.device.type)
            with profile(activities=activities) as profiler:
                model(ids[:B])
                synchronize(model.device.type)
        with TemporaryDirectory() as work:
            whole, name = Path(work, "trace.json"), f"trace_b{B}.json"
            profiler.export_chrome_trace(str(whole))
            kept = trimmed(whole, folder / name)
        kernels = [event for event in read_trace(folder / name) if event.on_gpu]
        row = {"file": name, "batch": B, "events": kept, "kernels": len(kernels)}
        found.append(row | ({"busy": busy(kernels).fraction} if kernels else {}))
    return found


def memory_curves(device: torch.device, reduced: bool) -> dict[str, list[int]]:
    """Bytes held through a forward and a backward pass, with and without activation checkpoints."""
    config = SMALL if reduced else SIZES
    torch.manual_seed(0)
    processor = PerceiverIOForMaskedLM(config).processor.to(device)
    x = torch.randn(2, config.num_latents, config.d_latents, device=device)

    def plain(x: torch.Tensor) -> torch.Tensor:
        return processor(x)

    def by_layer(x: torch.Tensor) -> torch.Tensor:
        return checkpointed(processor.self_attends, x)

    found = {}
    for name, run in (("all activations kept", plain), ("checkpointed by layer", by_layer)):
        processor.zero_grad(set_to_none=True)
        with LiveBytes() as memory:
            run(x).sum().backward()
        found[name] = memory.history[:: max(1, len(memory.history) // 2000)]
    return found


def pictures(found: dict[str, Any], folder: Path) -> None:
    """PNG files of what the record says."""
    import matplotlib

    from perceiver_edu.instruments.plots.recorded import draw

    with matplotlib.rc_context({"backend": "agg"}):
        draw(found, folder)


def read_record(folder: str | Path) -> dict[str, Any]:
    """What a folder recorded. Raises: InputError where there is no such record."""
    path = Path(folder) / RECORD
    try:
        check_plain(path)
        found = json.loads(path.read_text("utf-8"))
        if not {"machine", "peaks", "rows", "kernels", "reduced"} <= found.keys():
            raise KeyError("rows")
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not a record of `perceiver-edu profile --record`: {error}") from None


def read_records(folder: str | Path) -> dict[str, dict[str, Any]]:
    """{name: record} of the records of a GPU below this folder."""
    found = {path.parent.name: read_record(path.parent) for path in sorted(Path(folder).glob(f"*/{RECORD}"))}
    return {name: r for name, r in found.items() if r["machine"]["kind"] == "cuda" and not r["reduced"]}
