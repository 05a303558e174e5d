"""A trained model's features of a text, as one row of numbers for any standard classifier."""

import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from operator import index

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from perceiver_edu.borrow import eval_mode
from perceiver_edu.errors import InputError, brief, check_list, whole_number
from perceiver_edu.fast import FastPerceiverIO
from perceiver_edu.model import PerceiverIOForMaskedLM, check_answers, check_has_numbers
from perceiver_edu.openvino_engine import OpenVINOPerceiverIO
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.classify import PerceiverIOForClassification
from perceiver_edu.training.corpus import in_groups
from perceiver_edu.writing import whole_file

Optimized = FastPerceiverIO | OpenVINOPerceiverIO
Model = PerceiverIOForMaskedLM | PerceiverIOForClassification | Optimized
Pooling = str | Sequence[int]
POOLINGS = ("mean", "query", "bytes")
CHUNK = 4096  # texts that are sorted by length together


def extract_features(
    model: Model,
    texts: Iterable[str],
    pooling: Pooling = "mean",
    *,
    batch_size: int = 32,
    truncation: bool = False,
    progress: bool = True,
) -> np.ndarray:
    """Return features (num_texts, F) float32 of texts, in their order.

    Args:
        model: a `PerceiverIOForMaskedLM`; or, except for "query", a classifier; or, except for "bytes", what
            `optimize` returned.
        pooling: "mean" = the mean of the N latents, F = D; a list of latents, such as [0, 7] = these, one
            after the other, F = 2 D; "query" = the decoder's output at position 0, [CLS], F = E;
            "bytes" = the mean of the byte embeddings, without anything that follows: a baseline, F = C.
        batch_size: texts at a time. They are sorted by length, so there is little padding, and memory is
            bounded by `batch_size` times the longest text.
        truncation: truncate a text that is too long for the model; otherwise it is an error. Of parts that
            are joined by [SEP], the longest is truncated first.

    Raises: InputError for a text that is not a str or is too long; for a pooling that does not exist; for a
        dictionary or a table, of which one column has to be chosen; for a model that returns NaN.
    """
    chunks = list(feature_chunks(model, texts, pooling, batch_size, truncation, progress))
    return np.concatenate(chunks) if chunks else np.zeros((0, width(model, pooling)), np.float32)


