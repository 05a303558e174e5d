"""Images, optical flow and multimodal autoencoding: every stage's boundary equals Hugging Face's."""

import json
import os

import pytest
import torch

from perceiver_edu import InputError
from perceiver_edu.instruments import ledger
from perceiver_edu.modalities import from_huggingface, load_pretrained
from perceiver_edu.modalities.architectures import ARCHITECTURES
from perceiver_edu.modalities.parity import compare_with_huggingface

TINY = dict(
    num_latents=5,
    d_latents=12,
    num_blocks=2,
    num_self_attends_per_block=2,
    num_self_attention_heads=3,
    num_cross_attention_heads=2,
    qk_channels=6,
    v_channels=12,
    cross_attention_widening_factor=2,
    self_attention_widening_factor=3,
    num_labels=9,
    image_size=6,
    train_size=(7, 11),
)
VIDEO = dict(
    num_frames=3,
    image_size=8,
    audio_samples_per_frame=20,
    samples_per_patch=4,
    output_shape=(1, 3, 8, 8),
    output_num_channels=13,
    _label_trainable_num_channels=14,
)
POINTS = {"audio": torch.tensor([3, 0, 14, 7]), "image": torch.tensor([191, 5, 64, 0, 9]), "label": None}


def images(*shape):
    return torch.randn(2, *shape, dtype=torch.float64)


def video():
    return {"image": images(3, 3, 8, 8), "audio": images(60, 1), "label": images(9)}


FLOW = "PerceiverForOpticalFlow"  # in full size it has 182,528 queries: minutes
CASES = {  # class: (sizes, inputs, what the forward takes beside them)
    "PerceiverForImageClassificationLearned": ({}, lambda: images(3, 6, 6), {}),
    "PerceiverForImageClassificationFourier": ({}, lambda: images(3, 4, 9), {}),
    "PerceiverForImageClassificationConvProcessing": ({}, lambda: images(3, 21, 34), {}),
    "PerceiverForOpticalFlow": ({}, lambda: images(2, 27, 7, 11), {}),
    "PerceiverForMultimodalAutoencoding": (VIDEO, video, {"points": POINTS}),
}
WIDTHS = {
    "given": {},
    "as the keys": dict(qk_channels=None, v_channels=None, num_cross_attention_heads=1),
    "as the queries": dict(
        qk_channels=None, v_channels=None, cross_attention_shape_for_attention="q", use_query_residual=False
    ),
}


def new_hf_model(name, dtype=torch.float64, redraw=True, **sizes):
    """Hugging Face's class with every parameter and running statistic redrawn from N(0, 0.5)."""
    import transformers

    torch.manual_seed(0)
    hf_model = getattr(transformers, name)(transformers.PerceiverConfig(**sizes)).to(dtype).eval()
    with torch.no_grad():
        for parameter in hf_model.parameters() if redraw else ():
            parameter.normal_(std=0.5)
        for key, buffer in hf_model.named_buffers():
            if key.endswith(("running_mean", "running_var")):
                buffer.normal_(std=0.5).abs_().add_(0.1)
    return hf_model


@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS.keys())
@pytest.mark.parametrize("name", CASES)
def test_every_stage_agrees_with_hugging_face(name, widths):
    sizes, inputs, more = CASES[name]
    hf_model = new_hf_model(name, **(TINY | sizes | widths))
    rows = compare_with_huggingface(from_huggingface(hf_model), hf_model, inputs(), **more)
    for row in rows:
        assert row.max_abs < 1e-10 * max(1.0, row.scale), ledger(rows)


def test_dropout_is_no_difference():
    hf_model = new_hf_model("PerceiverForImageClassificationLearned", **TINY).train()
    model = from_huggingface(hf_model)
    rows = compare_with_huggingface(model, hf_model, images(3, 6, 6))
    assert all(row.ok for row in rows), ledger(rows)
    assert all(module.training for each in (model, hf_model) for module in each.modules())


