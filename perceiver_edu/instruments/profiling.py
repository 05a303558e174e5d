"""What a forward pass does cost on this machine: time and memory by stage, this machine's peaks, traces."""

import os
import statistics
import time
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from perceiver_edu.errors import InputError
from perceiver_edu.instruments.costs import Cost, stage_costs, total

STAGES = ("embedding", "encoder", "processor", "decoder", "mlm_head")
MATMUL_SIZE = {"cpu": 1024, "cuda": 8192, "mps": 2048}  # rows of a square matrix
COPY_BYTES = {"cpu": 2**27, "cuda": 2**31, "mps": 2**28}


class StageProfile(NamedTuple):
    """One stage of a run, or "all" of it."""

    stage: str
    flops: int  # what it must compute, from the sizes
    seconds: float  # median wall time
    peak_bytes: int  # the most that was held at once beyond weights and inputs

    @property
    def flops_per_second(self) -> float:
        return self.flops / self.seconds


class Peaks(NamedTuple):
    """What this machine can do at best, measured."""

    device: str
    dtype: str
    flops_per_second: float  # one large matrix product
    bytes_per_second: float  # one large copy, bytes read and written


@torch.inference_mode()
def profile_stages(model, ids, mask=None, positions=None, *, repeats=10, warmup=2) -> list[StageProfile]:
    """Time and memory of each stage, and of the whole run, which is timed by itself: no hook slows it down.

    Args:
        ids, mask, positions: as for the model's forward.
        repeats: runs whose median counts, after `warmup` runs that do not.

    Raises: InputError for `repeats` below 1.
    """
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, got {repeats}")
    device = model.device
    ids = ids.to(device)
    mask = mask if mask is None else mask.to(device)
    positions = positions if positions is None else positions.to(device)

    def run():
        return model(ids, mask, positions)

    whole = measure(run, device, repeats=repeats, warmup=warmup)
    clock = Clock(device)
    with stage_hooks(model, clock.mark):
        for _ in range(repeats):
            run()
    seconds = clock.medians()
    peaks = peak_memory(model, run)

    O = positions.shape[-1] if positions is not None else model.config.max_position_embeddings
    costs = stage_costs(model.config, M=ids.shape[1], O=O, B=len(ids))
    rows = [StageProfile(c.stage, c.flops, seconds[c.stage], peaks[c.stage]) for c in costs]
    return [*rows, StageProfile("all", total(costs).flops, whole, max(peaks.values()))]


def measure(run: Callable[[], object], device, *, repeats=10, warmup=2) -> float:
    """Median wall time of `run`, in seconds; on a GPU between events, so that it need not wait each time."""
    for _ in range(warmup):
        run()
    clock = Clock(device)
    for _ in range(repeats):
        clock.mark("run", True)
        run()
        clock.mark("run", False)
    return clock.medians()["run"]


class Clock:
    """Begin and end of named things: CUDA events on a GPU, the wall clock elsewhere."""

    def __init__(self, device):
        self.kind = torch.device(device).type
        self.marks = {}

    def mark(self, name: str, begin: bool):
        if self.kind == "cuda":
            now = torch.cuda.Event(enable_timing=True)
            now.record()
        else:
            synchronize(self.kind)
            now = time.perf_counter()
        self.marks.setdefault((name, begin), []).append(now)

    def medians(self) -> dict[str, float]:
        """Seconds by name."""
        synchronize(self.kind)
        found = {}
        for name in dict.fromkeys(name for name, _ in self.marks):
            pairs = zip(self.marks[name, True], self.marks[name, False], strict=True)
            found[name] = statistics.median(
                begin.elapsed_time(end) / 1e3 if self.kind == "cuda" else end - begin for begin, end in pairs
            )
        return found


def synchronize(kind: str):
    """Wait until the device has done all it was told."""
    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


