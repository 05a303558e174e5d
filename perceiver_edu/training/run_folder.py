"""What a run leaves on the disk, such that it can be cut off at any moment, also while it writes.

    settings.json     what the run does, fingerprints of its data, and a random name of its own, `run`
    log.csv           a row every so many steps
    samples.txt       what the model put into a few holes as it learned
    checkpoint-N/     all that is needed to go on from step N: model, optimizer, log and samples as they were
    model/            the finished model

A checkpoint is written under another name and moved into place whole; only then the one before it goes. Its
manifest.json has the run's name, a digest of the settings, and the size and SHA-256 of every other file. To
go on, a run verifies all that first, and removes nothing before the next checkpoint is in place.
"""

import csv
import hashlib
import io
import json
import os
import pickle
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from perceiver_edu.errors import InputError, warn
from perceiver_edu.filling import fill_mask
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.weights.files import read_json, sha256, sha256_of_each, to_json
from perceiver_edu.weights.pretrained import load_folder, save_pretrained
from perceiver_edu.writing import UNFINISHED, lock, naming, write_whole

SETTINGS, MANIFEST, LOCK = "settings.json", "manifest.json", ".lock"
RECORDS = ("log.csv", "samples.txt")
RESULTS = "results.json"  # of a fine-tuning run
FILES = (SETTINGS, MANIFEST, LOCK, *RECORDS, RESULTS)
OWN = re.compile(
    "|".join([*map(re.escape, FILES), "model", rf"\{UNFINISHED}.*", "checkpoint-.*", "confusion-.*"])
)
LATER = {"optimizer": "adamw", "head": "linear"}  # fields that older runs lack, and what these did
MAY_CHANGE = {"steps", "files", "run"}  # fields of settings.json that are not compared
MEASURED = {"data", "held_out", "weights_sha256"}  # fields that are known only when all has been read
NEW = "begin a new run in another folder"

