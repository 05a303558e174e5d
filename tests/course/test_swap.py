"""A swapped stage: shown at every boundary, for our model and for Hugging Face's, and undone."""

import pytest
import torch
from tiny import tiny_hf_model
from torch import nn

from perceiver_edu import InputError, fill_mask, from_huggingface, load_pretrained
from perceiver_edu.course import swap_stage
from perceiver_edu.instruments import huggingface_copy
from perceiver_edu.instruments.parity import BOUNDARIES

STAGES = dict(zip(("embedding", "encoder", "processor", "decoder", "mlm_head"), BOUNDARIES, strict=True))
PARTS = {
    "encoder.cross_attend": "encoded",
    "encoder.cross_attend.attention": "encoded",
    "processor.self_attends.1": "processed",
    "processor.self_attends.1.attention": "processed",
    "decoder.cross_attend": "outputs",
    "decoder.cross_attend.attention": "outputs",
}
ALL = STAGES | PARTS
TINY_TEXT = dict(text="to be or not to", spans=" or")


def first_divergence(swap):
    return next((row.stage for row in swap.rows if not row.ok), None)


@pytest.fixture(params=["ours", "hugging face"])
def pair(request):
    """The model to swap in, and ours with the same weights, to take the stages from."""
    hf_model = tiny_hf_model(num_blocks=2)
    ours = from_huggingface(hf_model)
    return (ours if request.param == "ours" else hf_model), from_huggingface(hf_model)


@pytest.mark.parametrize("stage", ALL)
def test_the_same_stage_changes_nothing(pair, stage):
    model, source = pair
    replacement = source.get_submodule(stage)
    with swap_stage(model, stage, replacement, **TINY_TEXT) as as_module:
        pass
    with swap_stage(model, stage, lambda *args: replacement(*args), **TINY_TEXT) as as_function:
        pass
    for swap in (as_module, as_function):
        assert swap.ok, swap
        assert [row.stage for row in swap.rows] == list(BOUNDARIES)
        assert swap.before == swap.after and swap.text == "to be___ not to"


@pytest.mark.parametrize("stage", ALL)
def test_a_wrong_stage_shows_at_its_own_boundary(pair, stage):
    model, source = pair
    replacement = source.get_submodule(stage)
    with swap_stage(model, stage, lambda *args: replacement(*args) + 0.5, **TINY_TEXT) as swap:
        pass
    assert not swap.ok
    assert first_divergence(swap) == ALL[stage]
    assert "first divergence" in repr(swap) and "before" in repr(swap)


@pytest.mark.parametrize("stage", ALL)
def test_the_model_is_as_it_was_after_the_block_and_after_an_error(pair, stage):
    model, source = pair
    ids = torch.randint(6, 262, (1, 9))
    modules, training = dict(model.named_modules()), model.training
    before = [tensor.clone() for tensor in model.state_dict().values()]

    def output():
        result = model(ids)
        return result if isinstance(result, torch.Tensor) else result.logits

    expected = output()
    with (
        pytest.raises(RuntimeError, match="planted"),
        swap_stage(model, stage, source.get_submodule(stage), **TINY_TEXT),
    ):
        raise RuntimeError("planted")

    def broken(*args):
        raise ZeroDivisionError("planted")

    with pytest.raises(ZeroDivisionError), swap_stage(model, stage, broken, **TINY_TEXT):
        pass
    with (
        pytest.raises(InputError, match="must return a tensor, got NoneType"),
        swap_stage(model, stage, lambda *args: None, **TINY_TEXT),
    ):
        pass
    assert dict(model.named_modules()) == modules and model.training == training
    assert all(map(torch.equal, model.state_dict().values(), before))
    assert output().equal(expected)
    assert not any(module._forward_hooks for module in model.modules())


def test_inside_the_block_the_whole_model_runs_with_the_replacement(model):
    calls = []

    def processor(latents):
        calls.append(latents.shape)
        return latents

    with swap_stage(model, "processor", processor, **TINY_TEXT):
        fill_mask(model, "a[MASK]c")
    assert len(calls) == 2  # once for the ledger, once for the learner


def test_a_stage_that_ignores_the_mask_is_seen(model):
    encoder = model.encoder
    with swap_stage(model, "encoder", lambda inputs, mask: encoder(inputs), **TINY_TEXT) as swap:
        pass
    assert first_divergence(swap) == "encoded"


def test_a_learners_embedding_brings_its_own_table_to_the_tied_head(model):
    class Embedding(nn.Module):
        def __init__(self):
            super().__init__()
            self.byte_embedding = nn.Embedding(262, 16).double()

        def forward(self, ids):
            return self.byte_embedding(ids)

    with torch.no_grad(), swap_stage(model, "embedding", Embedding(), **TINY_TEXT) as swap:
        assert model.embedding.byte_embedding.weight.shape == (262, 16)
        assert first_divergence(swap) == "inputs"


def test_nan_and_another_shape_are_divergences(model):
    with swap_stage(
        model, "mlm_head", lambda outputs, table: outputs @ table.T * torch.nan, **TINY_TEXT
    ) as swap:
        pass
    assert first_divergence(swap) == "logits"
    with swap_stage(
        model, "encoder", lambda inputs, mask: model.processor(inputs[..., :12]), **TINY_TEXT
    ) as swap:
        pass
    assert swap.rows[1].max_abs == float("inf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("encodr", abs), "no stage 'encodr'; the stages are embedding, encoder"),
        (("", abs), "no stage ''"),
        ((3, abs), "got int"),
        (("encoder", "my encoder"), "a function or an nn.Module, got str"),
    ],
)
def test_what_cannot_be_swapped_is_said(pair, arguments, message):
    with pytest.raises(InputError, match=message), swap_stage(pair[0], *arguments, **TINY_TEXT):
        pass


def test_other_models_and_long_texts_are_refused(model):
    with pytest.raises(InputError, match="got Linear"), swap_stage(nn.Linear(2, 3), "encoder", abs):
        pass
    with (
        pytest.raises(InputError, match="46 ids, but this model reads at most 29"),
        swap_stage(model, "encoder", abs),
    ):
        pass


def test_the_embedded_model_and_its_copy_in_float32():
    model = load_pretrained("embedded")
    for host in (model, huggingface_copy(model)):
        with swap_stage(host, "encoder", load_pretrained("embedded").encoder) as swap:
            pass
        assert swap.ok, swap
        assert "<table" in swap._repr_html_()


@pytest.mark.slow
def test_the_full_size():
    model = load_pretrained("random")
    with swap_stage(huggingface_copy(model), "encoder", model.encoder) as swap:
        pass
    assert swap.ok, swap
