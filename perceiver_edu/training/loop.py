"""The training loop, which pre-training and fine-tuning share.

A `Job` says what is learned: its batches, its loss, what it reports. `train` does the rest: it claims the
run's folder, goes on from the newest checkpoint, shares each batch out, clips the gradient, logs, and saves.
What a run writes, and how it survives being killed, is in `run_folder.py`.
"""

import math
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

from perceiver_edu.errors import DivergedError, InputError, choose, whole_number
from perceiver_edu.training.configs import FinetuneConfig, PretrainConfig, seed_of
from perceiver_edu.training.run_folder import claim, load_checkpoint, log, open_run, save_checkpoint

if TYPE_CHECKING:
    from accelerate import Accelerator

ACCUMULATION = "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"
HARMLESS = [f"ACCELERATE_{name}" for name in ("LOG_LEVEL", "DISABLE_RICH", "DEBUG_MODE", "CPU_AFFINITY")]
TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # it sets all of them
MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")  # which accelerate obeys, too
PRECISIONS = ("auto", "fp32", "bf16")

Batch = tuple[torch.Tensor, ...]  # tensors with a row for each crop or text
Loss = tuple[torch.Tensor, torch.Tensor]  # a number, and a tally: sums for the log, see `Job.loss`
Report = tuple[dict[str, Any], str]  # see `Job.report`


class Job:
    """What `train` learns. A subclass sets the four attributes first named here, and writes the methods.

    Raises: InputError for options that cannot work.
    """

    steps: int
    warmup: float  # steps
    model: nn.Module
    optimizer: Optimizer
    settings: PretrainConfig | FinetuneConfig

    def __init__(
        self,
        settings: PretrainConfig | FinetuneConfig,
        folder: str | Path,
        precision: str,
        micro_batch_size: int | None,
    ):
        check_options(settings, micro_batch_size=micro_batch_size, precision=precision)
        self.settings, self.folder, self.micro_batch_size = settings, Path(folder), micro_batch_size
        self.accelerator = start_accelerator()
        self.bf16 = resolved(precision) == "bf16"
        self.main = self.accelerator.is_main_process  # the one process that writes
        self.state: dict[str, Any] = {}  # what a checkpoint keeps besides model, optimizer, step and tally
        self.run: dict[str, Any] = {}  # in the first process, from `train` on: what settings.json holds

    def batches(self, first_step: int) -> Iterator[Batch]:
        """The whole batches from `first_step` on, the same in every process and after every resume."""
        raise NotImplementedError

    def loss(self, model: nn.Module, part: Batch, batch: Batch) -> Loss:
        """Some rows of a batch -> their share of the mean loss over the whole batch, (); tally (T,) float64.

        The shares of all parts add up to the mean; their tallies add up to what `report` is given.
        """
        raise NotImplementedError

    def begin(self) -> None:
        """Comes before the first step of a new run. In fine-tuning there is nothing to do."""

    def report(self, done: int, tally: list[float], per_second: float, evaluate: bool) -> Report:
        """After `done` steps: the tally since the last report -> a row of log.csv, text for the progress bar.

        All processes call it together, and evaluate the model if asked to.
        """
        raise NotImplementedError

    def finish(self, done: int) -> None:
        """Write the model that was trained for `done` steps. All processes call it together."""
        raise NotImplementedError


