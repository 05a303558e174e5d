"""Labelled texts: from CSV, JSON Lines or the `datasets` library to texts, labels, and the source of each.

All is read and checked before anything is made of it. What cannot be used is one error with file and line.
"""

import csv
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perceiver_edu.errors import InputError, brief, check_list
from perceiver_edu.training.text_files import read_lines
from perceiver_edu.weights.files import parse_json

LONGEST_LINE = 2**20  # bytes; no labelled text is as long, but a file of another kind often is
SEPARATORS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*SEPARATORS, ".jsonl", ".json")
Label = str | list[str] | float | None  # of a single, multi or regression column; None: not asked
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
MISSING = ("nan", "<na>")  # as pandas writes it
MULTI_HOT = "list the labels that apply to the text; a vector of 0 and 1 does not name them"
SEP = "[SEP]"  # between the parts of a text, as Hugging Face's tokenizer joins pairs


@dataclass(frozen=True)
class Column:
    """A column that holds labels, and what kind of task they are."""

    name: str
    kind: str = "single"
    separator: str | None = None  # of the labels in a multi cell; None: "|", and other ways are refused


@dataclass
class Labelled:
    """Texts with their labels, as they appear in the source."""

    source: str
    texts: list[str]
    values: dict[str, list]  # column -> its `Label`s
    lines: list[str]  # where each text comes from, such as "line 7"
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
    """Read labelled texts from a .csv, .tsv or .jsonl file. Several `text` columns are joined by [SEP].

    In .csv a quotation mark quotes a cell; in .tsv it is a character like any other. White space around a
    label is dropped. A multi-label cell of either holds its labels separated by "|", or by the column's
    `separator`, and an empty one says that the text has no label; in .jsonl it is a list. Where there are
    several columns of labels, an empty cell of the other kinds says nothing about this one; where there is
    one column, it is an error, as are NaN as a label and one number written in two ways (1 and 1.0). Without
    `columns` the texts come alone.

    Raises: InputError, naming file and line, for what cannot be read as such.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise InputError(f"{path}: labelled text is a file that ends in {', '.join(ENDINGS)}")
    read = read_separated if kind in SEPARATORS else read_json_lines
    try:
        rows = list(read(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return collect(str(path), rows, text, columns)


def read_separated(path: Path) -> Iterator[tuple[str, dict]]:
    """("line 7", {column: cell}) of each row; a row may go over several lines, the first is named."""
    separator = SEPARATORS[path.suffix.lower()]
    quoting: Any = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(read_lines(path, LONGEST_LINE), delimiter=separator, quoting=quoting, strict=True)
    header, line, limit = None, 1, csv.field_size_limit(LONGEST_LINE)  # of the whole process: given back
    try:
        for row in reader:
            where, line = f"line {line}", reader.line_num + 1
            if header is None:
                header = row
                if len(set(header)) < len(header):
                    [(twice, _)] = Counter(header).most_common(1)
                    raise InputError(f"{path}, line 1: two columns have the same name: {brief(twice)}")
            elif row:
                if len(row) != len(header):
                    raise InputError(f"{path}, {where}: {len(row)} cells, but {len(header)} columns")
                yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        hint = " (is a quotation mark left open?)" if separator == "," else ""
        raise InputError(f"{path}, line {line}: {error}{hint}") from None
    finally:
        csv.field_size_limit(limit)


def read_json_lines(path: Path) -> Iterator[tuple[str, dict]]:
    """("line 7", object) of each line that is not empty."""
    for number, line in enumerate(read_lines(path, LONGEST_LINE), 1):
        if not line.strip():
            continue
        try:
            values = parse_json(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not valid JSON: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"{path}, line {number}: each line must be a JSON object")
        yield f"line {number}", values


def collect(
    source: str,
    rows: list[tuple[str, dict]],
    text: list[str],
    columns: Sequence[Column],
    names: dict[str, tuple[str, ...]] | None = None,
) -> Labelled:
    """Rows ("line 7", {column: value}) -> labelled texts. Raises: InputError, naming source and line."""
    check_list("the columns of text", text)
    if not rows:
        kind = "labelled text" if columns else "text"
        raise InputError(f"{source}, line 1: there is no {kind} in this file")
    texts, lines = [], []
    values: dict[str, list[Label]] = {column.name: [] for column in columns}
    for where, row in rows:
        place = f"{source}, {where}"
        for name in (*text, *values):
            if name not in row:
                raise InputError(f"{place}: no column {name!r}; choose from {', '.join(map(str, row))}")
        parts = [row[name] for name in text]
        for name, part in zip(text, parts, strict=True):
            if not isinstance(part, str) or not part.strip():
                said = "is empty" if part in ("", None) or isinstance(part, str) else "is no text"
                raise InputError(f"{place}: {name!r} {said}")
        texts.append(SEP.join(parts))
        lines.append(where)
        for column in columns:
            values[column.name].append(read_label(place, column, row[column.name], len(columns) > 1))
        if values and all(labels[-1] is None for labels in values.values()):
            raise InputError(f"{place}: no label at all")
    for column in columns:
        labels = [row[column.name] for _, row in rows if row[column.name] is not None]
        if column.kind == "single" and len({isinstance(label, bool) for label in labels}) > 1:
            raise InputError(f"{source}: {column.name!r} holds true or false, and other labels: use one kind")
        check_multi_hot(source, column, values[column.name])
    return Labelled(source, texts, values, lines, tuple(columns), names or {})


def read_label(place: str, column: Column, value: Any, may_be_missing: bool) -> Label:
    """One cell -> str, list of str, float, or None. Raises: InputError, naming the source and row."""
    what = f"{place}: {column.name!r}"
    if column.kind == "multi":
        if value is None and may_be_missing:
            return None
        return read_labels(what, column, value)
    if value is None or (isinstance(value, str) and not value.strip()):
        if may_be_missing:
            return None
        raise InputError(f"{what} is empty")
    if column.kind == "regression":
        return read_number(what, value)
    if isinstance(value, list | dict | float):
        raise InputError(f"{what} should be one label, got {value!r:.40}")
    return check_label(what, str(value).strip())


def read_labels(what: str, column: Column, value: Any) -> list[str]:
    """A multi-label cell -> its labels. Nothing is guessed: what looks like another convention is refused."""
    how = "separate labels by '|', or name what separates them by --separator"
    if value is None:
        raise InputError(f"{what} is empty")
    if isinstance(value, str):
        cell = value.strip()
        if column.separator is None and cell[:1] + cell[-1:] in ("[]", "()", "{}"):
            raise InputError(
                f"{what} looks like a written list, {cell!r:.40}: separate labels by '|', without brackets "
                "and quotation marks, or give a .jsonl file, in which a list is a list"
            )
        if column.separator is None and (other := re.search("[,;\t\n]", cell)):
            raise InputError(f"{what} has {other[0]!r} in it, {cell!r:.40}: {how}")
        value = [part for part in cell.split(column.separator or "|") if part.strip()]
    if not isinstance(value, list):
        raise InputError(f"{what} should be a list of labels, got {value!r:.40}")
    for part in value:
        if not isinstance(part, str | int) or isinstance(part, bool) or not str(part).strip():
            raise InputError(f"{what} should be a list of names, but {part!r:.40} is in it: {MULTI_HOT}")
    labels = [check_label(what, str(part).strip()) for part in value]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"{what} names {label!r:.40} twice: {MULTI_HOT}")
    return labels


def check_multi_hot(source: str, column: Column, values: list[Label]) -> None:
    """Raises: InputError for a multi column of vectors of 0 and 1, one number for each label."""
    rows = [value for value in values if isinstance(value, list)]
    if rows and len(rows[0]) > 1 and all(len(row) == len(rows[0]) and {*row} <= {"0", "1"} for row in rows):
        raise InputError(f"{source}: {column.name!r} holds {rows[0]} and the like: {MULTI_HOT}")


def read_number(what: str, value: Any) -> float:
    """A number of JSON, or one written in figures; Python's `float` takes "1_000", "nan" and True, too."""
    written = isinstance(value, str) and NUMBER.fullmatch(value.strip())
    if not written and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InputError(f"{what} should be a number, got {value!r:.40}")
    try:
        number = float(value)
        [rounded] = struct.unpack("f", struct.pack("f", number))
    except OverflowError:
        number = rounded = float("inf")
    if not abs(rounded) < float("inf"):
        raise InputError(f"{what} should be a number below 3.4e38, got {value!r:.40}")
    if number and not rounded:
        raise InputError(f"{what} is too near to 0 for 32 bits: {value!r:.40}; give it in another unit")
    return number


def check_label(what: str, label: str) -> str:
    """Raises: InputError as `check_utf8`, and for what tables hold where a value is missing."""
    if label.casefold() in MISSING:
        raise InputError(
            f"{what} is {label}, which is how tables mark a missing label: give one, or leave the row out"
        )
    return check_utf8(what, label)


def check_utf8(what: str, label: str) -> str:
    """Raises: InputError for half a surrogate pair, which JSON can spell."""
    try:
        label.encode()
    except UnicodeEncodeError:
        raise InputError(f"{what} has no UTF-8 form: {label!a:.40}") from None
    return label


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
