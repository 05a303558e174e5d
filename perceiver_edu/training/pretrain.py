"""Masked language modelling from scratch: the loop.

What a run does stands in `recipe.py`, what it reads in `batches.py`, what it writes in `run_folder.py`.
"""

import math
import os
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm.auto import tqdm

from perceiver_edu.errors import InputError
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.batches import Stream, batches, describe, hide_bytes, holes_of_row, spread
from perceiver_edu.training.corpus import load_crops
from perceiver_edu.training.masking import IGNORE, hole_positions, mask_words
from perceiver_edu.training.recipe import Recipe, choose, learning_rate, new_model, seed_of
from perceiver_edu.training.run_folder import (
    check_run,
    claim,
    load_checkpoint,
    log,
    open_run,
    save_checkpoint,
    write_samples,
)
from perceiver_edu.weights.pretrained import save_pretrained

PRECISIONS = ("auto", "fp32", "bf16")


def pretrain(
    data: torch.Tensor | Stream,
    folder: str | Path,
    recipe: Recipe,
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
) -> PerceiverIOForMaskedLM:
    """Train a model from its start, or from where it stopped, and write to `folder`; see `run_folder.py`.

    A run that was cut off and resumed, on the same machine with as many threads, ends with the very weights
    and log of one that was not. Under `torchrun` each process takes its share of a batch; the first writes.

    Args:
        data: crops (num_crops, M) int16, as `load_crops` gives them, or a `Stream`.
        held_out: crops to evaluate on, (num_held_out, M).
        resume: go on from the newest checkpoint in `folder`, if there is one.
        micro_batch_size: crops per forward pass, where a process's share of a batch does not fit into memory.
        precision: "fp32"; "bf16", matrix products in bfloat16; "auto", bf16 on a GPU.
        compile: use `torch.compile`, with one shape for all batches. On a CPU, the small model's steps take
            as long as before, after a minute or more of compiling.

    Returns: the model, in eval mode.

    Raises: InputError if `folder` already holds a run (without `resume`), or one of another recipe or other
        data; if another process trains in it; if the batch cannot be shared out; if the loss becomes NaN.
    """
    folder = Path(folder)
    check_options(recipe, micro_batch_size, precision, log_every, evaluate_every, save_every)
    accelerator = start_accelerator(precision)
    device, main = accelerator.device, accelerator.is_main_process
    plain = new_model(recipe).to(device)
    optimizer = torch.optim.AdamW(
        plain.parameters(),
        lr=recipe.learning_rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=device.type == "cuda",
    )
    with claim(folder) if main else nullcontext():
        with accelerator.main_process_first():
            if main:
                open_run(folder, asdict(recipe) | {"data": describe(data)}, resume)
            first_step, tally = load_checkpoint(folder, plain, optimizer)
        if accelerator.gather(torch.tensor([first_step], device=device)).unique().numel() > 1:
            raise InputError(f"{folder} looks different to different processes: it must be on a shared disk")
        zero = torch.zeros(3, dtype=torch.float64, device=device)
        tally = tally.to(zero) if main and tally is not None else zero

        model, optimizer = accelerator.prepare(plain, optimizer)
        model = torch.compile(model, dynamic=False) if compile else model
        size = holes_of_row(recipe) if compile or device.type == "cuda" else None
        if main and held_out is not None and first_step == 0:
            log(folder, new_row(0, held_out_bits=evaluate_held_out(plain, held_out, folder, 0)))
        plain.train()
        bytes_read, seconds, started = 0, 0.0, time.perf_counter()
        bar = tqdm(
            total=recipe.steps,
            initial=first_step,
            unit="step",
            mininterval=1,
            disable=not (progress and main),
        )
        with bar:
            for step, ids in enumerate(batches(data, recipe, first_step, device), first_step):
                new, norm = train_step(
                    accelerator, model, optimizer, recipe, ids, step, size, micro_batch_size
                )
                tally, bytes_read, done = tally + new, bytes_read + ids.numel(), step + 1
                bar.update()
                log_now, evaluate_now, save_now = (
                    done % every == 0 or done == recipe.steps
                    for every in (log_every, evaluate_every, save_every)
                )
                if not (log_now or evaluate_now or save_now):
                    continue  # so far, nothing has waited for the GPU

                tally = accelerator.reduce(tally, "sum")
                nats, hidden, not_asked = tally.tolist()
                seconds += time.perf_counter() - started
                if not math.isfinite(nats + norm):
                    raise InputError(f"at step {done} the loss is NaN or infinite: try a lower learning rate")
                if log_now or evaluate_now:
                    row = new_row(
                        done,
                        bits=nats / math.log(2) / max(1, hidden),
                        learning_rate=learning_rate(recipe, step),
                        bytes_per_second=round(bytes_read / seconds),
                        not_asked=int(not_asked),
                    )
                    if main and evaluate_now and held_out is not None:
                        row["held_out_bits"] = evaluate_held_out(plain, held_out, folder, done)
                    if main:
                        log(folder, row)
                    bar.set_postfix_str(
                        f"{row['bits']:.3f} bits/byte, {row['bytes_per_second'] / 1e3:.1f} kB/s"
                    )
                    tally, bytes_read, seconds = zero, 0, 0.0
                if main and save_now:
                    save_checkpoint(folder, plain, optimizer, done, tally)
                tally = tally if main else zero  # it holds what all processes have seen
                started = time.perf_counter()
        if main:
            save_pretrained(plain, folder / "model")
        accelerator.wait_for_everyone()
    plain = accelerator.unwrap_model(plain, keep_fp32_wrapper=False)
    accelerator.end_training()
    return plain.eval()