@pytest.mark.parametrize("name", CASES)
def test_fresh_weights_are_drawn_as_hugging_face_draws_them(name):
    sizes = TINY | dict(num_latents=64, d_latents=96, v_channels=96, initializer_range=0.03) | CASES[name][0]
    hf_model = new_hf_model(name, redraw=False, **sizes)
    torch.manual_seed(1)
    fresh = ARCHITECTURES[name](hf_model.config)
    expected = dict(from_huggingface(hf_model).named_parameters())
    parameters = {key: tensor.detach().double() for key, tensor in fresh.named_parameters()}
    for key, got in parameters.items():
        wanted = expected[key].detach().double()
        if wanted.std(correction=0) == 0:  # a bias, or a norm
            assert got.unique().equal(wanted.unique()), key
        elif got.numel() > 500:
            assert float(got.std()) == pytest.approx(float(wanted.std()), rel=0.2), key
    assert float(parameters["encoder.latents"].std()) == pytest.approx(0.03, rel=0.1)


@pytest.mark.parametrize(
    "name, shape, message",
    [
        (
            "PerceiverForImageClassificationLearned",
            (3, 4, 9),
            r"learned positions for 6 × 6 cells, not for \(4, 9\); interpolate=True draws",
        ),
        ("PerceiverForImageClassificationFourier", (4, 9, 3), r"images must be \(B, 3, H, W\)"),
        ("PerceiverForImageClassificationConvProcessing", (3, 4, 9), "at least 5 × 5 pixels"),
        ("PerceiverForOpticalFlow", (2, 27, 11, 7), r"frames must be \(B, 2, 27, 7, 11\)"),
        ("PerceiverForOpticalFlow", (4, 27, 7, 11), r"frames must be \(B, 2, 27, 7, 11\)"),
        ("PerceiverForOpticalFlow", (2, 3, 7, 11), r"frames must be \(B, 2, 27, 7, 11\)"),
    ],
)
def test_data_of_another_shape_is_refused_by_name(name, shape, message):
    model = from_huggingface(new_hf_model(name, **TINY))
    with pytest.raises(InputError, match=message):
        model(images(*shape))
    _, inputs, _ = CASES[name]
    with pytest.raises(InputError, match=r"got .* of torch\.uint8"):
        model(inputs().byte())


def test_none_asks_for_all_of_a_modality_and_for_all_of_them():
    model, x = from_huggingface(new_hf_model("PerceiverForMultimodalAutoencoding", **TINY | VIDEO)), video()
    everything = model(x)
    assert {name: tuple(part.shape) for name, part in everything.items()} == {
        "audio": (2, 60), "image": (2, 192, 3), "label": (2, 9)}  # fmt: skip
    some = model(x, points={"audio": None, "image": torch.tensor([3])})
    torch.testing.assert_close(some["audio"], everything["audio"])
    for points in ({}, torch.tensor([3, 4]), {"smell": None}):
        with pytest.raises(InputError, match="points must name one or more of"):
            model(x, points=points)


@pytest.mark.parametrize("name", list(CASES)[:4])
def test_a_mask_or_points_that_do_not_fit_are_refused(name):
    _, inputs, _ = CASES[name]
    model, x = from_huggingface(new_hf_model(name, **TINY)), inputs()
    size = model.inputs(x).shape[1]
    for mask in (torch.ones(2, size), torch.ones(2, size - 1).bool(), torch.ones(1, size).bool()):
        with pytest.raises(InputError, match=rf"mask must be bool of shape \(B, M\) = \(2, {size}\)"):
            model(x, mask)
    with pytest.raises(InputError, match="mask must be a tensor, got True"):
        model(x, True)
    for points in ([0], torch.tensor([0.0]), torch.tensor([[0]]), torch.tensor([True])):
        with pytest.raises(InputError, match=r"points must be a tensor \(O,\) of int64, got "):
            model(x, points=points)
    last = size - 1 if name == FLOW else 0
    for points in (torch.tensor([-1]), torch.tensor([0, last + 1])):
        with pytest.raises(InputError, match=rf"points must be from 0 to {last}, got \[(-1|0, {last + 1})\]"):
            model(x, points=points)
    with torch.no_grad():
        torch.testing.assert_close(model(x, torch.ones(2, size).bool()), model(x))


def transposed_grid(model):
    positions = model.inputs.positions
    positions.forward = lambda grid, device=None: type(positions).forward(positions, grid[::-1], device)


def fewer_bands(model):
    positions = model.inputs.positions
    positions.resolution = tuple(size - 1 for size in positions.resolution)


