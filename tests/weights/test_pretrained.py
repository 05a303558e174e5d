import copy
import errno
import json
import os
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_hf_model
from torch import nn

from perceiver_edu import (
    InputError,
    PerceiverIOForMaskedLM,
    from_huggingface,
    load_pretrained,
    optimize,
    save_pretrained,
)
from perceiver_edu.weights import pretrained
from perceiver_edu.weights.hub import REAL
from perceiver_edu.weights.huggingface import huggingface_name

CONFIGS = [
    {},
    {"num_blocks": 2},
    {"qk_channels": None, "v_channels": None, "cross_attention_shape_for_attention": "q"},
]


@pytest.fixture
def folder(model, tmp_path):
    """A good folder of tiny weights, for a test to break."""
    save_pretrained(model, tmp_path / "weights")
    return tmp_path / "weights"


def equal(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("changes", CONFIGS)
def test_every_parameter_has_its_hugging_face_name(changes):
    hf_model = tiny_hf_model(**changes)
    ours = from_huggingface(hf_model).state_dict()
    theirs = hf_model.state_dict()
    assert {huggingface_name(name) for name in ours} == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[huggingface_name(name)])
        assert tensor.data_ptr() != theirs[huggingface_name(name)].data_ptr()  # a copy, not a view


@pytest.mark.parametrize("changes", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_we_save_hugging_face_opens(changes, dtype, tmp_path, batch):
    from transformers import AutoTokenizer, PerceiverForMaskedLM

    model = from_huggingface(tiny_hf_model(**changes)).to(dtype)
    save_pretrained(model, tmp_path)
    hf_model = PerceiverForMaskedLM.from_pretrained(tmp_path)
    assert hf_model.dtype == dtype
    ids, mask = batch
    model, hf_model = model.double(), hf_model.double().eval()
    torch.testing.assert_close(model(ids, mask), hf_model(ids, attention_mask=mask.long()).logits)
    assert AutoTokenizer.from_pretrained(tmp_path)("é [MASK]").input_ids == [4, 201, 175, 38, 3, 5]


@pytest.mark.parametrize("changes", CONFIGS)
def test_what_hugging_face_saves_we_open(changes, tmp_path):
    hf_model = tiny_hf_model(dtype=torch.float32, **changes)
    hf_model.save_pretrained(tmp_path)
    assert equal(load_pretrained(tmp_path), from_huggingface(hf_model))


def test_weights_in_several_files_are_opened(tmp_path):
    hf_model = tiny_hf_model(dtype=torch.float32)
    hf_model.save_pretrained(tmp_path, max_shard_size="4kB")
    assert not (tmp_path / "model.safetensors").exists()
    assert equal(load_pretrained(tmp_path), from_huggingface(hf_model))


def test_a_round_trip_is_exact_and_in_eval_mode(model, folder):
    again = load_pretrained(folder, dtype=torch.float64)
    assert equal(again, model) and again.config == model.config and not again.training
    assert load_pretrained(folder).mlm_head.bias.dtype == torch.float32


def test_a_pickle_is_not_opened(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    (folder / "model.safetensors").unlink()
    torch.save({"key": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"has only pytorch_model\.bin, a pickle, .* from_huggingface"):
        load_pretrained(folder)
    assert not (tmp_path / "trapped").exists()


def test_the_environment_variable_names_the_default(model, folder, monkeypatch):
    monkeypatch.setenv("PERCEIVER_EDU_WEIGHTS", str(folder))
    assert equal(load_pretrained(dtype=torch.float64), model)
    monkeypatch.delenv("PERCEIVER_EDU_WEIGHTS")
    assert equal(load_pretrained(), load_pretrained("embedded"))


def test_saving_over_a_model_leaves_no_other_file(model, folder):
    before = sorted(folder.iterdir())
    save_pretrained(model, folder)
    assert sorted(folder.iterdir()) == before


def everything_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


NOT_SAVED = {
    "optimized": (optimize, "got FastPerceiverIO"),
    "wrapped": (lambda model: nn.Sequential(model), "got Sequential"),
    "a layer gone": (
        lambda model: setattr(model.mlm_head, "bias", None) or model,
        "lacks 'embedding_decoder.bias'",
    ),
    "a layer more": (
        lambda model: setattr(model, "extra", nn.Linear(1, 1)) or model,
        "'extra.bias' and 1 more",
    ),
    "another shape": (
        lambda model: setattr(model.mlm_head, "bias", nn.Parameter(torch.ones(3))) or model,
        "'embedding_decoder.bias' has shape",
    ),
    "NaN": (lambda model: model.mlm_head.bias.data.fill_(float("nan")) is None or model, "contains NaN"),
    "without numbers": (lambda model: model.to("meta"), "not plain floating-point numbers"),
    "float8": (lambda model: model.to(torch.float8_e4m3fn), "a tensor of torch.float8"),
}


@pytest.mark.parametrize(("change", "message"), NOT_SAVED.values(), ids=NOT_SAVED.keys())
def test_what_could_not_be_loaded_is_not_saved_and_the_model_before_it_stays(change, message, model, folder):
    before = everything_in(folder)
    with pytest.raises(InputError, match=message):
        save_pretrained(change(model), folder)
    assert everything_in(folder) == before


def test_a_compiled_model_is_saved_as_the_model_it_wraps(model, folder, tmp_path):
    stage = copy.deepcopy(model)
    stage.encoder = torch.compile(stage.encoder)
    for number, compiled in enumerate([torch.compile(model), stage]):
        save_pretrained(compiled, tmp_path / str(number))
        assert everything_in(tmp_path / str(number)) == everything_in(folder)


def test_tied_weights_are_saved_as_two(model, tmp_path):
    model.queries.positions = nn.Parameter(model.embedding.position_embedding.weight.data)
    save_pretrained(model, tmp_path)
    assert equal(load_pretrained(tmp_path, dtype=torch.float64), model)


def test_saving_that_breaks_off_leaves_the_model_before_it(model, folder, monkeypatch):
    before, written, fsync = everything_in(folder), [], os.fsync

    def full(handle):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(fsync(handle))

    monkeypatch.setattr(os, "fsync", full)
    model.mlm_head.bias.data += 1
    with pytest.raises(InputError, match="No space left"):
        save_pretrained(model, folder)
    assert written and everything_in(folder) == before


@pytest.mark.parametrize(("moved", "loads"), [(0, 1), (1, None), (2, 2), (3, 2)])
def test_a_folder_that_is_half_replaced_is_refused(moved, loads, tmp_path, monkeypatch, batch):
    """Of two models with the same shapes, and hence of weights that fit both configurations."""
    old, new = (from_huggingface(tiny_hf_model(num_blocks=number)) for number in (1, 2))
    save_pretrained(old, tmp_path)
    replace, done = os.replace, []

    def killed(*paths):
        if len(done) == moved:
            raise KeyboardInterrupt
        done.append(replace(*paths))

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        save_pretrained(new, tmp_path)
    assert len(done) == moved
    if loads is None:
        with pytest.raises(InputError, match=r"was only half replaced.*Save the model again"):
            load_pretrained(tmp_path)
        save_pretrained(new, tmp_path)
    again = load_pretrained(tmp_path, dtype=torch.float64)
    expected = old if loads == 1 else new
    assert again.config == expected.config and torch.equal(again(*batch), expected(*batch))


def test_weights_that_do_not_say_with_which_config_they_were_saved_are_loaded(model, folder):
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", {"format": "pt"})
    assert equal(load_pretrained(folder, dtype=torch.float64), model)


def test_saving_keeps_modes_and_takes_the_place_of_plain_files_only(model, folder, tmp_path):
    (folder / "config.json").chmod(0o600)
    save_pretrained(model, folder)
    assert (folder / "config.json").stat().st_mode & 0o777 == 0o600
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    with pytest.raises(InputError, match=r"config\.json is not a plain file"):
        save_pretrained(model, folder)


def break_weights(change):
    def apply(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return apply


def break_config(**changes):
    def apply(folder):
        config = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(config))

    return apply


def split_doubly(folder):
    """The same weights in two shards, of which both are named."""
    for name in ("a.safetensors", "b.safetensors"):
        (folder / name).write_bytes((folder / "model.safetensors").read_bytes())
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


KEY = "perceiver.encoder.self_attends.1.mlp.dense1.weight"
BREAKS = {
    "a key is missing": (break_weights(lambda t: t.pop(KEY)), f"model.safetensors lacks '{KEY}'"),
    "a key too many": (break_weights(lambda t: t.update(lm_head=torch.ones(1))), "'lm_head'"),
    "another shape": (break_weights(lambda t: t.update({KEY: torch.ones(48, 13)})), f"'{KEY}' has shape"),
    "transposed": (break_weights(lambda t: t.update({KEY: t[KEY].T.contiguous()})), f"'{KEY}' has shape"),
    "NaN": (break_weights(lambda t: t[KEY].view(-1)[7:8].fill_(float("nan"))), f"'{KEY}' contains NaN"),
    "infinite": (break_weights(lambda t: t[KEY].view(-1)[7:8].fill_(float("inf"))), f"'{KEY}' contains NaN"),
    "whole numbers": (break_weights(lambda t: t.update({KEY: t[KEY].long()})), "of torch.int64"),
    "truncated": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-100]),
        "truncated or damaged",
    ),
    "empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "truncated or damaged"),
    "garbled": (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 999), "truncated or damaged"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors"),
    "a long name": (
        break_weights(lambda t: t.update({"x" * 10**5: torch.ones(1)})),
        r"'x{10,60}\.\.\.x{10,60}'",
    ),
    "a pipe": (
        lambda f: ((f / "model.safetensors").unlink(), os.mkfifo(f / "model.safetensors")),
        "not a plain file",
    ),
    "one key in two shards": (split_doubly, "is in several files"),
    "deep JSON": (lambda f: (f / "config.json").write_text('{"a":' * 10**5), "not valid JSON"),
    "nested": (break_config(d_model=json.loads("[" * 400 + "]" * 400)), "d_model must be a whole number"),
    "5,000 digits": (
        lambda f: (f / "config.json").write_text('{"d_model": ' + "9" * 5000 + "}"),
        "config.json is not valid JSON",
    ),
    "4,000 digits": (break_config(d_latents=10**4000), "d_latents must be a whole number"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "must hold a JSON object"),
    "another model": (break_config(model_type="bert"), "model_type is 'bert'"),
    "another task": (break_config(architectures=["PerceiverForOpticalFlow"]), "PerceiverForOpticalFlow"),
    "a field of no model": (break_config(d_model=20), "config.json: d_model .20. must be divisible"),
    "an activation we lack": (break_config(hidden_act="relu"), "hidden_act 'relu'"),
    "huge sizes": (break_config(num_latents=2**40), "has shape"),
    "sizes beyond numbers": (
        break_config(d_latents=2**62 * 6, v_channels=None),
        "config.json|these sizes cannot",
    ),
    "repeated for ever without layers": (
        break_config(num_blocks=10**9, num_self_attends_per_block=0),
        "would run for ever",
    ),
    "repeated for ever": (break_config(num_blocks=10**9), "num_blocks 1000000000 would run for ever"),
    "huge depth": (break_config(num_self_attends_per_block=10**12), "weights for 1000000000000"),
}


