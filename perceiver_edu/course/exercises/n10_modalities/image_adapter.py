"""Exercise 10.image_adapter: from an image to an input array."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import distance, numbers
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call
from perceiver_edu.decoder import Decoder
from perceiver_edu.encoder import Encoder
from perceiver_edu.modalities import ClassHead, LearnedQueries, PerceiverIO
from perceiver_edu.processor import Processor


def adapter_cases():
    draw = numbers(9)
    return {
        "each pixel an input": {"images": draw(2, 3, 4, 5), "positions": draw(20, 7), "patch": 1},
        "patches": {"images": draw(2, 3, 4, 10), "positions": draw(10, 7), "patch": 2},
    }


def adapter_variant(images, positions, patch, wrong="", first="features"):
    """images (B, C, H, W), positions (M, P) -> (B, M, patch² * C + P)."""
    B, C, H, W = images.shape
    blocks = images.reshape(B, C, H // patch, patch, W // patch, patch)
    order = {
        "columns": (0, 4, 2, 3, 5, 1),
        "channels first": (0, 2, 4, 1, 3, 5),
        "columns within": (0, 2, 4, 5, 3, 1),
        "strips": (0, 2, 3, 4, 5, 1),
    }.get(wrong, (0, 2, 4, 3, 5, 1))
    pixels = images if wrong == "reshape" else blocks.permute(order)
    features = pixels.reshape(B, len(positions), -1)
    places = positions.expand(B, -1, -1)
    parts = [places, features] if first == "positions" else [features, places]
    return torch.cat(parts, dim=-1)


def adapter_in_model(function, report):
    """A fresh classifier with the learner's adapter in front, beside the same one with the library's.

    It is in float64, and the adapter's result may be in float32.
    """
    torch.manual_seed(0)
    sizes = dict(qk_channels=12, v_channels=12, num_heads=3)
    encoder, processor = Encoder(5, 12, 2 * 2 * 3 + 7, **sizes), Processor(2, 12, **sizes)
    decoder = Decoder(14, 12, **sizes)
    arguments = adapter_cases()["patches"]

    def classifier(inputs):
        model = PerceiverIO(inputs, encoder, processor, LearnedQueries(1, 14), decoder, head)
        model.queries.positions = query
        return model.double()(arguments["images"])

    head, query = ClassHead(14, 10), LearnedQueries(1, 14).positions
    given = {key: value for key, value in arguments.items() if key != "images"}
    with torch.no_grad():
        wanted = classifier(lambda images: adapter_variant(images, **given))
        yours = classifier(lambda images: call(function, {"images": images} | given).double())
    difference = distance(yours, wanted)
    report.say(
        translated(
            "With your adapter in front of a newly initialised classifier, the scores differ by "
            "{difference:.1e}.",
            difference=difference,
        )
    )
    return difference <= 1e-5 * max(1.0, float(wanted.abs().max()))


EXERCISE = Exercise(
    title="an image becomes an input array",
    about="8 minutes · medium · section 3.1",
    name="image_inputs",
    cases=adapter_cases,
    variant=adapter_variant,
    mistakes={
        "wrong": {
            "reshape": "A reshape alone does not move axes: the first input holds the first numbers of the "
            "red channel, not the channels of one position. Move the channels to the end first, with "
            "`movedim` or `permute`.",
            "columns": "The inputs run down the columns. They must run along the rows, as `positions` does, "
            "so W is the fastest axis.",
            "channels first": "Within a patch you put the channels first. The order should be row, column, "
            "channel, with the channels last.",
            "columns within": "Within a patch the pixels run down the columns. The order should be row, "
            "column, channel.",
            "strips": "An input holds pixels of one row only, not a square. Before you flatten, the axis of "
            "rows within a block must be next to the axis of columns within it.",
        },
        "first": {
            "positions": "The positions come before the features. Put the features first, then the positions."
        },
    },
    in_model=adapter_in_model,
)