SAMPLES = (
    "The cat sat on the[MASK][MASK][MASK][MASK] by the fire.",
    "She opened the door and went[MASK][MASK][MASK][MASK][MASK] the house.",
    "It was a very l[MASK]ng time ago.",
)


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Make `folder`, and let no other process train in it until this one is done, or dead.

    Where no run has begun by then, nothing of this is left.

    Raises: InputError if another process has it, if nothing can be written there, or as `check_own_files`.
    """
    new = not os.path.lexists(folder / LOCK)
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_own_files(folder)
        file = open(folder / LOCK, "ab")  # noqa: SIM115  closed below
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from None
    with file:
        try:
            lock(file)
            # one that was refused may have removed it since it was opened, and another begun a new one
            ours = os.path.samestat(os.fstat(file.fileno()), os.stat(folder / LOCK))
        except (BlockingIOError, FileNotFoundError):
            ours = False
        if not ours:
            raise InputError(f"another process is training in {folder}") from None
        try:
            yield
        finally:
            if new and not (folder / SETTINGS).exists():  # a stranger's folder stays as it was
                if os.name == "nt":
                    file.close()  # Windows removes no open file
                with suppress(OSError):
                    (folder / LOCK).unlink()
                    for path in made:
                        path.rmdir()


def check_own_files(folder: Path) -> None:
    """Raises: InputError if a file of the run is a link, a pipe, a device or a folder. Writing through a link
    could destroy another run."""
    model = folder / "model"
    for path in [folder / name for name in FILES] + [*model.rglob("*")]:
        if os.path.lexists(path):
            in_model = model in path.parents
            kind = path.lstat().st_mode
            if not (stat.S_ISREG(kind) or (in_model and stat.S_ISDIR(kind))):
                raise InputError(f"{path} is not a plain file, as a run would write: move it away, or {NEW}")
    if os.path.lexists(model) and (model.is_symlink() or not model.is_dir()):
        raise InputError(f"{model} is not a folder, as a run would write: move it away, or {NEW}")


def without_runs(paths: list[Path]) -> list[Path]:
    """Without what a run has written: its folder may lie among its data, or be the folder of its data."""
    runs = {path.parent for path in paths if path.name == SETTINGS and (path.parent / LOCK).is_file()}

    def written(path: Path) -> bool:
        inside = [path.relative_to(run).parts[0] for run in runs if run in path.parents]
        return path.name == LOCK or any(OWN.fullmatch(name) for name in inside)

    return [path for path in paths if not written(path)]


def checkpoints(folder: Path) -> list[Path]:
    """The folders in `folder` that are called as checkpoints are, oldest first. They may hold anything."""
    return sorted((path for path in folder.glob("checkpoint-*") if step_of(path) >= 0), key=step_of)


def step_of(checkpoint: Path) -> int:
    """N of checkpoint-N; -1 for any other name."""
    found = re.fullmatch("checkpoint-([0-9]{1,18})", checkpoint.name)
    return int(found[1]) if found else -1


# ---------------------------------------------------------------- may it go on?


def check_run(folder: Path, wanted: dict, resume: bool) -> dict:
    """May a run with these fields of settings.json start, or go on, in `folder`? Changes nothing.

    To go on, every field must be as it was, but for `steps`: the learning rate and the curriculum then follow
    the new number from there on.

    Returns: settings.json as it is to be: `wanted`, and the run's name.

    Raises: InputError, naming the fields that differ, and the files where data has changed.
    """
    wanted, found = json.loads(to_json(wanted)), checkpoints(folder)
    there = [name for name in (SETTINGS, *RECORDS, RESULTS, MANIFEST, "model") if (folder / name).exists()]
    if not resume and (found or there):
        raise InputError(
            f"{folder} already contains a run: resume it with --resume, or choose another folder"
        )
    if SETTINGS not in there:
        if found or there:
            raise InputError(
                f"{folder} contains a run, but no {SETTINGS}, without which it cannot be resumed: {NEW}"
            )
        return wanted | {"run": secrets.token_hex(16)}
    before = read_json(folder / SETTINGS)
    if "precision" not in before:  # of a run that began before this was noted
        wanted.pop("precision", None)
    for name, value in LATER.items():
        if name not in before and wanted.get(name) == value:
            wanted.pop(name)
    differing = differences(before, wanted)
    if differing:
        changes = "; ".join(f"{key} {change}" for key, change in list(differing.items())[:8])
        files = changed_files(before.get("files"), wanted.get("files"))
        if files and any(key.split(".")[0] in ("data", "held_out") for key in differing):
            changes += f"; changed files: {', '.join(files)}"
        raise InputError(
            f"{folder} contains a run with different settings or data: {changes}. Give it what it had, or "
            f"{NEW}"
        )
    return wanted | {"run": before.get("run") or secrets.token_hex(16)}


def differences(before: dict, now: dict) -> dict[str, str]:
    """What differs: {"config.d_model": "was 8, now 16"}."""
    ignored = MAY_CHANGE | (MEASURED - now.keys())
    try:
        old, new = (flat({k: v for k, v in d.items() if k not in ignored}) for d in (before, now))
        differing = [key for key in {**new, **old} if old.get(key) != new.get(key)]
        return {key: f"was {old.get(key)!r:.200}, now {new.get(key)!r:.200}" for key in differing}
    except RecursionError:
        raise InputError(f"{SETTINGS} is nested too deeply to have been written by a run") from None


def flat(values: dict, prefix: str = "") -> dict:
    """{"config": {"d_model": 8}} -> {"config.d_model": 8}."""
    items: dict[str, Any] = {}
    for key, value in values.items():
        items |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return items


def changed_files(before: Any, now: dict | None) -> list[str]:
    """The names of files whose SHA-256 is another than it was."""
    before, now = before if isinstance(before, dict) else {}, now or {}
    return [name for name in {**now, **before} if before.get(name) != now.get(name)]


# ---------------------------------------------------------------- fingerprints


def file_sums(paths: Iterable[str | Path], progress: bool = True) -> dict[str, str]:
    """{path: SHA-256} of the plain files among these."""
    files = [str(path) for path in paths if Path(path).is_file()]
    return dict(zip(files, sha256_of_each([Path(file) for file in files], progress), strict=True))


def weights_sum(model: nn.Module) -> str:
    """The SHA-256 of all parameters and buffers."""
    total = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        total.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def settings_sum(settings: dict) -> str:
    """The SHA-256 of the fields that stay as they are throughout a run."""
    kept = {key: value for key, value in settings.items() if key not in MAY_CHANGE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def write_manifest(folder: Path, names: Iterable[str], settings: dict, step: int) -> None:
    """Tie the files of a checkpoint or finished run to each other, to the run and to its settings."""
    files = {n: {"bytes": (folder / n).stat().st_size, "sha256": sha256(folder / n)} for n in sorted(names)}
    about = {"run": settings["run"], "settings_sha256": settings_sum(settings), "step": step, "files": files}
    write_whole(folder / MANIFEST, to_json(about))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Raises: InputError for a folder without one, or with one that is damaged."""
    path = folder / MANIFEST
    if folder.is_symlink() or not folder.is_dir():
        raise InputError(f"{folder} is not a folder that a run wrote")
    if not os.path.lexists(path):
        raise InputError(f"{folder} has no {MANIFEST}, so nothing shows that it is whole and of this run")
    if not stat.S_ISREG(path.lstat().st_mode):
        raise InputError(f"{path} is not a plain file")
    manifest = read_json(path)
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(about, dict) for about in files.values()):
        raise InputError(f"{path} is damaged: it names no files")
    return manifest


