import pytest
from tiny import tiny_hf_model

from perceiver_edu import InputError, from_huggingface
from perceiver_edu.instruments import record


def test_what_was_recorded_is_what_the_stage_put_out(model, batch):
    with record(model, ["embedding", "processor"]) as seen:
        model(*batch)
    assert seen["embedding"][0].equal(model.embedding(batch[0]))
    assert seen["processor"][0].shape == (2, 5, 12)


def test_a_shared_layer_is_recorded_once_per_block(batch):
    model = from_huggingface(tiny_hf_model(num_blocks=2))
    with record(model, "processor.self_attends.1") as seen:
        model(*batch)
    first, second = seen["processor.self_attends.1"]
    assert not first.equal(second)


def test_nothing_is_left_behind_after_an_error(model, batch):
    with pytest.raises(RuntimeError, match="planted"), record(model, ["encoder"]):
        raise RuntimeError("planted")
    assert not any(module._forward_hooks for module in model.modules())


def test_an_unknown_name_is_refused_with_the_nearest(model):
    with (
        pytest.raises(InputError, match="has no module 'encodr'; there is encoder"),
        record(model, ["encodr"]),
    ):
        pass
    assert not any(module._forward_hooks for module in model.modules())
