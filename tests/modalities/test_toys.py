"""The small worlds of notebook 10 are what they say."""

import pytest
import torch

from perceiver_edu import InputError
from perceiver_edu.modalities import toys


def test_a_sound_has_the_pitch_of_its_key():
    keys = torch.eye(8, dtype=torch.bool)
    waves = toys.sound(keys, 4000, torch.Generator().manual_seed(0), noise=0.0)  # one second: 1 Hz a bin
    loudest = torch.fft.rfft(waves).abs().argmax(-1)
    torch.testing.assert_close(loudest.float(), toys.HERTZ[:8], atol=1.0, rtol=0)


def test_chords_have_one_to_three_keys():
    waves, keys = toys.chords(200, torch.Generator().manual_seed(0))
    assert waves.shape == (200, 384) and set(keys.sum(1).tolist()) == {1, 2, 3}


def test_flow_takes_a_pixel_to_its_shade():
    """Where nothing comes in front, the second frame at the end point shows the shade of the first."""
    frames, flow = toys.scenes(200, torch.Generator().manual_seed(0))
    scene, y, x = (flow.norm(dim=-1) > 0).nonzero(as_tuple=True)
    dx, dy = flow[scene, y, x].long().T
    inside = (y + dy).clamp(0, 15) == y + dy
    inside &= (x + dx).clamp(0, 15) == x + dx
    s, y, x, dy, dx = (t[inside] for t in (scene, y, x, dy, dx))
    same = frames[s, 1, y + dy, x + dx] == frames[s, 0, y, x]
    assert len(same) > 5000 and same.float().mean() > 0.9


def test_block_matching_finds_a_shift_of_noise():
    first = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    second = first.roll((1, -2), (2, 3))  # down by 1, left by 2
    flow = toys.block_matching(torch.cat([first, second], 1))
    assert (flow[:, 4:12, 4:12] == torch.tensor([-2.0, 1.0])).all()


def test_neighbourhoods_have_the_pixel_in_the_middle():
    frames = torch.randn(2, 2, 5, 7)
    around = toys.neighbourhoods(frames, 3)
    assert around.shape == (2, 2, 9, 5, 7) and torch.equal(around[:, :, 4], frames)
    assert torch.equal(around[:, :, 3, :, 1:], frames[..., :-1])  # to its left
    with pytest.raises(InputError, match="odd"):
        toys.neighbourhoods(frames, 4)


def test_end_point_error_is_a_distance_in_pixels():
    flow = torch.zeros(1, 2, 2, 2)
    truth = flow.clone()
    truth[0, 0, 0] = torch.tensor([3.0, 4.0])
    assert toys.end_point_error(flow, truth) == 1.25
    assert toys.end_point_error(flow, truth, truth.norm(dim=-1) > 0) == 5
