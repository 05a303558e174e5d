"""From files or the hub to crops: documents (text) -> packs of ten -> rows of `length` ids."""

import hashlib
import json
import lzma
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from tqdm.auto import tqdm

from perceiver_edu.errors import InputError, warn
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training import text_files
from perceiver_edu.training.masking import is_white_space
from perceiver_edu.training.run_folder import without_runs
from perceiver_edu.training.text_files import PACKED, read_lines
from perceiver_edu.weights.files import parse_json
from perceiver_edu.writing import check_plain, whole_file

# ---------------------------------------------------------------- documents

FORMATS = (".jsonl", ".json", ".txt", ".parquet")
ENDINGS = tuple(f"{kind}{packed}" for kind in FORMATS for packed in ("", *PACKED))

# (share of the bytes, arguments of datasets.load_dataset): what `deepmind/language-perceiver` was trained on.
Mixture = Sequence[tuple[float, dict[str, str]]]
C4_AND_WIKIPEDIA: Mixture = (
    (0.7, {"path": "allenai/c4", "name": "en"}),
    (0.3, {"path": "wikimedia/wikipedia", "name": "20231101.en"}),
)


def read_documents(paths: str | Path | Sequence[str | Path], text_field: str = "text") -> Iterator[str]:
    """Read documents from files and folders, in the given order; the files of a folder by name.

    `.jsonl` (or `.json`): one object a line, with the document in `text_field`; `.parquet`: a column
    `text_field`; `.txt`: the whole file is one document. All but Parquet may be compressed (`.xz`, `.gz`).
    In a folder, hidden files and files with other endings are skipped; a warning names them.

    Raises: InputError, naming file and line, for what cannot be read as such.
    """
    for file in list_files(paths):
        kind = Path(file.stem).suffix if file.suffix.lower() in PACKED else file.suffix
        read = {".txt": read_text, ".parquet": read_parquet}.get(kind.lower(), read_json_lines)
        try:
            yield from read(file, text_field)
        except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
            raise InputError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error


def list_files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """Every corpus file under `paths`, folders opened. Raises: InputError for a path without one."""
    files: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        found = files_in(path) if path.is_dir() else [path] if path.name.lower().endswith(ENDINGS) else []
        if not found or not path.exists():
            kinds = ", ".join(FORMATS)
            reason = f"nothing here ends in {kinds} (.xz, .gz)" if path.exists() else "no such file"
            raise InputError(f"{path}: {reason}")
        for file in found:
            check_plain(file)
        files += found
    return files


def files_in(folder: Path) -> list[Path]:
    """The corpus files of a folder and of the folders in it, by name; a warning names what is skipped,
    links to folders among it, which may lead round in a circle.

    What training runs have written there is not text to train on.
    """
    found, skipped, linked = [], [], []
    for file in without_runs(sorted(folder.rglob("*"))):
        parts = file.relative_to(folder).parts
        hidden = [number for number, part in enumerate(parts, 1) if part.startswith(".")]
        if hidden:
            skipped.append("/".join(parts[: hidden[0]]))
        elif file.is_dir():
            linked += [file] * file.is_symlink()
        elif file.name.lower().endswith(ENDINGS):
            found.append(file)
        else:
            skipped.append("/".join(parts))
    if skipped := list(dict.fromkeys(skipped)):
        names = ", ".join(skipped[:5]) + (f" and {len(skipped) - 5} more" if len(skipped) > 5 else "")
        warn(f"{folder}: not read, because they are hidden or have another ending: {names}")
    if linked:
        warn(f"{folder}: not read, because they are links to folders: {', '.join(map(str, linked[:5]))}")
    return found


def read_json_lines(file: Path, text_field: str) -> Iterator[str]:
    for number, line in enumerate(read_lines(file), 1):
        if not line.strip():
            continue
        try:
            document = parse_json(line)[text_field]
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file}, line {number}: not valid JSON: {error}") from None
        except (KeyError, TypeError, IndexError):
            raise InputError(f"{file}, line {number}: no field {text_field!r}") from None
        yield check_text(document, f"{file}, line {number}", text_field)


def read_text(file: Path, text_field: str) -> Iterator[str]:
    lines, size = [], 0
    for line in read_lines(file):
        lines.append(line)
        size += len(line)
        if size > text_files.LONGEST:
            most = f"one text of more than {text_files.LONGEST:,} characters: divide it"
            raise InputError(f"{file}, line {len(lines)}: {most}")
    yield "".join(lines)


