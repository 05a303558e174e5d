"""Pre-training: it goes on exactly, survives being killed; several processes make the gradients of one."""

import json
import math
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import runs
import torch
from runs import CONFIG, ENVIRONMENT, cut_off, in_two_processes, log_rows

from perceiver_edu import ByteTokenizer, cli
from perceiver_edu.data import HELD_OUT
from perceiver_edu.errors import InputError, InputWarning
from perceiver_edu.training import loop, run_folder
from perceiver_edu.training import pretrain as trainer
from perceiver_edu.training.batches import (
    Stream,
    batches,
    c4_and_wikipedia,
    describe,
    hide_bytes,
    holes_of_row,
    rows_of_step,
    spread,
)
from perceiver_edu.training.configs import SIZES, PretrainConfig, new_model, sized
from perceiver_edu.training.corpus import crop_pack, load_crops, shorten
from perceiver_edu.training.loop import backward, learning_rate
from perceiver_edu.training.masking import IGNORE, hole_positions, mask_bytes
from perceiver_edu.training.pretrain import Pretraining, held_out_bits, pretrain, pretrain_files
from perceiver_edu.training.run_folder import checkpoints, claim, settings_sum, step_of
from perceiver_edu.weights.files import read_json, to_json
from perceiver_edu.weights.pretrained import load_folder

SETTINGS = PretrainConfig(steps=10, batch_size=4, warmup=2, bytes_first=0.5, short=0.5, config=CONFIG)
OFTEN = {"log_every": 2, "evaluate_every": 4, "save_every": 3, "progress": False}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def crops():
    return spread(load_crops(HELD_OUT, 40, progress=False), 50)


def assert_same_run(one, other):
    runs.assert_same_run(one, other, "samples.txt")


def assert_same_answers(one, other, crops):
    """But for rounding. Not by weights: biases of keys change nothing, so rounding drives them anywhere."""
    logits = [model.eval()(crops[:4].long()) for model in (one, other)]
    assert (logits[0] - logits[1]).abs().max() < 1e-3 * logits[0].abs().max()


# ---------------------------------------------------------------- going on


