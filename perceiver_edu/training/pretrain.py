"""Masked language modelling from scratch: the loop.

Everything random at step s follows from (seed, s) alone: which crops, in what order, which bytes are hidden. So a run
that was cut off goes on exactly as if it had not been, and two processes share one batch without talking about it.
"""

import csv
import math
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from tqdm.auto import tqdm

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError
from perceiver_edu.fill_mask import fill_mask
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.pretrained import load_folder, save_pretrained, to_json, write_whole
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.corpus import load_crops, shorten
from perceiver_edu.training.initialization import locality_aligned_start
from perceiver_edu.training.masking import hole_positions, mask_bytes, mask_mixture, mask_words

SIZES = {  # --size; what is not named here is as in `deepmind/language-perceiver`
    "tiny": dict(
        max_position_embeddings=96, d_model=64, num_latents=24, d_latents=96, num_self_attends_per_block=2
    ),
    "small": dict(
        max_position_embeddings=256, d_model=96, num_latents=64, d_latents=192, num_self_attends_per_block=4
    ),
    "full": dict(qk_channels=256, v_channels=1280, attention_probs_dropout_prob=0.1),
}

SAMPLES = (
    "The cat sat on the[MASK][MASK][MASK][MASK] by the fire.",
    "She opened the door and went[MASK][MASK][MASK][MASK][MASK] the house.",
    "It was a very l[MASK]ng time ago.",
)


def sized(size: str) -> PerceiverIOConfig:
    """One of SIZES by its name -> config. Raises: InputError for a name that is not there."""
    if size not in SIZES:
        raise InputError(f"no size {size!r}; there are {', '.join(SIZES)}")
    free_widths = dict(qk_channels=None, v_channels=None, cross_attention_shape_for_attention="q")
    return PerceiverIOConfig(**(free_widths | dict(attention_probs_dropout_prob=0.0) | SIZES[size]))


