"""A run goes on from what it can verify, or says in one line what is wrong, and loses nothing."""

import json
import os
import pickle
import shutil
from dataclasses import replace
from inspect import unwrap

import pytest
import torch
from commands import assert_one_line
from runs import CONFIG, cut_off

from perceiver_edu import PerceiverIOForMaskedLM, load_pretrained, save_pretrained
from perceiver_edu.data import HELD_OUT
from perceiver_edu.errors import DivergedError, InputError, InputWarning
from perceiver_edu.training import loop, run_folder
from perceiver_edu.training.batches import spread
from perceiver_edu.training.configs import FinetuneConfig, PretrainConfig
from perceiver_edu.training.corpus import list_files, load_crops
from perceiver_edu.training.finetune import finetune
from perceiver_edu.training.labelled import Column, read_labelled
from perceiver_edu.training.pretrain import pretrain, pretrain_files
from perceiver_edu.weights.files import to_json

SETTINGS = PretrainConfig(steps=6, batch_size=2, config=CONFIG)
OFTEN = {"save_every": 2, "evaluate_every": 2, "log_every": 1, "progress": False}
WITHIN_FINETUNE = unwrap(finetune).__globals__  # the names that `finetune` uses
TEXT = "Once upon a time there was a text of its own, and it was long enough. "

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def crops():
    return spread(load_crops(HELD_OUT, 40, progress=False), 20)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    save_pretrained(PerceiverIOForMaskedLM(CONFIG), folder)
    return folder


