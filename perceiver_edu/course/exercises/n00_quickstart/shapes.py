"""Exercise 00.shapes: the shapes of the five stages."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.parity import BOUNDARIES
from perceiver_edu.instruments.tracing import record
from perceiver_edu.tokenizer import ByteTokenizer


def shape_cases():
    return {
        "small": dict(B=2, M=13, O=3, N=5, C=11, D=7, V=17),
        "the real model": dict(B=1, M=2048, O=9, N=256, C=768, D=1280, V=262),
    }


def shapes_variant(B, M, O, N, C, D, V, wrong=""):
    shapes = {
        "inputs": (B, M, C),
        "encoded": (B, N, D),
        "processed": (B, N, D),
        "outputs": (B, O, C),
        "logits": (B, O, V),
    }
    return shapes | {
        "latents per byte": {"encoded": (B, M, D), "processed": (B, M, D)},
        "encoded per byte": {"encoded": (B, M, D)},
        "latents as inputs": {"encoded": (B, N, C), "processed": (B, N, C)},
        "an output per byte": {"outputs": (B, M, C), "logits": (B, M, V)},
        "an output per latent": {"outputs": (B, N, C), "logits": (B, N, V)},
        "outputs as latents": {"outputs": (B, O, D)},
        "logits as outputs": {"logits": (B, O, C)},
        "channels first": {key: (b, c, t) for key, (b, t, c) in shapes.items()},
        "no batch": {key: shape[1:] for key, shape in shapes.items()},
    }.get(wrong, {})


def shapes_in_model(function, report):
    """The prediction beside the shapes that the pretrained model really has."""
    model = pretrained()
    c = model.config
    ids, mask = ByteTokenizer().batch(["She opened the door.", "So it is."])
    asked = torch.arange(4, 7)
    names = {key: ours for key, (ours, _) in BOUNDARIES.items()}
    with torch.no_grad(), record(model, names.values()) as seen:
        model(ids.to(model.device), mask.to(model.device), asked.to(model.device))
    sizes = dict(B=2, M=ids.shape[1], O=3, N=c.num_latents, C=c.d_model, D=c.d_latents, V=c.vocab_size)
    yours = call(function, sizes)
    rows = [(key, tuple(seen[name][0].shape), tuple(map(int, yours[key]))) for key, name in names.items()]
    return beside(
        report,
        (
            translated("the whole model, two texts, three queries"),
            translated("real shape"),
            translated("yours"),
        ),
        rows,
    )


EXERCISE = Exercise(
    title="predict the shapes",
    about="5 minutes · easy · section 3.1, figure 2",
    name="shapes",
    cases=shape_cases,
    variant=shapes_variant,
    mistakes={
        "wrong": {
            "latents per byte": "You have one latent for every byte (M). The number of latents is N, "
            "whatever the length of the text.",
            "encoded per byte": "`encoded` has a row for every byte (M). The encoder returns N latents, "
            "whatever the length of the text.",
            "latents as inputs": "Your latents have as many channels as the inputs (C). Latents have a width "
            "of their own, D.",
            "an output per byte": "You have one output for every input byte (M). There is one for every "
            "requested output, O.",
            "an output per latent": "You have one output for every latent (N). There is one for every "
            "requested output, O.",
            "outputs as latents": "Your outputs are as wide as the latents (D). An output is as wide as its "
            "query, C.",
            "logits as outputs": "Your logits have C channels. They need one score for each of the V ids.",
            "channels first": "Your channels come before the positions. The order here is text, position, "
            "channel.",
            "no batch": "The batch axis B is missing. It comes first in every array.",
        }
    },
    sizes=lambda **sizes: sizes,
    folds=True,
    in_model=shapes_in_model,
)
