"""An intervention does what it says, no more, and is undone: also after an error, nested, and with blocks."""

import pytest
import torch
from tiny import tiny_models

from perceiver_edu import InputError, fill_mask
from perceiver_edu.instruments import (
    ablate_heads,
    ablate_latents,
    ablated,
    change_latents,
    cosines,
    depth,
    patch_latents,
    record,
    residual_stream,
    stop_after,
    without_layers,
)


@pytest.fixture(params=[1, 2], ids=["one block", "two blocks"])
def model(request):
    """3 layers, N = 5, D = 12, 3 heads, float64."""
    return tiny_models(num_blocks=request.param)[0]


@pytest.fixture
def latents(model, batch):
    """What the encoder wrote, (2, 5, 12)."""
    return model.encoder(model.embedding(batch[0]), batch[1])


def by_hand(model, latents, steps, change=None, after=None):
    """The latents after the first `steps` layers, with `change` applied after some of them."""
    layers = [*model.processor.self_attends] * model.processor.num_blocks
    for done in range(steps + 1):
        if done == after:
            latents = change(latents)
        if done < steps:
            latents = layers[done](latents)
    return latents


def processed(model, batch):
    """What the decoder makes of the latents at the end: (2, 7, 16)."""
    with torch.no_grad(), record(model, "decoder") as seen:
        model(*batch, positions=torch.arange(7))
    return seen["decoder"][0]


def decoded(model, latents):
    return model.decoder(model.queries(torch.arange(7)), latents)


def each_depth(model):
    return range(depth(model) + 1)


def test_the_stream_holds_every_depth(model, batch, latents):
    stream = residual_stream(model, *batch)
    assert stream.shape == (3 * model.processor.num_blocks + 1, 2, 5, 12)
    for k in each_depth(model):
        torch.testing.assert_close(stream[k], by_hand(model, latents, k))
    with stop_after(model, 2):
        torch.testing.assert_close(residual_stream(model, *batch), stream[:3])


def test_stopping_leaves_the_first_layers(model, batch, latents):
    for k in each_depth(model):
        with stop_after(model, k):
            torch.testing.assert_close(processed(model, batch), decoded(model, by_hand(model, latents, k)))


def test_a_layer_that_is_left_out_is_left_out_in_every_block(model, batch, latents):
    with without_layers(model, {0, 2}):
        got = processed(model, batch)
    expected = latents
    for _ in range(model.processor.num_blocks):
        expected = model.processor.self_attends[1](expected)
    torch.testing.assert_close(got, decoded(model, expected))


def test_latents_are_zeroed_once_at_their_depth(model, batch, latents):
    def zeroed(x):
        x = x.clone()
        x[:, [1, 4]] = 0
        return x

    for after in each_depth(model):
        with ablate_latents(model, [4, 1], after=after):
            got = [processed(model, batch) for _ in range(2)]  # in every run anew
        expected = decoded(model, by_hand(model, latents, depth(model), zeroed, after))
        torch.testing.assert_close(got[0], expected)
        torch.testing.assert_close(got[1], expected)


def test_a_change_is_made_once_at_its_depth(model, batch, latents):
    for after in each_depth(model):
        with change_latents(model, lambda x: 2 * x + 1, after=after):
            got = processed(model, batch)
        expected = by_hand(model, latents, depth(model), lambda x: 2 * x + 1, after)
        torch.testing.assert_close(got, decoded(model, expected))
    wrong = pytest.raises(InputError, match=r"the change must return latents \(2, 5, 12\), got \(5, 12\)")
    with wrong, change_latents(model, lambda x: x[0]):
        processed(model, batch)


def test_ablated_latents_hold_zero_the_mean_of_others_or_those_of_another_text(model, batch, latents):
    others = latents.flip(0) + 3
    new = {"zero": 0 * others, "mean": others.mean(0, keepdim=True).expand_as(others), "resample": others}
    for how, expected in new.items():
        got = ablated(latents, [4, 1], how, others)
        torch.testing.assert_close(got[:, [1, 4]], expected[:, [1, 4]])
        assert got[:, [0, 2, 3]].equal(latents[:, [0, 2, 3]])
        with ablate_latents(model, [1, 4], how=how, others=others):
            torch.testing.assert_close(
                processed(model, batch), decoded(model, by_hand(model, got, depth(model)))
            )
    with pytest.raises(InputError, match="'mean' needs the latents of other texts"):
        ablated(latents, [0], "mean")
    with pytest.raises(InputError, match="no how"):
        ablated(latents, [0], "median")


def test_patching_everything_gives_the_other_run_and_patching_nothing_this_one(model, batch):
    ids, mask = batch
    other = ids.roll(1, dims=0), mask.roll(1, dims=0)
    stream, mine, theirs = residual_stream(model, *other), processed(model, batch), processed(model, other)
    assert (mine - theirs).abs().max() > 1e-3
    for after in each_depth(model):
        with patch_latents(model, stream[after], after=after):
            torch.testing.assert_close(processed(model, batch), theirs)
        with patch_latents(model, stream[after], after=after, indices=[]):
            torch.testing.assert_close(processed(model, batch), mine)
        with patch_latents(model, stream[after], after=after, indices=2):
            some = processed(model, batch)
        assert (some - mine).abs().max() > 1e-6 and (some - theirs).abs().max() > 1e-6


