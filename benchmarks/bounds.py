"""What bounds `optimize(model, engine="torch")` on a CPU: its kernels, beside the wall time they fill.

python benchmarks/bounds.py     writes benchmarks/results/bounds-cpu-DATE.json

Three jobs of bench.py: one hole with either weights, and the 64 sentences. Time is a kernel's own, without
what it calls; the profiler itself makes small kernels look longer. `products` are all matrix products, with
the rate at which they ran; `alone_gflops` is the rate of the processor's commonest product, by the same
kernel on as many rows, in a loop of its own; `floor_ms` is all the arithmetic at that rate.
"""

import json
import time
import warnings

import torch
from bench import RESULTS, jobs, machine
from contenders import Job, flops_of
from torch.profiler import ProfilerActivity, profile

from perceiver_edu import ByteTokenizer, load_pretrained
from perceiver_edu.fast import optimize
from perceiver_edu.instruments.machine import measure
from perceiver_edu.training.features import by_length

PRODUCTS = ("linear", "mm", "scaled_dot_product")
FORMS = {"fp32": {}, "bf16": {"dtype": torch.bfloat16}}


def bound(model, options: dict, job: Job, runs: int) -> dict:
    """-> milliseconds a run: wall, all kernels, and the largest of them by name."""
    rows = [ByteTokenizer().encode(text) for text in job.texts]
    batches = [(ids, mask) for _, ids, mask in by_length(rows, job.batch_size, "cpu")]
    asked = torch.tensor(job.asked)
    fast = optimize(model, engine="torch", **options)

    def run():
        for ids, mask in batches:
            fast(ids, mask, asked)

    run()
    layer = fast.processor[0].output
    latents = torch.randn(len(batches[0][0]), *model.encoder.latents.shape)
    latents = latents.to(options.get("dtype", torch.float32))
    alone = measure(lambda: layer(latents), "cpu", repeats=50, of=min)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        start = time.perf_counter()
        for _ in range(runs):
            run()
        wall = (time.perf_counter() - start) / runs
    kernels = {e.key: e.self_cpu_time_total / 1e6 / runs for e in profiler.key_averages()}
    products = sum(seconds for name, seconds in kernels.items() if any(part in name for part in PRODUCTS))
    flops = flops_of(model.config, [ids for ids, _ in batches], len(asked))
    rate = 2 * latents.numel() * latents.shape[-1] / alone
    largest = sorted(kernels.items(), key=lambda item: -item[1])[:8]
    return {
        "wall_ms": 1e3 * wall,
        "kernels_ms": 1e3 * sum(kernels.values()),
        "share": sum(kernels.values()) / wall,
        "products_ms": 1e3 * products,
        "products_gflops": flops / products / 1e9,
        "alone_gflops": rate / 1e9,
        "floor_ms": 1e3 * flops / rate,
        "largest_ms": {name: 1e3 * seconds for name, seconds in largest},
    }


def main():
    warnings.filterwarnings("ignore")
    where = machine("cpu")
    rows = []
    for name, runs in (("one", 5), ("sentences", 1), ("embedded", 50)):
        job = jobs()[name]
        model = load_pretrained(job.weights)
        for precision, options in FORMS.items():
            if precision == "bf16" and "avx512_bf16" not in where["instructions"]:
                continue
            row = {"job": job.title, "precision": precision} | bound(model, options, job, runs)
            rows.append(row)
            print(
                f"{job.title}, {precision}: wall {row['wall_ms']:.1f} ms, kernels {row['share']:.0%} of it, "
                f"products {row['products_ms']:.1f} ms at {row['products_gflops']:.0f} GFLOP/s, "
                f"one alone {row['alone_gflops']:.0f}: no less than {row['floor_ms']:.1f} ms"
            )
            for kernel, milliseconds in row["largest_ms"].items():
                print(f"    {milliseconds:8.2f} ms  {kernel}")
    path = RESULTS / f"bounds-cpu-{where['date']}.json"
    path.write_text(json.dumps({"machine": where, "rows": rows}, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
