"""The fast model is the readable one: the same function, the same errors, the same answers."""

import os
import platform
import subprocess
import sys
from copy import deepcopy

import pytest
import torch
from tiny import tiny_hf_model

from perceiver_edu import ByteTokenizer, InputError, fill_mask, from_huggingface, load_pretrained
from perceiver_edu.fast import STEPS, Int8Linear, PackedLinear, optimize
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
    fast = optimize(model)
    assert (fast(ids, mask, positions) - expected).abs().max() < 1e-10 * expected.abs().max()
    assert (fast(ids, None, positions) - unmasked).abs().max() < 1e-10 * unmasked.abs().max()
    assert not torch.allclose(expected[1], unmasked[1]), "the mask matters here"


def test_models_that_cannot_be_made_faster_or_run_are_named(model):
    on_meta = deepcopy(model).to("meta")
    for call, message in (
        (lambda: optimize(optimize(model)), "optimize takes a PerceiverIOForMaskedLM, got FastPerceiverIO"),
        (lambda: optimize(model, dtype=torch.int8), r"dtype must be torch\.float32"),
        (lambda: optimize(on_meta), 'on the device "meta"'),
        (lambda: fill_mask(on_meta, "a[MASK]"), 'on the device "meta"'),
        (lambda: extract_features(on_meta, ["a"], progress=False), 'on the device "meta"'),
    ):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("gelu", ["gelu", "gelu_new"])
def test_packed_weights_and_the_fused_gelu_are_exact(gelu, batch):
    model = from_huggingface(tiny_hf_model(dtype=torch.float32, hidden_act=gelu))
    with torch.no_grad():
        expected = model(*batch)
    fast = optimize(model)
    if torch.backends.mkldnn.is_available():
        assert sum(isinstance(module, PackedLinear) for module in fast.modules()) == 8 + 3 * 4
        assert not any(isinstance(module, torch.nn.Linear) for module in fast.modules())
    assert (fast(*batch) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_padding_costs_nothing_and_changes_nothing(model, batch, monkeypatch):
    ids, mask = batch
    padded = torch.nn.functional.pad(ids, (0, 4)), torch.nn.functional.pad(mask, (0, 4))
    fast = optimize(model)
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
        fast = optimize(model, dtype=torch.float32)
        for parameter in fast.parameters():
            parameter.zero_()
        assert torch.equal(model(*batch), expected)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_it_refuses_what_the_model_refuses(model):
    fast = optimize(model)
    with pytest.raises(InputError, match="this model reads at most 29"):
        fast(torch.zeros(1, 30, dtype=torch.int64))
    with pytest.raises(InputError, match="mask must be bool"):
        fast(torch.zeros(1, 5, dtype=torch.int64), torch.ones(1, 5))


@pytest.mark.parametrize("options", [{"dtype": torch.bfloat16}, {"compile": True}, {}], ids=str)
def test_int8_starts_from_float32_alone(model, options):
    model = model if not options else from_huggingface(tiny_hf_model(dtype=torch.float32))
    assert model.mlm_head.bias.dtype == (torch.float32 if options else torch.float64)
    with pytest.raises(InputError, match="int8 runs on the CPU, from float32 weights, not compiled"):
        optimize(model, int8=True, **options)


@pytest.mark.parametrize("gelu", [None, "none", "tanh"])
@pytest.mark.parametrize("shape", [(7, 37), (2, 5, 37), (1, 1, 37)], ids=str)
def test_int8_is_what_its_formula_says(shape, gelu):
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(37, 53), 3 * torch.randn(shape) + 1
    linear.weight.data[4] = 0  # a row without any scale
    s_x = float(x.abs().max()) / STEPS
    weight = linear.weight.double()
    s_w = (weight.abs().amax(1, keepdim=True) / 127).clamp(min=1e-12)
    whole = (x.double() / s_x).round() * s_x
    expected = whole @ (s_w * (weight / s_w).round()).T + linear.bias
    if gelu is not None:
        expected = torch.nn.functional.gelu(expected, approximate=gelu)
    with torch.no_grad():
        got = Int8Linear(linear, gelu)(x)
        exact = linear(x) if gelu is None else torch.nn.functional.gelu(linear(x), approximate=gelu)
    assert got.shape == expected.shape and got.dtype == torch.float32
    assert (got - expected).abs().max() < 1e-4 * expected.abs().max()
    assert 1e-4 < (got - exact).abs().max() / exact.abs().max() < 0.05, "it is rounded, but not much"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="ONEDNN_MAX_CPU_ISA is for x86")
def test_int8_does_not_overflow_on_older_processors():
    """oneDNN then adds two products in 16 bits; the largest weights and inputs are the worst case."""
    program = (
        "import torch, perceiver_edu.fast as o\n"
        "o.STEPS = 63  # as without VNNI\n"
        "linear, x = torch.nn.Linear(128, 64), torch.randn(32, 128).sign()\n"
        "linear.weight.data.sign_()\n"
        "print(float((o.Int8Linear(linear)(x) - linear(x)).abs().max() / linear(x).abs().max()))"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 0.01


def test_int8_in_every_stage(batch):
    model = from_huggingface(tiny_hf_model(dtype=torch.float32))
    fast = optimize(model, int8=True)
    assert sum(isinstance(module, Int8Linear) for module in fast.modules()) == 8 + 3 * 4
    assert not any(isinstance(module, torch.nn.Linear) for module in fast.modules())
    for positions in POSITIONS:
        with torch.no_grad():
            expected = model(*batch, positions)
        assert 0 < (fast(*batch, positions) - expected).abs().max() < 0.1 * expected.abs().max()


def test_the_embedded_model_fills_alike():
    model = load_pretrained()
    text, hidden = "He looked at her for a moment without speaking.", [" moment", " without"]
    slow, fast = fill_mask(model, text, hidden), fill_mask(optimize(model), text, hidden)
    for before, after in zip(slow, fast, strict=True):
        assert [filling.text for filling in before] == [filling.text for filling in after]
        assert [f.probability for f in after] == pytest.approx([f.probability for f in before], rel=1e-3)


@pytest.mark.parametrize(("options", "allowed"), [({"dtype": torch.bfloat16}, 0.02), ({"int8": True}, 0.1)])
def test_less_precision_keeps_the_answer(options, allowed):
    """`allowed`: the largest error, as a share of the largest logit. The best byte stays the same here."""
    model = load_pretrained()
    ids, mask = ByteTokenizer().batch(["It was a very l[MASK]ng time ago.", "She opened the do[MASK]r."])
    positions = (ids == ByteTokenizer.MASK).nonzero()[:, 1:]  # (B, 1)
    with torch.no_grad():
        expected = model(ids, mask, positions)
    got = optimize(model, **options)(ids, mask, positions)
    assert (got - expected).abs().max() < allowed * expected.abs().max()
    assert torch.equal(got.argmax(-1), expected.argmax(-1))


@pytest.mark.slow
def test_compiled_with_its_weights_frozen_in(batch):
    model = from_huggingface(tiny_hf_model(dtype=torch.float32))
    with torch.no_grad():
        expected = model(*batch)
    fast = optimize(model, compile=True)
    for _ in range(2):
        assert (fast(*batch) - expected).abs().max() < 1e-4 * expected.abs().max()
