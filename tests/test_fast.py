"""The fast model is the readable one: the same function, the same errors, the same answers."""

import re
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import tiny_hf_model

import perceiver_edu
from perceiver_edu import (
    ByteTokenizer,
    InputError,
    PerceiverIOConfig,
    PerceiverIOForMaskedLM,
    fill_mask,
    from_huggingface,
    load_pretrained,
)
from perceiver_edu.fast import FastPerceiverIO, attend, optimize
from perceiver_edu.instruments import ablate_heads
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
    large = deepcopy(model)
    torch.nn.init.constant_(large.mlm_head.bias, 1e5)
    for call, message in (
        (lambda: optimize(optimize(model)), "optimize takes a PerceiverIOForMaskedLM, got "),
        (lambda: optimize(model, dtype=torch.int8), r"dtype must be torch\.float32"),
        (lambda: optimize(large, dtype=torch.float16), r"too large for torch\.float16"),
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


def test_a_row_of_padding_alone_and_no_ids_at_all_give_what_the_stages_give(model, batch):
    ids, _ = batch
    fast = optimize(model, engine="torch")
    one, none = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids, dtype=torch.bool)
    one[0, :5] = True
    with torch.no_grad():
        for mask in (one, none):
            torch.testing.assert_close(fast(ids, mask), model(ids, mask), rtol=0, atol=1e-8)
        torch.testing.assert_close(fast(ids[:, :0], none[:, :0]), model(ids[:, :0], none[:, :0]))


def test_low_scores_of_padding_alone_are_no_nan_in_float16():
    query, key, value = torch.full((1, 2, 4), 6.0), torch.full((1, 3, 4), -6.0), torch.ones(1, 3, 6)
    arrays = (array.half() for array in (query, key, value))
    assert attend(*arrays, num_heads=1, kv_mask=torch.zeros(1, 3, dtype=torch.bool)).eq(1).all()


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


def test_hooks_of_the_original_are_not_copied(model, batch):
    """They would go on changing its answers long after the original has been left alone."""
    expected = optimize(model, engine="torch")(*batch)
    hooks = [module.register_forward_hook(lambda *args: 0 * args[2]) for module in model.modules()]
    with ablate_heads(model, 0, [0, 1]):
        fast = optimize(model, engine="torch")
    assert torch.equal(fast(*batch), expected)
    for hook in hooks:
        hook.remove()


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


def test_results_outlive_the_next_replay_of_a_cuda_graph(batch, monkeypatch):
    """`reduce-overhead` returns arrays in the graph's memory, and the next call overwrites them."""
    modes, memory = [], {}

    def compiled(run, mode):
        def replay(*arguments):
            found = run(*arguments)
            kept = memory.setdefault(found.logits.shape, found)
            return type(found)(*(old.copy_(new) for old, new in zip(kept, found, strict=True)))

        modes.append(mode)
        return replay

    model = from_huggingface(tiny_hf_model())
    monkeypatch.setattr(torch, "compile", compiled)
    plain = optimize(model, compile=True)
    monkeypatch.setattr(FastPerceiverIO, "device", SimpleNamespace(type="cuda"))
    fast = optimize(model, compile=True)
    assert modes == [None, "reduce-overhead"]
    ids, others = batch[0], batch[0].flip(1)
    first, expected = fast(ids), plain(ids).clone()
    assert not torch.equal(fast(others), expected) and torch.equal(first, expected)


def test_the_fused_kernels_get_strides_that_they_take(monkeypatch):
    """In 16 bits they want rows without gaps, and arrays and rows that begin at a multiple of 16 bytes.

    In the sizes of the real model; `check_data_ptr_alignment_mem_efficient` in PyTorch has the last rule.
    """
    seen = []

    def attention(q, k, v, attn_mask=None, scale=None):
        seen.append((q, k, v))
        return q @ k.transpose(-2, -1) @ v

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attention)
    with torch.device("meta"):
        model = PerceiverIOForMaskedLM(PerceiverIOConfig(num_self_attends_per_block=1)).bfloat16()
        ids, positions = torch.zeros(2, 100, dtype=torch.int64), torch.zeros(9, dtype=torch.int64)
        FastPerceiverIO(model).run(ids, None, positions)
    assert len(seen) == 3
    for array in (array for arrays in seen for array in arrays):
        assert array.stride(-1) == 1 and 0 not in array.stride()
        assert array.storage_offset() % 8 == 0 and all(step % 8 == 0 for step in array.stride()[:-1])


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