def train(
    job: Job,
    run: dict[str, Any],
    resume: bool,
    progress: bool,
    save_every: tuple[int, ...],
    evaluate_every: int,
    log_every: int,
    compile: bool = False,
) -> None:
    """Train `job.model` in `job.folder`, from its initial weights or from the newest checkpoint.

    `run` is what settings.json is to hold. The other arguments, and what is raised, are as in `pretrain`; a
    checkpoint is written after each multiple of each of the numbers in `save_every`.
    """
    from accelerate.utils import broadcast_object_list

    for number in save_every:
        check_options(job.settings, save_every=number, evaluate_every=evaluate_every, log_every=log_every)
    accelerator, folder, main = job.accelerator, job.folder, job.main
    device = accelerator.device
    with claim(folder) if main else nullcontext():
        newest, job.run = open_run(folder, run, resume) if main else (None, {})
        [newest] = broadcast_object_list([newest])  # the others wait for the first
        saved = load_checkpoint(newest, job.model, job.optimizer) if newest and newest.exists() else {}
        first_step = saved.pop("step", 0)
        if accelerator.gather(torch.tensor([first_step], device=device)).unique().numel() > 1:
            raise InputError(f"{folder} is not the same folder for all processes: put it on a shared disk")
        tally = torch.as_tensor(saved.pop("tally", 0.0), dtype=torch.float64, device=device)
        tally = tally if main else torch.zeros_like(tally)  # it holds what all processes have seen
        job.state |= saved
        model, optimizer = accelerator.prepare(job.model, job.optimizer)
        if compile:
            model = cast(nn.Module, torch.compile(model, dynamic=False))
        if first_step == 0:
            job.begin()
        job.model.train()

        done, seen, seconds, started = first_step, 0, 0.0, time.perf_counter()
        quiet = not (progress and main)
        with tqdm(total=job.steps, initial=first_step, unit="step", mininterval=1, disable=quiet) as bar:
            for done, batch in enumerate(job.batches(first_step), first_step + 1):
                norm, new = train_step(job, model, optimizer, done - 1, batch)
                tally, seen = tally + new, seen + batch[0].numel()  # bytes or texts
                bar.update()
                ends = done == job.steps
                evaluate_now = ends or done % evaluate_every == 0
                report_now = evaluate_now or done % log_every == 0
                save_now = ends or any(done % every == 0 for every in save_every)
                if not (report_now or save_now):
                    continue  # so far, nothing has waited for the GPU

                tally = accelerator.reduce(tally, "sum")
                seconds += time.perf_counter() - started
                check_finite(done, "the loss", [tally[0] + norm])
                check_finite(done, "a weight", job.model.parameters())
                if report_now:
                    row, text = job.report(done, tally.tolist(), seen / seconds, evaluate_now)
                    check_finite(done, "a figure", [x for x in row.values() if isinstance(x, float)])
                    bar.set_postfix_str(text)
                    if main:
                        log(folder, row)
                    tally, seen, seconds = torch.zeros_like(tally), 0, 0.0
                if main and save_now:
                    state = {"step": done, "tally": tally.cpu()} | job.state
                    save_checkpoint(folder, job.model, job.optimizer, state, job.run)
                tally = tally if main else torch.zeros_like(tally)
                started = time.perf_counter()
        job.finish(done)
        accelerator.wait_for_everyone()


def check_finite(step: int, what: str, values: Iterable[torch.Tensor | float]) -> None:
    """Raises: DivergedError if one of the numbers is NaN or infinite. What has been saved stays as it is."""
    if not all(torch.as_tensor(value).isfinite().all() for value in values):
        raise DivergedError(f"at step {step} {what} is NaN or infinite: try a lower learning rate")


def train_step(job: Job, model: nn.Module, optimizer: Optimizer, step: int, batch: Batch) -> Loss:
    """Follow the gradient of a batch -> its norm, and this process's tally (T,). Makes no GPU wait."""
    settings, accelerator = job.settings, job.accelerator
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, job.steps, job.warmup, settings.learning_rate)
    torch.manual_seed(seed_of(settings.seed, "dropout", step, accelerator.process_index))
    tally = backward(job, model, batch)
    norm = accelerator.clip_grad_norm_(model.parameters(), settings.clip)
    optimizer.step()
    optimizer.zero_grad()
    return norm, tally


def backward(job: Job, model: nn.Module, batch: Batch) -> torch.Tensor:
    """Add to the gradients those of the mean loss over the whole batch, in micro-batches and processes.

    Each process computes its share of the rows, and all get the sum. In bf16 the products of matrices, and
    what PyTorch's autocast counts with them, are bfloat16; the weights, their gradients and the loss are not.

    -> tally (T,) of this process's rows
    """
    accelerator, world = job.accelerator, job.accelerator.num_processes
    mine = [tensor[accelerator.process_index :: world] for tensor in batch]
    parts = list(zip(*(rows.split(job.micro_batch_size or len(rows)) for rows in mine), strict=True))
    tally = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    for number, part in enumerate(parts, 1):
        last = number == len(parts)  # then the processes take the mean of their gradients, hence × world
        with nullcontext() if last else accelerator.no_sync(model):
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=job.bf16):
                share, new = job.loss(model, part, batch)
            accelerator.backward(share * world)
        tally = tally + new
    return tally


