"""What bounds `optimize(model)` on a CPU: its kernels under torch's profiler, beside the wall time they fill.

python benchmarks/bounds.py     writes benchmarks/results/bounds-cpu-DATE.json

One hole in a sentence of 62 ids, as in bench.py. Time is a kernel's own, without what it calls; the profiler
itself makes small kernels look longer. `products` are all matrix products, with the rate at which they ran;
`alone_gflops` is the rate of the processor's commonest product, by the same kernel, in a loop of its own.
"""

import json
import time
import warnings

import torch
from bench import CARD, RESULTS, machine
from torch.profiler import ProfilerActivity, profile

from perceiver_edu import ByteTokenizer, load_pretrained
from perceiver_edu.instruments import stage_costs, total
from perceiver_edu.instruments.machine import measure
from perceiver_edu.optimize import optimize

PRODUCTS = ("linear", "mm", "scaled_dot_product")
FORMS = {"fp32": {}, "bf16": {"dtype": torch.bfloat16}, "int8": {"int8": True}}


def bound(model, options: dict, runs: int) -> dict:
    """-> milliseconds a run: wall, all kernels, and the largest of them by name."""
    ids, mask = ByteTokenizer().batch([CARD])
    asked = torch.arange(52, 61)
    fast = optimize(model, **options)
    for _ in range(3):
        fast(ids, mask, asked)
    layer, latents = fast.processor[0].output, torch.randn(1, *model.encoder.latents.shape)
    latents = latents.to(options.get("dtype", torch.float32))
    alone = measure(lambda: layer(latents), "cpu", repeats=50, of=min)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        start = time.perf_counter()
        for _ in range(runs):
            fast(ids, mask, asked)
        wall = (time.perf_counter() - start) / runs
    kernels = {e.key: e.self_cpu_time_total / 1e6 / runs for e in profiler.key_averages()}
    products = sum(seconds for name, seconds in kernels.items() if any(part in name for part in PRODUCTS))
    flops = total(stage_costs(model.config, M=ids.shape[1], O=len(asked), B=1)).flops
    largest = sorted(kernels.items(), key=lambda item: -item[1])[:8]
    return {
        "wall_ms": 1e3 * wall,
        "kernels_ms": 1e3 * sum(kernels.values()),
        "share": sum(kernels.values()) / wall,
        "products_ms": 1e3 * products,
        "products_gflops": flops / products / 1e9,
        "alone_gflops": 2 * latents.numel() * latents.shape[-1] / alone / 1e9,
        "largest_ms": {name: 1e3 * seconds for name, seconds in largest},
    }


def main():
    warnings.filterwarnings("ignore")
    where = machine("cpu")
    rows = []
    for weights, runs in (("random", 5), ("embedded", 50)):
        model = load_pretrained(weights)
        for precision, options in FORMS.items():
            if precision == "bf16" and not where["bf16 instructions"]:
                continue
            row = {"weights": weights, "precision": precision} | bound(model, options, runs)
            rows.append(row)
            print(
                f"{weights} {precision}: wall {row['wall_ms']:.1f} ms, kernels {row['share']:.0%} of it, "
                f"products {row['products_ms']:.1f} ms at {row['products_gflops']:.0f} GFLOP/s, "
                f"one alone {row['alone_gflops']:.0f}"
            )
            for name, milliseconds in row["largest_ms"].items():
                print(f"    {milliseconds:8.2f} ms  {name}")
    path = RESULTS / f"bounds-cpu-{where['date']}.json"
    path.write_text(json.dumps({"machine": where, "rows": rows}, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
