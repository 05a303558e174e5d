"""This machine: its clock, and what it can do at best."""

import math
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from perceiver_edu.instruments.costs import Cost

MATMUL_SIZE = {"cpu": 1024, "cuda": 8192, "mps": 2048}  # rows of a square matrix
COPY_BYTES = {"cpu": 2**27, "cuda": 2**31, "mps": 2**28}


class Peaks(NamedTuple):
    """What this machine can do at best, measured."""

    device: str
    dtype: str
    flops_per_second: float  # the fastest of some large matrix products
    bytes_per_second: float  # one large copy, bytes read and written


def measure(
    run: Callable[[], object],
    device: str | torch.device,
    *,
    repeats: int = 10,
    warmup: int = 2,
    of: Callable[[Iterable[float]], float] = statistics.median,
) -> float:
    """Wall time of `run` in seconds, the median; on a GPU between events, so that it need not wait."""
    return of(measure_each(run, device, repeats=repeats, warmup=warmup))


def measure_each(
    run: Callable[[], object], device: str | torch.device, *, repeats: int = 10, warmup: int = 2
) -> list[float]:
    """The same of every repeat, in order."""
    for _ in range(warmup):
        run()
    clock = Clock(device)
    for _ in range(repeats):
        clock.mark("run", True)
        run()
        clock.mark("run", False)
    return clock.times()["run"]


class Clock:
    """Begin and end of named things: CUDA events on a GPU, the wall clock elsewhere."""

    def __init__(self, device: str | torch.device):
        self.kind = torch.device(device).type
        self.marks: dict[tuple[str, bool], list] = {}

    def mark(self, name: str, begin: bool) -> None:
        if self.kind == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            if begin:
                torch.cuda.nvtx.range_push(name)  # a span in Nsight Systems
            else:
                torch.cuda.nvtx.range_pop()
            self.marks.setdefault((name, begin), []).append(event)
        else:
            synchronize(self.kind)
            self.marks.setdefault((name, begin), []).append(time.perf_counter())

    def times(self) -> dict[str, list[float]]:
        """By name, all its times in seconds."""
        synchronize(self.kind)
        found = {}
        for name in dict.fromkeys(name for name, _ in self.marks):
            pairs = zip(self.marks[name, True], self.marks[name, False], strict=True)
            found[name] = [
                begin.elapsed_time(end) / 1e3 if self.kind == "cuda" else end - begin for begin, end in pairs
            ]
        return found

    def seconds(self) -> dict[str, float]:
        """By name, the median of its times."""
        return {name: statistics.median(times) for name, times in self.times().items()}


def synchronize(kind: str) -> None:
    """Wait until the device has done all it was told."""
    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


def processor_name() -> str:
    """The CPU, as Linux names it; elsewhere as Python does."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text("utf-8", "replace")) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def memory_bytes(device: torch.device) -> float:
    """All the memory of a device, free or not; infinity where it cannot be known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return math.inf


def machine_peaks(
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    repeats: int = 5,
    shrink: int = 1,
) -> Peaks:
    """What this machine can do: the fastest of some large matrix products, and of large copies.

    The products have several shapes, and are in `dtype` and in float32, in which a processor that lacks
    `dtype` may be faster; the result names the fastest. All are products with a transposed matrix, as in a
    linear layer. Each takes moments, so a processor may run it at a clock that it cannot hold in a long run,
    least of all a GPU with a low power limit, such as a T4 with its 70 W. `shrink` divides the
    sides and the copy, to try the path: the rates are then too low.
    """
    device = torch.device(device)
    size, length = MATMUL_SIZE[device.type] // shrink, COPY_BYTES[device.type] // shrink
    draw = torch.Generator(device).manual_seed(0)
    rates: dict[torch.dtype, float] = {}
    for kind in dict.fromkeys((dtype, torch.float32)):
        for rows, inner in ((size, size), (size // 2, size // 2), (2 * size, size), (size, size // 4)):
            a, b = (torch.randn(n, inner, device=device, generator=draw).to(kind) for n in (rows, size))
            product = partial(torch.mm, a, b.t(), out=torch.empty(rows, size, dtype=kind, device=device))
            rate = 2 * rows * inner * size / measure(product, device, repeats=repeats, of=min)
            rates[kind] = max(rate, rates.get(kind, 0.0))
    fastest = max(rates, key=lambda kind: rates[kind])
    source = torch.zeros(length, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copying = measure(lambda: target.copy_(source), device, repeats=repeats, of=min)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Peaks(name, str(fastest).removeprefix("torch."), rates[fastest], 2 * length / copying)


def floor_seconds(cost: Cost, peaks: Peaks, bytes_per_number: int) -> float:
    """Arithmetic or memory at the measured peak, whichever takes longer.

    Most programs take longer. Where arrays stay in a cache a program can take less, because `numbers_moved`
    is an estimate.
    """
    moved = cost.numbers_moved * bytes_per_number
    return max(cost.flops / peaks.flops_per_second, moved / peaks.bytes_per_second)
