"""The fast model is the readable one: the same function, the same errors, the same answers."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from tiny import tiny_hf_model

import perceiver_edu
from perceiver_edu import ByteTokenizer, InputError, fill_mask, from_huggingface, load_pretrained
from perceiver_edu.fast import FastPerceiverIO, optimize
from perceiver_edu.training.features import extract_features

POSITIONS = [None, torch.tensor([3, 0, 3]), torch.tensor([[1, 28], [7, 2]])]


@pytest.mark.parametrize("positions", POSITIONS, ids=["all", "(O,)", "(B, O)"])
@pytest.mark.parametrize("changes", [{}, {"num_blocks": 2}, {"use_query_residual": False}], ids=str)
def test_it_computes_the_same_function(batch, changes, positions):
    model = from_huggingface(tiny_hf_model(**changes))
    ids, mask = batch
    with torch.no_grad():
        expected = model(ids, mask, positions)
        unmasked = model(ids, None, positions)
    fast = optimize(model, engine="torch")
    assert (fast(ids, mask, positions) - expected).abs().max() < 1e-10 * expected.abs().max()
    assert (fast(ids, None, positions) - unmasked).abs().max() < 1e-10 * unmasked.abs().max()
    assert not torch.allclose(expected[1], unmasked[1]), "the mask matters here"


def test_models_that_cannot_be_made_faster_or_run_are_named(model):
    on_meta = deepcopy(model).to("meta")
    for call, message in (
        (lambda: optimize(optimize(model)), "optimize takes a PerceiverIOForMaskedLM, got "),
        (lambda: optimize(model, dtype=torch.int8), r"dtype must be torch\.float32"),
        (lambda: optimize(on_meta), 'on the device "meta"'),
        (lambda: fill_mask(on_meta, "a[MASK]"), 'on the device "meta"'),
        (lambda: extract_features(on_meta, ["a"], progress=False), 'on the device "meta"'),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_padding_costs_nothing_and_changes_nothing(model, batch, monkeypatch):
    ids, mask = batch
    padded = torch.nn.functional.pad(ids, (0, 4)), torch.nn.functional.pad(mask, (0, 4))
    fast = optimize(model, engine="torch")
    seen = []
    run = fast.run
    monkeypatch.setattr(fast, "run", lambda *arguments: seen.append(arguments) or run(*arguments))
    expected, got = fast(ids, mask), fast(*padded)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
    assert seen[0][0].shape == seen[1][0].shape == (2, int(mask.sum(1).max()))
    fast(ids[:1], mask[:1])
    assert seen[2][1] is None, "no mask where nothing is masked"
    holes = mask.clone()
    holes[0, 2] = False  # a mask that is not padding at the end
    with torch.no_grad():
        torch.testing.assert_close(fast(ids, holes), model(ids, holes), rtol=0, atol=1e-8)
    nothing = torch.zeros_like(mask)
    assert fast(ids, nothing).isfinite().all()
    torch.testing.assert_close(fast(ids, nothing), fast(ids[:, :1]), rtol=0, atol=1e-8)  # one id is read


def test_the_original_stays_as_it_was(model, batch):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        expected = model(*batch)
        fast = optimize(model, engine="torch", dtype=torch.float32)
        for parameter in fast.parameters():
            parameter.zero_()
        assert torch.equal(model(*batch), expected)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_it_refuses_what_the_model_refuses(model):
    fast = optimize(model, engine="torch")
    with pytest.raises(InputError, match="this model reads at most 29"):
        fast(torch.zeros(1, 30, dtype=torch.int64))
    with pytest.raises(InputError, match="mask must be bool"):
        fast(torch.zeros(1, 5, dtype=torch.int64), torch.ones(1, 5))


def test_the_embedded_model_fills_alike():
    model = load_pretrained()
    text, hidden = "He looked at her for a moment without speaking.", [" moment", " without"]
    slow, fast = fill_mask(model, text, hidden), fill_mask(optimize(model, engine="torch"), text, hidden)
    for before, after in zip(slow, fast, strict=True):
        assert [filling.text for filling in before] == [filling.text for filling in after]
        assert [f.probability for f in after] == pytest.approx([f.probability for f in before], rel=1e-3)


def test_less_precision_keeps_the_answer():
    """The largest error is small beside the largest logit, and the best byte stays the same here."""
    model = load_pretrained()
    ids, mask = ByteTokenizer().batch(["It was a very l[MASK]ng time ago.", "She opened the do[MASK]r."])
    positions = (ids == ByteTokenizer.MASK).nonzero()[:, 1:]  # (B, 1)
    with torch.no_grad():
        expected = model(ids, mask, positions)
    got = optimize(model, engine="torch", dtype=torch.bfloat16)(ids, mask, positions)
    assert (got - expected).abs().max() < 0.02 * expected.abs().max()
    assert torch.equal(got.argmax(-1), expected.argmax(-1))


@pytest.mark.slow
def test_compiled(batch):
    model = from_huggingface(tiny_hf_model(dtype=torch.float32))
    with torch.no_grad():
        expected = model(*batch)
    fast = optimize(model, compile=True)
    for _ in range(2):
        assert (fast(*batch) - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"engine": "onnx"}, "no engine 'onnx'; choose from torch, openvino"),
        (
            {"engine": "torch", "int8": True},
            r'int8 needs engine="openvino": pip install "perceiver-edu\[fast\]"',
        ),
        ({"engine": "openvino", "compile": True}, 'compile=True belongs to engine="torch"'),
        (
            {"engine": "openvino"},
            "runs float32 and bfloat16 on the CPU, and this model is torch.float64 on cpu",
        ),
        ({"engine": "openvino", "dtype": torch.float16}, "and this model is torch.float16 on cpu"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together(model, options, says):
    with pytest.raises(InputError, match=says):
        optimize(model, **options)


def test_without_openvino_it_is_torch(model, monkeypatch):
    small = from_huggingface(tiny_hf_model(dtype=torch.float32))
    monkeypatch.setattr("perceiver_edu.fast.find_spec", lambda name: None)
    for either in (small, model):
        assert isinstance(optimize(either), FastPerceiverIO)


def test_no_private_operators_of_torch():
    """They change without notice, and then the import fails."""
    for path in Path(perceiver_edu.__file__).parent.rglob("*.py"):
        assert not re.search(r"torch\.ops|torch\._C|\._is_", path.read_text("utf-8")), path
