"""Masked language modelling, from scratch or from given weights: what the loop of `loop.py` is to learn.

What a run does is in `configs.py`, what it reads in `batches.py`, what it writes in `run_folder.py`.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from perceiver_edu.borrow import same_random_state
from perceiver_edu.errors import InputError, warn
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.batches import Stream, batches, describe, hide_bytes, holes_of_row, spread
from perceiver_edu.training.configs import WORD_MASKS, PretrainConfig, new_model, new_optimizer
from perceiver_edu.training.corpus import list_files, load_crops
from perceiver_edu.training.loop import (
    Batch,
    Job,
    Loss,
    Report,
    check_options,
    is_first_process,
    resolved,
    train,
)
from perceiver_edu.training.masking import IGNORE, Mask, hole_positions, mask_words
from perceiver_edu.training.run_folder import check_run, claim, file_sums, log, weights_sum, write_samples
from perceiver_edu.weights.pretrained import save_pretrained

COLUMNS = ("step", "bits", "held_out_bits", "learning_rate", "bytes_per_second", "not_asked")  # of log.csv


@same_random_state()
def pretrain(
    data: torch.Tensor | Stream,
    folder: str | Path,
    settings: PretrainConfig,
    *,
    held_out: torch.Tensor | None = None,
    resume: bool = False,
    micro_batch_size: int | None = None,
    precision: str = "auto",
    compile: bool = False,
    save_every: int = 500,
    evaluate_every: int = 500,
    log_every: int = 50,
    progress: bool = True,
    files: dict[str, str] | None = None,
) -> PerceiverIOForMaskedLM:
    """Train a model from its initial weights, or from where it stopped, and write to `folder`.

    A run that was interrupted and resumed, on the same machine with as many threads, ends with the very
    weights and log of one that was not. Under `torchrun` each process takes its share of a batch; the first
    writes.

    Args:
        data: crops (num_crops, M) int16, as `load_crops` gives them, or a `Stream`.
        held_out: crops to evaluate on, (num_held_out, M). In log.csv, `bits` are measured with
            `settings.fraction` hidden, and `held_out_bits` always with 15 %.
        resume: go on from the newest checkpoint in `folder`, if there is one.
        micro_batch_size: crops per forward pass, where a process's share of a batch does not fit into memory.
        precision: "fp32"; "bf16", matrix products of the training steps in bfloat16; "auto", bf16 on a GPU.
            Held-out text is always measured in fp32.
        compile: use `torch.compile`, with one shape for all batches. On a CPU, the small model's steps take
            as long as before, after a minute or more of compiling.
        files: where the text comes from, {path: SHA-256}: if it has changed when the run is to go on, the
            error names the file.

    Returns: the model, in eval mode.

    Raises: InputError if `folder` already holds a run (without `resume`), or one with other settings or data;
        if no checkpoint in it is whole; if another process trains in it; if the batch cannot be shared out.
        DivergedError if the loss becomes NaN.
    """
    job = Pretraining(settings, folder, precision, micro_batch_size, data, held_out, compile)
    run = asdict(settings) | {"precision": resolved(precision), "data": describe(data), "files": files}
    run["held_out"] = None if held_out is None else describe(held_out)
    run["weights_sha256"] = weights_sum(job.model) if settings.weights else None
    train(job, run, resume, progress, (save_every,), evaluate_every, log_every, compile)
    return job.model.eval()


class Pretraining(Job):
    """Hide bytes and ask for them. On a GPU, or compiled, all batches have one shape: O positions a row."""

    settings: PretrainConfig
    model: PerceiverIOForMaskedLM

    def __init__(
        self,
        settings: PretrainConfig,
        folder: str | Path,
        precision: str,
        micro_batch_size: int | None,
        data: torch.Tensor | Stream,
        held_out: torch.Tensor | None = None,
        compile: bool = False,
    ):
        super().__init__(settings, folder, precision, micro_batch_size)
        self.data, self.held_out, self.steps, self.warmup = data, held_out, settings.steps, settings.warmup
        device = self.accelerator.device
        self.model = new_model(settings).to(device)
        self.optimizer = new_optimizer(settings, self.model.parameters(), fused=device.type == "cuda")
        self.num_holes = holes_of_row(settings) if compile or device.type == "cuda" else None

    def batches(self, first_step: int) -> Iterator[Batch]:
        """Inputs and labels (B, M), positions and targets (B, O)."""
        crops = batches(self.data, self.settings, first_step, self.accelerator.device)
        for step, ids in enumerate(crops, first_step):
            inputs, labels = hide_bytes(self.settings, ids.long(), step)
            yield inputs, labels, *hole_positions(labels, self.num_holes)

    def loss(self, model: nn.Module, part: Batch, batch: Batch) -> Loss:
        """The mean cross-entropy. The tally (3,): nats, targets, hidden bytes that are no targets."""
        inputs, labels, positions, targets = part
        nats = loss_of(model, inputs, positions, targets)
        asked, hidden = (targets != IGNORE).sum(), (labels != IGNORE).sum()
        asked_in_batch = (batch[-1] != IGNORE).sum().clamp(min=1)
        return nats / asked_in_batch, torch.stack([nats.detach().double(), asked, hidden - asked])

    def begin(self) -> None:
        bits = self.measure_held_out(0)
        if bits is not None:
            log(self.folder, dict.fromkeys(COLUMNS) | {"step": 0, "held_out_bits": bits})

    def report(self, done: int, tally: list[float], per_second: float, evaluate: bool) -> Report:
        nats, hidden, not_asked = tally
        bits = nats / math.log(2) / max(1, hidden)
        unseen = self.measure_held_out(done) if evaluate else None
        rate = self.optimizer.param_groups[0]["lr"]
        row = dict(zip(COLUMNS, (done, bits, unseen, rate, round(per_second), int(not_asked)), strict=True))
        return row, f"{bits:.3f} bits/byte, {per_second / 1e3:.1f} kB/s"

    def measure_held_out(self, done: int) -> float | None:
        """In the first process: write samples -> bits per hidden byte on the held-out crops, if any."""
        if self.held_out is None or not self.main:
            return None
        write_samples(self.model.eval(), self.folder, done)
        mask = WORD_MASKS.get(self.settings.masks, mask_words)
        bits = held_out_bits(self.model, self.held_out, mask=mask)
        self.model.train()
        return bits

    def finish(self, done: int) -> None:
        if self.main:
            save_pretrained(self.model, self.folder / "model")


def loss_of(
    model: nn.Module, inputs: torch.Tensor, positions: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Summed cross-entropy in nats: inputs (B, M), positions and targets (B, O) -> ()."""
    logits = model(inputs, inputs != ByteTokenizer.PAD, positions)  # (B, O, V)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # from bfloat16, in autocast
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


