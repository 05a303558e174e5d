"""One run says little: the same fine-tuning with several seeds, as mean and spread."""

import os
import statistics
from dataclasses import replace
from pathlib import Path

from perceiver_edu.errors import InputError
from perceiver_edu.training.finetune import finetune
from perceiver_edu.training.plan import Plan
from perceiver_edu.weights.files import to_json, write_whole


def finetune_seeds(data, folder, plan: Plan, seeds: list[int], **options) -> dict:
    """`finetune` once for each seed, in `folder`/seed-N.

    Args:
        data: a function: seed -> (training, validation, test or None).
        options: as those of `finetune`.

    Returns: what summary.json holds: mean and spread (standard deviation, n - 1) of every score.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise InputError(f"the seeds must be different, and at least one: got {seeds}")
    folder, runs = Path(folder), {}
    for seed in seeds:
        training, validation, test = data(seed)
        own = replace(plan, seed=seed)
        runs[seed] = finetune(training, validation, folder / f"seed-{seed}", own, test=test, **options)
    scores = [run["score"] for run in runs.values()]
    common = {
        task: spread_of([run["most_common"][task] for run in runs.values()])
        for task in runs[seeds[0]]["most_common"]
    }
    cut = sum(part["cut"] for part in runs[seeds[0]].values() if isinstance(part, dict) and "cut" in part)
    summary = {
        "seeds": seeds,
        "scores": scores,
        "score": spread_of(scores),
        "most_common": common,
        "cut": cut,
    }
    for name in ("validation", "test"):
        if all(name in run for run in runs.values()):
            first = runs[seeds[0]][name]["scores"]
            summary[name] = {
                task: {s: spread_of([run[name]["scores"][task][s] for run in runs.values()]) for s in scores}
                for task, scores in first.items()
            }
    if os.environ.get("RANK", "0") == "0":
        write_whole(folder / "summary.json", to_json(summary))
    return summary


def spread_of(values: list[float]) -> dict:
    """{"mean", "spread"}; one value has no spread."""
    return {
        "mean": statistics.fmean(values),
        "spread": statistics.stdev(values) if len(values) > 1 else None,
    }