def no_scale(model):
    model.head.scale = 1.0


def residual(model):
    model.decoder.cross_attend.query_residual = not model.decoder.cross_attend.query_residual


def channel_first_patches(model):
    features = model.inputs.features
    weight = features.project.weight.data
    features.project.weight.data = weight.unflatten(1, (2, 27)).transpose(1, 2).flatten(1)


def batch_statistics(model):
    model.inputs.features.norm.running_mean = model.inputs.features.norm.running_var = None


def unmasked_label(model):
    model.inputs.always_masked = frozenset()


def other_order(model):
    parts = model.inputs.parts
    model.inputs.parts = lambda x: dict(reversed(parts(x).items()))


def points_to_the_end(model):
    asked = model.queries.queries["audio"]
    shared = asked.positions.at
    asked.positions.at = lambda places: shared(places * 15 / 14)


MUTATIONS = [  # class, what is planted, the first boundary where it must show
    ("PerceiverForImageClassificationFourier", transposed_grid, "inputs"),
    ("PerceiverForImageClassificationFourier", fewer_bands, "inputs"),
    ("PerceiverForImageClassificationLearned", residual, "outputs"),
    ("PerceiverForImageClassificationConvProcessing", batch_statistics, "inputs"),
    ("PerceiverForOpticalFlow", channel_first_patches, "inputs"),
    ("PerceiverForOpticalFlow", residual, "outputs"),
    ("PerceiverForOpticalFlow", no_scale, "answer"),
    ("PerceiverForMultimodalAutoencoding", unmasked_label, "inputs"),
    ("PerceiverForMultimodalAutoencoding", other_order, "inputs"),
    ("PerceiverForMultimodalAutoencoding", points_to_the_end, "outputs"),
]


@pytest.mark.parametrize(("name", "mutate", "stage"), MUTATIONS, ids=[m[1].__name__ for m in MUTATIONS])
def test_a_planted_mutation_is_caught_where_it_was_planted(name, mutate, stage):
    sizes, inputs, more = CASES[name]
    hf_model = new_hf_model(name, **(TINY | sizes))
    model = from_huggingface(hf_model)
    mutate(model)
    rows = compare_with_huggingface(model, hf_model, inputs(), **more)
    assert next(row.stage for row in rows if not row.ok) == stage, ledger(rows)


@pytest.mark.parametrize("name", CASES)
def test_a_saved_folder_loads_by_its_name(name, tmp_path):
    sizes, inputs, more = CASES[name]
    hf_model = new_hf_model(name, **(TINY | sizes))
    hf_model.save_pretrained(tmp_path)
    rows = compare_with_huggingface(
        load_pretrained(tmp_path, dtype=torch.float64), hf_model, inputs(), **more
    )
    assert all(row.ok for row in rows), ledger(rows)


def test_what_does_not_fit_is_refused(tmp_path):
    from transformers import PerceiverConfig, PerceiverForMaskedLM

    with pytest.raises(InputError, match="'PerceiverForMaskedLM' is not one of"):
        from_huggingface(PerceiverForMaskedLM(PerceiverConfig(**TINY, d_model=16, max_position_embeddings=7)))
    hf_model = new_hf_model("PerceiverForImageClassificationFourier", **TINY)
    state = hf_model.state_dict()
    del state["perceiver.encoder.self_attends.1.mlp.dense1.bias"]
    hf_model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(InputError, match=r"lacks 'perceiver\.encoder\.self_attends\.1\.mlp\.dense1\.bias'"):
        load_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    for change, message in (
        ({"hidden_act": "relu"}, "relu"),
        ({"num_self_attention_heads": 5}, "5 heads"),
        ({"image_size": "wide"}, "does not describe a Perceiver"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(values | change))
        with pytest.raises(InputError, match=message):
            load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "perceiver"}')
    with pytest.raises(InputError, match="does not describe a Perceiver"):
        load_pretrained(tmp_path)