@pytest.fixture(scope="module")
def unbroken(crops, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("unbroken")
    pretrain(crops, folder, SETTINGS, **OFTEN)
    return model_of(folder)


@pytest.fixture
def cut(crops, tmp_path, monkeypatch):
    """A run that was cut off after its checkpoint-4."""
    with cut_off(monkeypatch, 5):
        pretrain(crops, tmp_path / "run", SETTINGS, **OFTEN)
    return tmp_path / "run"


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "table.csv")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They take longer than all else."""
    monkeypatch.setitem(WITHIN_FINETUNE, "draw_pictures", lambda *_: None)


def write_table(path):
    rows = [f"{'xoz'[n % 3] * (n % 7 + 2)},{'xoz'[n % 3]}\n" for n in range(16)]
    path.write_text("text,label\n" + "".join(rows))
    return path


def tune(table, weights, folder, validation=None, **options):
    training = read_labelled(table, ["text"], [Column("label")])
    held_out = read_labelled(validation or table, ["text"], [Column("label")])
    settings = FinetuneConfig(str(weights), epochs=2, batch_size=8, learning_rate=0.02)
    return finetune(training, held_out, folder, settings, save_every=1, progress=False, **options)


def model_of(run):
    return (run / "model" / "model.safetensors").read_bytes()


def contents(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- which checkpoint


@pytest.mark.parametrize("name", ["checkpoint-5", "checkpoint-6", "checkpoint-backup", "checkpoint-00009"])
@pytest.mark.parametrize("what", ["an empty folder", "another run's"])
def test_a_strange_checkpoint_is_passed_over_and_kept(crops, cut, unbroken, tmp_path, name, what):
    if what == "another run's":
        pretrain(crops, tmp_path / "other", replace(SETTINGS, seed=1), **OFTEN)
        shutil.copytree(tmp_path / "other" / "checkpoint-6", cut / name)
    else:
        (cut / name).mkdir()
    kept = sorted(path.name for path in (cut / name).iterdir())
    numbered = name != "checkpoint-backup"
    with pytest.warns(InputWarning) if numbered else pytest.MonkeyPatch.context() as warned:
        pretrain(crops, cut, SETTINGS, resume=True, **OFTEN)
    assert not numbered or "The run resumes from" in str(warned[0].message)
    assert model_of(cut) == unbroken
    [place] = cut.glob(f"{name}.*") if name == "checkpoint-6" else [cut / name]  # it was in the way
    assert sorted(path.name for path in place.iterdir()) == kept


def test_a_damaged_checkpoint_costs_no_other_one(crops, cut, unbroken, monkeypatch):
    older = shutil.copytree(cut, cut.with_name("older"))
    monkeypatch.setattr(run_folder, "remove_checkpoint", lambda *_: None)  # as if killed before that
    with cut_off(monkeypatch, 5):
        shutil.rmtree(cut)
        pretrain(crops, cut, SETTINGS, **OFTEN)
    monkeypatch.undo()
    (cut / "checkpoint-4" / "training.pt").write_bytes(b"")
    with pytest.warns(
        InputWarning, match=r"checkpoint-4/training.pt is damaged.* resumes from .*checkpoint-2"
    ):
        pretrain(crops, cut, SETTINGS, resume=True, **OFTEN)
    assert model_of(cut) == unbroken and not (cut / "checkpoint-2").exists()
    (older / "checkpoint-4" / "log.csv").write_text("step\n")
    before = contents(older)
    with pytest.raises(InputError, match=r"checkpoint-4/log.csv is damaged.*nothing was changed"):
        pretrain(crops, older, SETTINGS, resume=True, **OFTEN)
    assert contents(older) == before


def test_a_run_without_manifests_is_refused(crops, cut):
    """As runs of older versions are."""
    (cut / "checkpoint-4" / "manifest.json").unlink()
    with pytest.raises(
        InputError, match=r"checkpoint-4 has no manifest\.json, so nothing shows that it is whole"
    ):
        pretrain(crops, cut, SETTINGS, resume=True, **OFTEN)


def test_own_files_in_a_checkpoint_are_never_removed(crops, cut):
    (cut / "checkpoint-4" / "notes.txt").write_text("mine")
    pretrain(crops, cut, SETTINGS, resume=True, **OFTEN)
    assert (cut / "checkpoint-4" / "notes.txt").read_text() == "mine"


# ---------------------------------------------------------------- which run


def test_a_run_never_turns_into_another(crops, weights, table, tmp_path):
    tuned, trained = tmp_path / "tuned", tmp_path / "trained"
    results = tune(table, weights, tuned)
    pretrain(crops, trained, SETTINGS, **OFTEN)
    shutil.rmtree(trained / "checkpoint-6")  # to save space, say
    before = contents(tuned) | contents(trained)
    for attempt, message in (
        (
            lambda: pretrain(crops, tuned, SETTINGS, resume=True, **OFTEN),
            "steps.*|masks was None, now 'mixture'",
        ),
        (lambda: tune(table, weights, trained, resume=True), "contains a run with different settings"),
        (
            lambda: pretrain(crops, trained, SETTINGS, resume=True, **OFTEN),
            "no checkpoint from which to resume",
        ),
    ):
        with pytest.raises(InputError, match=message):
            attempt()
    assert contents(tuned) | contents(trained) == before
    assert tune(table, weights, tuned, resume=True) == results


def test_a_finished_fine_tuning_run_is_reported_only_if_it_is_whole(weights, table, tmp_path):
    run = tmp_path / "run"
    tune(table, weights, run)
    for name in ("model/model.safetensors", "model/config.json", "results.json", "log.csv"):
        content = (run / name).read_bytes()
        (run / name).unlink()
        with pytest.raises(InputError, match=f"{name} is missing"):
            tune(table, weights, run, resume=True)
        (run / name).write_bytes(content[:-1])
        with pytest.raises(InputError, match=f"{name} is damaged"):
            tune(table, weights, run, resume=True)
        (run / name).write_bytes(content)
    tune(table, weights, run, resume=True)


def test_a_run_that_is_killed_as_it_ends_lacks_nothing(weights, table, tmp_path, monkeypatch):
    run, drawn = tmp_path / "run", []

    def killed(*_):
        (run / ".unfinished").mkdir()
        (run / ".unfinished" / "training.pt").touch()
        raise KeyboardInterrupt

    monkeypatch.setitem(WITHIN_FINETUNE, "draw_pictures", lambda *_: drawn.append(True))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setitem(WITHIN_FINETUNE, "remove_checkpoint", killed)
        tune(table, weights, run)
    assert drawn and (run / "manifest.json").exists()
    tune(table, weights, run, resume=True)
    assert not (run / ".unfinished").exists() and not run_folder.checkpoints(run)


@pytest.mark.parametrize("write", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state))])
def test_a_checkpoint_with_code_in_it_is_refused_and_no_advice_is_passed_on(tmp_path, write):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "it ran"),)

    (tmp_path / "checkpoint-1").mkdir()
    write({"step": Trap()}, tmp_path / "checkpoint-1" / "training.pt")
    model = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match="nothing in it was run"):
        run_folder.load_checkpoint(tmp_path / "checkpoint-1", model, torch.optim.AdamW(model.parameters()))
    assert not (tmp_path / "it ran").exists()


def test_a_model_that_no_run_made_is_not_replaced(crops, weights, tmp_path):
    shutil.copytree(weights, tmp_path / "run" / "model")
    for resume in (False, True):
        with pytest.raises(InputError, match=r"already contains a run|contains a run, but no settings\.json"):
            pretrain(crops, tmp_path / "run", SETTINGS, resume=resume, **OFTEN)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model"]


def test_changed_files_are_named(crops, weights, table, tmp_path, monkeypatch):
    texts, held_out = tmp_path / "texts", tmp_path / "held_out.txt"
    texts.mkdir()
    for path in (texts / "a.txt", texts / "b.txt", held_out):
        path.write_text(TEXT * 9)

    def train(**options):
        pretrain_files(texts, tmp_path / "run", SETTINGS, held_out=held_out, **OFTEN, **options)

    with cut_off(monkeypatch, 5):
        train()
    for path in (texts / "b.txt", held_out):
        before = path.read_text()
        path.write_text(before.replace("text", "book"))
        with pytest.raises(
            InputError, match=rf"crc32 was .*; changed files: {path}\. Give it what it had, or begin"
        ):
            train(resume=True)
        path.write_text(before)
    train(resume=True)

    validation = shutil.copy(table, tmp_path / "validation.csv")
    tune(table, weights, tmp_path / "tuned", validation)
    with open(validation, "a") as file:
        file.write("zz,z\n")
    with pytest.raises(
        InputError, match=rf"data.validation.texts was 16, now 17.*changed files: {validation}\."
    ):
        tune(table, weights, tmp_path / "tuned", validation, resume=True)


def test_weights_that_have_changed_are_refused(weights, table, tmp_path, monkeypatch):
    own = shutil.copytree(weights, tmp_path / "weights")
    with cut_off(monkeypatch, 1):
        tune(table, own, tmp_path / "run")
    torch.manual_seed(1)
    save_pretrained(PerceiverIOForMaskedLM(CONFIG), own)
    with pytest.raises(InputError, match="weights_sha256 was"):
        tune(table, own, tmp_path / "run", resume=True)


# ---------------------------------------------------------------- a run among its data


@pytest.mark.parametrize("place", ["texts/runs/first", "texts"])
def test_what_runs_have_written_is_not_data(place, tmp_path, monkeypatch):
    texts, run = tmp_path / "texts", tmp_path / place
    (texts / "runs").mkdir(parents=True)
    names = ["a.txt", "model.txt", "runs/settings.json"]
    for name in names[:2]:
        (texts / name).write_text(TEXT * 9)
    (texts / names[2]).write_text(json.dumps({"text": TEXT * 9}))  # food

    def train(**options):
        pretrain_files(texts, run, SETTINGS, held_out=HELD_OUT, **OFTEN, **options)

    with cut_off(monkeypatch, 5):
        train()
    assert (run / "samples.txt").exists() and (run / "checkpoint-4").exists()
    train(resume=True)
    assert [path.relative_to(texts).as_posix() for path in list_files(texts)] == names


# ---------------------------------------------------------------- numbers


def test_a_real_divergence_ends_with_exit_code_1(run, table, weights, tmp_path):
    model = load_pretrained(weights)
    for parameter in model.parameters():
        parameter.data *= 1e20  # finite, and products of them are not
    save_pretrained(model, tmp_path / "large")
    command = ["finetune", table, "-w", tmp_path / "large", "-o", tmp_path / "tuned", "--batch-size", 4]
    code, out, err = run(*command, "--save-every", 1)
    assert code == 1 and out == "" and err.splitlines()[-1].startswith("perceiver-edu: at step ")
    assert err.splitlines()[-1].endswith("is NaN or infinite: try a lower learning rate")
    assert not [path for name in ("results.json", "model", "training.pt") for path in tmp_path.rglob(name)]


@pytest.mark.parametrize("where", ["validation loss", "score", "test loss", "weights"])
def test_nan_anywhere_ends_the_run(table, weights, tmp_path, monkeypatch, where):
    original = WITHIN_FINETUNE["score_classifier"]
    step = loop.train_step

    def score(accelerator, model, data, *more):
        scores, loss, answers = original(accelerator, model, data, *more)
        if where == "score":
            scores = {"label": dict.fromkeys(scores["label"], float("nan"))}
        return scores, float("inf") if where in ("validation loss", data.where) else loss, answers

    def spoiled(job, model, *more):
        norm, tally = step(job, model, *more)
        if where == "weights":
            next(model.parameters()).data[0] = float("nan")
        return norm, tally

    monkeypatch.setitem(WITHIN_FINETUNE, "score_classifier", score)
    monkeypatch.setattr(loop, "train_step", spoiled)
    encoded = WITHIN_FINETUNE["Encoded"]
    sets = iter(["training", "validation", "test loss"])

    def noted(*arguments):
        made = encoded(*arguments)
        made.where = next(sets)
        return made

    monkeypatch.setitem(WITHIN_FINETUNE, "Encoded", noted)
    with pytest.raises(DivergedError, match="is NaN or infinite"):
        tune(table, weights, tmp_path / "run", test=read_labelled(table, ["text"], [Column("label")]))
    assert not (tmp_path / "run" / "results.json").exists() and not (tmp_path / "run" / "model").exists()
    assert [path.name for path in tmp_path.glob("run/checkpoint-*")] == (
        ["checkpoint-4"] if where == "test loss" else ["checkpoint-1"] if where != "weights" else []
    )


@pytest.mark.parametrize(
    "variable",
    [
        "ACCELERATE_MIXED_PRECISION=bf16",
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS=4",
        "ACCELERATE_USE_FSDP=true",
        "ACCELERATE_DYNAMO_BACKEND=inductor",
        "ACCELERATE_TORCH_DEVICE=meta",
        "WORLD_SIZE=two",
        "WORLD_SIZE=0",
        "WORLD_SIZE=2",
        "LOCAL_RANK=0",
        "RANK=1",
        "OMPI_COMM_WORLD_SIZE=2",
    ],
)
def test_variables_that_change_the_arithmetic_are_refused(crops, tmp_path, monkeypatch, variable):
    name, value = variable.split("=")
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=name):
        pretrain(crops, tmp_path / "run", SETTINGS, **OFTEN)
    assert not (tmp_path / "run").exists()


def test_variables_that_change_nothing_are_left_alone(monkeypatch):
    for name, value in {
        "MIXED_PRECISION": "no",
        "GRADIENT_ACCUMULATION_STEPS": "1",
        "LOG_LEVEL": "info",
    }.items():
        monkeypatch.setenv(f"ACCELERATE_{name}", value)
    loop.check_environment()
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a"}.items():
        monkeypatch.setenv(name, value)
    assert loop.processes() == 1


# ---------------------------------------------------------------- values that nobody means


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", HELD_OUT, "--batch-size", 10**12], "batch_size must be a whole number from 1 to 65"),
        (["pretrain", HELD_OUT, "--steps", 10**400], "steps must be a whole number from 1 to"),
        (["pretrain", HELD_OUT, "--warmup", 10**400], "warmup must be a whole number from 0 to"),
        (["pretrain", HELD_OUT, "--seed", 10**400], "seed must be a whole number from 0 to"),
        (
            ["pretrain", HELD_OUT, "--learning-rate", "inf"],
            "learning_rate must be more than 0 and finite, got inf",
        ),
        (
            ["pretrain", HELD_OUT, "--learning-rate", "nan"],
            "learning_rate must be more than 0 and finite, got nan",
        ),
        (
            ["pretrain", HELD_OUT, "--learning-rate", "-1"],
            "learning_rate must be more than 0 and finite, got -1",
        ),
        (["pretrain", HELD_OUT, "--config", "{tmp}/deep.json"], "deep.json is not valid JSON"),
        (["pretrain", HELD_OUT, "--config", "{tmp}/long.json"], "long.json is not valid JSON"),
        (["finetune", "{tmp}/table.csv", "--seeds", 10**12], "--seeds must be between 1 and 1,000"),
        (["finetune", "{tmp}/table.csv", "--batch-size", 10**12], "batch_size must be a whole number from"),
        (["finetune", "{tmp}/table.csv", "--patience", 10**400], "patience must be a whole number from 1 to"),
        (
            ["finetune", "{tmp}/table.csv", "--learning-rate", "inf"],
            "learning_rate must be more than 0 and finite",
        ),
        (["evaluate", "--seed", 10**30], "--seed must be a whole number from 0 to"),
        (["evaluate", "--seed", -1], "--seed must be a whole number from 0 to"),
    ],
)
def test_extreme_values_are_one_line(run, table, tmp_path, arguments, message):
    (tmp_path / "deep.json").write_text('{"a":' * 100_000)
    (tmp_path / "long.json").write_text('{"d_model": ' + "9" * 5000 + "}")
    output = [] if arguments[0] == "evaluate" else ["-o", tmp_path / "run"]
    arguments = [str(argument).replace("{tmp}", str(tmp_path)) for argument in arguments]
    assert_one_line(*run(*arguments, *output), message)
    assert not (tmp_path / "run" / "settings.json").exists()


@pytest.mark.parametrize(
    "settings",
    [
        '{"a":' * 100_000,
        '{"steps": ' + "9" * 5000 + "}",
        '{"a":' * 900 + "1" + "}" * 900,
        "[]",
        '{"a": 1, "a": 1}',
    ],
)
def test_settings_of_another_kind_are_one_line(crops, cut, settings):
    (cut / "settings.json").write_text(settings)
    with pytest.raises(InputError, match=r"settings\.json|contains a run with different settings") as error:
        pretrain(crops, cut, SETTINGS, resume=True, **OFTEN)
    assert "\n" not in str(error.value) and (cut / "checkpoint-4").exists()


@pytest.mark.skipif(os.name != "posix", reason="pipes and links as POSIX has them")
@pytest.mark.parametrize(
    "name", [".lock", "settings.json", "log.csv", "samples.txt", "model", "results.json"]
)
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_no_file_of_a_run_may_be_a_pipe_or_a_link(run, crops, cut, tmp_path, name, kind):
    (cut / name).unlink(missing_ok=True)
    os.mkfifo(cut / name) if kind == "pipe" else (cut / name).symlink_to(tmp_path)
    with pytest.raises(InputError, match=f"{name} is not a"):
        pretrain(crops, cut, SETTINGS, resume=True, **OFTEN)


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
@pytest.mark.parametrize("option", ["data", "--held-out", "--config", "--weights", "--validation", "--test"])
def test_pipes_and_devices_to_read_from_are_one_line(run, table, tmp_path, option):
    tuning = option in ("--validation", "--test")
    pipe = tmp_path / ("pipe.csv" if tuning else "pipe.json" if option == "--config" else "pipe.txt")
    os.mkfifo(pipe)
    if option == "--config":
        (tmp_path / "config.json").write_bytes(to_json(CONFIG.to_dict()))
    command = ["finetune", table] if tuning else ["pretrain", pipe if option == "data" else HELD_OUT]
    more = [] if option == "data" else [option, pipe]
    code, out, err = run(*command, *more, "-o", tmp_path / "run")
    assert_one_line(code, out, err, "")
    assert str(pipe) in err
