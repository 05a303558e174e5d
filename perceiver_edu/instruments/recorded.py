"""Benchmarks that somebody recorded: read for what they are, never mixed with what is measured now."""

import json
from pathlib import Path
from typing import NamedTuple

from perceiver_edu.errors import InputError


class Recorded(NamedTuple):
    """One file of `benchmarks/results/`."""

    file: str
    date: str  # of the measurement, year-month-day
    device: str  # "NVIDIA H100 …"
    rows: list[dict]  # job, contender, ours, precision, seconds, peak_bytes, …; see benchmarks/bench.py

    def seconds(self, job: str, contender: str, precision: str = "fp32") -> float | None:
        """Of the first row whose job has `job` in it; None where there is none."""
        for row in self.rows:
            if job in row["job"] and (row["contender"], row["precision"]) == (contender, precision):
                return row["seconds"]
        return None


def recorded_runs(folder, kind: str) -> list[Recorded]:
    """The runs recorded on a `kind` of device, "cpu" or "cuda", oldest first; [] where there are none.

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
