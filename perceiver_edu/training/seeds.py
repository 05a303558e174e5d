"""One run says little: the same fine-tuning with several seeds, as mean and spread."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from perceiver_edu.errors import InputError, brief
from perceiver_edu.training.configs import FinetuneConfig
from perceiver_edu.training.finetune import finetune
from perceiver_edu.training.labelled import Labelled
from perceiver_edu.training.loop import is_first_process
from perceiver_edu.training.tasks import tasks_of_sets
from perceiver_edu.weights.files import read_json, to_json
from perceiver_edu.writing import write_whole

Spread = dict[str, float | None]  # "mean" and "spread", the standard deviation


def finetune_seeds(
    data: Callable[[int], tuple[Labelled, Labelled, Labelled | None]],
    folder: str | Path,
    settings: FinetuneConfig,
    seeds: list[int],
    **options: Any,
) -> dict[str, Any]:
    """`finetune` once for each seed, in `folder`/seed-N.

    Args:
        data: a function: seed -> (training, validation, test or None).
        options: as those of `finetune`.

    Returns: what summary.json holds: mean and spread (standard deviation, n - 1) of every score.

    Raises: InputError as `finetune`, and if a summary.json is there that is not of these seeds or fewer.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise InputError(f"the seeds must be different, and at least one: got {seeds}")
    folder, runs = Path(folder), {}
    check_summary(folder / "summary.json", seeds, options.get("resume", False))
    for seed in seeds:  # all of them, before the first is trained
        tasks_of_sets(*data(seed))
    for seed in seeds:
        training, validation, test = data(seed)
        own = replace(settings, seed=seed)
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
    if is_first_process():
        write_whole(folder / "summary.json", to_json(summary))
    return summary


def check_summary(path: Path, seeds: list[int], resume: bool) -> None:
    """Raises: InputError if there is a summary that these seeds may not replace."""
    if path.exists() and not resume:
        raise InputError(f"{path} exists already: resume its run with --resume, or choose another folder")
    before = read_json(path).get("seeds") if path.exists() else []
    if not isinstance(before, list):
        raise InputError(f"{path} is not the summary of a run: move it away")
    if missing := [seed for seed in before if seed not in seeds]:
        raise InputError(
            f"{path} contains {len(before)} seeds, including {brief(missing)}: "
            f"ask for at least {len(before)} seeds"
        )


def spread_of(values: list[float]) -> Spread:
    """{"mean", "spread"}; one value has no spread."""
    return {
        "mean": statistics.fmean(values),
        "spread": statistics.stdev(values) if len(values) > 1 else None,
    }
