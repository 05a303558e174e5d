"""Optical flow of frames that are larger than the model's: tiles, their weights, and what they add up to."""

from functools import partial

import pytest
import torch
from test_modality_parity import TINY, new_hf_model

from perceiver_edu import InputError
from perceiver_edu.modalities import flow_between, from_huggingface, tiled_flow
from perceiver_edu.modalities.flow import frame_patches, tiles

TILE = (7, 11)


def frames(height, width, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(2, 3, height, width, generator=generator, dtype=dtype) - 1


def brightness(first, second):
    """A "flow" that depends on each pixel alone."""
    return torch.stack([first.sum(0) - second[0], 10 * first[2]], dim=-1)


@pytest.fixture(scope="module")
def model():
    return from_huggingface(new_hf_model("PerceiverForOpticalFlow", **TINY))


# ---------------------------------------------------------------- tiles


@pytest.mark.parametrize(
    "size, tile, overlap", [(23, 7, 2), (7, 7, 2), (8, 7, 6), (24, 8, 0), (1024, 496, 20)]
)
def test_fractions_add_up_to_one_in_every_pixel(size, tile, overlap):
    total, last = torch.zeros(size, dtype=torch.float64), None
    for part, fraction in tiles(size, tile, overlap):
        assert part.stop - part.start == len(fraction) == tile and fraction.min() > 0
        assert last is None or overlap <= last.stop - part.start
        total[part] += fraction
        last = part
    assert last.stop == size
    torch.testing.assert_close(total, torch.ones(size, dtype=torch.float64))


def test_the_papers_benchmarks_have_six_evenly_spaced_tiles():
    for height, width, left in ((436, 1024, [0, 264, 528]), (375, 1242, [0, 373, 746])):  # Sintel, KITTI
        assert len(tiles(height, 368, 20)) == 2
        assert [part.start for part, _ in tiles(width, 496, 20)] == left


@pytest.mark.parametrize("size", [(7, 11), (8, 12), (23, 29), (7, 40), (30, 12), (31, 33)])
def test_a_flow_that_depends_on_the_pixels_alone_is_kept(size):
    first, second = frames(*size)
    flow = tiled_flow(brightness, first, second, TILE, overlap=3)
    torch.testing.assert_close(flow, brightness(first, second))
    still = tiled_flow(
        lambda a, b: torch.tensor([3.0, -1.5]).expand(*TILE, 2), first, second, TILE, overlap=3
    )
    torch.testing.assert_close(still, torch.tensor([3.0, -1.5], dtype=torch.float64).expand(*size, 2))


def test_tiles_are_blended_without_a_jump():
    """Each tile claims another flow, and from pixel to pixel it changes by one step of a ramp."""
    answers = iter(range(4))
    first, second = frames(40, 50)
    flow = tiled_flow(lambda a, b: torch.full((24, 30, 2), float(next(answers))), first, second, (24, 30), 8)
    assert next(answers, None) is None  # 2 × 2 tiles, which overlap by 8 rows and 10 columns
    assert flow[0, 0, 0] == 0 and flow[0, -1, 0] == 1 and flow[-1, 0, 0] == 2 and flow[-1, -1, 0] == 3
    assert flow.diff(dim=0).abs().max() < 1.01 * 2 / 9  # rows: from the upper to the lower tiles in 9 steps
    assert flow.diff(dim=1).abs().max() < 1.01 * 1 / 11
    across = flow[0, 19:31, 0]  # a straight line from one tile to the next, also along the border
    torch.testing.assert_close(across, torch.linspace(0, 1, 12, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_pixel_counts_more_the_further_it_is_from_the_edge():
    (_, left), (_, right) = tiles(18, 11, 4)
    assert left[:7].eq(1).all() and right[4:].eq(1).all()
    torch.testing.assert_close(left[7:], torch.tensor([4, 3, 2, 1], dtype=torch.float64) / 5)
    torch.testing.assert_close(right[:4], torch.tensor([1, 2, 3, 4], dtype=torch.float64) / 5)


# ---------------------------------------------------------------- the model


def test_the_patch_of_a_pixel_is_row_by_row_with_the_colour_fastest():
    pair = frames(*TILE)
    patches = frame_patches(pair[None])
    assert patches.shape == (1, 2, 27, *TILE)
    expected = pair[1, :, 2:5, 4:7].movedim(0, -1).flatten()  # the second frame around row 3, column 5
    assert torch.equal(patches[0, 1, :, 3, 5], expected)
    assert not patches[0, 0, :9, 0].any() and not patches[0, 0, 18:, -1].any()  # beyond the frame
    assert torch.equal(patches[0, 0, 12:15], pair[0])


def test_one_tile_is_the_model_itself_in_pixels(model):
    first, second = frames(*TILE)
    with torch.no_grad():
        expected = 20 * model(frame_patches(torch.stack([first, second])[None]))[0]
    flow = flow_between(model, first, second)
    assert flow.shape == (*TILE, 2) and not flow.requires_grad and torch.equal(flow, expected)
    assert torch.equal(tiled_flow(partial(flow_between, model), first, second, TILE, overlap=2), expected)


def test_a_model_in_training_mode_gives_the_same_flow_and_keeps_its_mode():
    sizes = TINY | {"attention_probs_dropout_prob": 0.5}
    model = from_huggingface(new_hf_model("PerceiverForOpticalFlow", **sizes))
    expected = flow_between(model, *frames(*TILE))
    assert torch.equal(flow_between(model.train(), *frames(*TILE)), expected) and model.training


def test_portrait_frames_are_tiled_as_they_are(model):
    """Where only one tile reaches, the flow is that tile's; the tile is not turned."""
    first, second = frames(16, 12)
    flow = tiled_flow(partial(flow_between, model), first, second, TILE, overlap=2)
    assert flow.shape == (16, 12, 2)
    corner = flow_between(model, first[:, :7, :11], second[:, :7, :11])
    torch.testing.assert_close(flow[:3, :1], corner[:3, :1])
    assert tiled_flow(brightness, *frames(16, 12, torch.float16), TILE, 2).dtype == torch.float32


def test_frames_that_do_not_fit_are_refused(model):
    first, second = frames(16, 12)
    for a, b, message in (
        (first, second[..., :11], r"one size, got \(3, 16, 12\) of torch.float64 and \(3, 16, 11\)"),
        (first[:2], second[:2], r"must be two tensors \(3, H, W\)"),
        (first[None], second[None], r"must be two tensors \(3, H, W\)"),
        (first.byte(), second.byte(), r"of torch\.uint8"),
        (first.numpy(), second, r"\(3, 16, 12\) of float64 and"),
        (None, second, r"\(\) of NoneType"),
        (first[:, :6], second[:, :6], r"at least 7 × 11 pixels, .* got 6 × 12; enlarge both"),
        (first[..., :10], second[..., :10], "got 16 × 10"),
    ):
        with pytest.raises(InputError, match=message):
            tiled_flow(brightness, a, b, TILE, 2)
    with pytest.raises(InputError, match="overlap must be a whole number from 0 to 6, got 7"):
        tiled_flow(brightness, first, second, TILE, 7)
    with pytest.raises(InputError, match=r"must return flow \(7, 11, 2\), got \(2, 7, 11\)"):
        tiled_flow(lambda a, b: brightness(a, b).movedim(-1, 0), first, second, TILE, 2)
    with pytest.raises(InputError, match="takes frames of 7 × 11 pixels, got 16 × 12; tiled_flow cuts"):
        flow_between(model, first, second)
    with pytest.raises(InputError, match=r"from -1 to 1; .*`bytes / 127\.5 - 1`"):
        flow_between(model, *frames(*TILE) * 127)
    with pytest.raises(InputError, match=r"frames must be from -1 to 1"):
        flow_between(model, *frames(*TILE).masked_fill(torch.arange(11) == 3, torch.nan))
    with pytest.raises(InputError, match="must be one for optical flow"):
        flow_between(
            from_huggingface(new_hf_model("PerceiverForImageClassificationFourier", **TINY)), *frames(*TILE)
        )
