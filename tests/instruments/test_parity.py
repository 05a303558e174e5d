"""Every tensor equals Hugging Face's, and a wrong one would be seen: mutations are planted to prove it."""

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny_models

from perceiver_edu import ByteTokenizer, InputError, load_pretrained
from perceiver_edu.course import planted
from perceiver_edu.instruments import (
    compare_parts,
    compare_stages,
    golden_check,
    huggingface_copy,
    ledger,
    record,
)
from perceiver_edu.instruments.parity import BOUNDARIES, difference
from perceiver_edu.weights.pretrained import EMBEDDED

CONFIGS = {
    "plain": {},
    "two blocks": dict(num_blocks=2),
    "no self-attends": dict(num_self_attends_per_block=0),
    "no self-attends, values of another width": dict(num_self_attends_per_block=0, v_channels=10),
    "one head": dict(num_self_attention_heads=1, num_cross_attention_heads=1, qk_channels=7),
    "qk unset, as the inputs": dict(qk_channels=None),
    "qk unset, as the latents": dict(qk_channels=None, cross_attention_shape_for_attention="q"),
    "v unset": dict(qk_channels=12, v_channels=None),
    "both unset": dict(qk_channels=None, v_channels=None, cross_attention_shape_for_attention="q"),
    "no query residual": dict(use_query_residual=False),
    "gelu_new": dict(hidden_act="gelu_new"),
    "gelu_pytorch_tanh": dict(hidden_act="gelu_pytorch_tanh"),
    "gelu_python": dict(hidden_act="gelu_python"),
    "gelu_python_tanh": dict(hidden_act="gelu_python_tanh"),
    "gelu_accurate": dict(hidden_act="gelu_accurate"),
    "gelu_fast": dict(hidden_act="gelu_fast"),
    "another vocabulary": dict(vocab_size=300),
    "an eps that Hugging Face never reads": dict(layer_norm_eps=0.1),
}


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS.keys())
def test_every_stage_agrees_with_hugging_face(changes, batch):
    model, hf_model = tiny_models(**changes)
    rows = compare_stages(model, hf_model, *batch, layers=True)
    for row in rows:
        assert row.max_abs < 1e-10 * max(1.0, row.scale), ledger(rows)
    depth = hf_model.config.num_self_attends_per_block * hf_model.config.num_blocks
    layers = [f"processed by layer {i + 1}" for i in range(depth)]
    assert [row.stage for row in rows] == ["inputs", "encoded", *layers, "processed", "outputs", "logits"]


def test_without_a_mask_too(model, hf_model, batch):
    assert all(row.ok for row in compare_stages(model, hf_model, batch[0]))


def test_the_attention_maps_agree(model, hf_model, batch):
    ids, mask = batch
    layers = [f"processor.self_attends.{i}" for i in range(3)]
    stages = ["encoder.cross_attend", *layers, "decoder.cross_attend"]
    names = [f"{stage}.attention.attention_map" for stage in stages]
    with record(model, names) as seen:
        model(ids, mask)
    theirs = hf_model(ids, attention_mask=mask.long(), output_attentions=True)
    encoder_map, decoder_map = theirs.cross_attentions
    for name, expected in zip(names, [encoder_map, *theirs.attentions, decoder_map], strict=True):
        torch.testing.assert_close(seen[name][0], expected, rtol=1e-10, atol=1e-12)


def no_encoder_residual(model):
    model.encoder.cross_attend.query_residual = False


def heads_interleaved(model):
    attention = model.processor.self_attends[0].attention
    attention.split_heads = lambda x: x.unflatten(-1, (-1, attention.num_heads)).movedim(-1, 1)


def unscaled_scores(model):
    attention = model.encoder.cross_attend.attention
    attention.query.weight.data.mul_(attention.query.out_features**0.5)


def untied_head(model):
    model.mlm_head.register_forward_pre_hook(lambda module, args: (args[0], args[1].roll(1, 0)))


def exchanged_layers(model):
    layers = model.processor.self_attends
    layers[0], layers[1] = layers[1], layers[0]


MUTATIONS = {  # what is planted -> the first boundary where it must show
    planted.tanh_gelu: "encoded",
    planted.wrong_eps: "encoded",
    planted.swapped_layers: "outputs",
    planted.decoder_residual: "outputs",
    no_encoder_residual: "encoded",
    planted.inverted_mask: "encoded",
    planted.no_mask: "encoded",
    planted.one_block: "processed",
    heads_interleaved: "processed",
    unscaled_scores: "encoded",
    untied_head: "logits",
    exchanged_layers: "processed",
}


@pytest.mark.parametrize(("mutate", "stage"), MUTATIONS.items(), ids=[m.__name__ for m in MUTATIONS])
def test_a_planted_mutation_is_caught_where_it_was_planted(mutate, stage, batch):
    model, hf_model = tiny_models(num_blocks=2)
    mutate(model)
    rows = compare_stages(model, hf_model, *batch)
    assert next(row.stage for row in rows if not row.ok) == stage
    assert "first divergence" in ledger(rows)


def test_every_part_agrees_with_hugging_face(batch):
    model, hf_model = tiny_models(num_blocks=2)
    inside = ["q_norm", *(f"attention.{name}" for name in ("query", "key", "value", "output"))]
    inside += ["mlp_norm", "mlp.expand", "mlp.contract", "all of it"]
    for stage in ("encoder.cross_attend", "processor.self_attends.2", "decoder.cross_attend"):
        rows = compare_parts(model, hf_model, stage, *batch)
        assert all(row.ok for row in rows), ledger(rows)
        kv_norm = [] if stage.startswith("processor") else ["kv_norm"]
        assert [row.stage for row in rows] == ["q_norm", *kv_norm, *inside[1:]]
    assert compare_parts(model, hf_model, "decoder.cross_attend", *batch)[0].shape == (2, 29, 16)


