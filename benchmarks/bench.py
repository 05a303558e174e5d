"""How fast, beside Hugging Face and others, on the same weights, inputs, threads and in the same process.

python benchmarks/bench.py                 the short jobs (`make bench`)
python benchmarks/bench.py --full          all of them (`make bench-full`)
python benchmarks/bench.py --job embedded  one of them

The contenders of a job take turns, round after round, so that a busy moment hits all of them. What counts is
the ratio to the best peer of the same precision. Results go to benchmarks/results/, a file a device and day.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch
from contenders import Contender, Job, contenders

from perceiver_edu import load_pretrained
from perceiver_edu.instruments.machine import machine_peaks, synchronize
from perceiver_edu.instruments.memory import LiveBytes

RESULTS = Path(__file__).parent / "results"
CARD = "This is an incomplete sentence where some words are missing."  # 62 ids with [CLS] and [SEP]
SENTENCES = Path(__file__).parents[1] / "tests" / "data" / "heldout.jsonl"


class Row(NamedTuple):
    """One contender at one job."""

    job: str
    contender: str
    ours: bool
    precision: str
    seconds: float  # median of the rounds
    fastest: float
    slowest: float
    error: (
        float  # largest difference from Hugging Face eager fp32 at the asked rows, as a share of the logits
    )
    peak_bytes: int | None  # beyond the weights, of one run; None where it cannot be followed


def jobs(device: str) -> dict[str, Job]:
    """What there is to do, by name. `ids` are cut to the longest text, `padded` to the model's length."""
    sentences = mixed_sentences(64)
    one = [CARD]
    return {
        "embedded": Job("embedded", "fill one hole, embedded weights", one, range(52, 61), False),
        "one": Job("random", "fill one hole, 62 ids, full size", one, range(52, 61), False),
        "sentences": Job(
            "random", "8 sentences of mixed length, full size", sentences[:8], range(8, 16), False
        ),
        "batch": Job("random", "8 × 2048 ids, all 2048 outputs, full size", [CARD * 40] * 8, None, True),
        "large batch": Job("random", "64 × 2048 ids, all outputs, full size", [CARD * 40] * 64, None, True),
    }


def mixed_sentences(number: int) -> list[str]:
    """Sentences of the held-out text, 20 to 250 bytes long."""
    text = " ".join(json.loads(line)["text"] for line in SENTENCES.read_text("utf-8").splitlines())
    found = [
        s.strip() + "." for s in text.replace("\n", " ").split(".") if 20 <= len(s.strip().encode()) <= 250
    ]
    return found[:number]


@torch.no_grad()
def race(job: Job, runners: list[Contender], rounds: int, device: str) -> list[Row]:
    """Each contender once a round, in turn."""
    answers, peaks, ready = {}, {}, []
    for runner in runners:
        start = time.perf_counter()
        try:
            answers[runner.key] = runner.run().float().cpu()  # also compiles
        except Exception as error:  # a peer that does not run here is reported, and the others go on
            print(f"    {runner.name}: does not run here: {type(error).__name__}: {str(error)[:100]}")
            continue
        ready.append(runner)
        print(f"    {runner.name}: ready after {time.perf_counter() - start:.0f} s", flush=True)
        if device == "cpu" and runner.followed:
            with LiveBytes() as memory:
                runner.run()
            peaks[runner.key] = memory.peak
        elif device == "cuda":
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            runner.run()
            peaks[runner.key] = torch.cuda.max_memory_allocated() - before
    times = {runner.key: [] for runner in ready}
    for _ in range(rounds):
        for runner in ready:
            synchronize(device)
            start = time.perf_counter()
            runner.run()
            synchronize(device)
            times[runner.key].append(time.perf_counter() - start)
    reference = answers[ready[0].key]
    return [
        Row(
            job.title,
            runner.name,
            runner.ours,
            runner.precision,
            statistics.median(times[runner.key]),
            min(times[runner.key]),
            max(times[runner.key]),
            float((answers[runner.key] - reference).abs().max() / reference.abs().max()),
            peaks.get(runner.key),
        )
        for runner in ready
    ]