@contextmanager
def stage_hooks(model, mark: Callable[[str, bool], object]):
    """Call `mark(stage, True)` as a stage begins and `mark(stage, False)` as it ends."""
    handles = []
    for name in STAGES:
        stage = getattr(model, name)
        handles += [
            stage.register_forward_pre_hook(lambda *_, name=name: mark(name, True)),
            stage.register_forward_hook(lambda *_, name=name: mark(name, False)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def peak_memory(model, run) -> dict[str, int]:
    """The most bytes that tensors held at once in each stage, those made before it and still alive included.

    On CUDA the allocator says it; elsewhere every tensor that an operation returns is followed until it dies,
    which leaves out the scratch space inside a fused kernel.
    """
    peaks = {}
    if model.device.type == "cuda":
        before = torch.cuda.memory_allocated()

        def mark(stage, begin):
            if begin:
                torch.cuda.reset_peak_memory_stats()
            else:
                peaks[stage] = torch.cuda.max_memory_allocated() - before

        with stage_hooks(model, mark):
            run()
        return peaks
    with LiveBytes() as bytes_, stage_hooks(model, lambda stage, begin: bytes_.mark(peaks, stage, begin)):
        run()
    return peaks


class LiveBytes(TorchDispatchMode):
    """Follows the memory of every tensor that is made in the block: `live` bytes now, `peak` at most."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.followed = weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        known = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if is_tensor(leaf)}
        result = function(*args, **(kwargs or {}))
        for leaf in filter(is_tensor, tree_leaves(result)):
            storage = leaf.untyped_storage()
            if storage.data_ptr() not in known and storage not in self.followed:  # a view makes nothing new
                self.followed.add(storage)
                size = storage.nbytes()
                self.change(size)
                weakref.finalize(storage, self.change, -size)
        return result

    def change(self, size):
        self.live += size
        self.peak = max(self.peak, self.live)

    def mark(self, peaks, stage, begin):
        if begin:
            self.peak = self.live
        else:
            peaks[stage] = self.peak


def is_tensor(leaf) -> bool:
    return isinstance(leaf, torch.Tensor)


def machine_peaks(device="cpu", dtype=torch.float32, *, repeats=5) -> Peaks:
    """Measure what this machine can do: a large matrix product in `dtype`, and a large copy."""
    device = torch.device(device)
    size, length = MATMUL_SIZE[device.type], COPY_BYTES[device.type]
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    seconds = measure(lambda: torch.mm(a, b, out=out), device, repeats=repeats)
    source = torch.zeros(length, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copying = measure(lambda: target.copy_(source), device, repeats=repeats)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Peaks(name, str(dtype).removeprefix("torch."), 2 * size**3 / seconds, 2 * length / copying)


def floor_seconds(cost: Cost, peaks: Peaks, bytes_per_number: int) -> float:
    """No program can be faster than this: arithmetic at the peak rate, or memory at the peak rate."""
    moved = cost.numbers_moved * bytes_per_number
    return max(cost.flops / peaks.flops_per_second, moved / peaks.bytes_per_second)


@torch.inference_mode()
def trace(model, ids, mask=None, positions=None, path=None, *, rows=12) -> str:
    """Run once under `torch.profiler` -> a table of its operations by their own time.

    `path`: where to write a Chrome trace too, to be opened at https://ui.perfetto.dev or chrome://tracing.

    Raises: InputError where `path` cannot be written.
    """
    from torch.profiler import ProfilerActivity, profile, record_function

    activities = [ProfilerActivity.CPU]
    if model.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    model(ids, mask, positions)
    spans = []

    def mark(stage, begin):
        if begin:
            spans.append(record_function(stage))
            spans[-1].__enter__()
        else:
            spans.pop().__exit__(None, None, None)

    with profile(activities=activities) as profiler, stage_hooks(model, mark):
        model(ids, mask, positions)
        synchronize(model.device.type)
    if path is not None:
        try:
            open(path, "ab").close()
            os.remove(path)
            profiler.export_chrome_trace(os.fspath(path))
        except OSError as error:
            raise InputError(f"cannot write the trace to {path}: {error}") from error
    by = "self_cuda_time_total" if model.device.type == "cuda" else "self_cpu_time_total"
    return profiler.key_averages().table(sort_by=by, row_limit=rows, max_name_column_width=40)