@pytest.fixture(scope="module")
def unbroken(crops, tmp_path_factory):
    """A run from beginning to end: log rows at 2, 4, …; checkpoints at 3, 6, 9, 10."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run") / "unbroken"
    pretrain(crops, folder, SETTINGS, held_out=crops[:8], **OFTEN)
    return folder


@pytest.mark.parametrize("at", [0, 2, 5, 8, 9])
def test_a_run_that_was_cut_off_goes_on_exactly(crops, unbroken, tmp_path, monkeypatch, at):
    with cut_off(monkeypatch, at):
        pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], **OFTEN)
    assert not (tmp_path / "model").exists()
    assert [step_of(path) for path in checkpoints(tmp_path)] == ([at // 3 * 3] if at >= 3 else [])
    torch.rand(at + 1)  # what else was drawn in this process does not matter
    pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], resume=True, **OFTEN)
    assert_same_run(tmp_path, unbroken)
    assert [row["step"] for row in log_rows(tmp_path)] == ["0", "2", "4", "6", "8", "10"]
    assert [row["step"] for row in log_rows(tmp_path) if row["held_out_bits"]] == ["0", "4", "8", "10"]


def test_a_run_of_many_interruptions(crops, unbroken, tmp_path, monkeypatch):
    for at in (4, 7, 7, 9):
        with cut_off(monkeypatch, at):
            pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], resume=True, **OFTEN)
    pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], resume=True, **OFTEN)
    assert_same_run(tmp_path, unbroken)


def test_a_finished_run_only_writes_its_model_again(crops, unbroken, tmp_path):
    pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], **OFTEN)
    (tmp_path / "model" / "config.json").unlink()
    pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], resume=True, **OFTEN)
    assert_same_run(tmp_path, unbroken)
    assert load_folder(tmp_path / "model").config == CONFIG


def test_a_run_goes_on_with_more_steps_but_not_with_fewer(crops, tmp_path):
    pretrain(crops, tmp_path, SETTINGS, **OFTEN)
    before = log_rows(tmp_path)
    with pytest.raises(InputError, match="is at step 10, past steps=8"):
        pretrain(crops, tmp_path, replace(SETTINGS, steps=8), resume=True, **OFTEN)
    pretrain(crops, tmp_path, replace(SETTINGS, steps=14), resume=True, **OFTEN)
    assert log_rows(tmp_path)[: len(before)] == before
    assert [row["step"] for row in log_rows(tmp_path)][-2:] == ["12", "14"]
    assert json.loads((tmp_path / "settings.json").read_text())["steps"] == 14


def test_other_settings_or_data_are_refused_by_name(crops, tmp_path):
    pretrain(crops, tmp_path, SETTINGS, **OFTEN)
    kept = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    wider = replace(SETTINGS, learning_rate=1e-3, config=replace(CONFIG, num_latents=5))
    with pytest.raises(InputError) as error:
        pretrain(crops, tmp_path, wider, resume=True, **OFTEN)
    assert "learning_rate was 0.002, now 0.001; config.num_latents was 3, now 5" in str(error.value)
    with pytest.raises(InputError, match=r"data\.crops was 50, now 49; data\.crc32 was"):
        pretrain(crops[1:], tmp_path, SETTINGS, resume=True, **OFTEN)
    with pytest.raises(InputError, match="already contains a run: resume it with --resume"):
        pretrain(crops, tmp_path, SETTINGS, **OFTEN)
    assert kept == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))


def test_a_run_keeps_its_precision_if_it_has_noted_one(crops, unbroken, tmp_path, monkeypatch):
    options = OFTEN | {"held_out": crops[:8], "resume": True}
    with cut_off(monkeypatch, 5):
        pretrain(crops, tmp_path, SETTINGS, precision="fp32", **options)
    with pytest.raises(InputError, match="precision was 'fp32', now 'bf16'"):
        pretrain(crops, tmp_path, SETTINGS, precision="bf16", **options)
    settings, manifest = (read_json(tmp_path / n) for n in ("settings.json", "checkpoint-3/manifest.json"))
    del settings["precision"], settings["optimizer"]  # as in a run of an earlier version
    manifest["settings_sha256"] = settings_sum(settings)
    (tmp_path / "settings.json").write_bytes(to_json(settings))
    (tmp_path / "checkpoint-3" / "manifest.json").write_bytes(to_json(manifest))
    with pytest.raises(InputError, match="optimizer was None, now 'lamb'"):
        pretrain(crops, tmp_path, replace(SETTINGS, optimizer="lamb"), precision="fp32", **options)
    pretrain(crops, tmp_path, SETTINGS, precision="fp32", **options)
    assert_same_run(tmp_path, unbroken)


def test_what_a_killed_process_left_half_written_is_cleaned_up(crops, unbroken, tmp_path, monkeypatch):
    with cut_off(monkeypatch, 7):
        pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], **OFTEN)
    leftovers = [".unfinished/model.safetensors", ".unfinished-x1y2-log.csv", "model/.unfinished-x1y2-a"]
    for path in [tmp_path / name for name in leftovers]:
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
    with open(tmp_path / "log.csv", "a") as file:
        file.write("8,3.1")
    pretrain(crops, tmp_path, SETTINGS, held_out=crops[:8], resume=True, **OFTEN)
    assert_same_run(tmp_path, unbroken)
    names = [".lock", "checkpoint-10", "log.csv", "model", "samples.txt", "settings.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_damaged_checkpoint_is_an_error_that_names_the_file(crops, tmp_path):
    pretrain(crops, tmp_path, SETTINGS, **OFTEN)
    state = tmp_path / "checkpoint-10" / "training.pt"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"checkpoint-10/training\.pt is damaged: it has .* bytes"):
        pretrain(crops, tmp_path, SETTINGS, resume=True, **OFTEN)


def test_transformers_opens_the_model_and_computes_the_same(crops, tmp_path):
    from transformers import PerceiverForMaskedLM

    ours = pretrain(crops, tmp_path, SETTINGS, **OFTEN)
    theirs = PerceiverForMaskedLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    ids = crops[:2].long()
    mask = ids != ByteTokenizer.PAD
    with torch.no_grad():
        difference = ours(ids, mask) - theirs(ids, attention_mask=mask).logits
    assert not ours.training
    assert difference.abs().max() < 1e-5


# ---------------------------------------------------------------- being killed

KILL = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from safetensors.torch import load_file
from perceiver_edu.weights.pretrained import load_folder
from perceiver_edu.training.run_folder import checkpoints, step_of
from test_pretrain import CONFIG, HELD_OUT, PretrainConfig, load_crops, pretrain
import accelerate, perceiver_edu.training.pretrain

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
settings = PretrainConfig(steps=100_000, batch_size=2, config=CONFIG)
crops = load_crops(HELD_OUT, 40, progress=False)
random.seed(0)
step = while_saving = 0
while kills > 0 or (not while_saving and kills > -50):  # a few kills may all miss the saving
    # This process has imported everything and computed nothing: its children start at once.
    child = os.fork()
    if not child:
        pretrain(crops, folder, settings, log_every=1, save_every=1, resume=True, progress=False)
    while not folder.exists() or not checkpoints(folder) or step_of(checkpoints(folder)[-1]) <= step:
        time.sleep(0.01)
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the run ended by itself"
    time.sleep(random.uniform(0, 0.3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kills -= 1
    while_saving += (folder / ".unfinished").exists() or len(checkpoints(folder)) > 1
    newest = checkpoints(folder)[-1]
    load_folder(newest)
    torch.load(newest / "training.pt", weights_only=True)
    logged = int((folder / "log.csv").read_text().splitlines()[-1].split(",")[0])
    assert step < step_of(newest) and logged - step_of(newest) in (0, 1), (step, newest, logged)
    step = step_of(newest)
print(step, while_saving)
"""