FULL = {  # the sizes of the published checkpoints
    "PerceiverForImageClassificationLearned": dict(
        num_latents=512, d_latents=1024, d_model=512, num_blocks=8, num_self_attends_per_block=6,
        num_self_attention_heads=8, num_cross_attention_heads=1, image_size=224, num_labels=1000,
    ),
    "PerceiverForOpticalFlow": dict(
        num_latents=2048, d_latents=512, d_model=322, num_blocks=1, num_self_attends_per_block=24,
        num_self_attention_heads=16, num_cross_attention_heads=1,
    ),
    "PerceiverForMultimodalAutoencoding": dict(
        num_latents=784, d_latents=512, d_model=704, num_blocks=1, num_self_attends_per_block=8,
        num_self_attention_heads=8, num_cross_attention_heads=1, num_labels=700,
    ),
}  # fmt: skip
FULL["PerceiverForImageClassificationFourier"] = FULL["PerceiverForImageClassificationLearned"]
FULL["PerceiverForImageClassificationConvProcessing"] = FULL["PerceiverForImageClassificationLearned"]
FULL_INPUTS = {
    "PerceiverForOpticalFlow": lambda: torch.randn(1, 2, 27, 368, 496),
    "PerceiverForMultimodalAutoencoding": lambda: {
        "image": torch.randn(1, 16, 3, 224, 224),
        "audio": torch.randn(1, 30720, 1),
        "label": torch.zeros(1, 700),
    },
}
FULL_POINTS = {"audio": torch.arange(100, 115), "image": torch.arange(0, 16 * 224**2, 999), "label": None}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name == FLOW else pytest.mark.slow) for name in FULL],
)
def test_the_full_size_agrees(name):
    hf_model = new_hf_model(name, torch.float32, redraw=False, **FULL[name])
    x = FULL_INPUTS.get(name, lambda: torch.randn(1, 3, 224, 224))()
    points = FULL_POINTS if name.endswith("Autoencoding") else None
    rows = compare_with_huggingface(from_huggingface(hf_model), hf_model, x, points)
    for row in rows:
        assert row.max_abs <= 1e-4 * max(1.0, row.scale), ledger(rows)


# The first scores that Hugging Face publishes in tests/models/perceiver/test_modeling_perceiver.py, for
# the image COCO val2017 000000039769 (two cats), prepared by PerceiverImageProcessor.
GOLDEN = {
    "deepmind/vision-perceiver-learned": [-1.1652, -0.1992, -0.7520],
    "deepmind/vision-perceiver-fourier": [-1.1295, -0.2832, 0.3226],
    "deepmind/vision-perceiver-conv": [-1.1186, 0.0554, 0.0897],
}
REPOSITORY = "https://raw.githubusercontent.com/huggingface/transformers/main"
CATS = f"{REPOSITORY}/tests/fixtures/tests_samples/COCO/000000039769.png"


@pytest.mark.network
@pytest.mark.parametrize("name", GOLDEN)
def test_the_published_checkpoints_have_their_published_scores(name):
    from io import BytesIO
    from urllib.request import urlopen

    try:
        if os.environ.get("HF_HUB_OFFLINE"):
            raise OSError("HF_HUB_OFFLINE is set")
        model = load_pretrained(name)
        with urlopen(CATS, timeout=20) as page:
            picture = page.read()
    except (InputError, OSError) as error:
        pytest.skip(f"{name} or its picture is out of reach: {error}")
    from PIL import Image
    from transformers import PerceiverImageProcessor

    image = Image.open(BytesIO(picture)).convert("RGB")
    with torch.no_grad():
        scores = model(PerceiverImageProcessor()(image, return_tensors="pt").pixel_values)
    torch.testing.assert_close(scores[0, :3], torch.tensor(GOLDEN[name]), rtol=1e-4, atol=1e-4)


NASTY = [0, -1, 2**40, 10**30, 10**4000, 1.5, float("nan"), "x", None, [], {}, [[[]]], [0, 0], [2**40, 2**40]]


@pytest.mark.slow
def test_a_config_that_claims_nonsense_is_one_line(tmp_path, tally):
    """Whatever one field holds, for all fields of the class that has the most."""
    new_hf_model("PerceiverForMultimodalAutoencoding", **(TINY | VIDEO)).save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    values, refused = json.loads(config.read_text()), 0
    for key in values:
        for nasty in NASTY:
            config.write_text(json.dumps(values | {key: nasty}))
            try:
                load_pretrained(tmp_path)
            except InputError:
                refused += 1
    assert refused > 100
    tally("nonsense in a multimodal config, refused by one line or without effect", len(values) * len(NASTY))
