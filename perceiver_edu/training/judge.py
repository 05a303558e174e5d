"""A classifier on held-out texts: its scores, and pictures of them."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from perceiver_edu.borrow import eval_mode
from perceiver_edu.errors import InputError, warn
from perceiver_edu.training.classify import PerceiverIOForClassification, Task, task_losses
from perceiver_edu.training.features import pad
from perceiver_edu.training.scores import confusion, save_confusion, save_curves, task_scores
from perceiver_edu.training.tasks import Encoded, file_name
from perceiver_edu.writing import write_whole

if TYPE_CHECKING:
    from accelerate import Accelerator


@torch.no_grad()
def score_classifier(
    accelerator: "Accelerator", model: PerceiverIOForClassification, data: Encoded, batch_size: int = 64
) -> tuple[dict[str, dict[str, float]], float, dict[str, np.ndarray]]:
    """All processes together -> {task: {score: value}}, the tasks' mean loss, {task: answers (n, L)}."""
    from accelerate.utils import gather_object

    order = sorted(range(len(data.rows)), key=lambda number: len(data.rows[number]))
    mine, found = order[accelerator.process_index :: accelerator.num_processes], []
    with eval_mode(model):
        for start in range(0, len(mine), batch_size):
            chosen = mine[start : start + batch_size]
            scores = model(*pad([data.rows[number] for number in chosen], accelerator.device))
            found.append((chosen, {name: part.float().cpu().numpy() for name, part in scores.items()}))
    found = gather_object(found)
    all_scores, losses, answers = {}, [], {}
    for task in model.tasks:
        table = np.zeros((len(data.rows), len(task.labels)), np.float32)
        for chosen, scores in found:
            table[chosen] = scores[task.name]
        labels, asked = data.labels[task.name]
        loss = task_losses(torch.from_numpy(table), labels, task.kind)[asked]
        losses.append(float(loss.double().mean()) if len(loss) else 0.0)
        if not asked.any():
            raise InputError(f"none of the held-out texts has a label of {task.name!r}")
        all_scores[task.name] = task_scores(task, table[asked.numpy()], labels[asked].numpy())
        answers[task.name] = table
    return all_scores, sum(losses) / len(losses), answers


def most_common(tasks: list[Task], training: Encoded, held_out: Encoded) -> dict[str, float]:
    """{task: accuracy of always predicting training's most common label}, for tasks with one label each."""
    shares = {}
    for task in tasks:
        if task.kind == "single":
            labels, asked = training.labels[task.name]
            guess = labels[asked].mode().values
            labels, asked = held_out.labels[task.name]
            shares[task.name] = float((labels[asked] == guess).double().mean())
    return shares


def write_confusion(
    folder: Path, tasks: list[Task], answers: dict[str, np.ndarray], data: Encoded
) -> dict[Path, tuple[Task, np.ndarray]]:
    """confusion-TASK.csv of each task with exactly one label -> {that file: task, its counts (L, L)}."""
    found = {}
    for task in tasks:
        if task.kind == "single":
            labels, asked = data.labels[task.name]
            counts = confusion(task, answers[task.name][asked.numpy()], labels[asked].numpy())
            lines = [
                ["true label \\ predicted", *task.labels],
                *([n, *c] for n, c in zip(task.labels, counts.tolist(), strict=True)),
            ]
            table = io.StringIO(newline="")
            csv.writer(table, lineterminator="\n").writerows(lines)
            path = folder / f"confusion-{file_name(task.name)}.csv"
            write_whole(path, table.getvalue().encode())
            found[path] = task, counts
    return found


def draw_pictures(folder: Path, confusions: dict[Path, tuple[Task, np.ndarray]]) -> None:
    """Curves and confusion matrices of a run that is saved: one that cannot be drawn is a warning."""

    def curves() -> None:
        with open(folder / "log.csv", newline="", encoding="utf-8") as file:
            save_curves(list(csv.DictReader(file)), folder / "curves.png")

    pictures: dict[Path, Callable[[], None]] = {folder / "curves.png": curves}
    for path, (task, counts) in confusions.items():
        picture = path.with_suffix(".png")
        pictures[picture] = lambda t=task, c=counts, p=picture: save_confusion(t, c, p)  # type: ignore[misc]
    for path, draw in pictures.items():
        try:
            draw()
        except Exception as error:  # of many kinds: fonts, memory, a full disk
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            warn(f"{path} was not drawn, everything else is saved: {reason[0]}")
