import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from perceiver_edu import InputError
from perceiver_edu.instruments import describe, figure, pipeline
from perceiver_edu.instruments.plots.diagrams import attention_by_hand, cross_attention

InteractiveShell.instance()  # `display` speaks to this, as in a notebook


def test_a_figure_is_shown_once_with_its_alt_text_and_closed():
    before = plt.get_fignums()
    with capture_output() as shown, figure(alt="A line that rises.") as ax:
        ax.plot([1, 2])
    (output,) = shown.outputs
    assert output.data["image/png"] and output.metadata["image/png"]["alt"] == "A line that rises."
    assert 'alt="A line that rises."' in output.data["text/html"], "JupyterLab shows no other"
    assert plt.get_fignums() == before


@pytest.mark.parametrize("photo", [False, True])
def test_on_a_dark_page_drawings_change_their_colours_and_photographs_do_not(photo):
    with capture_output() as shown, figure(alt="A line that rises.", photo=photo) as ax:
        ax.plot([1, 2])
    page = shown.outputs[0].data["text/html"]
    rule = next(rule for rule in page.split("}") if "invert(" in rule)
    (kinds,) = re.findall(r'<div class="([^"]*)">', page)
    assert any(f".{kind} img" in rule for kind in kinds.split()) is not photo


def test_a_figure_without_alt_text_is_refused():
    with pytest.raises(InputError, match="alt text"), figure(alt=" "):
        pass


def test_an_alt_text_names_what_is_drawn_and_the_numbers():
    curve = {step: 8 - step / 100 for step in range(0, 401)}
    told = describe("Bits against steps", {"usual": curve, "unigram": torch.tensor(4.57)})
    assert told.startswith("Bits against steps; usual: 8 at 0 … 7.33 at 67 … ")
    assert told.endswith(" … 4 at 400; unigram 4.57.") and told.count(" at ") == 7
    told = describe("Right", {"probe": [0.5, 0.61, 0.9], "all": {"a": [1, 2], "b": 1500}}, varies=True)
    assert told == "Right; probe ≈ 0.67 (≈ 0.5 to ≈ 0.9); all: a ≈ 1.5, b ≈ 1,500."


def test_after_an_error_no_figure_is_left_or_shown():
    before = plt.get_fignums()
    with capture_output() as shown, pytest.raises(RuntimeError), figure(alt="None."):
        raise RuntimeError("planted")
    assert plt.get_fignums() == before and not shown.outputs


def test_the_pipeline_shows_the_shapes_of_the_run(ax, model, batch):
    shapes = pipeline(ax, model, batch[0][:1, :21], torch.tensor([3, 4, 5]))
    drawn = " ".join(text.get_text() for text in ax.texts)
    assert list(shapes.values()) == [
        (1, 21),
        (1, 21, 16),
        (1, 5, 12),
        (1, 5, 12),
        (1, 3, 16),
        (1, 3, 262),
        (1, 3, 16),
    ]
    for shape in shapes.values():
        assert " × ".join(map(str, shape)) in drawn
    assert "3 × self-attend" in drawn


ENCODER = [
    "latents\n5 × 12",
    "inputs\n7 × 16",
    "Q\n5 × 6",
    "K\n7 × 6",
    "V\n7 × 12",
    "2 maps, one for each head\n5 × 7",
]
DECODER = ["output queries\n9 × 16", "latents\n5 × 12", "V\n5 × 16", "8 maps, one for each head\n9 × 5"]


@pytest.mark.parametrize(
    "stage, Q, K, more, parts",
    [("encoder", 5, 7, {}, ENCODER), ("decoder", 9, 5, {"names": ("output queries", "latents")}, DECODER)],
)
def test_the_matrices_of_an_attention_have_their_real_shapes(ax, model, stage, Q, K, more, parts):
    cross_attention(ax, model.get_submodule(stage).cross_attend.attention, Q, K, **more)
    words = " ".join(text.get_text() for text in ax.texts)
    assert not [part for part in parts if part not in words]


def test_a_mask_and_the_softmax_axis_are_drawn(ax, model):
    attention = model.encoder.cross_attend.attention
    cross_attention(ax, attention, 5, 7)
    words = [text.get_text() for text in ax.texts]
    assert "softmax" in words and "masked, weight 0" not in words
    ax.clear()
    cross_attention(ax, attention, 5, 7, padding=True)
    assert "masked, weight 0" in [text.get_text() for text in ax.texts]
    assert [patch for patch in ax.patches if patch.get_hatch()]


def test_attention_by_hand_shows_its_numbers_and_leaves_a_row_open(ax):
    queries, keys = torch.tensor([[2.0, 0], [0, 2.0]]), torch.tensor([[1.0, 0], [0, 1.0], [1.0, 1.0]])
    values = torch.tensor([[4.0, 8], [0, 0], [0, 0]])
    attention_by_hand(ax, queries, keys, values, "cat", open_rows={1})
    words = [text.get_text() for text in ax.texts]
    weights = (torch.tensor([2.0, 0, 2]) / 2**0.5).softmax(0)
    assert words.count("?") == 3 + 3 + 2
    assert words.count("1.4") == 2 and f"{weights[1]:.2f}" in words and f"{8 * weights[0]:.2f}" in words
