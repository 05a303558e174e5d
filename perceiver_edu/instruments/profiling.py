"""What a forward pass does cost on this machine: time and memory by stage, and a trace of its operations."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from perceiver_edu.borrow import eager, eval_mode
from perceiver_edu.errors import InputError, whole_number
from perceiver_edu.instruments.costs import stage_costs, total
from perceiver_edu.instruments.machine import Clock, Peaks, measure, synchronize
from perceiver_edu.instruments.memory import peak_memory
from perceiver_edu.instruments.tracing import stage_hooks
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.writing import write_whole

MOST_REPEATS = 10_000


class StageProfile(NamedTuple):
    """One stage of a run, or "all" of it."""

    stage: str
    flops: int  # what it must compute, from the sizes
    seconds: float  # median wall time
    peak_bytes: int  # the most that was held at once beyond weights and inputs

    @property
    def flops_per_second(self) -> float:
        return self.flops / self.seconds


@torch.inference_mode()
def profile_stages(
    model: PerceiverIOForMaskedLM,
    ids: torch.Tensor,
    mask: torch.Tensor | None = None,
    positions: torch.Tensor | None = None,
    *,
    repeats: int = 10,
    warmup: int = 2,
) -> list[StageProfile]:
    """Time and memory of each stage, and of the whole run, which is timed by itself: no hook slows it down.

    Args:
        ids, mask, positions: as for the model's forward.
        repeats: runs whose median counts, after `warmup` runs that do not.

    Raises: InputError for `repeats` or `warmup` out of range.
    """
    whole_number("repeats", repeats, 1, MOST_REPEATS)
    whole_number("warmup", warmup, 0, MOST_REPEATS)
    device = model.device
    ids = ids.to(device)
    mask = mask if mask is None else mask.to(device)
    positions = positions if positions is None else positions.to(device)

    def run() -> torch.Tensor:
        return model(ids, mask, positions)

    with eval_mode(model), eager():
        whole = measure(run, device, repeats=repeats, warmup=warmup)
        clock = Clock(device)
        with stage_hooks(model, clock.mark):
            for _ in range(repeats):
                run()
        seconds = clock.seconds()
        peaks = peak_memory(model, run)

    O = positions.shape[-1] if positions is not None else model.config.max_position_embeddings
    costs = stage_costs(model.config, M=ids.shape[1], O=O, B=len(ids))
    rows = [StageProfile(c.stage, c.flops, seconds[c.stage], peaks[c.stage]) for c in costs]
    return [*rows, StageProfile("all", total(costs).flops, whole, max(peaks.values()))]


def raised(peaks: Peaks, rows: list[StageProfile]) -> Peaks:
    """The peaks, raised to the fastest of the stages: what this machine has done, it can do."""
    fastest = max(row.flops_per_second for row in rows)
    return peaks._replace(flops_per_second=max(peaks.flops_per_second, fastest))


class Operation(NamedTuple):
    """All calls of one operation in a run."""

    name: str  # "aten::addmm"
    calls: int
    seconds: float  # in itself, without the operations that it calls; on a GPU: of its kernels


@torch.inference_mode()
def trace(
    model: PerceiverIOForMaskedLM,
    ids: torch.Tensor,
    mask: torch.Tensor | None = None,
    positions: torch.Tensor | None = None,
    path: str | os.PathLike | None = None,
) -> list[Operation]:
    """Run once under `torch.profiler` -> its operations, the longest first.

    `path`: where to write a Chrome trace too, to be opened at https://ui.perfetto.dev or chrome://tracing.

    Raises: InputError where `path` cannot be written; what was there before is kept.
    """
    from torch.profiler import ProfilerActivity, profile

    on_gpu = model.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    with eval_mode(model), eager():
        model(ids, mask, positions)  # warm
        with profile(activities=activities) as profiler, stage_spans(model):
            model(ids, mask, positions)
            synchronize(model.device.type)
    if path is not None:
        export(profiler, Path(path))
    rows = [
        Operation(
            row.key, row.count, (row.self_device_time_total if on_gpu else row.self_cpu_time_total) / 1e6
        )
        for row in profiler.key_averages()
        if row.key.startswith("aten::")
    ]
    return sorted(rows, key=lambda row: -row.seconds)


@contextmanager
def stage_spans(model: PerceiverIOForMaskedLM) -> Iterator[None]:
    """In the block, each stage is a named span for torch.profiler, and on a GPU for Nsight Systems."""
    from torch.profiler import record_function

    spans = []
    on_gpu = model.device.type == "cuda"

    def mark(stage: str, begin: bool) -> None:
        if begin:
            spans.append(record_function(stage))
            spans[-1].__enter__()
            if on_gpu:
                torch.cuda.nvtx.range_push(stage)
        else:
            if on_gpu:
                torch.cuda.nvtx.range_pop()
            spans.pop().__exit__(None, None, None)

    with stage_hooks(model, mark):
        yield


def export(profiler: torch.profiler.profile, path: Path) -> None:
    """The Chrome trace as a file."""
    try:
        with TemporaryDirectory() as folder:
            made = Path(folder, "trace.json")
            profiler.export_chrome_trace(os.fspath(made))
            write_whole(path, made.read_bytes())
    except OSError as error:
        raise InputError(f"cannot write the trace to {path}: {error}") from error