def learning_rate(step: int, steps: int, warmup: float, peak: float) -> float:
    """Linear warm-up, then half a cosine down to zero at the last step."""
    warm = (step + 1) / max(1.0, warmup)
    return peak * min(warm, 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def check_options(settings: PretrainConfig | FinetuneConfig, **options: Any) -> None:
    """Raises: InputError for options of `pretrain` or `finetune` that cannot work. Files of text take long to
    read, so whoever reads some calls this first."""
    for name in ("save_every", "evaluate_every", "log_every"):
        whole_number(name, options.get(name, 1), 1)
    choose("precision", options.get("precision", "auto"), PRECISIONS)
    micro, world = options.get("micro_batch_size"), processes()
    micro = 1 if micro is None else whole_number("micro_batch_size", micro, 1)
    if settings.batch_size % (world * micro):
        parts = f"{world} processes × micro-batches of {micro}"
        raise InputError(f"batch_size {settings.batch_size} must be divisible by {parts}")


def resolved(precision: str) -> str:
    """What "auto" means on this machine: bf16 on a GPU, fp32 elsewhere."""
    return ("bf16" if torch.cuda.is_available() else "fp32") if precision == "auto" else precision


def is_first_process() -> bool:
    """Of the processes that torchrun started, one writes and speaks."""
    return os.environ.get("RANK", "0") == "0"


def processes() -> int:
    """How many processes share each batch; torchrun says so. Raises: InputError for half of what it sets, as
    some clusters do: with that, accelerate would wait for processes that are not there."""
    one_process = {"RANK": "0", "LOCAL_RANK": "-1", "WORLD_SIZE": "1", "MASTER_PORT": "0"}
    numbers = {name: os.environ.get(name, one) for name, one in one_process.items()}
    for name, number in numbers.items():
        if not re.fullmatch("-1|[0-9]{1,6}", number) or (name == "WORLD_SIZE" and int(number) < 1):
            raise InputError(f"{name}, which torchrun sets, must be a whole number, got {number!r:.40}")
    missing = [name for name in TORCHRUN if name not in os.environ]
    several = {name: os.environ[name] for name in MPI_SIZES if os.environ.get(name, "1") != "1"}
    several |= {name: numbers[name] for name in TORCHRUN[:3] if numbers[name] != one_process[name]}
    if several and missing:
        there = ", ".join(f"{name}={value}" for name, value in several.items())
        raise InputError(
            f"{there} asks for several processes, but {missing[0]} is not set: start them by torchrun, or "
            "unset the former"
        )
    return int(numbers["WORLD_SIZE"])


def end_processes() -> None:
    """At the end of a command under torchrun: without this, PyTorch complains that nothing was cleaned up."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def check_environment() -> None:
    """Raises: InputError for variables with which accelerate would train differently than the options say: it
    would divide the loss, compile, or distribute the model."""
    for name, value in os.environ.items():
        neutral = ("", "no", "false", "0", "none", *(["1"] if name == ACCUMULATION else []))
        if name.startswith("ACCELERATE_") and name not in HARMLESS and value.lower() not in neutral:
            raise InputError(
                f"{name}={value} would make accelerate train differently: unset it. --precision and "
                "--micro-batch-size say how to compute, and torchrun starts several processes"
            )


def start_accelerator() -> "Accelerator":
    """accelerate's view of this machine. Raises: InputError without it, or for variables that change it."""
    check_environment()
    try:
        from accelerate import Accelerator
    except ModuleNotFoundError:
        raise InputError("training needs accelerate: pip install 'perceiver-edu[train]'") from None
    try:  # in one process all accelerators share their precision, so `backward` chooses it instead
        return Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
    except ValueError as error:
        raise InputError(f"accelerate is already in use here with other settings: {error}") from None
