"""From data and a step number to the batch of that step.

Everything random follows from (seed, step) alone: which crops, in what order, which bytes are hidden. So a
run that was interrupted resumes exactly, and processes share a batch without communicating.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice

import torch

from perceiver_edu.errors import InputError
from perceiver_edu.training.configs import MASKS, PretrainConfig, seed_of
from perceiver_edu.training.corpus import C4_AND_WIKIPEDIA, Mixture, in_groups, pack, shorten, stream_mixture
from perceiver_edu.training.masking import warn_of_large_units


@dataclass(frozen=True)
class Stream:
    """Text that comes in order, and is too much to keep: read in chunks, each shuffled in memory.

    To resume at a later step, the stream is read again from its beginning, and whole chunks are skipped:
    the batches are the same as before, at the cost of reading. When the stream ends, its next epoch begins.
    """

    name: str
    open: Callable[[int], Iterable[str]]  # epoch -> its documents, each time the same
    chunk_steps: int = 64  # steps that one chunk lasts

    def batches(self, settings: PretrainConfig, first_step: int) -> Iterator[torch.Tensor]:
        """The crops of each step from `first_step` on, without end: (batch_size, M) int16."""
        passed, begun = divmod(first_step, self.chunk_steps)
        size = self.chunk_steps * settings.batch_size
        crops = pack(self.documents(), settings.config.max_position_embeddings)
        next(islice(crops, passed * size, passed * size), None)
        for number, chunk in enumerate(in_groups(crops, size), passed):
            order = shuffled(size, seed_of(settings.seed, "chunk", number))
            yield from torch.stack(chunk)[order].split(settings.batch_size)[begun:]
            begun = 0

    def documents(self) -> Iterator[str]:
        """All epochs, one after the other. Raises: InputError for a stream without any text."""
        for epoch in count():
            some = False
            for text in self.open(epoch):
                some = some or bool(text.strip())
                yield text
            if not some:
                raise InputError(f"{self.name}: there is no text in this stream")


def c4_and_wikipedia(seed: int, sources: Mixture = C4_AND_WIKIPEDIA) -> Stream:
    """70 % C4, 30 % Wikipedia, by bytes, from the hub: what `deepmind/language-perceiver` was trained on."""
    return Stream("c4-wikipedia", lambda epoch: stream_mixture(sources, seed=seed + 1_000_003 * epoch))


STREAMS = {"c4-wikipedia": c4_and_wikipedia}  # by name: seed -> Stream


def batches(
    data: torch.Tensor | Stream, settings: PretrainConfig, first_step: int, device: torch.device | str
) -> Iterator[torch.Tensor]:
    """The crops of each step from `first_step` to the last: (batch_size, M) int16, on `device`.

    Warns at the first step where whole words are to be hidden and the text has hardly any.
    """
    steps = range(first_step, settings.steps)
    if isinstance(data, Stream):
        for step, crops in zip(steps, data.batches(settings, first_step), strict=False):
            if step == 0:
                check_words(settings, crops)
            yield crops.to(device)
    else:
        if first_step == 0:
            check_words(settings, spread(data, 512))
        crops = data.to(device)  # all of them, once
        for step in steps:
            yield crops[rows_of_step(settings, len(crops), step).to(device, non_blocking=True)]


def check_words(settings: PretrainConfig, crops: torch.Tensor) -> None:
    """`warn_of_large_units` for these crops, if this run hides words."""
    if settings.masks != "bytes":
        warn_of_large_units(crops.long().cpu(), settings.fraction)


def rows_of_step(settings: PretrainConfig, num_crops: int, step: int) -> torch.Tensor:
    """Which crops a step trains on: (batch_size,) row numbers. Each epoch has its own order of all crops."""
    wanted = torch.arange(step * settings.batch_size, (step + 1) * settings.batch_size)
    epochs, places = wanted // num_crops, wanted % num_crops
    rows = torch.empty_like(wanted)
    for epoch in epochs.unique().tolist():
        here = epochs == epoch
        rows[here] = shuffled(num_crops, seed_of(settings.seed, "order", epoch))[places[here]]
    return rows


@lru_cache(maxsize=2)
def shuffled(length: int, seed: int) -> torch.Tensor:
    """0..length-1 in random order, (length,)."""
    return torch.randperm(length, generator=torch.Generator().manual_seed(seed))


def hide_bytes(settings: PretrainConfig, ids: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """ids (B, M) int64 -> inputs (B, M) with holes, labels (B, M) with -100 where there is no target."""
    generator = torch.Generator(ids.device).manual_seed(seed_of(settings.seed, "masks", step))
    if settings.short:
        ids = shorten(ids, settings.short, generator=generator)
    masks = "bytes" if step < settings.bytes_first * settings.steps else settings.masks
    return MASKS[masks](ids, settings.fraction, generator)


def holes_of_row(settings: PretrainConfig) -> int:
    """O, the positions to decode in each row, where one shape must do for all batches.

    A row with a very long word, or with unusually many hidden words, may have more hidden bytes than that;
    the last ones are then not targets.
    """
    longest = settings.config.max_position_embeddings
    spare = max(48, longest // 8) if settings.masks == "coin" else max(32, longest // 16)
    size = math.ceil(settings.fraction * longest) + spare
    return min(longest, math.ceil(size / 8) * 8)


def describe(data: torch.Tensor | Stream) -> dict:
    """What tells one corpus from another."""
    if isinstance(data, Stream):
        return {"stream": data.name, "chunk_steps": data.chunk_steps}
    num_crops, length = data.shape
    return {"crops": num_crops, "length": length, "crc32": zlib.crc32(data.cpu().contiguous().numpy().data)}


def spread(crops: torch.Tensor, number: int) -> torch.Tensor:
    """`number` of the crops, evenly spaced; all of them if there are no more."""
    if len(crops) <= number:
        return crops
    return crops[torch.arange(number) * len(crops) // number]