@torch.no_grad()
def held_out_bits(
    model: PerceiverIOForMaskedLM, crops: torch.Tensor, batch_size: int = 32, mask: Mask = mask_words
) -> float:
    """Bits per hidden byte: crops (num_crops, M), [MASK] throughout, always the same holes.

    `mask`: a function of `masking.py`, with its own 15 % whatever a run hides; whole words by default.

    Raises: InputError for crops in which nothing gets hidden.
    """
    nats, hidden = 0.0, 0
    for number, rows in enumerate(crops.split(batch_size)):
        ids = rows.long().to(model.device)
        generator = torch.Generator(ids.device).manual_seed(number)
        inputs, labels = mask(ids, generator=generator, always_mask=True)
        if (labels != IGNORE).any():
            positions, targets = hole_positions(labels)
            nats += float(loss_of(model, inputs, positions, targets))
            hidden += int((targets != IGNORE).sum())
    if not hidden:
        raise InputError("the held-out text is too short: there is no word in it to hide")
    return nats / hidden / math.log(2)


def pretrain_files(
    data: str | Path | list | Stream,
    folder: str | Path,
    settings: PretrainConfig,
    *,
    held_out: str | Path | list | None = None,
    held_out_crops: int = 512,
    cache: str | Path | None = None,
    resume: bool = False,
    **options: Any,
) -> PerceiverIOForMaskedLM:
    """`pretrain` on files and folders of text, see `read_documents`.

    Args:
        held_out_crops: how many crops of the held-out text to evaluate on, evenly spaced.
        cache: a folder for the crops, so that they are made only once.

    Raises: InputError as `pretrain` and `load_crops`; what can be checked before reading is.
    """
    check_options(settings, **options)
    folder, main = Path(folder), is_first_process()
    if main:
        with claim(folder):
            precision = resolved(options.get("precision", "auto"))
            check_run(folder, asdict(settings) | {"precision": precision}, resume)
    length = settings.config.max_position_embeddings
    files, unseen, bar = [], None, main and options.get("progress", True)
    if held_out is not None:
        files = list_files(held_out)
        unseen = spread(load_crops(files, length, cache=cache, progress=False), held_out_crops)
    if isinstance(data, Stream):
        text: torch.Tensor | Stream = data
    else:
        own = list_files(data)
        if main:
            warn_of_repeats(own, files)
        text, files = load_crops(own, length, cache=cache, progress=bar), [*own, *files]
    sums = file_sums(files, bar) if main else None
    return pretrain(text, folder, settings, held_out=unseen, resume=resume, files=sums, **options)


def warn_of_repeats(training: list[Path], held_out: list[Path]) -> None:
    """Warns of files that are read twice, or that are held out although the model is trained on them."""
    times = Counter(path.resolve() for path in training)
    for found, problem in (
        ([path for path, number in times.items() if number > 1], "given twice, so its text counts twice"),
        (
            [path for path in held_out if path.resolve() in times],
            "held out, but it is in the training data, too",
        ),
    ):
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            warn(f"{found[0]}{more}: {problem}")