@pytest.mark.parametrize(("broken", "message"), BREAKS.values(), ids=BREAKS.keys())
def test_broken_weights_get_one_clear_error(folder, broken, message):
    broken(folder)
    with pytest.raises(InputError, match=message) as caught:
        load_pretrained(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no such folder"),
        ("embeded", 'other choices are "embedded"'),
        (__file__, "is a file"),
        *[
            (name, "no such folder")
            for name in ("a/..", "a/b--c", "a/-", "a/" + "b" * 97, "x" * 5000, "a/b\0c")
        ],
        *[(name, "no such folder") for name in ("~nosuchuser", "~nosuchuser/model", "a/b/c", "a/b\n", "é/b")],
    ],
)
def test_a_wrong_name_gets_the_choices(name, message):
    with pytest.raises(InputError, match=message):
        load_pretrained(name)


@pytest.mark.parametrize("revision", [None, "main", "refs/pr/1"])
def test_deepminds_weights_are_checked_whatever_the_revision(folder, monkeypatch, revision):
    monkeypatch.setattr(pretrained, "find_folder", lambda name, revision: folder)
    with pytest.raises(InputError, match="these are not the published weights"):
        load_pretrained(REAL, revision=revision)


@pytest.mark.parametrize("name", ["embedded", "random", str(pretrained.EMBEDDED)])
def test_a_revision_of_what_is_not_downloaded_is_refused(name):
    with pytest.raises(InputError, match="not a repository on the hub: leave out revision='v2'"):
        load_pretrained(name, revision="v2")


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, torch.float8_e4m3fn, "float16", None])
def test_a_dtype_that_weights_cannot_have_gets_the_choices(dtype):
    with pytest.raises(InputError, match=r"dtype must be torch\.float32, .*, got"):
        load_pretrained(dtype=dtype)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "hpu", "", None])
def test_an_unknown_device_gets_the_choices(device):
    with pytest.raises(InputError, match="choose from cpu"):
        load_pretrained(device=device)


def test_only_a_masked_language_model_is_taken():
    from transformers import PerceiverConfig, PerceiverModel

    config = PerceiverConfig(num_latents=2, d_latents=8, num_self_attends_per_block=0)
    with pytest.raises(InputError, match="got PerceiverModel"):
        from_huggingface(PerceiverModel(config))


def test_a_folder_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write the model to .*file"):
        save_pretrained(model, tmp_path / "file")


@pytest.mark.parametrize("name", ["random"])
@pytest.mark.slow
def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone(name):
    state = torch.random.get_rng_state()
    first, second = load_pretrained(name), load_pretrained(name)
    assert torch.equal(state, torch.random.get_rng_state())
    assert isinstance(first, PerceiverIOForMaskedLM) and equal(first, second)


def test_names_of_labels_may_be_edited(model, folder):
    """Only what config.json says of the computation belongs to the weights."""
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(values | {"id2label": {"0": "no"}, "attention_probs_dropout_prob": 0.5})
    )
    assert equal(load_pretrained(folder, dtype=torch.float64), model)
