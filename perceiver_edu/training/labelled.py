"""Labelled texts: from CSV, JSON Lines or the `datasets` library to texts, labels, and where each stood.

All is read and checked before anything is made of it. What cannot be used is one error with file and line.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perceiver_edu.errors import InputError

LONGEST_LINE = 2**20  # bytes; no labelled text is as long, but a file of another kind often is
SEPARATORS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*SEPARATORS, ".jsonl", ".json")
Label = str | list[str] | float | None  # of a single, multi or regression column; None: not asked
SEP = "[SEP]"  # between the parts of a text, as Hugging Face's tokenizer joins pairs


@dataclass(frozen=True)
class Column:
    """A column that holds labels, and what kind of task they are."""

    name: str
    kind: str = "single"


@dataclass
class Labelled:
    """Texts with their labels, as they stood in the source."""

    source: str
    texts: list[str]
    values: dict[str, list]  # column -> its `Label`s
    lines: list[str]  # where each text stood, such as "line 7"
    columns: tuple[Column, ...]
    names: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # column -> its labels, if the source says

    def __len__(self) -> int:
        return len(self.texts)

    def where(self, number: int) -> str:
        return f"{self.source}, {self.lines[number]}"

    def take(self, numbers: list[int]) -> "Labelled":
        values = {name: [column[i] for i in numbers] for name, column in self.values.items()}
        texts, lines = [self.texts[i] for i in numbers], [self.lines[i] for i in numbers]
        return Labelled(self.source, texts, values, lines, self.columns, self.names)


def read_labelled(path: str | Path, text: list[str], columns: list[Column]) -> Labelled:
    """A .csv, .tsv or .jsonl file -> labelled texts. Several `text` columns are joined by [SEP].

    A multi-label cell of a .csv holds its labels separated by "|"; in .jsonl it is a list. Where there are
    several columns of labels, an empty cell says that the row has nothing to say about this one.

    Raises: InputError, naming file and line, for what cannot be read as such.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"{path}: labelled text is a file that ends in {', '.join(ENDINGS)}")
    read = read_separated if path.suffix in SEPARATORS else read_json_lines
    try:
        rows = list(read(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return collect(str(path), rows, text, columns)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file. Raises: InputError, naming the line, for one too long or not UTF-8."""
    with open(path, "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise InputError(f"{path}, line {number}: longer than {LONGEST_LINE:,} bytes")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                bad = f"byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
                raise InputError(f"{path}, line {number}: not UTF-8: {bad}") from None


def read_separated(path: Path) -> Iterator[tuple[str, dict]]:
    """("line 7", {column: cell}) of each row; a row may go over several lines, the first is named."""
    reader = csv.reader(read_lines(path), delimiter=SEPARATORS[path.suffix], strict=True)
    header, line = None, 1
    try:
        for row in reader:
            where, line = f"line {line}", reader.line_num + 1
            if header is None:
                header = row
                if len(set(header)) < len(header):
                    raise InputError(f"{path}, line 1: two columns have the same name: {', '.join(header)}")
            elif row:
                if len(row) != len(header):
                    raise InputError(f"{path}, {where}: {len(row)} cells, but {len(header)} columns")
                yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: {error} (is a quotation mark left open?)") from None


def read_json_lines(path: Path) -> Iterator[tuple[str, dict]]:
    """("line 7", object) of each line that is not empty."""
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not valid JSON: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"{path}, line {number}: one JSON object a line is expected")
        yield f"line {number}", values


def collect(
    source: str,
    rows: list[tuple[str, dict]],
    text: list[str],
    columns: Sequence[Column],
    names: dict[str, tuple[str, ...]] | None = None,
) -> Labelled:
    """Rows ("line 7", {column: value}) -> labelled texts. Raises: InputError, naming source and line."""
    if not rows:
        raise InputError(f"{source}, line 1: there is no labelled text in this file")
    texts, lines = [], []
    values: dict[str, list[Label]] = {column.name: [] for column in columns}
    for where, row in rows:
        place = f"{source}, {where}"
        for name in (*text, *values):
            if name not in row:
                raise InputError(f"{place}: no column {name!r}; there is {', '.join(map(str, row))}")
        parts = [row[name] for name in text]
        for name, part in zip(text, parts, strict=True):
            if not isinstance(part, str) or not part.strip():
                said = "is empty" if part in ("", None) or isinstance(part, str) else "is no text"
                raise InputError(f"{place}: {name!r} {said}")
        texts.append(SEP.join(parts))
        lines.append(where)
        for column in columns:
            values[column.name].append(read_label(place, column, row[column.name], len(columns) > 1))
        if all(labels[-1] is None for labels in values.values()):
            raise InputError(f"{place}: no label at all")
    return Labelled(source, texts, values, lines, tuple(columns), names or {})


def read_label(place: str, column: Column, value: Any, may_be_missing: bool) -> Label:
    """One cell -> str, list of str, float, or None. Raises: InputError, naming the place."""
    empty = value is None or (isinstance(value, str) and not value.strip())
    if column.kind == "multi":
        if isinstance(value, str):
            value = [part.strip() for part in value.split("|") if part.strip()]
        if value is None and not may_be_missing:
            raise InputError(f"{place}: {column.name!r} is empty")
        if value is not None and not isinstance(value, list):
            raise InputError(f"{place}: {column.name!r} should be a list of labels, got {value!r:.40}")
        return value if value is None else [str(label) for label in value]
    if empty:
        if may_be_missing:
            return None
        raise InputError(f"{place}: {column.name!r} is empty")
    if column.kind == "regression":
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not abs(number) < float("inf"):
            raise InputError(f"{place}: {column.name!r} should be a number, got {value!r:.40}")
        return number
    if isinstance(value, list | dict | float):
        raise InputError(f"{place}: {column.name!r} should be one label, got {value!r:.40}")
    return str(value).strip()


def from_dataset(dataset: Any, source: str, text: list[str], columns: list[Column]) -> Labelled:
    """A split of the `datasets` library -> labelled texts; rows count from 0. A class that is given by its
    number gets its name; -1, "not known", is an error.

    Raises: InputError, naming source and row.
    """
    names = {}
    for column in columns:
        feature = dataset.features.get(column.name)
        known = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
        if known:
            names[column.name] = tuple(known)
    rows = []
    for number, row in enumerate(dataset):
        row = dict(row)
        for name, known in names.items():
            row[name] = by_name(row[name], known, f"{source}, row {number}")
        rows.append((f"row {number}", row))
    return collect(source, rows, text, columns, names)


def by_name(value: Any, names: tuple[str, ...], place: str) -> Any:
    """Numbers of classes, also in lists, -> their names; anything else as it is."""
    if isinstance(value, list):
        return [by_name(part, names, place) for part in value]
    if isinstance(value, int):
        if not 0 <= value < len(names):
            raise InputError(
                f"{place}: label {value} is not known; the test sets of the hub often hide theirs"
            )
        return names[value]
    return value
