"""The widgets of notebook 10 show what the models say; without a browser, on models that learned nothing."""

from io import BytesIO

import matplotlib.pyplot as plt
import torch
from matplotlib import colormaps

from perceiver_edu import modalities as m
from perceiver_edu.course import widgets
from perceiver_edu.course.widgets.modalities import (
    example_readers,
    example_senses,
    likeness,
    shuffled,
    shuffled_guesses,
    tell_likeness,
)


def test_likeness_is_the_cosine_of_the_library():
    found = likeness(6, 8, 5, 6)
    rows = m.FourierPositions(6, (16, 16))((16, 16))
    expected = torch.cosine_similarity(rows, rows[5 * 16 + 6][None], dim=-1).view(16, 16)
    torch.testing.assert_close(found.cosines, expected)
    y, x = torch.arange(16)[:, None], torch.arange(16)
    steps = (y - 5).abs() + (x - 6).abs()
    said = repr(tell_likeness(found))
    assert f"{expected[steps == 1].mean():.2f}" in said and f"{expected[steps >= 4].max():.2f}" in said
    assert "26 channels" in said and "row 5, column 6" in said
    low = likeness(1, 1, 5, 6)
    assert low.far > found.far  # one slow wave takes distant pixels for near ones


def test_a_pixel_is_chosen_on_the_picture_or_by_its_sliders():
    experiment = widgets.fourier_bands()
    pixels = experiment.strip
    assert (pixels.columns, len(pixels.text), pixels.position) == (16, 256, 5 * 16 + 6)
    pixels.position = 12 * 16 + 3  # as by a click
    assert (experiment.state["row"], experiment.state["column"]) == (12, 3)
    assert experiment.result.chosen == (12, 3) and pixels.position == 12 * 16 + 3
    experiment.state = {"row": 0, "column": 15}
    assert pixels.position == 15


def test_the_pixels_lie_over_those_of_the_picture():
    experiment = widgets.fourier_bands()
    png = plt.imread(BytesIO(experiment.picture.png))  # (height, width, 4)
    height, width = png.shape[:2]
    left, top, *size = (
        share * pixels for share, pixels in zip(experiment.strip.over, 2 * (width, height), strict=True)
    )
    cell = size[0] / 16, size[1] / 16
    shades = colormaps["cividis"](((experiment.result.cosines + 1) / 2).numpy())
    for row, column in ((0, 0), (0, 15), (15, 0), (9, 4)):
        seen = png[int(top + (row + 0.5) * cell[1]), int(left + (column + 0.5) * cell[0])]
        assert abs(seen - shades[row, column]).max() < 0.02


def test_inputs_that_move_with_their_positions_change_nothing():
    readers, images, labels = example_readers()
    experiment = widgets.shuffle_pixels(readers, images, labels)
    experiment.state = {"moved": 0, "digit": 3}
    before = experiment.result
    assert torch.equal(before.image, images[3, 0])
    experiment.state = {"moved": 64, "together": True}
    after = experiment.result
    assert experiment.problem == "" and after.guesses == before.guesses and after.right == before.right
    assert not torch.equal(after.image, before.image)
    assert sorted(after.image.flatten().tolist()) == sorted(before.image.flatten().tolist())


def test_pixels_that_move_alone_are_other_images():
    readers, images, labels = example_readers()
    found = shuffled(*shuffled_guesses(readers, images, 64, together=False), images, labels, 0)
    for name, model in readers.items():
        chosen = torch.randperm(64, generator=torch.Generator().manual_seed(2))
        order = torch.arange(64)
        order[chosen] = chosen.roll(1)
        with torch.no_grad():
            scores = model(images.flatten(2)[..., order].view_as(images))
        assert found.guesses[name] == int(scores[0].argmax())
    assert found.truth == int(labels[0])


def test_a_dropped_sense_is_not_read():
    models, x, *_ = sensed = example_senses()
    experiment = widgets.drop_a_sense(*sensed)
    for senses in ("image", "sound", "image and sound"):
        there = senses.split(" and ")
        experiment.state = {"senses": senses, "digit": 2}
        assert experiment.problem == ""
        for name, model in models.items():
            with torch.no_grad():
                expected = model({k: x[k] for k in there}).softmax(-1)[2]
            torch.testing.assert_close(experiment.result.shares[name], expected, rtol=1e-4, atol=1e-5)
        assert (experiment.result.image is None) == ("image" not in there)
        assert f"one ≈ {experiment.result.shares['one'][2]:.0%}" in experiment.alt
