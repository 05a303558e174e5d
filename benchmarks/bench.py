"""How fast, beside Hugging Face and others, on the same weights, inputs, threads and in the same process.

python benchmarks/bench.py                 the short jobs (`make bench`)
python benchmarks/bench.py --full          all of them, with all contenders (`make bench-full`)
python benchmarks/bench.py --job embedded  one of them

The contenders of a job take turns, batch by batch and round after round, so that a busy moment hits all of
them. What counts is the ratio to the best peer of the same precision. Results go to benchmarks/results/, a
file a device and day, with a picture beside it; report.py writes the newest into the READMEs. On a GPU all
jobs run there, without ONNX Runtime and OpenVINO. Where the package is not installed, put PYTHONPATH=. before
the command.
"""

import argparse
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import torch
from contenders import Contender, Job, contenders, training_contenders
from plot import draw

from perceiver_edu import load_pretrained
from perceiver_edu.data import HELD_OUT
from perceiver_edu.instruments.machine import machine_peaks, processor_name, synchronize
from perceiver_edu.instruments.memory import LiveBytes

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("torch", "transformers", "onnxruntime", "openvino", "nncf")
# What the kernels of bf16 and of 8-bit integers look for in a processor, and what they do without.
INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
FEW = 5  # turns; with fewer a ratio has no quartiles
PAUSE = 0.05  # seconds; threads of the one before may still spin, ONNX Runtime's do
CARD = "This is an incomplete sentence where some words are missing."  # 62 ids with [CLS] and [SEP]


class Row(NamedTuple):
    """One contender at one job."""

    job: str
    contender: str
    ours: bool
    precision: str
    seconds: float  # median of the rounds, summed over the batches
    fastest: float  # as if all batches had taken as long as the fastest one of all rounds
    slowest: float
    error: float  # largest difference from Hugging Face eager fp32, as a share of the largest number there
    flops_per_second: float | None = None  # where a formula knows the FLOPs
    peak_bytes: int | None = None  # beyond the weights, of one run; None where it cannot be followed
    turns: tuple[float, ...] = ()  # seconds of every turn; the turns of all contenders correspond

    @property
    def key(self) -> tuple[str, str]:
        return self.contender, self.precision


def jobs() -> dict[str, Job]:
    """What there is to do in inference, by name."""
    crop, one = CARD * 40, range(52, 61)
    return {
        "embedded": Job("embedded", "fill one hole, embedded weights", [CARD], one, rounds=50),
        "embedded batch": Job(
            "embedded", "32 sentences, embedded weights", mixed_sentences(32), range(8, 16), rounds=20
        ),
        "one": Job("random", "fill one hole, 62 ids, full size", [CARD], one, rounds=12),
        "sentences": Job(
            "random",
            "64 sentences of mixed length, full size",
            mixed_sentences(64),
            range(8, 16),
            batch_size=8,
            rounds=1,
        ),
        "batch": Job("random", "8 × 2048 ids, all 2048 outputs, full size", [crop] * 8, None, True),
        "large batch": Job("random", "64 × 2048 ids, all outputs, full size", [crop] * 64, None, True),
    }


def mixed_sentences(number: int) -> list[str]:
    """Sentences of the held-out text, 20 to 250 bytes long."""
    text = " ".join(json.loads(line)["text"] for line in HELD_OUT.read_text("utf-8").splitlines())
    found = [
        s.strip() + "." for s in text.replace("\n", " ").split(".") if 20 <= len(s.strip().encode()) <= 250
    ]
    return found[:number]


