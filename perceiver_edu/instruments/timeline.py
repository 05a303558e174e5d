"""A trace of `torch.profiler` as intervals: what the CPU called, what the GPU ran, and where it waited."""

import itertools
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from perceiver_edu.errors import InputError
from perceiver_edu.writing import check_plain

ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")
LARGEST = 2**28  # bytes of a trace that is read


class Event(NamedTuple):
    """One bar of a trace. Times are in microseconds, from the first event on."""

    name: str
    kind: str  # "cpu_op", "user_annotation", "cuda_runtime", "kernel", "gpu_memcpy", "gpu_memset", …
    begin: float
    end: float

    @property
    def on_gpu(self) -> bool:
        return self.kind in ON_GPU


def read_trace(path: str | os.PathLike) -> list[Event]:
    """The events of a trace that have a duration, in the order of their beginnings.

    Raises: InputError for a file that is not a trace.
    """
    path = Path(path)
    try:
        about = check_plain(path)
        if about and about.st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        return events_of(json.loads(path.read_text("utf-8"))["traceEvents"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not a trace of torch.profiler: {error}") from None


def events_of(entries: list[dict[str, Any]]) -> list[Event]:
    """The entries of `traceEvents` that last, as events."""
    found = [
        Event(e["name"], e["cat"], float(e["ts"]), float(e["ts"]) + float(e["dur"]))
        for e in entries
        if e.get("ph") == "X" and "dur" in e and "cat" in e and e["cat"] != "Trace"
    ]
    first = min((event.begin for event in found), default=0.0)
    moved = [event._replace(begin=event.begin - first, end=event.end - first) for event in found]
    return sorted(moved, key=lambda event: (event.begin, -event.end))


def merged(events: list[Event]) -> list[tuple[float, float]]:
    """The intervals in which at least one of the events runs: those that touch or overlap are one."""
    found: list[tuple[float, float]] = []
    for event in sorted(events, key=lambda event: event.begin):
        if found and event.begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], event.end)
        else:
            found.append((event.begin, event.end))
    return found


class Busy(NamedTuple):
    """How much of its time a device works, between the first thing that it does and the last."""

    fraction: float
    gaps: list[tuple[float, float]]  # intervals of waiting, the longest first


def busy(events: list[Event]) -> Busy:
    """Of the events of one device. Raises: InputError where there are none."""
    runs = merged(events)
    if not runs:
        raise InputError("there are no events of this device in the trace")
    gaps = [(before[1], after[0]) for before, after in itertools.pairwise(runs)]
    working = sum(end - begin for begin, end in runs)
    whole = runs[-1][1] - runs[0][0]
    return Busy(working / whole if whole else 1.0, sorted(gaps, key=lambda gap: gap[0] - gap[1]))


def simulated(kernels: list[tuple[str, float]], seconds_per_launch: float) -> list[Event]:
    """What a trace would show of [(name, seconds on the GPU), …], launched one after the other.

    The CPU takes `seconds_per_launch` for each and never waits; the GPU runs them in order.
    """
    found, free = [], 0.0
    for row, (name, seconds) in enumerate(kernels):
        begin = row * seconds_per_launch * 1e6
        launched = begin + seconds_per_launch * 1e6
        started = max(free, launched)
        free = started + seconds * 1e6
        found += [Event(name, "cpu_op", begin, launched), Event(name, "kernel", started, free)]
    return sorted(found, key=lambda event: event.begin)


def trimmed(path: str | os.PathLike, target: str | os.PathLike, most: int = 2_000_000) -> int:
    """Write a trace anew with what a timeline needs, in at most `most` bytes -> how many events are left.

    Stacks and shapes go first, then the shortest operations of the CPU, then its calls of the driver.
    """
    from perceiver_edu.writing import write_whole

    kept = []
    for entry in json.loads(Path(path).read_text("utf-8"))["traceEvents"]:
        if entry.get("ph") == "M" or (entry.get("ph") == "X" and entry.get("cat") != "python_function"):
            kept.append({key: value for key, value in entry.items() if key != "args" or entry["ph"] == "M"})
    kept.sort(key=importance, reverse=True)
    content = written(kept)
    while len(content) > most and kept:
        kept = kept[: min(len(kept) - 1, int(0.95 * len(kept) * most / len(content)))]
        content = written(kept)
    write_whole(Path(target), content)
    return sum(entry["ph"] == "X" for entry in kept)


def importance(entry: dict[str, Any]) -> tuple[int, float]:
    order = ("cuda_runtime", "cpu_op", *ON_GPU, "user_annotation")
    kind = entry.get("cat")
    rank = len(order) if entry["ph"] == "M" else order.index(kind) if kind in order else -1
    return rank, float(entry.get("dur", 0.0))


def written(entries: list[dict[str, Any]]) -> bytes:
    return json.dumps({"traceEvents": entries}, separators=(",", ":")).encode()