@pytest.mark.skipif(os.name != "posix", reason="forks and kills as POSIX does")
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_sigkill_costs_no_more_than_the_steps_since_the_last_save(crops, tmp_path, kills, tally):
    command = [sys.executable, "-c", KILL, tmp_path / "run", str(kills)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    step, while_saving = map(int, done.stdout.split())
    assert while_saving >= kills / 4, "most of the time goes into saving, so most kills should hit it"
    tally("processes killed while training or saving", kills)
    settings = PretrainConfig(steps=step + 1, batch_size=2, config=CONFIG)
    options = {"log_every": 1, "save_every": 1000, "progress": False}
    crops = load_crops(HELD_OUT, 40, progress=False)
    pretrain(crops, tmp_path / "run", settings, resume=True, **options)
    assert [row["step"] for row in log_rows(tmp_path / "run")] == [str(n) for n in range(1, step + 2)]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_that_another_process_has_just_removed_is_none(tmp_path, monkeypatch, replaced):
    def remove(file):
        os.rename(file.name, tmp_path / "removed")  # so that the new file is certainly another
        if replaced:
            open(file.name, "xb").close()

    monkeypatch.setattr(run_folder, "lock", remove)
    with pytest.raises(InputError, match="another process is training in"), claim(tmp_path):
        pytest.fail("there is no lock")


def test_only_one_process_trains_in_a_folder(crops, tmp_path):
    pytest.importorskip("fcntl", reason="locks as POSIX does")
    with claim(tmp_path):
        with pytest.raises(InputError, match="another process is training in"):
            pretrain(crops, tmp_path, SETTINGS, **OFTEN)
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    with claim(tmp_path):
        pass


# ---------------------------------------------------------------- one batch, several processes

STEADY = replace(SETTINGS, batch_size=8, config=replace(CONFIG, attention_probs_dropout_prob=0.0))

GRADIENTS = """
import sys
import torch
from test_pretrain import gradients
torch.set_num_threads(1)
gradients_and_tally, accelerator = gradients(micro_batch_size=int(sys.argv[2]))
if accelerator.is_main_process:
    torch.save(gradients_and_tally, sys.argv[1])
accelerator.wait_for_everyone()  # a process that leaves early can take the other's connection with it
accelerator.end_training()
"""


def job_of(settings, crops, micro_batch_size=None):
    """What `pretrain` gives to the loop."""
    return Pretraining(settings, "nowhere", "fp32", micro_batch_size, crops)


def gradients(micro_batch_size=None, size=None):
    """Of one batch, in float64 -> ({parameter: gradient}, tally (3,) of all processes), accelerator."""
    job = job_of(STEADY, load_crops(HELD_OUT, 40, progress=False), micro_batch_size)
    job.num_holes = size
    tally = backward(job, job.accelerator.prepare(job.model.double()), next(job.batches(0)))
    found = {name: parameter.grad.clone() for name, parameter in job.model.named_parameters()}
    return (found, job.accelerator.reduce(tally, "sum")), job.accelerator


def assert_same_gradients(one, other):
    for name, gradient in one[0].items():
        assert gradient.abs().max() > 0, name
        assert torch.allclose(gradient, other[0][name], rtol=1e-9, atol=1e-12), name
    assert torch.allclose(one[1], other[1], rtol=1e-12)


def test_the_gradient_is_that_of_the_mean_over_all_hidden_bytes():
    (found, tally), _ = gradients()
    model = new_model(STEADY).double()
    crops = load_crops(HELD_OUT, 40, progress=False)
    inputs, labels = hide_bytes(STEADY, crops[rows_of_step(STEADY, len(crops), 0)].long(), 0)
    logits = model(inputs, inputs != ByteTokenizer.PAD)  # every position is decoded, and few are asked for
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE)
    loss.backward()
    hidden = (labels != IGNORE).sum()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    expected_tally = torch.stack([loss.detach() * hidden, hidden, 0 * hidden])
    assert_same_gradients((found, tally), (expected, expected_tally))


