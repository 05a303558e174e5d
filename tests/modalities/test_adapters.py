"""Adapters, positions, queries and masks: shapes, order, and what is refused."""

import math
import re

import pytest
import torch

from perceiver_edu import InputError
from perceiver_edu import modalities as m


def test_grid_positions_go_along_the_rows_from_minus_one_to_one():
    places = m.grid_positions((3, 5))
    assert places.shape == (15, 2)
    assert places[0].tolist() == [-1, -1] and places[4].tolist() == [-1, 1] and places[14].tolist() == [1, 1]


def test_points_stand_where_hugging_face_puts_them():
    places = m.point_positions(torch.tensor([0, 7, 14]), (3, 5))
    torch.testing.assert_close(places, torch.tensor([[-1, -1], [-1 / 3, -0.2], [1 / 3, 0.6]]))
    with pytest.raises(InputError, match="0 to 14"):
        m.point_positions(torch.tensor([15]), (3, 5))


def test_fourier_features_by_the_formula():
    fourier = m.FourierPositions(3, (8, 12))
    rows = fourier.at(torch.tensor([[0.25, -0.5]]))[0]
    assert len(rows) == fourier.num_channels == 14
    bands = [[1, 2.5, 4], [1, 3.5, 6]]
    angles = [math.pi * f * p for fs, p in zip(bands, (0.25, -0.5), strict=True) for f in fs]
    expected = [0.25, -0.5, *map(math.sin, angles), *map(math.cos, angles)]
    torch.testing.assert_close(rows, torch.tensor(expected))
    with pytest.raises(InputError, match="1 axes"):
        fourier.at(torch.zeros(4, 1))


def test_learned_positions_refuse_another_grid():
    with pytest.raises(InputError, match="12 cells"):
        m.LearnedPositions(12, 5)((3, 5))


def test_patches_of_images_and_videos_hold_what_stands_there():
    images = torch.randn(2, 3, 4, 10)
    patches = m.Patches((2, 5), 3)(images)
    assert patches.shape == (2, 2, 2, 30)
    assert torch.equal(patches[1, 0, 1], images[1, :, 0:2, 5:10].movedim(0, -1).flatten())
    video = torch.randn(2, 6, 3, 4, 10)
    patches = m.Patches((3, 2, 5), 3)(video)
    assert patches.shape == (2, 2, 2, 2, 90)
    assert torch.equal(patches[1, 1, 0, 1], video[1, 3:6, :, 0:2, 5:10].movedim(1, -1).flatten())
    with pytest.raises(InputError, match="do not fill"):
        m.Patches((3, 5), 3)(images)


def test_audio_patches():
    waves = torch.arange(12.0).view(1, 12)
    assert torch.equal(m.AudioPatches(4)(waves)[0, 1], torch.tensor([4.0, 5, 6, 7]))
    assert torch.equal(m.AudioPatches(4)(waves[..., None]), m.AudioPatches(4)(waves))
    with pytest.raises(InputError, match="12 samples"):
        m.AudioPatches(5)(waves)


@pytest.mark.parametrize("shape", [(12,), (2, 12, 2), (2, 2, 12), ()])
def test_sound_of_several_channels_is_not_taken_for_a_longer_one(shape):
    with pytest.raises(InputError, match=re.escape(f"got {shape}: give one channel")):
        m.AudioPatches(4)(torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.int16, torch.uint8])
def test_positions_are_not_rounded_to_whole_numbers(both, dtype):
    waves = torch.ones(2, 12, dtype=dtype)
    for adapter, x in ((both.adapters["sound"], waves), (both, {"sound": waves})):
        with pytest.raises(InputError, match=f"floating-point numbers, got {dtype}"):
            adapter(x)


@pytest.fixture
def both():
    torch.manual_seed(0)
    return m.MultimodalInputs(
        {
            "sound": m.WithPositions(m.AudioPatches(4), m.FourierPositions(2, (3,))),
            "image": m.WithPositions(m.Pixels(3), m.FourierPositions(3, (4, 5))),
        },
        min_padding=2,
    )


def test_modalities_lie_end_to_end_in_alphabetical_order(both):
    x = {"sound": torch.randn(2, 12), "image": torch.randn(2, 3, 4, 5)}
    inputs = both(x)
    assert inputs.shape == (2, 20 + 3, 17 + 2) and both.num_channels == 19
    assert torch.equal(inputs[:, :20], both({"image": x["image"]}))
    assert torch.equal(inputs[:, 20:], both({"sound": x["sound"]}))
    assert torch.equal(inputs[0, 21, 9:], both.padding.tags["sound"][0])
    with pytest.raises(InputError, match="smell"):
        both({"smell": x["sound"]})
    with pytest.raises(InputError, match="none of them"):
        both({})


def test_modalities_are_a_dictionary_of_as_many_examples_each(both):
    x = {"sound": torch.randn(2, 12), "image": torch.randn(1, 3, 4, 5)}
    with pytest.raises(InputError, match="a dictionary with a key for each modality, got list"):
        both(list(x.values()))
    with pytest.raises(InputError, match=r"the same batch size, got \{'image': 1, 'sound': 2\}"):
        both(x)


def test_a_hidden_modality_is_as_good_as_an_absent_one(both):
    from perceiver_edu.encoder import Encoder

    sizes = dict(qk_channels=6, v_channels=6, num_heads=2)
    encoder = Encoder(5, 6, both.num_channels, **sizes)
    x = {"sound": torch.randn(2, 12), "image": torch.randn(2, 3, 4, 5)}
    mask = m.modality_mask({"image": 20, "sound": 3}, {"sound": torch.tensor([True, False])})
    latents = encoder(both(x), mask)
    torch.testing.assert_close(latents[0], encoder(both(x))[0])
    torch.testing.assert_close(latents[1], encoder(both({"image": x["image"]}))[1])


def test_a_mask_that_hides_everything_is_refused():
    nobody = torch.tensor([True, False])
    with pytest.raises(InputError, match="no modality at all"):
        m.modality_mask({"image": 2, "sound": 3}, {"image": nobody, "sound": nobody})
    with pytest.raises(InputError, match="smell"):
        m.modality_mask({"image": 2}, {"smell": nobody})


def test_multimodal_queries_refuse_what_they_do_not_know():
    queries = m.MultimodalQueries({"label": m.LearnedQueries(1, 5)})
    assert queries(torch.zeros(1, 2, 3), {"label": None}).shape == (1, 1, 7)
    assert queries(torch.zeros(1, 2, 3), None).shape == (1, 1, 7)
    for points in ({}, {"smell": None}):
        with pytest.raises(InputError, match="label"):
            queries(torch.zeros(1, 2, 3), points)


def test_the_core_has_no_word_about_any_modality():
    import inspect

    from perceiver_edu import decoder, encoder, processor

    for module in (encoder, processor, decoder):
        words = inspect.getsource(module).lower()
        assert not any(word in words for word in ("image", "audio", "pixel", "video", "modalit"))
