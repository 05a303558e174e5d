"""Exercise 07.gaps: how much of the time a GPU waits, from the events of a trace."""

import itertools

from perceiver_edu.course.exercise import Exercise

GPU_KINDS = ("kernel", "gpu_memcpy", "gpu_memset")


def event(cat, name, ts, dur, tid=7):
    return {"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "pid": 0, "tid": tid}


def gaps_cases():
    one = [
        event("cpu_op", "aten::linear", 100, 9),
        event("cpu_op", "aten::linear", 130, 9),
        event("kernel", "gemm", 112, 6),
        event("kernel", "gemm", 142, 8),
        event("kernel", "layer_norm", 121, 3),
        event("cuda_runtime", "cudaLaunchKernel", 103, 4),
    ]
    streams = [
        event("kernel", "gemm", 1000, 40, tid=7),
        event("kernel", "softmax", 1010, 10, tid=20),
        event("gpu_memcpy", "Memcpy HtoD", 1030, 25, tid=20),
        event("kernel", "gemm", 1100, 30, tid=7),
        event("gpu_user_annotation", "processor", 1000, 70, tid=7),
        event("user_annotation", "processor", 900, 240, tid=1),
        event("kernel", "gelu", 1135, 15, tid=7),
        {"ph": "i", "cat": "kernel", "name": "a mark", "ts": 5000, "pid": 0, "tid": 7},
        event("cpu_op", "aten::gelu", 940, 70, tid=1),
    ]
    inside = [
        event("kernel", "gemm", 50, 400, tid=7),
        event("kernel", "softmax", 60, 10, tid=20),
        event("kernel", "gelu", 350, 20, tid=20),
        event("gpu_memset", "Memset", 462, 3, tid=7),
        event("kernel", "gemm", 470, 30, tid=7),
        event("cpu_op", "aten::softmax", 20, 5, tid=1),
    ]
    gapless = [
        event("kernel", "gelu", 242, 18, tid=7),
        event("kernel", "gemm", 200, 42, tid=7),
        event("gpu_memcpy", "Memcpy DtoH", 255, 12, tid=20),
        event("cpu_op", "aten::gelu", 190, 6, tid=1),
    ]
    return {
        "one stream": {"events": one},
        "two streams": {"events": streams},
        "short kernels inside a long one": {"events": inside},
        "kernels without a gap": {"events": gapless},
    }


def gaps_variant(events, counted="gpu", overlap="once", whole="gpu", gap="end"):
    """-> {"busy": fraction, "longest_gap": µs}."""
    kinds = {
        "gpu": GPU_KINDS,
        "kernels": ("kernel",),
        "annotations": (*GPU_KINDS, "gpu_user_annotation"),
        "all": (*GPU_KINDS, "gpu_user_annotation", "cpu_op", "cuda_runtime", "user_annotation"),
    }[counted]
    bars = [(e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X" and e["cat"] in kinds]
    bars.sort()
    merged = []
    for begin, end in bars:
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    everything = [(e["ts"], e["ts"] + e.get("dur", 0)) for e in events if e["ph"] == "X"]
    of = everything if whole == "trace" else bars
    span = max(end for _, end in of) - min(begin for begin, _ in of)
    working = sum(end - begin for begin, end in (bars if overlap == "twice" else merged))
    if gap == "neighbours":
        gaps = [max(0, b[0] - a[1]) for a, b in itertools.pairwise(bars)]
    elif gap == "starts":
        gaps = [b[0] - a[0] for a, b in itertools.pairwise(bars)]
    else:
        gaps = [b[0] - a[1] for a, b in itertools.pairwise(merged)]
    return {"busy": working / span, "longest_gap": max(gaps, default=0)}


EXERCISE = Exercise(
    title="how much of the time the GPU waits",
    about="10 minutes · medium · section 4.1",
    name="waiting",
    cases=gaps_cases,
    variant=gaps_variant,
    mistakes={
        "counted": {
            "kernels": "Copies are missing. `gpu_memcpy` and `gpu_memset` keep the GPU busy, too.",
            "annotations": "You count `gpu_user_annotation`. It is a frame around kernels, and includes the "
            "gaps between them.",
            "all": "You count events of the CPU. The GPU's are `kernel`, `gpu_memcpy` and `gpu_memset`.",
        },
        "overlap": {
            "twice": "Where two streams run at the same time, you count that time twice. Merge intervals "
            "that overlap first."
        },
        "whole": {
            "trace": "You divide by the time of the whole trace. Use the time from the beginning of the "
            "GPU's first event to the end of its last."
        },
        "gap": {
            "starts": "You measure the gap from one beginning to the next. A gap begins where the GPU has "
            "finished.",
            "neighbours": "You measure the gap from the end of the event before, but an earlier event may "
            "still be running. Merge intervals that overlap first.",
        },
    },
)