@pytest.mark.parametrize("micro_batch_size", [1, 2, 4])
def test_micro_batches_make_the_gradients_of_the_whole_batch(micro_batch_size):
    assert_same_gradients(gradients()[0], gradients(micro_batch_size)[0])


def test_a_step_is_no_longer_than_the_clipped_gradient(crops):
    job = job_of(replace(STEADY, clip=0.1, warmup=0, learning_rate=0.5), crops)
    model, before = job.model, [parameter.detach().clone() for parameter in job.model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    norm, _ = loop.train_step(job, model, optimizer, 0, next(job.batches(0)))
    moved = torch.cat([(a - b).flatten() for a, b in zip(model.parameters(), before, strict=True)])
    assert norm > 0.1
    assert moved.norm().item() == pytest.approx(0.1 * 0.5, rel=1e-3)  # clip × the first step's learning rate


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch_size", [1, 4])
def test_two_processes_make_the_gradients_of_one_on_the_joined_batch(tmp_path, micro_batch_size):
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    in_two_processes(script, tmp_path / "two.pt", micro_batch_size)
    assert_same_gradients(gradients()[0], torch.load(tmp_path / "two.pt"))


def in_one_process(*arguments):
    with pytest.raises(SystemExit) as done:
        cli.main([str(argument) for argument in arguments])
    assert done.value.code == 0


COMMAND = ["pretrain", HELD_OUT, "--size", "tiny", "--batch-size", 4, "--warmup", 2, "--save-every", 2]


@pytest.mark.slow
def test_two_processes_and_one_take_over_from_each_other(crops, tmp_path):
    def train(processes, folder, steps, *more, code=0):
        arguments = [*COMMAND, "--output", tmp_path / folder, "--steps", steps, *more]
        if processes == 2:
            return in_two_processes("-m", "perceiver_edu.cli", *arguments, code=code)
        return in_one_process(*arguments)

    train(2, "changing", 4)
    train(1, "changing", 6, "--resume")
    train(2, "changing", 8, "--resume")
    train(1, "alone", 4)
    train(1, "alone", 6, "--resume")
    train(1, "alone", 8, "--resume")
    changing, alone = (load_folder(tmp_path / folder / "model") for folder in ("changing", "alone"))
    assert_same_answers(changing, alone, crops)
    for one, other in zip(log_rows(tmp_path / "changing"), log_rows(tmp_path / "alone"), strict=True):
        assert one["step"] == other["step"]
        assert float(one["bits"]) == pytest.approx(float(other["bits"]), rel=1e-4)

    refused = train(2, "changing", 8, "--resume", "--batch-size", "3", code=1)  # torchrun's exit code
    assert "batch_size 3 must be divisible by 2 processes" in refused.stderr


SHARDS = """
import os, sys
import torch
from test_pretrain import train_and_note
torch.set_num_threads(1)
seen = train_and_note(sys.argv[1], sys.argv[2], int(sys.argv[3]))
torch.save(seen, sys.argv[2] + f"-rank{os.environ['RANK']}.pt")
"""


def text_to_share(kind):
    """Crops, or a stream of documents."""
    if kind == "stream":
        return Stream("lines", lines, chunk_steps=3)
    return spread(load_crops(HELD_OUT, 40, progress=False), 50)


def train_and_note(kind, folder, steps):
    """Train up to `steps` -> the crops (n, M) that this process has computed, in order, holes filled."""
    seen, original = [], trainer.loss_of

    def loss_of(model, inputs, positions, targets):
        shown = torch.where(targets == IGNORE, inputs.gather(1, positions), targets)
        seen.append(inputs.scatter(1, positions, shown))
        return original(model, inputs, positions, targets)

    trainer.loss_of = loss_of
    try:
        settings = replace(STEADY, steps=steps, short=0.0)
        pretrain(text_to_share(kind), folder, settings, resume=True, micro_batch_size=2, **OFTEN)
    finally:
        trainer.loss_of = original
    return torch.cat(seen)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["crops", "stream"])
