"""How long does `perceiver-edu finetune` take on 5,000 sentences, and can it be killed without a trace?

    python benchmarks/finetune.py FOLDER

The sentences are documentation that this machine has, the label is the package each comes from. The command
is the plainest there is, with no option but the output. Shortly before its end the run's folder is copied;
the copy is resumed, killed by SIGKILL, and resumed once more. It must end with the same numbers, to the last
bit. What was measured goes to results/finetune.json; FOLDER keeps the data and both runs.
"""

import argparse
import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import torch

from perceiver_edu.instruments.machine import processor_name
from perceiver_edu.training.origins import PACKAGES, paragraphs, without_names, without_near_duplicates

RESULT = Path(__file__).parent / "results" / "finetune.json"
NUMBER = 5000


def write_sentences(path: Path) -> None:
    """5,000 paragraphs of at most 200 bytes, without copies, and without those that name a package."""
    found = [origin for package in PACKAGES for origin in list(paragraphs(package, longest=200))[:2500]]
    clean = without_names(without_near_duplicates(found))
    random.Random(0).shuffle(clean)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((origin.text, origin.package) for origin in clean[:NUMBER])
    assert len(clean) >= NUMBER, f"only {len(clean)} sentences on this machine"


def start(data: Path, output: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "perceiver_edu.cli", "finetune", str(data), "-o", str(output), *more]
    return subprocess.Popen(command)


def whole_and_copy(data: Path, output: Path, copy: Path) -> dict:
    """One run from beginning to end; shortly before it, `copy` gets what then lies on the disk."""
    begun, before = time.perf_counter(), cpu_seconds()
    run = start(data, output)
    while last_step(output) < 0.95 * steps(output):
        time.sleep(1)
        assert run.poll() is None, "the run ended before it was copied"
    shutil.copytree(output, copy)
    assert run.wait() == 0
    seconds = time.perf_counter() - begun
    return {"seconds": round(seconds), "cpu_seconds": round(cpu_seconds() - before)}


def resume_and_kill(data: Path, output: Path) -> dict:
    """The copy goes on, is killed, and goes on again to the end."""
    [checkpoint] = (output / "seed-0").glob("checkpoint-*")
    saved = int(checkpoint.name.rpartition("-")[2])
    (output / "seed-0" / "log.csv").unlink()  # it comes back, from the checkpoint, when the run goes on
    run = start(data, output, "--resume")
    while not saved < last_step(output) < steps(output):
        time.sleep(0.01)
        assert run.poll() is None, "the run ended before it was killed"
    run.send_signal(signal.SIGKILL)
    run.wait()
    at = last_step(output)
    assert start(data, output, "--resume").wait() == 0
    return {"checkpoint": saved, "killed_at_step": at}


def steps(output: Path) -> int:
    about = output / "seed-0" / "settings.json"
    return json.loads(about.read_text())["steps"] if about.exists() else 10**9


def last_step(output: Path) -> int:
    log = output / "seed-0" / "log.csv"
    rows = list(csv.DictReader(log.read_text().splitlines())) if log.exists() else []
    return int(rows[-1]["step"]) if rows else 0


def cpu_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def same_numbers(one: Path, other: Path) -> bool:
    """Weights and results, to the last bit."""
    names = ("model/model.safetensors", "results.json")
    return all((one / "seed-0" / n).read_bytes() == (other / "seed-0" / n).read_bytes() for n in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="An empty folder, or one that is not there yet.")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "sentences.csv"
    write_sentences(data)
    load = os.getloadavg()[0]
    measured = whole_and_copy(data, folder / "whole", folder / "killed")
    measured |= resume_and_kill(data, folder / "killed")
    results = json.loads((folder / "whole" / "seed-0" / "results.json").read_text())
    record = {
        "date": date.today().isoformat(),
        "machine": f"{processor_name()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load_before": round(load, 1),  # processes that wanted a core: 0 = the machine was free
        "sentences": NUMBER,
        "steps": results["steps"],
        **measured,
        "same_numbers": same_numbers(folder / "whole", folder / "killed"),
        "accuracy": results["validation"]["scores"]["label"]["accuracy"],
        "most_common": results["most_common"]["label"],
    }
    RESULT.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
