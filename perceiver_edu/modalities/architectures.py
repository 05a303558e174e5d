"""Hugging Face's five other Perceivers, put together from this library's parts.

Sizes that are numbers here stand in Hugging Face's code, too.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from perceiver_edu.errors import choose
from perceiver_edu.modalities.adapters import (
    AudioPatches,
    Conv1x1,
    ConvStem,
    OfShape,
    OneInput,
    Patches,
    Pixels,
    WithPositions,
)
from perceiver_edu.modalities.heads import AudioHead, ClassHead, DenseHead, MultimodalHead
from perceiver_edu.modalities.model import PerceiverIO
from perceiver_edu.modalities.multimodal import MultimodalInputs
from perceiver_edu.modalities.positions import FourierPositions, LearnedPositions, ProjectedPositions
from perceiver_edu.modalities.queries import GridQueries, InputQueries, LearnedQueries, MultimodalQueries
from perceiver_edu.model import build_stages, initialize

if TYPE_CHECKING:
    from transformers import PerceiverConfig


def image_classifier(config: "PerceiverConfig", inputs: WithPositions) -> PerceiverIO:
    """One learned query asks for the class; here, unlike in text, the query is added to what it read.

    DeepMind's configuration of the classifier with learned positions leaves the query out
    (`use_query_residual=False`). Hugging Face's class adds it in all three.
    """
    queries = LearnedQueries(1, config.d_latents)
    head = ClassHead(config.d_latents, config.num_labels)
    return assemble(config, inputs, queries.num_channels, queries, head, query_residual=True)


def learned(config: "PerceiverConfig") -> PerceiverIO:
    """1x1 convolution and learned positions: nothing tells the model that an image has two dimensions.

    Images of another size than the one it learned are refused, unless
    `model.inputs.positions.positions.interpolate` is True.
    """
    grid = (config.image_size, config.image_size)
    positions = ProjectedPositions(LearnedPositions(grid, 256), 256)
    return image_classifier(config, OfShape(Conv1x1(3, 256), positions, "images", ("B", 3, "H", "W")))


def fourier(config: "PerceiverConfig") -> PerceiverIO:
    """Raw pixels and Fourier features of where they are."""
    positions = FourierPositions(64, (224, 224))
    return image_classifier(config, OfShape(Pixels(3), positions, "images", ("B", 3, "H", "W")))


def conv(config: "PerceiverConfig") -> PerceiverIO:
    """A convolution and a pooling first, then Fourier features of the coarser grid."""
    positions = FourierPositions(64, (56, 56))
    return image_classifier(config, OfShape(ConvStem(3, 64), positions, "images", ("B", 3, "H", "W")))


def optical_flow(config: "PerceiverConfig") -> PerceiverIO:
    """Two frames, each pixel with its 3 x 3 neighbours: (B, 2, 27, H, W) -> (B, H, W, 2), x before y.

    The answer is in units of 20 pixels, because DeepMind trained on flow divided by 20: for pixels, multiply
    it by 20 (deepmind-research, issue 266), as `flow_between` does. `tiled_flow` takes larger frames.
    """
    grid = tuple(config.train_size)  # (H, W)
    features = Patches((2, 1, 1), 27, 64, squeeze=True)  # both frames' values of a pixel: 54 -> 64
    inputs = OfShape(features, FourierPositions(64, grid), "frames", ("B", 2, 27, *grid))
    head = DenseHead(inputs.num_channels, 2, scale=100.0, grid=grid)
    return assemble(config, inputs, inputs.num_channels, InputQueries(), head)


def multimodal(config: "PerceiverConfig") -> PerceiverIO:
    """Video, sound and class label in, the same three out; the label is always masked on the way in."""
    samples = config.num_frames * config.audio_samples_per_frame
    frame = (config.num_frames, config.image_size, config.image_size)
    inputs = MultimodalInputs(
        {
            "audio": WithPositions(AudioPatches(config.samples_per_patch), FourierPositions(192, (samples,))),
            "image": OfShape(
                Patches((1, 4, 4), 3), FourierPositions(32, frame), "video", ("B", "T", 3, "H", "W")
            ),
            "label": OneInput(config.num_labels),
        },
        min_padding=4,
        always_masked=["label"],
    )
    queries = MultimodalQueries(
        {
            "audio": GridQueries(FourierPositions(192, (samples,)), (samples // config.samples_per_patch,)),
            "image": GridQueries(FourierPositions(32, frame), config.output_shape[1:]),
            "label": LearnedQueries(1, config._label_trainable_num_channels),  # its name in config.json
        },
        min_padding=2,
    )
    shared = config.output_num_channels
    heads = {
        "audio": AudioHead(shared, config.samples_per_patch),
        "image": DenseHead(shared, 3),
        "label": ClassHead(shared, config.num_labels),
    }
    sizes = {
        "audio": samples // config.samples_per_patch,
        "image": math.prod(config.output_shape[1:]),
        "label": 1,
    }
    head = MultimodalHead(queries.num_channels, shared, heads, sizes)
    return assemble(config, inputs, queries.num_channels, queries, head)


ARCHITECTURES: dict[str, Callable[["PerceiverConfig"], PerceiverIO]] = {
    "PerceiverForImageClassificationLearned": learned,
    "PerceiverForImageClassificationFourier": fourier,
    "PerceiverForImageClassificationConvProcessing": conv,
    "PerceiverForOpticalFlow": optical_flow,
    "PerceiverForMultimodalAutoencoding": multimodal,
}


def new(name: str, config: "PerceiverConfig") -> PerceiverIO:
    """A fresh model of one of Hugging Face's classes, which remembers which one, for `save_pretrained`.

    Raises: InputError for another class.
    """
    choose("architecture", name, ARCHITECTURES)
    model = ARCHITECTURES[name](config)
    model.architecture, model.config = name, config
    return model


def assemble(
    config: "PerceiverConfig",
    inputs: WithPositions | MultimodalInputs,
    d_queries: int,
    queries: nn.Module,
    head: nn.Module,
    query_residual: bool = False,
) -> PerceiverIO:
    """The three stages in Hugging Face's sizes, between this adapter, these queries and this head."""
    of_keys = config.cross_attention_shape_for_attention == "kv"  # whose width the decoder's attention takes
    width = config.d_latents if of_keys else d_queries
    encoder, processor, decoder = build_stages(
        config,
        inputs.num_channels,
        d_queries,
        qk_channels=width,
        v_channels=width,
        num_heads=1,
        query_residual=query_residual,
    )
    model = PerceiverIO(inputs, encoder, processor, queries, decoder, head)
    initialize(model, config.initializer_range)
    return model