@torch.no_grad()
def race(title: str, runners: Iterable[Contender], rounds: int, device: str) -> list[Row]:
    """Each contender's part once, in turn; then the next part, and so on for `rounds` rounds."""
    peaks, ready = {}, []
    for runner in runners:
        start = time.perf_counter()
        memory = LiveBytes() if device == "cpu" and runner.followed else nullcontext()
        try:
            with memory:
                runner.parts[0]()  # also compiles
            if device == "cuda":  # CUDA graphs: compiled in the first call, recorded in the second
                for part in runner.parts * 3:
                    part()
        except Exception:  # one that does not run here is reported, and the others go on
            print(f"    {runner.name} {runner.precision} does not run here:\n{traceback.format_exc()}")
            continue
        ready.append(runner)
        print(
            f"    {runner.name} {runner.precision}: ready after {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        if device == "cuda" and runner.followed:
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            runner.parts[-1]()
            peaks[runner.key] = torch.cuda.max_memory_allocated() - before
        elif runner.followed:
            peaks[runner.key] = memory.peak
    outputs = {runner.key: [] for runner in ready}
    times = {runner.key: [[] for _ in runner.parts] for runner in ready}
    for round_ in range(rounds):
        for number in range(len(ready[0].parts)):
            for runner in ready:
                if device == "cuda":
                    runner.parts[number]()  # its weights are in the cache, as in use
                else:
                    time.sleep(PAUSE)
                synchronize(device)
                start = time.perf_counter()
                output = runner.parts[number]()
                synchronize(device)
                times[runner.key][number].append(time.perf_counter() - start)
                if round_ == 0:
                    outputs[runner.key].append(output.float().cpu())
    reference = ready[0].answer(outputs[ready[0].key])
    rows = []
    for runner in ready:
        parts = times[runner.key]
        every = [seconds * len(parts) for part in parts for seconds in part]
        seconds = sum(statistics.median(part) for part in parts)
        error = (runner.answer(outputs[runner.key]) - reference).abs().max() / reference.abs().max()
        about = (title, runner.name, runner.ours, runner.precision)
        rate = runner.flops / seconds if runner.flops else None
        turns = tuple(part[round_] for round_ in range(rounds) for part in parts)
        spread = min(every), max(every)
        rows.append(Row(*about, seconds, *spread, float(error), rate, peaks.get(runner.key), turns))
    return rows


def forget(device: str) -> None:
    """Free the models of the job before, and what was compiled for it: its sizes are no hint for the next."""
    gc.collect()
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.empty_cache()


def start_up(rounds: int) -> list[Row]:
    """Fresh processes: imports, and from nothing to the first answer of the embedded model."""
    programs = {
        "import torch": "import torch",
        "import perceiver_edu": "import perceiver_edu",  # loads nothing before it is used
        "from perceiver_edu import fill_mask, load_pretrained": "from perceiver_edu import fill_mask, "
        "load_pretrained",
        "import transformers, PerceiverForMaskedLM": "from transformers import PerceiverForMaskedLM",
        "perceiver_edu: to the first answer": "from perceiver_edu import *\n"
        "fill_mask(load_pretrained(), 'It was a very l[MASK]ng time ago.')",
        "transformers: to the first answer": "import torch\n"
        "from transformers import PerceiverForMaskedLM, PerceiverTokenizer\n"
        "from perceiver_edu.weights.pretrained import EMBEDDED\n"
        "t = PerceiverTokenizer(model_max_length=256)\n"
        "m = PerceiverForMaskedLM.from_pretrained(EMBEDDED, dtype=torch.float32).eval()\n"
        "e = t('It was a very l[MASK]ng time ago.', padding='max_length', return_tensors='pt')\n"
        "t.decode(m(inputs=e.input_ids, attention_mask=e.attention_mask).logits[0].argmax(-1))",
    }
    times = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    return [
        Row("start-up", name, "perceiver_edu" in name, "", statistics.median(t), min(t), max(t), 0.0)
        for name, t in times.items()
    ]


class Ratio(NamedTuple):
    """How many times as fast, turn against turn: contenders take turns, so a busy moment hits both."""

    median: float
    low: float  # first quartile
    high: float  # third quartile
    turns: int

    def __str__(self) -> str:
        if self.turns < FEW:  # too few for quartiles
            return f"{self.median:.2f} ({self.turns} turns)"
        tie = " (a tie)" if self.low <= 1 <= self.high else ""
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]{tie}"


def ratio(row: Row, peer: Row) -> Ratio:
    """Of the peer's time to the row's."""
    found = [theirs / ours for theirs, ours in zip(peer.turns, row.turns, strict=True)]
    low, median, high = statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
    return Ratio(median, low, high, len(found))


def best_peer(row: Row, rows: list[Row]) -> Row | None:
    """Of another library at the same job in the same precision: the one that leaves the smallest ratio."""
    same = [r for r in rows if (r.job, r.precision) == (row.job, row.precision) and not r.ours]
    return min(same, key=lambda peer: ratio(row, peer).median, default=None)


