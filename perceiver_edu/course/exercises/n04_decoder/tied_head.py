"""Exercise 04.tied_head: from outputs to a score for each byte."""

import torch
import torch.nn.functional as F

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import numbers, redrawn
from perceiver_edu.course.swap import call, into_model, pretrained
from perceiver_edu.embedding import Embedding


def head_cases():
    draw = numbers(3)
    embedding = redrawn(Embedding(11, 6, 8), draw, scale=1.0)  # V, M, E
    outputs, bias = draw(2, 3, 8), draw(11)  # (B, O, E), (V,)
    arguments = {"outputs": outputs, "embedding": embedding, "bias": bias}
    return {"a bias of 0": arguments | {"bias": torch.zeros_like(bias)}, "with a bias": arguments}


def head_variant(outputs, embedding, bias, wrong="", biased=True, end=""):
    """outputs (B, O, E), embedding with byte_embedding (V, E), bias (V,) -> scores (B, O, V)."""
    byte, position = embedding.byte_embedding.weight, embedding.position_embedding.weight
    scores = outputs @ byte.T
    if wrong == "positions":
        return outputs @ position.T
    if wrong == "no special ids":
        return scores[..., 6:] + bias[6:]
    if wrong == "cosine":
        scores = F.normalize(outputs, dim=-1) @ F.normalize(byte, dim=-1).T
    if wrong == "distance":
        scores = -torch.cdist(outputs, byte)
    if wrong == "scaled":
        scores = scores / outputs.shape[-1] ** 0.5
    total = scores + bias if biased else scores
    return {"softmax": total.softmax(-1), "log_softmax": total.log_softmax(-1)}.get(end, total)


def head_in_model(function, report):
    model = pretrained()

    def replacement(outputs, byte_embeddings):
        given = {"outputs": outputs, "embedding": model.embedding, "bias": model.mlm_head.bias}
        return call(function, given)

    return into_model("mlm_head", replacement, report)


EXERCISE = Exercise(
    title="from outputs to scores",
    about="4 minutes · easy",
    name="tied_head",
    cases=head_cases,
    variant=head_variant,
    mistakes={
        "biased": {False: "The bias is missing. Add one number for each id at the end."},
        "wrong": {
            "positions": "The outputs are compared with the position embedding. The vectors of the bytes are "
            "in `byte_embedding`.",
            "no special ids": "Only the 256 bytes get a score. The head scores all V ids, including the six "
            "special ones.",
            "cosine": "This is the cosine similarity, in which both vectors have norm 1. The head uses the "
            "plain product, so an output with a larger norm means a more certain one.",
            "distance": "This is the distance to each byte's vector. The head uses the product.",
            "scaled": "The scores are divided by √E. That belongs to attention; the head uses the plain "
            "product.",
        },
        "end": {
            "softmax": "These are probabilities. The head returns scores; the softmax comes later, in the "
            "loss or in `fill_mask`.",
            "log_softmax": "These are log-probabilities. The head returns plain scores, without any "
            "normalisation.",
        },
    },
    sizes=lambda **_: {"B": 2, "O": 3, "E": 8, "V": 11, "M": 6, "V - 6": 5},
    trains=True,
    in_model=head_in_model,
)