def test_two_processes_share_each_batch_without_overlap_or_loss(kind, tmp_path):
    script = tmp_path / "shards.py"
    script.write_text(SHARDS)
    all_batches = list(batches(text_to_share(kind), replace(STEADY, steps=8), 0, "cpu"))  # 8 × (8, M)

    def shares(steps):
        """Two processes go on from where the run stands -> what each of them computed."""
        in_two_processes(script, kind, tmp_path / "run", steps)
        return [torch.load(tmp_path / f"run-rank{rank}.pt") for rank in (0, 1)]

    def same(found, expected):
        return torch.equal(found.short(), torch.cat(expected))

    for rank, found in enumerate(shares(4)):
        assert same(found, [batch[rank::2] for batch in all_batches[:4]]), rank
    assert same(train_and_note(kind, tmp_path / "run", 6), all_batches[4:6])  # then one process alone
    for rank, found in enumerate(shares(8)):  # and two again
        assert same(found, [batch[rank::2] for batch in all_batches[6:8]]), rank


# ---------------------------------------------------------------- what a step sees


def test_every_epoch_has_every_crop_once_in_an_order_of_its_own():
    settings = replace(SETTINGS, batch_size=4)
    seen = torch.cat([rows_of_step(settings, 10, step) for step in range(10)])  # 40 rows = 4 epochs
    epochs = [epoch.tolist() for epoch in seen.split(10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4
    others = torch.cat([rows_of_step(replace(settings, seed=1), 10, step) for step in range(10)])
    assert not set(map(tuple, others.view(4, 10).tolist())) & set(map(tuple, epochs))


def test_a_batch_may_be_larger_than_the_corpus():
    rows = rows_of_step(replace(SETTINGS, batch_size=8), 3, 0)
    assert sorted(rows[:3].tolist()) == sorted(rows[3:6].tolist()) == [0, 1, 2]


def test_the_curriculum_begins_with_single_bytes(crops):
    settings = replace(SETTINGS, steps=10, bytes_first=0.3, masks="words", short=0.0)

    def longest_hole(step):
        _, labels = hide_bytes(settings, crops.long(), step)
        hidden = "".join("x" if label != IGNORE else " " for label in labels.flatten().tolist())
        return max(map(len, hidden.split()))

    lengths = [longest_hole(step) for step in range(6)]
    assert max(lengths[:3]) < min(lengths[3:]), lengths


def test_short_crops_are_a_share_of_the_batch(crops):
    def padded(short):
        inputs, _ = hide_bytes(replace(SETTINGS, short=short), crops[:-1].long(), 0)
        return (inputs == ByteTokenizer.PAD).any(1).float().mean()

    assert padded(0.0) < 0.2 < padded(0.5) < 0.8 < padded(1.0)


def test_crops_too_short_to_cut_stay_whole():
    crops = crop_pack(["a long text"], 5)
    assert torch.equal(shorten(crops, 1.0), crops)


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    rates = [learning_rate(step, steps=1000, warmup=100, peak=1.0) for step in range(1000)]
    assert rates[0] == 0.01 and rates[49] == 0.5
    assert 90 < rates.index(max(rates)) < 105
    assert rates[500] == pytest.approx(0.5)
    assert rates[-1] < 1e-5
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_one_shape_for_all_batches_says_what_it_leaves_out():
    settings = replace(SETTINGS, fraction=0.15, config=sized("small"))
    size = holes_of_row(settings)
    assert 0.15 * 256 + 30 < size < 0.4 * 256 and size % 8 == 0
    word = crop_pack(["x" * 254], 256).long()  # one word, all of it hidden or nothing
    labels = torch.where(word >= ByteTokenizer.BYTE_OFFSET, word, IGNORE)
    positions, targets = hole_positions(labels, size)
    assert positions.shape == targets.shape == (1, size)
    job, batch = job_of(settings, word), (word, labels, positions, targets)
    _, asked, not_asked = job.loss(job.model, batch, batch)[1].tolist()
    assert (asked, not_asked) == (size, 254 - size)
    assert holes_of_row(replace(settings, fraction=1.0)) == 256


def test_a_fixed_shape_asks_for_the_same_bytes():
    loose, tight = gradients()[0], gradients(size=40)[0]
    assert_same_gradients(loose, tight)


def test_the_held_out_figure_is_always_the_same_and_reads_no_other_text(crops):
    model = new_model(STEADY)
    first = held_out_bits(model, crops)
    assert first == held_out_bits(model, crops)
    assert first == pytest.approx(held_out_bits(model.eval(), crops, batch_size=32))
    assert 7 < first < 9  # 8 bits: it has learned nothing
    with pytest.raises(InputError, match="too short"):
        held_out_bits(model, crop_pack(["a"], 40))


def test_the_held_out_figure_can_be_of_single_bytes(crops):
    model = new_model(STEADY).eval()
    words = held_out_bits(model, crops, batch_size=len(crops))
    inputs, labels = mask_bytes(crops.long(), generator=torch.Generator().manual_seed(0), always_mask=True)
    with torch.no_grad():
        logits = model(inputs, inputs != ByteTokenizer.PAD)
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    found = held_out_bits(model, crops, batch_size=len(crops), mask=mask_bytes)
    assert found == pytest.approx(nats.item() / math.log(2), rel=1e-5) and found != words


def test_a_step_without_anything_hidden_is_no_error(tmp_path):
    nothing = crop_pack(["ab"], 40), replace(SETTINGS, masks="words", bytes_first=0.0, fraction=1e-6, steps=3)
    pretrain(nothing[0], tmp_path, nothing[1], **OFTEN)
    assert [row["bits"] for row in log_rows(tmp_path)] == ["0.0", "0.0"]


def test_spread(crops):
    assert len(spread(crops, 1000)) == 50
    some = spread(torch.arange(10), 4)
    assert some.tolist() == [0, 2, 5, 7]


# ---------------------------------------------------------------- a stream


def lines(epoch, number=40):
    """A stand-in for the hub: short documents, in an order of the epoch."""
    return (f"epoch {epoch} line {n} " + "x" * (n % 7) for n in range(number))


def test_a_stream_is_cut_into_chunks_and_every_crop_comes_once():
    settings, stream = replace(SETTINGS, batch_size=2), Stream("lines", lines, chunk_steps=3)
    expected = torch.cat([crop_pack([*lines(0)][n : n + 10], 40) for n in range(0, 40, 10)])
    seen = list(islice(stream.batches(settings, 0), len(expected) // 2))
    assert all(batch.shape == (2, 40) for batch in seen)
    seen = torch.cat(seen)
    for start in range(0, len(seen) - 6, 6):  # a chunk = 3 steps of 2 crops
        chunk, same = seen[start : start + 6].tolist(), expected[start : start + 6].tolist()
        assert sorted(chunk) == sorted(same) and chunk != same
    rows = torch.cat(list(islice(stream.batches(settings, 0), 30)))
    assert any("epoch 1" in ByteTokenizer().decode(row.tolist()) for row in rows)


def test_a_stream_goes_on_at_any_step_with_the_same_batches():
    settings, stream = replace(SETTINGS, batch_size=2), Stream("lines", lines, chunk_steps=3)
    unbroken = list(islice(stream.batches(settings, 0), 20))
    for first in (1, 3, 5, 12, 19):
        resumed = next(stream.batches(settings, first))
        assert torch.equal(resumed, unbroken[first]), first


def test_a_stream_without_text_is_an_error_and_not_an_endless_wait():
    for texts in ([], ["", ""]):
        stream = Stream("nothing", lambda epoch, texts=texts: texts)
        with pytest.raises(InputError, match="nothing: there is no text"):
            next(batches(stream, SETTINGS, 0, "cpu"))


def test_a_run_on_a_stream_goes_on_exactly(crops, tmp_path, monkeypatch):
    stream = Stream("lines", lines, chunk_steps=3)
    pretrain(stream, tmp_path / "unbroken", SETTINGS, held_out=crops[:8], **OFTEN)
    with cut_off(monkeypatch, 8):
        pretrain(stream, tmp_path / "cut", SETTINGS, held_out=crops[:8], **OFTEN)
    pretrain(stream, tmp_path / "cut", SETTINGS, held_out=crops[:8], resume=True, **OFTEN)
    assert_same_run(tmp_path / "cut", tmp_path / "unbroken")
    with pytest.raises(InputError, match=r"data\.crops was None, now 50"):
        pretrain(crops, tmp_path / "cut", SETTINGS, resume=True, **OFTEN)


def test_crops_that_are_a_view_are_described_as_their_copy():
    crops = torch.arange(60).view(6, 10)
    assert describe(crops[::2, 1:9]) == describe(crops[::2, 1:9].clone())


def test_the_mixture_of_the_original_streams_from_the_hub(tmp_path):
    pytest.importorskip("datasets", reason="the mixture streams through the datasets library")
    sources = []
    for name, share, length in (("web", 0.7, 30), ("articles", 0.3, 300)):
        file = tmp_path / f"{name}.jsonl"
        rows = [{"text": f"{name} {n} " + "z" * length} for n in range(200)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        sources.append((share, {"path": "json", "data_files": str(file)}))
    stream = c4_and_wikipedia(seed=3, sources=sources)
    assert describe(stream)["stream"] == "c4-wikipedia"
    settings = replace(SETTINGS, steps=2)
    pretrain(stream, tmp_path / "run", settings, **OFTEN)
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
    text = "".join(ByteTokenizer().decode(row.tolist()) for row in next(stream.batches(settings, 0)))
    assert "web" in text and "zzz" in text


# ---------------------------------------------------------------- machines


def test_bf16_computes_in_bf16_and_keeps_weights_in_fp32(crops, tmp_path):
    exact = pretrain(crops, tmp_path / "fp32", SETTINGS, precision="fp32", **OFTEN)
    rough = pretrain(crops, tmp_path / "bf16", SETTINGS, precision="bf16", held_out=crops[:4], **OFTEN)
    unseen = float(log_rows(tmp_path / "bf16")[-1]["held_out_bits"])
    assert unseen == held_out_bits(rough, crops[:4]), "the stored weights are measured, in fp32"
    assert {parameter.dtype for parameter in rough.parameters()} == {torch.float32}
    logits = [model(crops[:2].long()) for model in (exact, rough)]
    stored = load_folder(tmp_path / "bf16" / "model").eval()(crops[:2].long())
    assert torch.equal(logits[1], stored), "the model is handed back as it was given"
    assert 0 < (logits[0] - logits[1]).abs().max() < 0.05
    bits = [float(log_rows(tmp_path / name)[-1]["bits"]) for name in ("fp32", "bf16")]
    assert bits[0] != bits[1] and abs(bits[0] - bits[1]) < 0.02


def test_settings_of_accelerate_that_are_already_in_use_are_refused(tmp_path):
    code = (
        "import accelerate; accelerate.Accelerator(mixed_precision='bf16')\n"
        "import sys; from perceiver_edu import cli; cli.main(['pretrain', *sys.argv[1:]])"
    )
    command = [sys.executable, "-c", code, HELD_OUT, "-o", tmp_path / "run"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert "accelerate is already in use here with other settings" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(crops, tmp_path):
    settings = replace(SETTINGS, config=STEADY.config)
    plain = pretrain(crops, tmp_path / "plain", settings, **OFTEN)
    torch._dynamo.utils.counters.clear()
    compiled = pretrain(crops, tmp_path / "compiled", settings, compile=True, micro_batch_size=2, **OFTEN)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1, "one shape, one graph"
    assert_same_answers(plain, compiled, crops)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_does_not_wait_for_the_gpu(crops):
    job = Pretraining(SETTINGS, "nowhere", "auto", None, crops)
    model, optimizer = job.accelerator.prepare(job.model, job.optimizer)
    all_batches = job.batches(0)
    for step in range(3):
        torch.cuda.set_sync_debug_mode("error" if step == 2 else "default")
        try:
            loop.train_step(job, model, optimizer, step, next(all_batches))
        finally:
            torch.cuda.set_sync_debug_mode("default")


# ---------------------------------------------------------------- what the user does wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be a whole number from 1 to 1,000,000,000,000, got 0"),
        ({"steps": 2.5}, "steps must be a whole number from 1 to 1,000,000,000,000, got 2.5"),
        ({"steps": "10"}, "steps must be a whole number from 1 to 1,000,000,000,000, got '10'"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 to 65,536, got 0"),
        ({"batch_size": 4.0}, "batch_size must be a whole number from 1 to 65,536, got 4.0"),
        ({"warmup": -1}, "warmup must be a whole number from 0 to"),
        ({"seed": -1}, "seed must be a whole number from 0 to"),
        ({"weight_decay": "0.01"}, "weight_decay must be between 0 and 1, got '0.01'"),
        ({"betas": (0.9, 1.0)}, "betas must be two numbers, each at least 0 and below 1, got (0.9, 1.0)"),
        ({"betas": (0.9,)}, "betas must be two numbers"),
        ({"betas": ("0.9", 0.98)}, "betas must be two numbers"),
        ({"learning_rate": "0.1"}, "learning_rate must be more than 0 and finite, got '0.1'"),
        ({"learning_rate": 0.0}, "learning_rate must be more than 0 and finite, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be more than 0 and finite, got nan"),
        ({"clip": 0.0}, "clip must be more than 0"),
        ({"fraction": 0.0}, "fraction must be more than 0 and at most 1, got 0.0"),
        ({"fraction": "all"}, "fraction must be more than 0 and at most 1, got 'all'"),
        ({"fraction": 1.5}, "fraction must be more than 0 and at most 1, got 1.5"),
        ({"bytes_first": 1.5}, "bytes_first must be between 0 and 1, got 1.5"),
        ({"short": -0.5}, "short must be between 0 and 1, got -0.5"),
        ({"masks": "letters"}, "no masks 'letters'; choose from coin, words, bytes, mixture"),
        ({"optimizer": "sgd"}, "no optimizer 'sgd'; choose from adamw, lamb"),
        ({"start": "cold"}, "no start 'cold'; choose from aligned, usual"),
        ({"config": replace(CONFIG, vocab_size=100)}, "vocab_size must be at least 262"),
        ({"config": replace(CONFIG, num_blocks=1001)}, "num_blocks 1001 would run for ever"),
        ({"config": replace(CONFIG, d_model=2**40, num_latents=2**40)}, "these sizes cannot be built"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, message):
    with pytest.raises(InputError) as error:
        replace(SETTINGS, **change)
    assert message in str(error.value)


def test_numbers_of_numpy_are_kept_as_ints():
    assert type(replace(SETTINGS, seed=np.int64(3)).seed) is int


def test_a_size_that_is_not_there():
    assert set(SIZES) == {"tiny", "small", "full"}
    with pytest.raises(InputError, match="no size 'huge'; choose from tiny, small, full"):
        sized("huge")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"micro_batch_size": 3}, "batch_size 4 must be divisible by 1 processes × micro-batches of 3"),
        ({"micro_batch_size": 0}, "micro_batch_size must be a whole number ≥ 1, got 0"),
        ({"micro_batch_size": 1.0}, "micro_batch_size must be a whole number ≥ 1, got 1.0"),
        ({"precision": "fp8"}, "no precision 'fp8'; choose from auto, fp32, bf16"),
        ({"save_every": 0}, "save_every must be a whole number ≥ 1, got 0"),
        ({"evaluate_every": -1}, "evaluate_every must be a whole number ≥ 1, got -1"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_written(crops, tmp_path, options, message):
    with pytest.raises(InputError) as error:
        pretrain(crops, tmp_path / "run", SETTINGS, progress=False, **options)
    assert message in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written(crops, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="cannot write to"):
            pretrain_files(HELD_OUT, folder, SETTINGS, progress=False)


def test_a_folder_in_use_is_refused_before_the_text_is_read(tmp_path, monkeypatch):
    pretrain_files(HELD_OUT, tmp_path, replace(SETTINGS, steps=1), **OFTEN)
    monkeypatch.setattr(trainer, "load_crops", lambda *_, **__: pytest.fail("the text was read first"))
    with pytest.raises(InputError, match="already contains a run"):
        pretrain_files(HELD_OUT, tmp_path, SETTINGS)
    with pytest.raises(InputError, match="batch_size was 4, now 5"):
        pretrain_files(HELD_OUT, tmp_path, replace(SETTINGS, batch_size=5), resume=True)


def test_files_that_are_read_twice_or_held_out_from_nothing_are_warnings(tmp_path):
    file, link = tmp_path / "a.txt", tmp_path / "b.txt"
    file.write_text("")
    link.symlink_to(file)
    with pytest.warns(InputWarning) as seen:
        trainer.warn_of_repeats([file, link], [link])
    assert ["given twice" in str(seen[0].message), "held out, but" in str(seen[1].message)] == [True, True]
    with warnings.catch_warnings(action="error"):
        trainer.warn_of_repeats([file], [tmp_path / "c.txt"])


def test_a_run_that_diverges_stops_before_it_saves_anything(crops, tmp_path, monkeypatch):
    original = loop.train_step

    def step(*arguments):
        norm, tally = original(*arguments)
        return norm * (float("nan") if arguments[3] == 4 else 1), tally

    monkeypatch.setattr(loop, "train_step", step)
    with pytest.raises(InputError, match="at step 5 the loss is NaN or infinite: try a lower learning rate"):
        pretrain(crops, tmp_path, SETTINGS, **(OFTEN | {"save_every": 1}))
    assert [step_of(path) for path in checkpoints(tmp_path)] == [4]
