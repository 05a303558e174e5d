"""From labelled texts to what is trained on: tasks, ids, numbers for labels, and a part that is held out."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from perceiver_edu.errors import InputError
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.classify import Task
from perceiver_edu.training.labelled import Labelled


def tasks_of(data: Labelled) -> list[Task]:
    """The tasks that these texts can teach. Raises: InputError, naming the file, where there is one class."""
    tasks = []
    for column in data.columns:
        present = [value for value in data.values[column.name] if value is not None]
        if column.kind == "regression":
            labels: tuple[str, ...] = (column.name,)
            if len(set(present)) < 2:
                raise InputError(
                    f"{data.where(0)} to {data.lines[-1]}: {column.name!r} is the same number in all rows"
                )
        else:
            flat = present if column.kind == "single" else [label for value in present for label in value]
            found = set(flat)
            if len(found) < (2 if column.kind == "single" else 1):
                only = f"only {flat[0]!r}" if flat else "nothing"
                raise InputError(
                    f"{data.where(0)} to {data.lines[-1]}: {column.name!r} has {only} in all rows; "
                    "a classifier needs at least two classes"
                )
            labels = data.names.get(column.name) or tuple(sorted(found))
        tasks.append(Task(column.name, labels, column.kind))
    return tasks


def encode_labels(data: Labelled, tasks: list[Task]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """{task: (labels as `task_losses` takes them, asked (num_texts,) bool)}.

    Raises: InputError, naming file and line, for a label that the tasks do not have.
    """
    encoded = {}
    for task in tasks:
        number_of = {label: number for number, label in enumerate(task.labels)}
        rows: list[Any] = []  # a list of numbers, a number of a label, or a number
        for place, value in enumerate(data.values[task.name]):
            for label in [value] if task.kind == "single" else value or [] if task.kind == "multi" else []:
                if label is not None and label not in number_of:
                    raise InputError(
                        f"{data.where(place)}: label {label!r} of {task.name!r} does not occur in training; "
                        f"there is {', '.join(map(repr, task.labels[:10]))}"
                    )
            if task.kind == "multi":
                rows.append([float(label in (value or [])) for label in task.labels])
            elif task.kind == "single":
                rows.append(number_of.get(value, 0))
            else:
                rows.append(value or 0.0)
        asked = torch.tensor([value is not None for value in data.values[task.name]])
        encoded[task.name] = (torch.tensor(rows), asked)
    return encoded


class Encoded:
    """Labelled texts as the model reads them: `rows` of ids, `labels` by task, how many texts were `cut`."""

    def __init__(self, data: Labelled, tasks: list[Task], longest: int):
        tokenizer, self.rows, self.cut = ByteTokenizer(), [], 0
        for number, text in enumerate(data.texts):
            try:
                ids = tokenizer.encode(text)
            except InputError as error:
                raise InputError(f"{data.where(number)}: {error}") from None
            self.cut += len(ids) > longest
            self.rows.append(ids if len(ids) <= longest else [*ids[: longest - 1], tokenizer.SEP])
        self.labels = encode_labels(data, tasks)

    def fingerprint(self) -> dict:
        crc = zlib.crc32(repr(self.rows).encode())
        for labels, asked in self.labels.values():
            crc = zlib.crc32(labels.numpy().data, zlib.crc32(asked.numpy().data, crc))
        return {"texts": len(self.rows), "crc32": crc}


def split_off(data: Labelled, share: float, order: Callable[[int], list[int]]) -> tuple[Labelled, Labelled]:
    """-> (training, held out): of each class of the first task, `share` of the rows, in the given order.

    Both keep the labels of the whole, so a rare one may be asked for that training never saw.

    Raises: InputError as `tasks_of`, and for too few rows.
    """
    names = {task.name: task.labels for task in tasks_of(data)}
    data = replace(data, names=names)
    first = data.columns[0]
    groups: dict[Any, list[int]] = {}
    for number in order(len(data)):
        value = data.values[first.name][number]
        groups.setdefault(value if first.kind == "single" else None, []).append(number)
    held_out = {number for group in groups.values() for number in group[: int(share * len(group) + 0.5)]}
    if not held_out:
        raise InputError(f"{data.source}: too few rows to hold some out; give a --validation file")
    kept = [number for number in range(len(data)) if number not in held_out]
    return data.take(kept), data.take(sorted(held_out))
