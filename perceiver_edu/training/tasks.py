"""From labelled texts to what is trained on: tasks, ids, numbers for labels, and a part that is held out."""

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import torch

from perceiver_edu.errors import InputError
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.classify import Task
from perceiver_edu.training.features import truncate
from perceiver_edu.training.labelled import NUMBER, Labelled, check_utf8


def tasks_of(data: Labelled) -> list[Task]:
    """The tasks that these texts can teach.

    Raises: InputError, naming the file, where there is one class, where a multi column never has more than
        one label, and for names that cannot be told apart or written.
    """
    tasks = []
    check_names(f"{data.source}: the columns of labels", [column.name for column in data.columns])
    for column in data.columns:
        check_utf8(f"{data.source}: the name of a column", column.name)
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
            known = data.names.get(column.name)
            if not known:
                check_names(f"{data.source}: the labels of {column.name!r}", sorted(found))
                if column.kind == "multi" and column.separator is None and max(map(len, present)) < 2:
                    raise InputError(
                        f"{data.source}: no text has more than one label of {column.name!r}: leave out "
                        "':multi' if each has exactly one; otherwise give their separator with --separator"
                    )
            labels = known or tuple(sorted(found, key=sort_key))
        tasks.append(Task(column.name, labels, column.kind))
    return tasks


def tasks_of_sets(training: Labelled, validation: Labelled, test: Labelled | None) -> list[Task]:
    """The tasks that the training set can teach and the others can score.

    Raises: InputError as `tasks_of`, and for a set in which no text has a label of one of the tasks.
    """
    tasks = tasks_of(training)
    for name, data in (("validation", validation), ("test", test)):
        for task in tasks:
            if data is not None and all(value is None for value in data.values[task.name]):
                raise InputError(
                    f"{data.source}: none of the {len(data)} {name} texts has a label of {task.name!r}: "
                    "label more texts, or leave this task out"
                )
    return tasks


def check_names(what: str, names: Iterable[str]) -> None:
    """Raises: InputError for names that are empty, that only case or white space tells apart, or that are the
    same number: they are one name typed in two ways, or on many disks the same file."""
    seen: dict[str | Decimal, str] = {}
    for name in names:
        plain = " ".join(unicodedata.normalize("NFC", name).casefold().split())
        if not plain:
            raise InputError(f"{what}: one of them has no name")
        key = Decimal(plain) if NUMBER.fullmatch(plain) and len(plain) < 19 else plain
        if key in seen:
            same = "are the same number" if isinstance(key, Decimal) else "differ only in case or white space"
            raise InputError(f"{what}: {seen[key]!r} and {name!r} {same}: write one name in one way")
        seen[key] = name


def sort_key(label: str) -> tuple[bool, int, str]:
    """Whole numbers first, by their value: 2 before 10."""
    number = re.fullmatch("[+-]?[0-9]{1,18}", label)
    return not number, int(label) if number else 0, label


def file_name(name: str) -> str:
    """A task's name as part of a file's: itself if it is short and plain, otherwise its beginning and a hash.

    The hash keeps two names apart that have the same beginning, or differ in what a file's name cannot hold.
    A name that Windows keeps for a device, such as "con" or "aux.1", gets one too.
    """
    plain = re.fullmatch(r"\w([\w.-]{0,58}\w)?", name, re.ASCII)
    if plain and not re.match(r"(con|prn|aux|nul|(com|lpt)[0-9])(\.|$)", name, re.I):
        return name
    beginning = re.sub(r"[^\w-]", "_", name, flags=re.ASCII)[:40]
    return f"{beginning}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


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
                        f"choose from {', '.join(map(repr, task.labels[:10]))}"
                    )
            if task.kind == "multi":
                rows.append([float(label in (value or [])) for label in task.labels])
            elif task.kind == "single":
                rows.append(number_of.get(value, 0))
            else:
                rows.append(value or 0.0)
        asked = torch.tensor([value is not None for value in data.values[task.name]])
        exact = torch.float64 if task.kind == "regression" else None
        encoded[task.name] = (torch.tensor(rows, dtype=exact), asked)
    return encoded


class Encoded:
    """Labelled texts as the model reads them: `rows` of ids, `labels` by task, how many texts were `cut`.

    Of several columns of text, the longest is truncated first. Raises: InputError where one would be lost.
    """

    def __init__(self, data: Labelled, tasks: list[Task], longest: int):
        tokenizer, self.rows, self.cut = ByteTokenizer(), [], 0
        for number, text in enumerate(data.texts):
            try:
                ids = tokenizer.encode(text)
                self.rows.append(truncate(ids, longest))
            except InputError as error:
                raise InputError(f"{data.where(number)}: {error}") from None
            self.cut += len(ids) > longest
        self.labels = encode_labels(data, tasks)

    def fingerprint(self) -> dict:
        crc = zlib.crc32(repr(self.rows).encode())
        for labels, asked in self.labels.values():
            crc = zlib.crc32(labels.numpy().data, zlib.crc32(asked.numpy().data, crc))
        return {"texts": len(self.rows), "crc32": crc}


def split_off(data: Labelled, share: float, order: Callable[[int], list[int]]) -> tuple[Labelled, Labelled]:
    """-> (training, held out): of each class of the first task, `share` of the rows, in the given order.

    Classes that are too rare to give a row are pooled, and `share` of the pool is held out. Both parts keep
    the labels of the whole, so a rare label may be tested that training never saw.

    Raises: InputError as `tasks_of`, and for too few rows.
    """
    names = {task.name: task.labels for task in tasks_of(data)}
    data = replace(data, names=names)
    first = data.columns[0]
    in_order, values = order(len(data)), data.values[first.name]
    groups: dict[Any, list[int]] = {}
    for number in in_order:
        groups.setdefault(values[number] if first.kind == "single" else None, []).append(number)

    def some(group: list[int]) -> list[int]:
        return group[: int(share * len(group) + 0.5)]

    rare = {number for group in groups.values() if not some(group) for number in group}
    pool = [number for number in in_order if number in rare]
    held_out = {number for group in [*groups.values(), pool] for number in some(group)}
    if not held_out:
        raise InputError(f"{data.source}: too few rows to hold some out; give a --validation file")
    kept = [number for number in range(len(data)) if number not in held_out]
    return data.take(kept), data.take(sorted(held_out))