PARTS = {  # what is planted -> where, and the first part that shows it
    planted.tanh_gelu: ("encoder.cross_attend", "mlp.contract"),
    planted.wrong_eps: ("encoder.cross_attend", "q_norm"),
    planted.swapped_layers: ("decoder.cross_attend", "mlp.expand"),
    planted.decoder_residual: ("decoder.cross_attend", "mlp_norm"),
    planted.no_mask: ("encoder.cross_attend", "attention.output"),
    heads_interleaved: ("processor.self_attends.0", "attention.output"),
    unscaled_scores: ("encoder.cross_attend", "attention.query"),
}


@pytest.mark.parametrize(("mutate", "place"), PARTS.items(), ids=[m.__name__ for m in PARTS])
def test_a_planted_mutation_is_caught_in_its_part(mutate, place, batch):
    model, hf_model = tiny_models()
    mutate(model)
    rows = compare_parts(model, hf_model, place[0], *batch)
    assert next(row.stage for row in rows if not row.ok) == place[1], ledger(rows)


@pytest.mark.parametrize("stage", ["encoder", "processor.self_attends.3", "decoder.cross_attend.mlp", ""])
def test_parts_of_something_else_are_refused(model, hf_model, batch, stage):
    with pytest.raises(InputError, match=r"processor\.self_attends\.0 to \.2"):
        compare_parts(model, hf_model, stage, *batch)


def test_what_never_ran_is_a_divergence(batch):
    model, hf_model = tiny_models(num_blocks=2)
    planted.one_block(model)
    rows = compare_stages(model, hf_model, *batch, layers=True)
    first = next(row for row in rows if not row.ok)
    assert (first.stage, first.max_abs) == ("processed by layer 4", float("inf"))
    assert "inf" in ledger(rows)
    attention = model.decoder.cross_attend
    attention.forward = lambda x_q, x_kv: attention.attention(attention.q_norm(x_q), x_kv)  # no kv_norm
    rows = {row.stage: row for row in compare_parts(model, hf_model, "decoder.cross_attend", *batch)}
    assert rows["q_norm"].ok and rows["kv_norm"].max_abs == rows["mlp.expand"].max_abs == float("inf")


@pytest.mark.parametrize("ours", [torch.zeros(3), torch.zeros(4), torch.tensor([float("inf"), 1, 2])])
def test_beside_infinity_nothing_agrees(ours):
    """It would be allowed an infinite difference, as a tensor of another shape has."""
    assert not difference("logits", ours, torch.tensor([float("inf"), 1, 2])).ok


def test_a_nan_is_a_divergence(model, hf_model, batch):
    model.mlm_head.bias.data[3] = float("nan")
    assert not compare_stages(model, hf_model, *batch)[-1].ok


def test_models_of_different_dtype_are_refused(model, hf_model, batch):
    with pytest.raises(InputError, match="dtype"):
        compare_stages(model.float(), hf_model, *batch)


def test_both_models_keep_their_mode(model, hf_model, batch):
    model.train()
    compare_stages(model, hf_model, *batch)
    assert model.training and not hf_model.training


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_embedded_checkpoint_agrees(dtype):
    model = load_pretrained("embedded", dtype=dtype)
    batch = ByteTokenizer().batch(["Bytes in, latents think, bytes out.", "Short."])
    rows = compare_stages(model, huggingface_copy(model), *batch, layers=True)
    assert all(row.ok for row in rows), ledger(rows)


def test_with_attention_written_out_the_embedded_logits_are_hugging_faces():
    """What is left else, 3e-5 of logits up to 30, is the rounding of torch's fused attention kernel."""
    from transformers import PerceiverForMaskedLM

    theirs = PerceiverForMaskedLM.from_pretrained(EMBEDDED, dtype=torch.float32).eval()
    ours = load_pretrained("embedded", dtype=torch.float32)
    ids, mask = ByteTokenizer().batch(["It was a very l[MASK]ng time ago.", "No."])
    maps = [name for name, _ in ours.named_modules() if name.endswith("attention_map")]
    with torch.no_grad(), record(ours, maps):  # who looks at a map gets it written out
        logits = ours(ids, mask)
    with torch.no_grad():
        expected = theirs(inputs=ids, attention_mask=mask.long()).logits
    assert (logits - expected).abs().max() <= 1e-5


@pytest.mark.slow
def test_the_full_size_agrees():
    model = load_pretrained("random")
    assert sum(p.numel() for p in model.parameters()) == 201_108_230
    text = "This is an incomplete sentence where some words are missing."
    batch = ByteTokenizer().batch([text], pad_to=2048)
    rows = compare_stages(model, huggingface_copy(model), *batch, layers=True)
    assert len(rows) == len(BOUNDARIES) + 26
    for row in rows:
        assert row.max_abs <= 1e-5 * max(1.0, row.scale), ledger(rows)


@pytest.mark.network
def test_the_real_checkpoint_has_its_published_values():
    try:
        model = load_pretrained("deepmind/language-perceiver")
    except InputError as error:
        pytest.skip(f"deepmind/language-perceiver is out of reach: {error}")
    assert golden_check(model) < 1e-3


@pytest.mark.slow
def test_the_golden_check_refuses_other_weights():
    with pytest.raises(InputError, match="not the published weights"):
        golden_check(load_pretrained("random"))


def test_hugging_faces_default_gelu_is_not_the_tanh_form():
    x = torch.linspace(-4, 4, 101, dtype=torch.float64)
    assert (F.gelu(x) - F.gelu(x, approximate="tanh")).abs().max() > 1e-4