def test_one_text_is_patched_into_every_text_of_a_batch(model, batch):
    one = residual_stream(model, batch[0][:1], batch[1][:1])[2, 0]  # (N, D)
    with patch_latents(model, one, after=2):
        first, second = processed(model, batch)
    torch.testing.assert_close(first, second)


def test_a_silent_head_leaves_the_others_as_they_are(model, batch, latents):
    layer = model.processor.self_attends[1]
    with torch.no_grad(), record(layer.attention, ["value", "attention_map"]) as seen:
        by_hand(model, latents, 2)
    weights, value = seen["attention_map"][0], seen["value"][0]
    mixed = weights @ layer.attention.split_heads(value)  # (B, heads, N, v/heads)
    mixed[:, [0, 2]] = 0
    expected = layer.attention.output(mixed.transpose(1, 2).flatten(2))
    name = "processor.self_attends.1.attention"
    with ablate_heads(model, 1, {0, 2}), torch.no_grad(), record(model, name) as seen:
        model(*batch)
    torch.testing.assert_close(seen[name][0], expected)


INTERVENTIONS = {
    "stop_after": lambda model: stop_after(model, 1),
    "without_layers": lambda model: without_layers(model, [1]),
    "ablate_latents": lambda model: ablate_latents(model, [0], after=2),
    "ablate_latents, first": lambda model: ablate_latents(model, [0]),
    "change_latents": lambda model: change_latents(model, lambda latents: 2 * latents, after=1),
    "patch_latents": lambda model: patch_latents(model, torch.zeros(5, 12), after=3),
    "ablate_heads": lambda model: ablate_heads(model, 0, 1),
}


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_it_changes_the_model_inside_and_not_after_even_after_an_error(model, batch, name):
    before = processed(model, batch)
    with pytest.raises(RuntimeError, match="planted"), INTERVENTIONS[name](model):
        assert (processed(model, batch) - before).abs().max() > 1e-4
        raise RuntimeError("planted")
    assert processed(model, batch).equal(before)
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
        assert "forward" not in vars(module)


def test_blocks_can_be_nested(model, batch, latents):
    whole = processed(model, batch)
    with without_layers(model, 0):
        with without_layers(model, 0), stop_after(model, 2), ablate_latents(model, 3, after=1):
            zeroed = latents.clone()
            zeroed[:, 3] = 0  # layer 0 is out, so "after one layer" is what the encoder wrote
            expected = decoded(model, model.processor.self_attends[1](zeroed))
            torch.testing.assert_close(processed(model, batch), expected)
        assert (processed(model, batch) - whole).abs().max() > 1e-4  # the outer block still holds
    assert processed(model, batch).equal(whole)


def test_an_error_inside_a_run_does_not_spoil_the_next(model, batch):
    with ablate_latents(model, 1, after=depth(model)):
        expected = processed(model, batch)
        stopping = model.decoder.register_forward_pre_hook(lambda *_: 1 / 0)  # after the hook has counted
        with pytest.raises(ZeroDivisionError):
            model(*batch)
        stopping.remove()
        assert processed(model, batch).equal(expected)


def test_fill_mask_runs_the_changed_model(model):
    whole = fill_mask(model, "to be[MASK][MASK]")
    with stop_after(model, 0):
        assert fill_mask(model, "to be[MASK][MASK]") != whole
    assert fill_mask(model, "to be[MASK][MASK]") == whole


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        (lambda m: stop_after(m, -1), "k counts layers of the processor, from 0 to 3 .* got -1"),
        (lambda m: stop_after(m, 4), "from 0 to 3 .* got 4"),
        (lambda m: stop_after(m, 1.5), "got 1.5"),
        (lambda m: stop_after(m, True), "got True"),
        (lambda m: without_layers(m, {3}), "there is no layer 3: this model has 0 to 2"),
        (lambda m: without_layers(m, "all"), "layer: give a whole number or several, got 'all'"),
        (lambda m: ablate_latents(m, [2, 5, 7]), "there is no latent 5, 7: this model has 0 to 4"),
        (lambda m: ablate_latents(m, [0], after=9), "after counts layers .* got 9"),
        (lambda m: ablate_heads(m, 0, [3]), "there is no head 3 in layer 0: this model has 0 to 2"),
        (lambda m: ablate_heads(m, 7, [0]), "there is no layer 7"),
        (lambda m: patch_latents(m, torch.zeros(4, 12)), r"\(5, 12\) or \(B, 5, 12\), got \(4, 12\)"),
        (lambda m: patch_latents(m, [1.0]), "got list"),
        (lambda m: patch_latents(m, torch.zeros(5, 12), indices=[-1]), "no latent -1"),
    ],
)
def test_what_does_not_exist_is_said(intervention, message):
    with pytest.raises(InputError, match=message), intervention(tiny_models()[0]):
        pass


def test_latents_of_another_batch_size_are_refused(model, batch):
    with (
        pytest.raises(InputError, match="3 texts do not match a batch of 2"),
        patch_latents(model, torch.zeros(3, 5, 12)),
    ):
        model(*batch)
    assert not any(module._forward_hooks for module in model.modules())


def test_cosines_are_of_directions():
    x = torch.tensor([[3.0, 0.0], [0.0, 0.5], [-7.0, 0.0]])
    torch.testing.assert_close(cosines(x), torch.tensor([[1.0, 0, -1], [0, 1, 0], [-1, 0, 1]]))
