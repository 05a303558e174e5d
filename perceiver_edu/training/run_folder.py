"""What a run leaves on the disk, such that it can be cut off at any moment, also while it writes.

    recipe.json       what the run does, and a fingerprint of its data
    log.csv           a row every so many steps
    samples.txt       what the model put into a few holes as it learned
    checkpoint-N/     all that is needed to go on from step N: model, optimizer, log and samples as they were
    model/            the finished model

A checkpoint is written under another name and moved into place whole; only then the one before it goes.
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from perceiver_edu.errors import InputError
from perceiver_edu.filling import fill_mask
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.weights.files import read_json, to_json, write_whole
from perceiver_edu.weights.pretrained import load_folder, save_pretrained

RECORDS = ("log.csv", "samples.txt")
UNFINISHED = ".unfinished"

SAMPLES = (
    "The cat sat on the[MASK][MASK][MASK][MASK] by the fire.",
    "She opened the door and went[MASK][MASK][MASK][MASK][MASK] the house.",
    "It was a very l[MASK]ng time ago.",
)


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Make `folder`, and let no other process train in it until this one is done, or dead.

    Raises: InputError if another process has it, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "a")  # noqa: SIM115  closed below
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from None
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is training in {folder}") from None
        except (ImportError, OSError):
            pass  # Windows, or a file system without locks
        yield


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("checkpoint-*[0-9]"), key=step_of)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def check_run(folder: Path, wanted: dict, resume: bool) -> None:
    """May a run with these fields of recipe.json start, or go on, in `folder`? Changes nothing.

    To go on, every field must be as it was, but for `steps`: the learning rate and the curriculum then follow
    the new number from there on.

    Raises: InputError, naming the fields that differ.
    """
    found = checkpoints(folder)
    if not resume and (found or any((folder / name).exists() for name in ("recipe.json", *RECORDS))):
        raise InputError(f"{folder} already holds a run: go on with it by --resume, or take another folder")
    if resume and found:
        before, now = flat(read_json(folder / "recipe.json")), flat(json.loads(to_json(wanted)))
        differing = [key for key in now if key != "steps" and now[key] != before.get(key)]
        if differing:
            changes = "; ".join(f"{key} was {before.get(key)!r}, now {now[key]!r}" for key in differing)
            raise InputError(f"{folder} holds a run with other settings or data: {changes}")
        if now["steps"] < step_of(found[-1]):
            raise InputError(f"{folder} is at step {step_of(found[-1])}, past steps={now['steps']}")


def flat(values: dict, prefix: str = "") -> dict:
    """{"config": {"d_model": 8}} -> {"config.d_model": 8}."""
    items: dict[str, Any] = {}
    for key, value in values.items():
        items |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return items


def open_run(folder: Path, wanted: dict, resume: bool) -> None:
    """Put `folder` into the state of its newest checkpoint, or of a run that has yet to begin.

    Raises: InputError as `check_run`.
    """
    check_run(folder, wanted, resume)
    found = checkpoints(folder)
    for leftover in [folder / UNFINISHED, *found[:-1]]:
        shutil.rmtree(leftover, ignore_errors=True)
    for pattern in (*(f".{name}.*" for name in ("recipe.json", *RECORDS)), "model/.*"):
        for leftover in folder.glob(pattern):  # what `write_whole` was writing when it was killed
            leftover.unlink()
    for name in RECORDS:
        if found and (found[-1] / name).exists():
            write_whole(folder / name, (found[-1] / name).read_bytes())
        else:
            (folder / name).unlink(missing_ok=True)
    write_whole(folder / "recipe.json", to_json(wanted))
    sync_folder(folder)


def load_checkpoint(folder: Path, model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """The newest checkpoint into model and optimizer -> its state, see `save_checkpoint`; if none, {}.

    Raises: InputError for a checkpoint that is damaged.
    """
    if not checkpoints(folder):
        return {}
    newest = checkpoints(folder)[-1]
    try:
        state = torch.load(newest / "training.pt", map_location="cpu", weights_only=True)
        # only the moments: learning rate and the like come from the settings, the kernel from the machine
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state.pop("optimizer")})
        if "model" in state:
            model.load_state_dict(state.pop("model"))
        if state["step"] != step_of(newest):
            raise ValueError(f"it is of step {state['step']}")
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"{newest / 'training.pt'} is missing or damaged: {error}") from None
    if isinstance(model, PerceiverIOForMaskedLM):
        model.load_state_dict(load_folder(newest).state_dict())
    return state


def save_checkpoint(folder: Path, model: nn.Module, optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Write checkpoint-N, N = state["step"], with the records as they are; then drop the older ones.

    A language model is saved as a folder that opens as any model does; a classifier, which may have several
    tasks, within training.pt.
    """
    unfinished, older = folder / UNFINISHED, checkpoints(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    state = state | {"optimizer": optimizer.state_dict()["state"]}
    if isinstance(model, PerceiverIOForMaskedLM):
        save_pretrained(model, unfinished)
    else:
        state["model"] = model.state_dict()
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(unfinished / "training.pt", content.getvalue())
    for name in RECORDS:
        if (folder / name).exists():
            write_whole(unfinished / name, (folder / name).read_bytes())
    sync_folder(unfinished)
    unfinished.rename(folder / f"checkpoint-{state['step']}")
    sync_folder(folder)
    for path in older:
        shutil.rmtree(path)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` outlive a power cut, as fsync does for what is in a file."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def log(folder: Path, row: dict) -> None:
    """One more row of log.csv."""
    path = folder / "log.csv"
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def write_samples(model: PerceiverIOForMaskedLM, folder: Path, step: int) -> None:
    """What the model would put into a few holes by now, a line each."""
    with open(folder / "samples.txt", "a", encoding="utf-8") as file:
        for text in SAMPLES:
            if len(ByteTokenizer().encode(text)) <= model.config.max_position_embeddings:
                best = fill_mask(model, text, top_k=3)[0]
                file.write(f"{step}\t{text}\t{' '.join(f'{b.text!a} {b.probability:.2f}' for b in best)}\n")
