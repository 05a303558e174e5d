"""The widgets of notebook 09 show what the models say; without a browser, on models that learned nothing."""

import pytest
import torch

from perceiver_edu import modalities as m
from perceiver_edu.course import widgets
from perceiver_edu.course.widgets.modalities import likeness, read_shuffled
from perceiver_edu.decoder import Decoder
from perceiver_edu.encoder import Encoder
from perceiver_edu.processor import Processor

SIZES = dict(qk_channels=8, v_channels=8, num_heads=2)


def classifier(inputs):
    stages = Encoder(3, 8, inputs.num_channels, **SIZES), Processor(1, 8, **SIZES)
    queries, head = m.LearnedQueries(1, 8), m.ClassHead(8, 10)
    return m.PerceiverIO(inputs, *stages, queries, Decoder(8, 8, **SIZES), head).eval()


def both_senses():
    return m.MultimodalInputs({"image": m.WithPositions(m.Pixels(1), m.FourierPositions(2, (8, 8))),
                               "sound": m.AudioPatches(32)})  # fmt: skip


@pytest.fixture
def seen():
    torch.manual_seed(0)
    images, labels = torch.rand(6, 1, 8, 8), torch.arange(6)
    readers = {
        "Fourier": classifier(m.WithPositions(m.Pixels(1), m.FourierPositions(2, (8, 8)))),
        "learned": classifier(m.WithPositions(m.Pixels(1), m.LearnedPositions(64, 5))),
    }
    return readers, images, labels


def test_likeness_is_the_cosine_of_the_library(seen):
    found = likeness(6, 8, 5, 6)
    rows = m.FourierPositions(6, (16, 16))((16, 16))
    expected = torch.cosine_similarity(rows, rows[5 * 16 + 6][None], dim=-1).view(16, 16)
    torch.testing.assert_close(found.cosines, expected)
    assert found.num_channels == 26 and found.chosen == (5, 6)
    low = likeness(1, 1, 5, 6)
    assert low.far > found.far  # one slow wave takes distant pixels for near ones
    assert widgets.fourier_bands().problem == ""


def test_inputs_that_move_with_their_positions_change_nothing(seen):
    readers, images, labels = seen
    experiment = widgets.shuffle_pixels(readers, images, labels)
    experiment.state = {"moved": 0, "digit": 3}
    before = experiment.result
    assert torch.equal(before.image, images[3, 0])
    experiment.state = {"moved": 64, "together": True}
    after = experiment.result
    assert experiment.problem == "" and after.guesses == before.guesses and after.right == before.right
    assert not torch.equal(after.image, before.image)
    assert sorted(after.image.flatten().tolist()) == sorted(before.image.flatten().tolist())


def test_pixels_that_move_alone_are_other_images(seen):
    readers, images, labels = seen
    found = read_shuffled(readers, images, labels, 0, 64, together=False)
    for name, model in readers.items():
        chosen = torch.randperm(64, generator=torch.Generator().manual_seed(2))
        order = torch.arange(64)
        order[chosen] = chosen.roll(1)
        with torch.no_grad():
            scores = model(images.flatten(2)[..., order].view_as(images))
        assert found.guesses[name] == int(scores[0].argmax())
    assert found.truth == int(labels[0])


@pytest.fixture
def sensed():
    torch.manual_seed(0)
    models = {"one": classifier(both_senses()), "two": classifier(both_senses())}
    x, labels = {"image": torch.rand(4, 1, 8, 8), "sound": torch.randn(4, 96)}, torch.arange(4)
    return models, x, labels, {"image": 64, "sound": 3}


def test_a_dropped_sense_is_not_read(sensed):
    models, x, *_ = sensed
    experiment = widgets.drop_a_sense(*sensed)
    for senses, there in (
        ("image", ["image"]),
        ("sound", ["sound"]),
        ("image and sound", ["image", "sound"]),
    ):
        experiment.state = {"senses": senses, "digit": 2}
        assert experiment.problem == ""
        for name, model in models.items():
            with torch.no_grad():
                expected = model({k: x[k] for k in there}).softmax(-1)[2]
            torch.testing.assert_close(experiment.result.shares[name], expected, rtol=1e-4, atol=1e-5)
        assert (experiment.result.image is None) == ("image" not in there)
        assert f"one ≈ {experiment.result.shares['one'][2]:.0%}" in experiment.alt


def test_controls_have_labels_and_pictures_have_alt_texts(seen):
    for experiment in (widgets.fourier_bands(), widgets.shuffle_pixels(*seen)):
        assert experiment.alt and experiment.problem == ""
        assert all(control.description and control.tooltip for control in experiment.controls.values())


def test_figures_that_are_drawn_again_are_those_of_new_ones(seen, sensed, drawn_as_new):
    assert drawn_as_new(widgets.fourier_bands())
    assert drawn_as_new(widgets.shuffle_pixels(*seen))
    assert drawn_as_new(widgets.drop_a_sense(*sensed))