def features_to_arrow(
    model: Model,
    texts: Iterable[str],
    path: str | os.PathLike,
    pooling: Pooling = "mean",
    *,
    batch_size: int = 32,
    truncation: bool = False,
    progress: bool = True,
) -> int:
    """Write features to an Arrow file with one column, `features`; return the number of texts.

    However many texts there are, only 4,096 are in memory; the file appears when it is complete.
    `pyarrow.ipc.open_file(path).read_all()` reads it.

    Raises: InputError as `extract_features`, if pyarrow is missing, and if `path` is not a plain file.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise InputError("an Arrow file needs pyarrow: pip install 'perceiver-edu[train]'") from None
    size = width(model, pooling)
    schema = pa.schema([("features", pa.list_(pa.float32(), size))])
    count = 0
    with whole_file(path) as file, pa.ipc.new_file(file, schema) as writer:
        for chunk in feature_chunks(model, texts, pooling, batch_size, truncation, progress):
            column = pa.FixedSizeListArray.from_arrays(pa.array(chunk.ravel()), size)
            writer.write_batch(pa.record_batch([column], schema=schema))
            count += len(chunk)
    return count


@torch.no_grad()
def feature_chunks(
    model: Model, texts: Iterable[str], pooling: Pooling, batch_size: int, truncation: bool, progress: bool
) -> Iterator[np.ndarray]:
    """Features of up to CHUNK texts at a time: (chunk, F) float32."""
    check_has_numbers(model)
    check_list("texts", texts)
    whole_number("batch_size", batch_size, 1, 2**20)
    size, done = width(model, pooling), 0
    total = len(texts) if isinstance(texts, Sized) else None
    with tqdm(total=total, unit="text", mininterval=1, disable=not progress) as bar:
        for group in in_groups(texts, CHUNK):
            rows = [encode(model, text, number, truncation) for number, text in enumerate(group, done)]
            features = np.empty((len(rows), size), np.float32)
            with eval_mode(model):
                for chosen, ids, mask in by_length(rows, batch_size, model.device):
                    pooled = pool(model, ids, mask, pooling).float().cpu()
                    check_answers(pooled)
                    features[chosen] = pooled.numpy()
                    bar.update(len(chosen))
            done += len(rows)
            yield features


def pool(model: Model, ids: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """ids (B, M), mask (B, M) -> (B, F)."""
    first = torch.zeros(1, dtype=torch.int64)  # the position of [CLS]
    if isinstance(model, Optimized):
        latents, outputs, _ = model.arrays(ids, mask, first.to(model.device))  # (B, N, D), (B, 1, E)
    elif pooling == "bytes":
        vectors = model.embedding.byte_embedding(ids) * mask[..., None]  # (B, M, C)
        return vectors.sum(1) / mask.sum(1, keepdim=True)
    else:
        latents = model.processor(model.encoder(model.embedding(ids), mask))  # (B, N, D)
        if pooling == "query":
            outputs = model.decoder(model.queries(first), latents)  # (B, 1, E)
    if pooling == "mean":
        return latents.mean(1)
    if pooling == "query":
        return outputs[:, 0]  # (B, E)
    return latents[:, list(pooling)].flatten(1)


def width(model: Model, pooling: Pooling) -> int:
    """F, the numbers in a row. Raises: InputError for a pooling that this model does not have."""
    c = model.config
    missing = {
        "bytes": isinstance(model, Optimized),
        "query": isinstance(model, PerceiverIOForClassification),
    }
    if isinstance(pooling, str):
        widths = {"mean": c.d_latents, "query": c.d_model, "bytes": c.d_model}
        if pooling in widths and not missing.get(pooling):
            return widths[pooling]
    else:
        try:
            chosen = [index(pooling[place]) for place in range(len(pooling))]
        except (TypeError, ValueError):
            chosen = []
        if chosen and all(0 <= number < c.num_latents for number in chosen):
            return len(chosen) * c.d_latents
    raise InputError(
        f"no pooling {brief(pooling)}; choose from "
        f"{', '.join(name for name in POOLINGS if not missing.get(name))}, or a list of latents, numbers "
        f"from 0 to {c.num_latents - 1}"
    )


def encode(model: Model, text: str, number: int, truncation: bool) -> list[int]:
    """One text -> ids. Raises: InputError, which says which text it is (they count from 0)."""
    try:
        longest = model.config.max_position_embeddings
        ids = ByteTokenizer().encode(text, max_length=None if truncation else longest)
        return truncate(ids, longest)
    except InputError as error:
        raise InputError(f"text {number}: {error}") from None


def truncate(ids: list[int], longest: int) -> list[int]:
    """[CLS] part [SEP] part [SEP] -> at most `longest` ids, taken off the end of whichever part is longest,
    as transformers does for pairs. Raises: InputError where a part would be lost wholly."""
    if len(ids) <= longest:
        return ids
    parts: list[list[int]] = [[]]
    for number in ids[1:-1]:
        if number == ByteTokenizer.SEP:
            parts.append([])
        else:
            parts[-1].append(number)
    room = longest - 1 - len(parts)
    if room < len(parts):
        raise InputError(f"{len(parts)} parts of a text do not fit into {longest} ids: leave some out")
    most = next(size for size in range(room + 1) if sum(min(len(part), size + 1) for part in parts) > room)
    spare = room - sum(min(len(part), most) for part in parts)  # one more for so many of the first ones
    kept = [ByteTokenizer.CLS]
    for part in parts:
        one_more = len(part) > most and spare > 0
        spare -= one_more
        kept += [*part[: most + one_more], ByteTokenizer.SEP]
    return kept


def by_length(
    rows: list[list[int]], batch_size: int, device: torch.device | str = "cpu"
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Rows of ids, the shortest first, `batch_size` at a time -> their numbers, ids (B, M), mask (B, M) bool.

    Rows of similar length are batched together, so that there is little padding.
    """
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    for start in range(0, len(rows), batch_size):
        chosen = order[start : start + batch_size]
        yield chosen, *pad([rows[number] for number in chosen], device)


def pad(rows: list[list[int]], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Rows of ids -> ids (B, M) int64 and mask (B, M) bool, M = the longest row."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [ByteTokenizer.PAD] * (longest - len(row)) for row in rows])
    mask = torch.arange(longest) < torch.tensor([[len(row)] for row in rows])
    return ids.to(device), mask.to(device)
