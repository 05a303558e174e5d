"""What bounds `optimize(model)` on a CPU: its kernels, beside the wall time they fill, for both engines.

python benchmarks/bounds.py                  writes benchmarks/results/bounds-cpu-DATE.json
python benchmarks/bounds.py --job embedded   one of the jobs; may be repeated

Three jobs of bench.py: one hole with either weights, and the 64 sentences. Time is a kernel's own, without
what it calls; a profiler makes small kernels look longer, so `wall_ms` is measured without it. `products` are
all matrix products, with the rate at which they ran; `alone_gflops` is the rate of the processor's commonest
product, by the same kernel on as many rows, in a loop of its own; `floor_ms` is all the arithmetic at that
rate. No program that runs the same arithmetic by these kernels can be faster.
"""

import argparse
import json
import statistics
import warnings
from collections import defaultdict

import torch
from bench import RESULTS, jobs, machine
from contenders import Job, flops_of
from torch.profiler import ProfilerActivity, profile

from perceiver_edu import ByteTokenizer, load_pretrained
from perceiver_edu.errors import library
from perceiver_edu.fast import optimize
from perceiver_edu.instruments.machine import measure
from perceiver_edu.openvino_engine import quantized
from perceiver_edu.training.features import by_length

PRODUCTS = ("linear", "mm", "scaled_dot_product", "FullyConnected", "MatMul", "ScaledDotProduct")
FORMS = [
    ("torch", "fp32", {}),
    ("torch", "bf16", {"dtype": torch.bfloat16}),
    ("openvino", "fp32", {}),
    ("openvino", "bf16", {"dtype": torch.bfloat16}),
    ("openvino", "int8", {"int8": True}),
]
RUNS = {"one": 5, "sentences": 1, "embedded": 50}  # of each job


def bound(model, engine: str, options: dict, job: Job, runs: int) -> dict:
    """-> milliseconds a run: wall, all kernels, and the largest of them by name."""
    rows = [ByteTokenizer().encode(text) for text in job.texts]
    batches = [(ids, mask) for _, ids, mask in by_length(rows, job.batch_size, "cpu")]
    requested = torch.tensor(job.asked)
    fast = optimize(model, engine=engine, **options)

    def run():
        for ids, mask in batches:
            fast(ids, mask, requested)

    wall = measure(run, "cpu", repeats=runs, of=statistics.median)
    latents = torch.randn(len(batches[0][0]), *model.encoder.latents.shape)
    flops = flops_of(model.config, [ids for ids, _ in batches], len(requested))
    if engine == "torch":
        layer = optimize(model, engine="torch", **options).processor[0].output
        latents = latents.to(options.get("dtype", torch.float32))
        alone = measure(lambda: layer(latents), "cpu", repeats=50, of=min)
        kernels = torch_kernels(run, runs)
    else:
        alone = openvino_alone(model.processor.self_attends[0].attention.output, latents, fast, options)
        kernels = openvino_kernels(fast, batches, requested, runs)
    products = sum(seconds for name, seconds in kernels.items() if any(part in name for part in PRODUCTS))
    rate = 2 * latents.numel() * latents.shape[-1] / alone
    largest = sorted(kernels.items(), key=lambda item: -item[1])[:8]
    return {
        "wall_ms": 1e3 * wall,
        "kernels_ms": 1e3 * sum(kernels.values()),
        "products_ms": 1e3 * products,
        "products_gflops": flops / products / 1e9,
        "alone_gflops": rate / 1e9,
        "floor_ms": 1e3 * flops / rate,
        "largest_ms": {name: 1e3 * seconds for name, seconds in largest},
    }


def torch_kernels(run, runs: int) -> dict[str, float]:
    """-> seconds a run, by the name of the kernel."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(runs):
            run()
    return {e.key: e.self_cpu_time_total / 1e6 / runs for e in profiler.key_averages()}


def openvino_kernels(fast, batches, requested: torch.Tensor, runs: int) -> dict[str, float]:
    """-> seconds a run, by the type of the node in OpenVINO's graph."""
    graph = fast.graph_for(single=len(batches[0][0]) == 1)
    request = compiled(graph, fast, profiled=True).create_infer_request()
    kernels: dict[str, float] = defaultdict(float)
    for ids, mask in batches:
        given = [ids.numpy(), mask.numpy(), requested.repeat(len(ids), 1).numpy()]
        request.infer(given)  # the first run with these sizes
        for _ in range(runs):
            request.infer(given)
            for node in request.get_profiling_info():
                kernels[node.node_type] += node.real_time.total_seconds() / runs
    return {name: seconds for name, seconds in kernels.items() if seconds}


def openvino_alone(layer: torch.nn.Linear, latents: torch.Tensor, fast, options: dict) -> float:
    """-> seconds of one matrix product of the processor, as a graph of its own."""
    graph = library("openvino", "fast").convert_model(torch.export.export(layer, (latents,)))
    if options.get("int8"):
        graph = quantized(graph, [(latents,)])
    model, given = compiled(graph, fast), [latents.numpy()]
    request = model.create_infer_request()
    return measure(lambda: request.infer(given, share_inputs=True), "cpu", repeats=50, of=min)


def compiled(graph, fast, profiled: bool = False):
    """The graph, compiled as the fast model is."""
    options = {
        "INFERENCE_PRECISION_HINT": fast.precision,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": profiled,
    }
    return library("openvino", "fast").compile_model(graph, "CPU", options)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", action="append", choices=RUNS, help="only this; may be repeated")
    chosen = parser.parse_args().job or RUNS
    warnings.filterwarnings("ignore")
    where = machine("cpu")
    rows = []
    for name in chosen:
        job = jobs()[name]
        model = load_pretrained(job.weights)
        for engine, precision, options in FORMS:
            if precision == "bf16" and not {"avx512_bf16", "amx_bf16"} & set(where["instructions"]):
                continue
            row = {"job": job.title, "engine": engine, "precision": precision}
            row |= bound(model, engine, options, job, RUNS[name])
            rows.append(row)
            print(
                f"{job.title}, {engine}, {precision}: {row['wall_ms']:.1f} ms. With the profiler, kernels "
                f"take {row['kernels_ms']:.1f} ms, and products among them {row['products_ms']:.1f} ms at "
                f"{row['products_gflops']:.0f} GFLOP/s. One product alone runs at {row['alone_gflops']:.0f}, "
                f"so all the arithmetic takes no less than {row['floor_ms']:.1f} ms."
            )
            for kernel, milliseconds in row["largest_ms"].items():
                print(f"    {milliseconds:8.2f} ms  {kernel}", flush=True)
    path = RESULTS / f"bounds-cpu-{where['date']}.json"
    if path.exists():  # its other jobs stay
        titles = {jobs()[name].title for name in chosen}
        rows += [row for row in json.loads(path.read_text())["rows"] if row["job"] not in titles]
    path.write_text(json.dumps({"machine": where, "rows": rows}, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
