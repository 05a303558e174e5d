import pytest

from perceiver_edu import InputError, PerceiverIOConfig


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("d_model", 20, "d_model .20. must be divisible by the decoder's heads"),
        ("d_latents", 1284, "d_latents .1284. must be divisible by num_self_attention_heads"),
        ("qk_channels", 252, "qk_channels .252. must be divisible"),
        ("v_channels", 640, "v_channels must equal d_latents .1280."),
        ("v_channels", None, "v_channels must equal d_latents .1280., got 256"),
        ("num_latents", 0, "num_latents must be a whole number ≥ 1"),
        ("num_latents", True, "num_latents"),
        ("num_blocks", 1.5, "num_blocks"),
        ("num_self_attends_per_block", -1, "num_self_attends_per_block"),
        ("hidden_act", "relu", "hidden_act 'relu' is not supported"),
        ("cross_attention_shape_for_attention", "k", "cross_attention_shape_for_attention"),
        ("use_query_residual", "yes", "use_query_residual"),
        ("attention_probs_dropout_prob", 1.0, "attention_probs_dropout_prob"),
        ("initializer_range", -0.1, "initializer_range"),
    ],
)
def test_a_size_that_no_model_has_is_refused_by_its_name(field, value, message):
    with pytest.raises(InputError, match=message):
        PerceiverIOConfig(**{field: value})


def test_without_self_attends_the_values_may_have_any_width():
    assert PerceiverIOConfig(num_self_attends_per_block=0, v_channels=640).encoder_v == 640


def test_unset_widths_follow_hugging_faces_rule():
    config = PerceiverIOConfig(qk_channels=None)
    assert (config.encoder_qk, config.processor_qk) == (768, 1280)
    assert PerceiverIOConfig(qk_channels=None, cross_attention_shape_for_attention="q").encoder_qk == 1280