def train_step(accelerator, model, optimizer, recipe, ids, step, size=None, micro_batch_size=None):
    """One step: hide bytes, ask for them, follow the gradient. Makes no GPU wait.

    ids (B, M): the whole batch, the same in every process; size: O, see `hole_positions`.

    Returns: tally (3,), see `backward`, and the norm of the gradient, both still on the device.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, step)
    torch.manual_seed(seed_of(recipe.seed, "dropout", step, accelerator.process_index))
    inputs, labels = hide_bytes(recipe, ids.long(), step)  # (B, M)
    tally = backward(accelerator, model, inputs, labels, size, micro_batch_size)
    norm = accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
    optimizer.step()
    optimizer.zero_grad()
    return tally, norm


def backward(accelerator, model, inputs, labels, size=None, micro_batch_size=None):
    """Adds to the gradients those of the mean loss over the whole batch, in micro-batches and processes.

    inputs, labels (B, M): the whole batch. Each process computes its share of the rows; all get the sum.

    Returns: tally (3,) of this process's rows: nats, bytes asked for, hidden bytes not asked for.
    """
    positions, targets = hole_positions(labels, size)  # (B, O)
    asked = (targets != IGNORE).sum().clamp(min=1)  # in all processes together
    world = accelerator.num_processes
    mine = slice(accelerator.process_index, None, world)
    parts = [tensor[mine].split(micro_batch_size or len(inputs)) for tensor in (inputs, positions, targets)]
    nats = 0.0
    for number, part in enumerate(zip(*parts, strict=True), 1):
        last = number == len(parts[0])  # then the processes take the mean of their gradients, hence × world
        with nullcontext() if last else accelerator.no_sync(model):
            loss = loss_of(model, *part)
            accelerator.backward(loss * world / asked)
        nats = nats + loss.detach().double()
    answered = (targets[mine] != IGNORE).sum()
    return torch.stack([nats, answered, (labels[mine] != IGNORE).sum() - answered])


def loss_of(model, inputs, positions, targets):
    """Summed cross-entropy in nats: inputs (B, M), positions and targets (B, O) -> ()."""
    logits = model(inputs, inputs != ByteTokenizer.PAD, positions)  # (B, O, V)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


def new_row(step, **values):
    """A row of log.csv; what is not known stays empty."""
    columns = ("step", "bits", "held_out_bits", "learning_rate", "bytes_per_second", "not_asked")
    return dict.fromkeys(columns, "") | {"step": step} | values


def evaluate_held_out(model, crops, folder, step) -> float:
    """Write samples; -> bits per hidden byte on held-out crops."""
    model.eval()
    write_samples(model, folder, step)
    bits = held_out_bits(model, crops)
    model.train()
    return bits


@torch.no_grad()
def held_out_bits(model, crops, batch_size=32, mask=mask_words) -> float:
    """Bits per hidden byte: crops (num_crops, M), [MASK] throughout, always the same holes.

    `mask`: a function of `masking.py`; whole words by default.

    Raises: InputError for crops in which nothing gets hidden.
    """
    nats = hidden = 0.0
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


def start_accelerator(precision: str):
    """accelerate's view of this machine. Raises: InputError if it is not installed."""
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ModuleNotFoundError:
        raise InputError("training needs accelerate: pip install 'perceiver-edu[train]'") from None
    AcceleratorState._reset_state(
        reset_partial_state=True
    )  # a notebook may train twice, with another precision
    on_gpu = torch.cuda.is_available()
    bf16 = precision == "bf16" or (precision == "auto" and on_gpu)
    return Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=not on_gpu)


def check_options(recipe: Recipe, micro_batch_size, precision, *intervals) -> None:
    """Raises: InputError for what cannot work, before any work begins."""
    choose("precision", precision, PRECISIONS)
    if min(intervals) < 1:
        raise InputError("save_every, evaluate_every and log_every must be at least 1 step")
    world = int(os.environ.get("WORLD_SIZE", 1))  # set by torchrun
    micro = 1 if micro_batch_size is None else micro_batch_size
    if micro < 1 or recipe.batch_size % (world * micro):
        raise InputError(
            f"batch_size {recipe.batch_size} must divide by {world} processes × micro-batches of {micro}"
        )


def pretrain_files(
    data: str | Path | list | Stream,
    folder: str | Path,
    recipe: Recipe,
    *,
    held_out: str | Path | list | None = None,
    held_out_crops: int = 512,
    cache: str | Path | None = None,
    resume: bool = False,
    **options,
) -> PerceiverIOForMaskedLM:
    """`pretrain` on files and folders of text, see `read_documents`.

    Args:
        held_out_crops: how many crops of the held-out text to evaluate on, evenly spaced.
        cache: a folder for the crops, so that they are made only once.

    Raises: InputError as `pretrain` and `load_crops`; what can be checked before reading is.
    """
    folder, main = Path(folder), os.environ.get("RANK", "0") == "0"
    if main:
        with claim(folder):
            check_run(folder, asdict(recipe), resume)
    length, quiet = recipe.config.max_position_embeddings, not (main and options.get("progress", True))
    if held_out is not None:
        held_out = spread(load_crops(held_out, length, cache=cache, progress=False), held_out_crops)
    if not isinstance(data, Stream):
        data = load_crops(data, length, cache=cache, progress=not quiet)
    return pretrain(data, folder, recipe, held_out=held_out, resume=resume, **options)
