"""GLUE's tasks by name, each with the scores that GLUE itself counts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from perceiver_edu.errors import InputError
from perceiver_edu.training.configs import FinetuneConfig
from perceiver_edu.training.labelled import Column, Labelled, from_dataset
from perceiver_edu.training.seeds import Spread, finetune_seeds, spread_of
from perceiver_edu.weights.hub import is_offline, out_of_reach

REPOSITORY = "nyu-mll/glue"  # on the hub
PAPER_AVERAGE = 81.0  # eight tasks, each fine-tuned alone (ICLR version, Table 2); a query per task: 81.8


class GlueTask(NamedTuple):
    text: tuple[str, ...]  # the columns that are read, joined by [SEP]
    metrics: tuple[str, ...]  # their mean is the task's score
    kind: str = "single"
    validation: str = "validation"


GLUE = {  # without WNLI, which the averages of most papers leave out
    "cola": GlueTask(("sentence",), ("matthews",)),
    "sst2": GlueTask(("sentence",), ("accuracy",)),
    "mrpc": GlueTask(("sentence1", "sentence2"), ("accuracy", "f1")),
    "stsb": GlueTask(("sentence1", "sentence2"), ("pearson", "spearman"), "regression"),
    "qqp": GlueTask(("question1", "question2"), ("accuracy", "f1")),
    "mnli": GlueTask(("premise", "hypothesis"), ("accuracy",), validation="validation_matched"),
    "qnli": GlueTask(("question", "sentence"), ("accuracy",)),
    "rte": GlueTask(("sentence1", "sentence2"), ("accuracy",)),
}


def load_split(
    path: str, config: str | None, split: str, text: Sequence[str], columns: list[Column]
) -> Labelled:
    """A split of a dataset on the hub, in the hub's cache, or in a folder. Raises: InputError if it cannot be
    had; without a network at once, in the place of many tries."""
    try:
        from datasets import load_dataset
    except ModuleNotFoundError:
        raise InputError("this needs datasets: pip install 'perceiver-edu[train]'") from None

    what = f"{path} ({config or 'default'}, {split})"
    offline = not Path(path).exists() and is_offline()
    try:
        with from_the_cache() if offline else nullcontext():
            dataset = load_dataset(path, config, split=split)
    except Exception as error:  # of many kinds: no network, no such name, a broken file
        if offline:
            raise out_of_reach(what, "give a file of your own") from None
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"the dataset {what} cannot be loaded: {reason}") from None
    return from_dataset(dataset, " ".join(filter(None, (path, config, split))), list(text), columns)


@contextmanager
def from_the_cache() -> Iterator[None]:
    """Keep `datasets` offline, as HF_HUB_OFFLINE=1 does if it is set before the program starts."""
    import datasets
    from huggingface_hub import constants

    modules: list[Any] = [constants, datasets.config]
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = value


def load_task(name: str) -> tuple[Labelled, Labelled]:
    """Training and validation set of one of GLUE's tasks; the labels of its test sets are secret."""
    task = GLUE[name]
    columns = [Column("label", task.kind)]
    training, validation = (
        load_split(REPOSITORY, name, split, task.text, columns) for split in ("train", task.validation)
    )
    return training, validation


def finetune_glue(
    names: list[str], folder: str | Path, settings: FinetuneConfig, seeds: list[int], **options: Any
) -> dict[str, Spread]:
    """Each task in `folder`/NAME -> {task: {"mean", "spread"}, ..., "average": {...}}, as fractions of 1.

    "average" is there only for all eight tasks: the mean over the tasks, of each seed.
    """
    scores: dict[str, Spread] = {}
    by_seed: dict[int, list[float]] = {seed: [] for seed in seeds}
    for name in names:
        training, validation = load_task(name)
        splits = {seed: (training, validation, None) for seed in seeds}
        own = replace(settings, metrics=GLUE[name].metrics)
        summary = finetune_seeds(splits.__getitem__, Path(folder) / name, own, seeds, **options)
        scores[name] = summary["score"]
        for seed, score in zip(seeds, summary["scores"], strict=True):
            by_seed[seed].append(score)
    if set(names) == set(GLUE):
        scores["average"] = spread_of([sum(own) / len(own) for own in by_seed.values()])
    return scores
