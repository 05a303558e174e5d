"""Training runs whose files somebody cut, changed, swapped or replaced: the same model, or one line."""

import os
import random
import shutil
import stat
import sys
import warnings
from pathlib import Path

import pytest
import torch
from time_limit import at_most

sys.path.append(str(Path(__file__).parents[1] / "training"))
from runs import CONFIG, cut_off, log_rows

from perceiver_edu import InputError, PerceiverIOForMaskedLM, save_pretrained
from perceiver_edu.data import HELD_OUT
from perceiver_edu.training import run_folder
from perceiver_edu.training.batches import spread
from perceiver_edu.training.configs import FinetuneConfig, PretrainConfig
from perceiver_edu.training.corpus import load_crops
from perceiver_edu.training.finetune import finetune
from perceiver_edu.training.labelled import Column, collect
from perceiver_edu.training.pretrain import pretrain

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(os.name != "posix", reason="links, pipes and devices as POSIX has them"),
]
STATES = ("cut off", "killed between two checkpoints", "finished")


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """train(kind, folder, seed=0, resume=False): a run of six steps with a checkpoint after each second."""
    crops = spread(load_crops(HELD_OUT, 40, progress=False), 20)
    weights = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_pretrained(PerceiverIOForMaskedLM(CONFIG), weights)
    rows = [(f"line {n}", {"text": "xoz"[n % 3] * (n % 7 + 2), "label": "xoz"[n % 3]}) for n in range(16)]
    texts = collect("here", rows, ["text"], [Column("label")])

    def train(kind, folder, seed=0, resume=False):
        options = dict(resume=resume, save_every=2, log_every=1, progress=False)
        if kind == "pretrain":
            settings = PretrainConfig(steps=6, batch_size=2, seed=seed, config=CONFIG)
            pretrain(crops, folder, settings, held_out=crops[:4], evaluate_every=3, **options)
        else:
            settings = FinetuneConfig(str(weights), epochs=3, batch_size=8, learning_rate=0.02, seed=seed)
            finetune(texts, texts, folder, settings, **options)

    with pytest.MonkeyPatch.context() as patch:  # pictures take longer than all else, and nothing reads them
        patch.setattr("perceiver_edu.training.finetune.draw_pictures", lambda *_: None)
        yield train


@pytest.fixture(scope="module", params=["pretrain", "finetune"])
def made(request, train, tmp_path_factory):
    """kind, {state: folder of a run}, {state: folder of another run}; all are to end as "finished" is."""
    torch.set_num_threads(1)
    kind, folders = request.param, []
    for seed in (0, 1):
        home = tmp_path_factory.mktemp(f"{kind}-{seed}")
        folders.append({state: home / state for state in STATES})
        for state, folder in folders[-1].items():
            with pytest.MonkeyPatch.context() as patch:
                if state == "finished":
                    train(kind, folder, seed)
                    continue
                if state != "cut off":
                    patch.setattr(run_folder, "remove_checkpoint", lambda *_: None)
                with cut_off(patch, 5):
                    train(kind, folder, seed)
    return kind, *folders


def truncate(path, other, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.choice([0, len(content) // 2, len(content) - 1])])


def lengthen(path, other, rng):
    path.write_bytes(path.read_bytes() + b"\n")


def flip(path, other, rng):
    content = bytearray(path.read_bytes() or b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def delete(path, other, rng):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def swap(path, other, rng):
    delete(path, other, rng)
    (shutil.copytree if other.is_dir() else shutil.copy)(other, path)


def folder(path, other, rng):
    delete(path, other, rng)
    path.mkdir()


def pipe(path, other, rng):
    delete(path, other, rng)
    os.mkfifo(path)


def device(path, other, rng):
    delete(path, other, rng)
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # of its own, like /dev/null: never the real one


def link(path, other, rng):
    delete(path, other, rng)
    path.symlink_to(other)


def own_link(path, other, rng):
    aside = path.with_name(f"aside-{path.name}")
    path.rename(aside)
    path.symlink_to(aside)


def broken_link(path, other, rng):
    delete(path, other, rng)
    path.symlink_to(path.parent / "nowhere")


def deep_json(path, other, rng):
    path.write_text(
        '{"a":' * 900 + "1" + "}" * 900 if rng.random() < 0.5 else '{"steps": ' + "9" * 5000 + "}"
    )


OF_FILES = [truncate, lengthen, *[flip] * 3, delete, swap, folder, pipe, link, own_link, broken_link]
ALWAYS = (truncate, flip, delete, swap)  # tried of every file by the slow test
OF_FOLDERS = [delete, swap, folder, pipe, link, own_link, broken_link]


def changes(home):
    """(path within the folder of a run, a way to change it) of all that is there."""
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        ways = OF_FOLDERS if path.is_dir() else [*OF_FILES, *[deep_json] * 2 * (path.suffix == ".json")]
        yield from ((name, way) for way in ways + [device] * (os.geteuid() == 0))


def snapshot(home):
    """What is in a folder: the bytes of plain files, where links lead, and the kind of all else."""
    found = {}
    for path in home.rglob("*"):
        kind = path.lstat().st_mode
        content = (
            path.read_bytes() if stat.S_ISREG(kind) else os.readlink(path) if stat.S_ISLNK(kind) else None
        )
        found[path.relative_to(home).as_posix()] = (stat.S_IFMT(kind), content)
    return {name: about for name, about in found.items() if name != run_folder.LOCK}


def result_of(kind, home):
    records = ["samples.txt"] if kind == "pretrain" else ["results.json"]
    return [(home / name).read_bytes() for name in ("model/model.safetensors", *records)], log_rows(home)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("always", "share"),
    [pytest.param((), 0.02, id="few"), pytest.param(ALWAYS, 0.1, id="many", marks=pytest.mark.slow)],
)
def test_a_changed_run_ends_in_the_same_model_or_in_one_line(made, train, tmp_path, always, share, tally):
    kind, runs, others = made
    rng, wrong = random.Random(0), []
    expected, untouched = result_of(kind, runs["finished"]), snapshot(others["finished"].parent)
    attempts = [(state, *change) for state in STATES for change in changes(runs[state])]
    certain = [attempt for attempt in dict.fromkeys(attempts) if attempt[-1] in always]
    possible = [attempt for attempt in attempts if attempt[-1] not in always]
    for state, name, way in certain + rng.sample(possible, int(share * len(possible))):
        home = tmp_path / "run"
        shutil.copytree(runs[state], home)
        way(home / name, others[state] / name, rng)
        before, what = snapshot(home), f"{kind}, {state}: {way.__name__} {name}"
        try:
            with at_most(60), warnings.catch_warnings(action="ignore"):
                train(kind, home, resume=True)
            if result_of(kind, home) != expected:
                wrong.append(f"{what}: it ended in another model or log, silently")
            tally(f"changed run folders that {kind} went on from, to the same model", 1)
        except InputError as error:
            if "\n" in str(error) or len(str(error)) > 2000:
                wrong.append(f"{what}: not one line: {error}")
            if snapshot(home) != before:
                wrong.append(f"{what}: refused, but the folder was changed: {error}")
            tally(f"changed run folders that {kind} refused in one line", 1)
        except Exception as error:
            wrong.append(f"{what}: {type(error).__name__}: {error}")
        if snapshot(others["finished"].parent) != untouched:
            wrong.append(f"{what}: another run was changed")
            break
        shutil.rmtree(home)
    assert not wrong, "\n".join(wrong)