def verify(folder: Path, settings: dict, step: int | None = None) -> None:
    """Raises: InputError, naming the file, unless every file is as this run wrote it, with these settings."""
    manifest = read_manifest(folder)
    for field, wanted, problem in (
        ("run", settings["run"], f"it is of another run than {SETTINGS}"),
        ("settings_sha256", settings_sum(settings), f"it was written with another {SETTINGS}"),
        ("step", manifest.get("step") if step is None else step, "it is of another step"),
    ):
        if manifest.get(field) != wanted:
            raise InputError(f"{folder / MANIFEST} does not fit: {problem}")
    for name, about in manifest["files"].items():
        path = folder / name
        if not os.path.lexists(path):
            raise InputError(f"{path} is missing")
        if not stat.S_ISREG(path.lstat().st_mode):
            raise InputError(f"{path} is not a plain file")
        size = path.stat().st_size
        if size != about.get("bytes"):
            raise InputError(f"{path} is damaged: it has {size:,} bytes, and had {about.get('bytes')!r:.20}")
        if sha256(path) != about.get("sha256"):
            raise InputError(f"{path} is damaged or of another run: its SHA-256 is not that of {MANIFEST}")


# ---------------------------------------------------------------- going on


def open_run(folder: Path, wanted: dict, resume: bool) -> tuple[Path | None, dict]:
    """Put `folder` into the state of its newest good checkpoint, or of a run that has yet to begin.

    Returns: that checkpoint, None where there is none; settings.json.

    Raises: InputError as `check_run` and `newest_good`; nothing has been changed then.
    """
    settings = check_run(folder, wanted, resume)
    newest = newest_good(folder, settings)
    if not newest and any((folder / name).exists() for name in (MANIFEST, RESULTS, "model")):
        raise InputError(
            f"{folder} contains the results of a finished run, but no checkpoint from which to resume: {NEW}"
        )
    if newest and settings["steps"] < step_of(newest):
        past = f"{folder} is at step {step_of(newest)}, past steps={settings['steps']}"
        raise InputError(f"{past}: ask for more steps, or {NEW}")
    remove_leftovers(folder)
    for name in RECORDS:
        if newest and (newest / name).exists():
            write_whole(folder / name, (newest / name).read_bytes())
        else:
            (folder / name).unlink(missing_ok=True)
    write_whole(folder / SETTINGS, to_json(settings))
    sync_folder(folder)
    return newest, settings