@dataclass(frozen=True)
class Recipe:
    """What a run does. Two runs of the same recipe on the same data and machine give the same numbers."""

    steps: int = 20_000
    batch_size: int = 64  # crops per step, over all processes and micro-batches
    micro_batch_size: int | None = None  # crops per forward pass; None = the whole batch at once
    learning_rate: float = 2e-3  # the peak
    warmup: int = 200  # steps
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0  # largest norm of the gradient
    fraction: float = 0.15  # share of the bytes that is hidden
    masks: str = "mixture"  # "words", "bytes" or "mixture" of words, short spans and single bytes
    bytes_first: float = 0.1  # share of the steps, at the beginning, that hide single bytes only
    short: float = 0.0  # share of the crops that is cut to a random shorter length
    start: str = "aligned"  # "aligned" = locality-aligned, "usual" = N(0, initializer_range)
    seed: int = 0
    config: PerceiverIOConfig = field(default_factory=lambda: sized("small"))


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to zero at the last step."""
    warm = (step + 1) / max(1, recipe.warmup)
    progress = min(1.0, step / recipe.steps)
    return recipe.learning_rate * min(warm, 0.5 * (1 + math.cos(math.pi * progress)))


def rows_of_step(recipe: Recipe, num_crops: int, step: int) -> torch.Tensor:
    """Which crops step `step` trains on: (batch_size,) row numbers. Each epoch visits every crop once, in a new order."""
    wanted = torch.arange(step * recipe.batch_size, (step + 1) * recipe.batch_size)
    rows = torch.empty_like(wanted)
    for epoch in (wanted // num_crops).unique().tolist():
        order = torch.randperm(num_crops, generator=torch.Generator().manual_seed(recipe.seed + epoch))
        here = wanted // num_crops == epoch
        rows[here] = order[wanted[here] % num_crops]
    return rows


def hide_bytes(recipe: Recipe, ids: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """ids (B, M) -> inputs (B, M) with holes, labels (B, M) with -100 where nothing is asked."""
    generator = torch.Generator(ids.device).manual_seed(recipe.seed * 1_000_003 + step)
    if recipe.short:
        ids = shorten(ids, recipe.short, generator=generator)
    masks = "bytes" if step < recipe.bytes_first * recipe.steps else recipe.masks
    mask = {"words": mask_words, "bytes": mask_bytes, "mixture": mask_mixture}[masks]
    return mask(ids, recipe.fraction, generator)


def loss_of(model, inputs, labels):
    """Summed cross-entropy (nats) over the hidden bytes; only their positions are decoded."""
    positions, targets = hole_positions(labels)  # (B, O) each
    logits = model(inputs, inputs != ByteTokenizer.PAD, positions)  # (B, O, V)
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum")


def pretrain(
    crops: torch.Tensor,
    folder: Path,
    recipe: Recipe,
    *,
    held_out: torch.Tensor | None = None,
    resume: bool = False,
    compile: bool = False,
    precision: str = "no",
    save_every: int = 500,
    evaluate_every: int = 500,
    progress: bool = True,
) -> PerceiverIOForMaskedLM:
    """Train on crops (num_crops, M) int16 and write to `folder`: checkpoint-N/, log.csv, recipe.json, samples.txt.

    `precision`: "no" = fp32, "bf16". Under `torchrun` each process takes its share of every batch.

    Raises: InputError for a folder that already holds a run (without `resume`), or one of another recipe.
    """
    accelerator = Accelerator(mixed_precision=precision, cpu=not torch.cuda.is_available())
    model = PerceiverIOForMaskedLM(recipe.config)
    torch.manual_seed(recipe.seed)
    model.apply(model._initialize)
    if recipe.start == "aligned":
        locality_aligned_start(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )
    first_step = open_run(folder, recipe, model, optimizer, resume)
    plain, crops = model, crops.to(accelerator.device)
    model, optimizer = accelerator.prepare(model, optimizer)
    run = torch.compile(model, dynamic=True) if compile else model
    model.train()

    rank, world, main = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    bar = tqdm(total=recipe.steps, initial=first_step, unit="step", disable=not (progress and main))
    nats = hidden = seconds = 0.0
    for step in range(first_step, recipe.steps):
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        ids = crops[rows_of_step(recipe, len(crops), step).to(crops.device)].long()  # (B, M), the whole batch
        inputs, labels = hide_bytes(recipe, ids, step)
        count = (labels != -100).sum()  # over all processes: every process knows the whole batch

        torch.manual_seed(recipe.seed * 1_000_003 + step * world + rank)  # dropout
        mine = slice(rank, None, world)
        size = recipe.micro_batch_size or recipe.batch_size
        for part, part_labels in zip(inputs[mine].split(size), labels[mine].split(size), strict=True):
            with accelerator.autocast():
                loss = loss_of(run, part, part_labels)
            accelerator.backward(loss / count * world)  # DDP averages over the processes
            nats += loss.detach()
        accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()

        hidden += count / world
        seconds += time.perf_counter() - started
        bar.update()
        last = step + 1 == recipe.steps
        if (step + 1) % 50 == 0 or last:
            row = {
                "step": step + 1,
                "bits": float(nats / hidden) / math.log(2),  # per hidden byte, mean since the last row
                "learning_rate": learning_rate(recipe, step),
                "bytes_per_second": round(50 * recipe.batch_size * crops.shape[1] / seconds),
                "held_out_bits": "",
            }
            nats = hidden = seconds = 0.0
            if main:
                if held_out is not None and ((step + 1) % evaluate_every == 0 or last):
                    row["held_out_bits"] = held_out_bits(plain, held_out)
                    write_samples(plain, folder, step + 1)
                log(folder, row)
                bar.set_postfix(bits=f"{row['bits']:.3f}", kB_per_s=f"{row['bytes_per_second'] / 1000:.1f}")
        if main and ((step + 1) % save_every == 0 or last):
            save_run(folder, recipe, plain, optimizer, step + 1)
    bar.close()
    return plain.eval()


@torch.no_grad()
def held_out_bits(model, crops, batch_size=32) -> float:
    """Bits per hidden byte on held-out crops: whole words, [MASK] throughout, always the same holes."""
    model.eval()
    nats = hidden = 0.0
    for number, rows in enumerate(crops.split(batch_size)):
        ids = rows.long().to(model.device)
        generator = torch.Generator(ids.device).manual_seed(number)
        inputs, labels = mask_words(ids, generator=generator, always_mask=True)
        nats += float(loss_of(model, inputs, labels))
        hidden += int((labels != -100).sum())
    model.train()
    return nats / hidden / math.log(2)


def write_samples(model, folder, step):
    """What the model would put into a few holes by now, a line each."""
    with open(folder / "samples.txt", "a", encoding="utf-8") as file:
        for text in SAMPLES:
            best = fill_mask(model, text, top_k=3)[0]
            file.write(f"{step}\t{text}\t{' '.join(f'{b.text!a} {b.probability:.2f}' for b in best)}\n")


def log(folder, row):
    path = folder / "log.csv"
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


def open_run(folder: Path, recipe: Recipe, model, optimizer, resume: bool) -> int:
    """Prepare `folder`, or load its newest checkpoint into model and optimizer -> the first step to do."""
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.glob("checkpoint-*[0-9]"), key=lambda path: int(path.name.split("-")[1]))
    if not resume:
        if found or (folder / "log.csv").exists():
            raise InputError(
                f"{folder} already holds a run: go on with it by --resume, or choose another folder"
            )
        write_whole(folder / "recipe.json", to_json(asdict(recipe)))
        return 0
    if not found:
        return 0
    state = torch.load(found[-1] / "optimizer.pt", weights_only=True)
    model.load_state_dict(load_folder(found[-1]).state_dict())
    optimizer.load_state_dict(state)
    return int(found[-1].name.split("-")[1])


def save_run(folder: Path, recipe: Recipe, model, optimizer, step: int) -> None:
    """Write checkpoint-`step` beside the others and move it into place whole; then drop the older ones."""
    unfinished, finished = folder / ".unfinished", folder / f"checkpoint-{step}"
    shutil.rmtree(unfinished, ignore_errors=True)
    save_pretrained(model, unfinished)
    torch.save(optimizer.state_dict(), unfinished / "optimizer.pt")
    older = list(folder.glob("checkpoint-*[0-9]"))
    unfinished.rename(finished)
    for path in older:
        shutil.rmtree(path)


def pretrain_files(data, folder, recipe, *, held_out=None, held_out_crops=512, cache=None, **options):
    """`pretrain` on files and folders of text, see `read_documents`."""
    length = recipe.config.max_position_embeddings
    crops = load_crops(data, length, cache=cache)
    if held_out is not None:
        held_out = load_crops(held_out, length, cache=cache, progress=False)
        held_out = held_out[:: max(1, len(held_out) // held_out_crops)][:held_out_crops]
    return pretrain(crops, Path(folder), recipe, held_out=held_out, **options)