def start_up(rounds: int) -> list[Row]:
    """Fresh processes: imports, and from nothing to the first answer of the embedded model."""
    programs = {
        "import torch": "import torch",
        "import perceiver_edu": "import perceiver_edu",
        "import transformers, PerceiverForMaskedLM": "from transformers import PerceiverForMaskedLM",
        "perceiver_edu: to the first answer": "from perceiver_edu import *\n"
        "fill_mask(load_pretrained(), 'It was a very l[MASK]ng time ago.')",
        "transformers: to the first answer": "import torch\n"
        "from transformers import PerceiverForMaskedLM, PerceiverTokenizer\n"
        "from perceiver_edu.pretrained import EMBEDDED\n"
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
        Row("start-up", name, "perceiver_edu" in name, "", statistics.median(t), min(t), max(t), 0.0, None)
        for name, t in times.items()
    ]


def ratios(rows: list[Row]) -> list[tuple[Row, float | None, float | None]]:
    """Each row: how many times as fast as the best peer of its precision, and as Hugging Face eager fp32."""
    found = []
    for row in rows:
        same = [r for r in rows if r.job == row.job and r.precision == row.precision and not r.ours]
        peer = min(same, key=lambda r: r.seconds, default=None)
        first = next(r for r in rows if r.job == row.job)
        timed = row.precision != ""
        found.append(
            (
                row,
                peer.seconds / row.seconds if peer and timed else None,
                first.seconds / row.seconds if timed else None,
            )
        )
    return found


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = []
    for job in dict.fromkeys(row.job for row in rows):
        lines += [
            f"\n**{job}**\n",
            "| | precision | ms (fastest to slowest) | × best peer | × HF eager | error | MB |",
        ]
        lines.append("|---|---|---|---|---|---|---|")
        for row, best, eager in ratios([row for row in rows if row.job == job]):
            name = f"**{row.contender}**" if row.ours else row.contender
            spread = f"{row.seconds * 1e3:.3g} ({row.fastest * 1e3:.3g} to {row.slowest * 1e3:.3g})"
            times = [f"{ratio:.2f}" if ratio else "" for ratio in (best if row.ours else None, eager)]
            error = f"{row.error:.0e}" if row.precision else ""
            memory = f"{row.peak_bytes / 1e6:.0f}" if row.peak_bytes else ""
            lines.append(
                f"| {name} | {row.precision} | {spread} | {' | '.join(times)} | {error} | {memory} |"
            )
    return "\n".join(lines)


def machine(device: str) -> dict:
    """Where this was measured."""
    import transformers

    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    cpu = next(
        (line.split(":")[1].strip() for line in lines if line[:10] == "model name"), platform.processor()
    )
    flags = next((line for line in lines if line[:5] == "flags"), "")
    return {
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name() if device == "cuda" else cpu,
        "bf16 instructions": device == "cuda" or "avx512_bf16" in flags or "amx_bf16" in flags,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "system": platform.platform(),
        "peaks": [machine_peaks(device, dtype)._asdict() for dtype in (torch.float32, torch.bfloat16)],
    }


def main(arguments=None):
    known = ["embedded", "one", "sentences", "batch", "large batch", "start-up"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", action="append", choices=known, help="only this; may be repeated")
    parser.add_argument("--full", action="store_true", help="all jobs")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender (default 7)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", action="append", choices=["fp32", "bf16", "int8"])
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    short = ["embedded", "one", "sentences", "start-up"]
    long = [*short, "batch", *(["large batch"] if options.device == "cuda" else [])]
    chosen = options.job or (long if options.full else short)
    precisions = options.precision or (
        ["fp32", "bf16"] if options.device == "cuda" else ["fp32", "bf16", "int8"]
    )

    where = machine(options.device)
    print(json.dumps(where, indent=2))
    models = {}
    for name, job in jobs(options.device).items():
        if name not in chosen:
            continue
        print(f"\n{job.title}", flush=True)
        model = models.setdefault(job.weights, load_pretrained(job.weights, device=options.device))
        precise = precisions if where["bf16 instructions"] else [p for p in precisions if p != "bf16"]
        runners = contenders(job, model, precise, options.device)
        record(race(job, runners, options.rounds, options.device), where, options.device)
    if "start-up" in chosen:
        print("\nstart-up", flush=True)
        record(start_up(max(3, options.rounds // 2)), where, options.device)


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
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