def newest_good(folder: Path, settings: dict) -> Path | None:
    """The newest checkpoint that is whole and of this run, with a warning if there are newer ones; None where
    there are no checkpoints at all.

    Raises: InputError where there are checkpoints, and none is good.
    """
    problems: list[str] = []
    for checkpoint in reversed(checkpoints(folder)):
        try:
            verify(checkpoint, settings, step_of(checkpoint))
        except InputError as error:
            problems.append(str(error))
            continue
        if problems:
            warn(f"{'; '.join(problems)}. The run resumes from {checkpoint}")
        return checkpoint
    if problems:
        raise InputError(
            f"{problems[0]}. There is no other checkpoint from which to resume, and nothing was changed: put "
            f"back what it had, or {NEW}"
        )
    return None


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed was just writing, or removing."""
    for pattern in (f"{UNFINISHED}*", f"model/{UNFINISHED}*", f"model/*/{UNFINISHED}*"):
        for leftover in folder.glob(pattern):
            remove(leftover)


def remove(path: Path) -> None:
    """A file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def remove_checkpoint(checkpoint: Path, settings: dict) -> None:
    """Remove a checkpoint of this run, atomically. A folder that is not of this run, or that
    holds anything else, stays."""
    try:
        manifest = read_manifest(checkpoint)
    except InputError:
        return
    inside = {path.name for path in checkpoint.iterdir()}
    if manifest.get("run") == settings["run"] and inside <= {MANIFEST, *manifest["files"]}:
        trash = checkpoint.with_name(UNFINISHED)
        checkpoint.rename(trash)
        shutil.rmtree(trash)


def load_checkpoint(checkpoint: Path, model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """A checkpoint into model and optimizer -> its state, see `save_checkpoint`.

    Raises: InputError for one that is damaged.
    """
    try:
        state = torch.load(checkpoint / "training.pt", map_location="cpu", weights_only=True)
        # only the moments: learning rate and the like come from the settings, the kernel from the machine
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state.pop("optimizer")})
        if "model" in state:
            model.load_state_dict(state.pop("model"))
        if state["step"] != step_of(checkpoint):
            raise ValueError(f"it is of step {state['step']}")
    except pickle.UnpicklingError:  # torch would advise to run what is in it
        raise InputError(
            f"{checkpoint / 'training.pt'} is damaged, or holds what no run writes; nothing in it was run"
        ) from None
    except Exception as error:  # a damaged file can fail in any way
        raise InputError(f"{checkpoint / 'training.pt'} is missing or damaged: {error}") from None
    if isinstance(model, PerceiverIOForMaskedLM):
        model.load_state_dict(load_folder(checkpoint).state_dict())
    return state


def save_checkpoint(
    folder: Path, model: nn.Module, optimizer: Optimizer, state: dict[str, Any], settings: dict
) -> None:
    """Write checkpoint-N, N = state["step"], with the records as they are; then drop the other ones.

    A language model is saved as a folder that opens as any model does; a classifier, which may have several
    tasks, within training.pt.
    """
    unfinished, place = folder / UNFINISHED, folder / f"checkpoint-{state['step']}"
    if os.path.lexists(unfinished):
        remove(unfinished)
    unfinished.mkdir()
    content = io.BytesIO()
    moments = {"optimizer": optimizer.state_dict()["state"]}
    if isinstance(model, PerceiverIOForMaskedLM):
        save_pretrained(model, unfinished)
        torch.save(state | moments, content)
    else:
        torch.save(state | moments | {"model": model.state_dict()}, content)
    write_whole(unfinished / "training.pt", content.getvalue())
    for name in RECORDS:
        if (folder / name).exists():
            write_whole(unfinished / name, (folder / name).read_bytes())
    write_manifest(unfinished, os.listdir(unfinished), settings, state["step"])
    sync_folder(unfinished)
    if os.path.lexists(place):  # it could not be gone on from: see `newest_good`
        aside = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
        place.rename(aside)
        warn(f"{place} was in the way, so it was renamed to {aside}")
    unfinished.rename(place)
    sync_folder(folder)
    for path in checkpoints(folder):
        if path != place:
            remove_checkpoint(path, settings)


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
    with naming(path), open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def write_samples(model: PerceiverIOForMaskedLM, folder: Path, step: int) -> None:
    """What the model would put into a few holes by now, a line each."""
    path = folder / "samples.txt"
    with naming(path), open(path, "a", newline="\n", encoding="utf-8") as file:
        for text in SAMPLES:
            if len(ByteTokenizer().encode(text)) <= model.config.max_position_embeddings:
                best = fill_mask(model, text, top_k=3)[0]
                file.write(f"{step}\t{text}\t{' '.join(f'{b.text!a} {b.probability:.2f}' for b in best)}\n")
