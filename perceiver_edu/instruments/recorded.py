"""Recorded benchmarks and training runs: always read as records, never mixed with what is
measured now."""

import csv
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from perceiver_edu.errors import InputError
from perceiver_edu.writing import check_plain


class Recorded(NamedTuple):
    """One file of `benchmarks/results/`, as benchmarks/bench.py writes it."""

    file: str
    date: str  # of the measurement, year-month-day
    device: str  # "NVIDIA H100 …"
    rows: list[dict[str, Any]]  # job, contender, ours, precision, seconds, peak_bytes, …

    def seconds(self, job: str, contender: str, precision: str = "fp32") -> float | None:
        """Of the first such row; None where there is none."""
        for row in self.rows:
            if (row["job"], row["contender"], row["precision"]) == (job, contender, precision):
                return row["seconds"]
        return None


def recorded_runs(folder: str | os.PathLike, kind: str) -> list[Recorded]:
    """Return the runs recorded on a `kind` of device, "cpu" or "cuda", oldest first; [] if there are none.

    Raises: InputError for a file that is not such a record.
    """
    found = []
    for path in sorted(Path(folder).glob(f"{kind}-*.json")):
        try:
            record = json.loads(path.read_text("utf-8"))
            about, rows = record["machine"], record["rows"]
            for row in rows:
                if not {"job", "contender", "ours", "precision", "seconds", "peak_bytes"} <= row.keys():
                    raise KeyError("rows")
            found.append(Recorded(path.name, about["date"], about["device"], rows))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is not a record of benchmarks/bench.py: {error}") from error
    return found


class Run(NamedTuple):
    """What `perceiver-edu pretrain` wrote down while it trained; each by step."""

    training: dict[int, float]  # bits per target, since the row before, in the holes of the run
    held_out: dict[int, float]  # bits per hidden byte in whole words of held-out text
    learning_rate: dict[int, float]
    samples: dict[int, list[tuple[str, str]]]  # texts with holes, and the best fillings with probabilities

    @property
    def steps(self) -> list[int]:
        return sorted({*self.training, *self.held_out})


def read_run(folder: str | os.PathLike) -> Run:
    """Return the log of a run's folder, with its samples if any. The embedded checkpoint has a log, too.

    Raises: InputError, naming the file, for a file that cannot be read as a log.
    """
    run, path = Run({}, {}, {}, {}), Path(folder) / "log.csv"
    for name in ("log.csv", "samples.txt"):
        check_plain(Path(folder) / name)
    columns = {"bits": run.training, "held_out_bits": run.held_out, "learning_rate": run.learning_rate}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for name, known in columns.items():
                    if row[name] != "":
                        known[int(row["step"])] = float(row[name])
        path = Path(folder) / "samples.txt"
        for line in path.read_text("utf-8").splitlines() if path.exists() else []:
            step, text, fillings = line.split("\t")
            run.samples.setdefault(int(step), []).append((text, fillings))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not the record of a training run: {error}") from error
    return run