def read_parquet(file: Path, text_field: str) -> Iterator[str]:
    """The column's texts. Where the file holds checksums of its pages, they are verified."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise InputError(f"{file}: reading Parquet needs pyarrow: pip install pyarrow") from None
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as table:
            if text_field not in table.schema_arrow.names:
                raise InputError(f"{file}: no column {text_field!r}, only {table.schema_arrow.names}")
            if table.schema_arrow.names.count(text_field) > 1:
                raise InputError(f"{file}: several columns are called {text_field!r}: leave one")
            number = 0
            for batch in table.iter_batches(columns=[text_field]):
                for document in batch.column(0).to_pylist():
                    number += 1
                    yield check_text(document, f"{file}, row {number}", text_field)
            if number != table.metadata.num_rows:
                raise InputError(f"{file}: {number} rows, but it should hold {table.metadata.num_rows}")
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(
            f"{file}: not a readable Parquet file of UTF-8 text: {' '.join(str(error).split())}"
        ) from error


def check_text(document: object, where: str, text_field: str) -> str:
    if not isinstance(document, str):
        raise InputError(f"{where}: {text_field!r} must be text, not {type(document).__name__}")
    try:
        document.encode()
    except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair
        raise InputError(f"{where}: text without a UTF-8 form: {error}") from error
    return document


def stream_mixture(
    mixture: Mixture = C4_AND_WIKIPEDIA,
    text_field: str = "text",
    seed: int = 0,
    probe: int = 500,
    shuffle_buffer: int = 10_000,
) -> Iterator[str]:
    """Stream documents from the hub, mixed so that each source gives its fraction of the *bytes*.

    `interleave_datasets` draws a source per document, and a Wikipedia article is longer than a web page. So
    the mean length of each source is measured on its first `probe` documents, and the odds of drawing it are
    share / length. The stream ends with the first source that does, so nothing is repeated.

    Raises: InputError if `datasets` is not installed, or a source cannot be opened or has no `text_field`.
    """
    try:
        import datasets
    except ModuleNotFoundError:
        raise InputError("streaming from the hub needs the datasets library: pip install datasets") from None
    sources, odds = [], []
    for share, where in mixture:
        try:
            source = datasets.load_dataset(**where, split="train", streaming=True)
            lengths = [len(row[text_field].encode()) for row in source.take(probe)]
        except KeyError:
            raise InputError(f"{where}: no field {text_field!r}") from None
        except (OSError, ValueError) as error:  # datasets raises both, for what is missing or out of reach
            raise InputError(f"{where}: cannot be opened: {error}") from error
        sources.append(source.select_columns([text_field]).shuffle(seed=seed, buffer_size=shuffle_buffer))
        odds.append(share * len(lengths) / max(sum(lengths), 1))
    probabilities = [odd / sum(odds) for odd in odds]
    for row in datasets.interleave_datasets(sources, probabilities=probabilities, seed=seed):
        yield row[text_field]


# ---------------------------------------------------------------- crops

CRC_BYTES = 4  # at the end of a cached file


def in_groups(items: Iterable, size: int) -> Iterator[list]:
    """Lists of `size` items; the last may be shorter."""
    items = iter(items)
    while group := list(islice(items, size)):
        yield group


def pack(documents: Iterable[str], length: int, documents_per_pack: int = 10) -> Iterator[torch.Tensor]:
    """Join `documents_per_pack` documents at a time and split each pack into crops of `length` ids.

    Without joining, the last crop of every document would be half padding on average. Every byte of every
    document comes exactly once. Yields crops (length,) int16, as `crop_pack` makes them.
    """
    for group in in_groups(documents, documents_per_pack):
        yield from crop_pack(group, length)


def crop_pack(documents: Sequence[str], length: int) -> torch.Tensor:
    """Return the crops (num_crops, length) int16 of one pack of documents (appendix F.3).

    A crop is [CLS], `length` - 2 ids, [SEP]: the form in which the tokenizer hands a sentence to the model.
    Two documents are separated by one more [SEP], which no document can contain, because text is encoded
    byte by byte here, even a typed "[SEP]". A crop may begin and end within a word. The last one is padded.

    Raises: InputError if `length` leaves no room for a byte.
    """
    if length < 3:
        raise InputError(f"a crop of {length} ids has no room for [CLS], a byte and [SEP]")
    joined: list[Any] = []
    for text in filter(None, documents):
        encoded = np.frombuffer(text.encode(), np.uint8).astype(np.int16) + ByteTokenizer.BYTE_OFFSET
        joined += [[ByteTokenizer.SEP], encoded]
    ids = np.concatenate(joined[1:] or [[]])  # without the [SEP] before the first document

    num_crops = math.ceil(len(ids) / (length - 2))
    crops = np.full((num_crops, length), ByteTokenizer.PAD, np.int16)
    if num_crops:
        body = np.pad(ids, (0, num_crops * (length - 2) - len(ids)), constant_values=ByteTokenizer.PAD)
        crops[:, 0] = ByteTokenizer.CLS
        crops[:, 1:-1] = body.reshape(num_crops, length - 2)
        crops[:-1, -1] = ByteTokenizer.SEP
        crops[-1, 1 + len(ids) - (num_crops - 1) * (length - 2)] = ByteTokenizer.SEP  # after the last byte
    return torch.from_numpy(crops)


def load_crops(
    paths: str | Path | Sequence[str | Path],
    length: int,
    *,
    documents_per_pack: int = 10,
    text_field: str = "text",
    cache: str | Path | None = None,
    progress: bool = True,
) -> torch.Tensor:
    """Return all crops of a corpus as one tensor (num_crops, length) int16, 2 bytes per byte of text.

    With a folder as `cache`, they are built once, kept there as one `.npy`, and mapped into memory
    afterwards, so that several processes share the pages. Changed files are read again, and a damaged cache
    is built again.

    Raises: InputError as `read_documents`, and for a corpus without any text.
    """
    files = list_files(paths)
    if cache is not None:
        if Path(cache).exists() and not Path(cache).is_dir():
            raise InputError(f"{cache} is not a folder: name a folder for the cache")
        stamps = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        key = json.dumps([stamps, length, documents_per_pack, text_field])
        stored = Path(cache) / f"crops-{length}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
        crops = read_cache(stored)
        if crops is not None:
            return crops

    documents = tqdm(read_documents(files, text_field), desc="reading", unit=" texts", disable=not progress)
    packs = [crop_pack(group, length) for group in in_groups(documents, documents_per_pack)]
    if not any(map(has_text, packs)):
        only = ", only white space" if any(map(len, packs)) else ""
        raise InputError(f"there is no text in {', '.join(map(str, files))}{only}")
    crops = torch.cat(packs)
    if cache is not None:
        write_cache(stored, crops)
    return crops


def has_text(crops: torch.Tensor) -> bool:
    """Is there any byte but white space in these crops (num_crops, length)?"""
    return bool(((crops >= ByteTokenizer.BYTE_OFFSET) & ~is_white_space(crops)).any())


def crc_of(file: BinaryIO, size: int) -> bytes:
    """The CRC-32 of the next `size` bytes of a file, which is then behind them."""
    crc = 0
    while piece := file.read(min(2**20, size)):
        crc, size = zlib.crc32(piece, crc), size - len(piece)
    return crc.to_bytes(CRC_BYTES)


def read_cache(path: Path) -> torch.Tensor | None:
    """What `write_cache` wrote, mapped into memory; None where it is missing or, with a warning, damaged."""
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size - CRC_BYTES
        if size < 0 or crc_of(file, size) != file.read():
            warn(f"{path} is damaged: the text is read again")
            return None
    return torch.from_numpy(np.load(path, mmap_mode="c"))  # "c": writes stay private


def write_cache(path: Path, crops: torch.Tensor) -> None:
    """One `.npy` and, after its last number, a CRC-32 of all that comes before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        np.save(file, crops.numpy())
        size = file.tell()
        file.seek(0)
        file.write(crc_of(file, size))


def packing_efficiency(crops: torch.Tensor) -> float:
    """Return the fraction of positions that hold a byte of text: crops (num_crops, length) -> 0..1."""
    return (crops >= ByteTokenizer.BYTE_OFFSET).float().mean().item()


def shorten(
    ids: torch.Tensor, share: float, shortest: int = 16, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Truncate a random `share` of the rows to a random length, because real texts are shorter than a crop.

    A cut row ends in [SEP] and is padded; its length is drawn uniformly from `shortest` to M, and a row that
    is no longer than that stays whole. Where packing fills every crop, a model never sees a short text
    otherwise, nor padding.

    ids (B, M) -> ids (B, M).
    """
    B, M = ids.shape
    device = ids.device
    cut = torch.rand(B, 1, generator=generator, device=device) < share
    length = torch.randint(min(shortest, M), M + 1, (B, 1), generator=generator, device=device)
    position = torch.arange(M, device=device)  # (M,)
    shorter = ids.masked_fill(position >= length, ByteTokenizer.PAD)
    ends_here = (position == length - 1) & (ids != ByteTokenizer.PAD)
    shorter = shorter.masked_fill(ends_here, ByteTokenizer.SEP)
    return torch.where(cut, shorter, ids)  # (B, M)
