import pytest
from tiny import tiny_models

from perceiver_edu import InputError
from perceiver_edu.instruments import record
from perceiver_edu.instruments.tracing import DECODER_MAP, ENCODER_MAP


def test_what_was_recorded_is_what_the_stage_put_out(model, batch):
    with record(model, ["embedding", "processor"]) as seen:
        model(*batch)
    assert seen["embedding"][0].equal(model.embedding(batch[0]))
    assert seen["processor"][0].shape == (2, 5, 12)


def test_a_shared_layer_is_recorded_once_per_block(batch):
    model = tiny_models(num_blocks=2)[0]
    with record(model, "processor.self_attends.1") as seen:
        model(*batch)
    first, second = seen["processor.self_attends.1"]
    assert not first.equal(second)


def test_nothing_is_left_behind_after_an_error(model, batch):
    with pytest.raises(RuntimeError, match="planted"), record(model, ["encoder", ENCODER_MAP]):
        raise RuntimeError("planted")
    assert not any(module._forward_hooks for module in model.modules())
    assert model.encoder.cross_attend.attention.fused


def test_attention_is_unfused_only_while_its_map_is_recorded(model, batch):
    encoder, decoder = model.encoder.cross_attend.attention, model.decoder.cross_attend.attention
    with record(model, ENCODER_MAP) as outer:
        with record(model, [ENCODER_MAP, DECODER_MAP]):
            assert not encoder.fused and not decoder.fused
        assert not encoder.fused and decoder.fused
        model(*batch)
    assert encoder.fused and len(outer[ENCODER_MAP]) == 1


def test_an_unknown_name_is_refused_with_the_nearest(model):
    with (
        pytest.raises(InputError, match="has no module 'encodr'; choose from encoder"),
        record(model, ["encodr"]),
    ):
        pass
    assert not any(module._forward_hooks for module in model.modules())