def duration(seconds: float) -> str:
    """With three digits or a few more, in ms or s."""
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1e3:.4g} ms"


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = []
    for job in dict.fromkeys(row.job for row in rows):
        lines += [
            f"\n**{job}**\n",
            "| | precision | time (fastest to slowest) | × best peer | × HF eager | error | GFLOP/s | MB |",
        ]
        lines.append("|---|---|---|---|---|---|---|---|")
        first = next(row for row in rows if row.job == job)
        for row in (row for row in rows if row.job == job):
            name = f"**{row.contender}**" if row.ours else row.contender
            spread = f"{duration(row.seconds)} ({duration(row.fastest)} to {duration(row.slowest)})"
            peer = best_peer(row, rows) if row.ours and row.turns else None
            times = [str(ratio(row, peer)) if peer else "", ""]
            if row.precision:
                times[1] = f"{first.seconds / row.seconds:.2f}"
            error = f"{row.error:.0e}" if row.precision else ""
            rate = f"{row.flops_per_second / 1e9:.0f}" if row.flops_per_second else ""
            memory = f"{row.peak_bytes / 1e6:.0f}" if row.peak_bytes else ""
            cells = (name, row.precision, spread, *times, error, rate, memory)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine(device: str) -> dict:
    """Where this was measured."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    flags = next((line for line in lines if line[:5] == "flags"), "")
    versions = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[library] = version(library)
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name() if device == "cuda" else processor_name(),
        "instructions": [name for name in INSTRUCTIONS if name in flags.split()],
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **versions,
        "system": platform.platform(),
        "peaks": [machine_peaks(device, dtype)._asdict() for dtype in (torch.float32, torch.bfloat16)],
    }


SHORT = ("embedded", "one", "start-up")
LONG = (
    *SHORT,
    "embedded batch",
    "sentences",
    "batch",
    "training step",
    "large batch",
)  # the last on a GPU only


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", action="append", choices=LONG, help="only this; may be repeated")
    parser.add_argument("--full", action="store_true", help="all jobs, with all contenders")
    parser.add_argument("--rounds", type=int, help="turns of each contender (default: the job's own)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", action="append", choices=["fp32", "bf16", "int8"])
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    torch._dynamo.config.recompile_limit = 32
    torch._dynamo.config.fail_on_recompile_limit_hit = True  # beyond it, "compiled" would mean eager
    device, on_gpu = options.device, options.device == "cuda"
    chosen = options.job or (LONG if options.full else SHORT)
    where = machine(device)
    print(json.dumps(where, indent=2))
    bf16 = on_gpu or {"avx512_bf16", "amx_bf16"} & set(where["instructions"])
    usual = ["fp32", *(["bf16"] if bf16 else []), *([] if on_gpu else ["int8"])]
    precisions = options.precision or usual

    for name, job in jobs().items():
        if name not in chosen or (name == "large batch" and not on_gpu and not options.job):
            continue
        forget(device)
        print(f"\n{job.title}", flush=True)
        model = load_pretrained(job.weights, device=device)
        runners = contenders(job, model, precisions, device, options.full or on_gpu)
        rounds = options.rounds or (max(15, job.rounds) if on_gpu else job.rounds)
        record(race(job.title, runners, rounds, device), where, device)
    if "training step" in chosen:
        forget(device)
        size = 16 if on_gpu else 1
        title = f"training step, {size} × 2048 ids, 307 of them hidden, full size"
        print(f"\n{title}", flush=True)
        precise = [precision for precision in precisions if precision != "int8"]
        runners = training_contenders(load_pretrained("random", device=device), precise, device, size, on_gpu)
        record(race(title, runners, options.rounds or 5, device), where, device)
    if "start-up" in chosen:
        print("\nstart-up", flush=True)
        record(start_up(options.rounds or 2), where, device)


def record(rows: list[Row], where: dict, device: str):
    """Print a job's table, and write it beside the other jobs of this device and day."""
    print(table(rows), flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{device}-{where['date']}.json"
    earlier = json.loads(path.read_text())["rows"] if path.exists() else []
    kept = [row for row in earlier if row["job"] != rows[0].job]
    content = {"machine": where, "rows": kept + [row._asdict() for row in rows]}
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=1) + "\n")
    unfinished.replace(path)
    draw(content, path.with_suffix(".png"))
    print(f"\nwritten to {path}, drawn beside it")


if __name__ == "__main__":
    main()
