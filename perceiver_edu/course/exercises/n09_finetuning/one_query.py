"""Exercise 09.one_query: read the latents by one query, and see when that is the mean."""

import math

import torch
from torch import nn

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import distance, numbers, redrawn
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.classify import Task, new_classifier

SIZES = {"B": 2, "N": 5, "D": 7, "K": 6, "V": 4}


def query_cases():
    s, draw = SIZES, numbers(8)
    key, value = (redrawn(nn.Linear(s["D"], s[width]), draw, scale=1.0) for width in "KV")
    layers = {"key": key, "value": value}
    latents, query = draw(s["B"], s["N"], s["D"]), draw(s["K"])
    return {
        "a query of zeros": {"latents": latents, "query": torch.zeros_like(query)} | layers,
        "one text": {"latents": latents[:1], "query": query} | layers,
        "two texts": {"latents": latents, "query": query} | layers,
    }


def query_variant(latents, query, key, value, wrong=""):
    """latents (B, N, D), query (K,), key D -> K, value D -> V: answer (B, V)."""
    keys, values = key(latents), value(latents)  # (B, N, K), (B, N, V)
    widths = {"no scale": 1, "wrong scale": latents.shape[-1], "N scale": latents.shape[1]}
    scores = keys @ query / math.sqrt(widths.get(wrong, len(query)))  # (B, N)
    weights = scores.softmax(0 if wrong == "texts" else -1)
    if wrong == "mean":
        weights = torch.full_like(scores, 1 / scores.shape[1])
    if wrong == "no softmax":
        weights = scores
    if wrong == "hardest":
        weights = nn.functional.one_hot(scores.argmax(-1), scores.shape[1]).to(scores)
    mixed = {"latents": latents, "keys": keys}.get(wrong, values)
    return (weights[..., None] * mixed).sum(1)


def query_properties(arguments):
    def alike(got, expected):
        gap = distance(got, expected)
        return gap < 1e-5, translated("largest difference {gap:.1e}", gap=gap)

    @torch.no_grad()
    def zeros(call):
        got = call(**arguments | {"query": torch.zeros_like(arguments["query"])})
        return alike(got, arguments["value"](arguments["latents"]).mean(1))

    @torch.no_grad()
    def shuffled(call):
        order = torch.tensor([3, 0, 4, 1, 2])
        return alike(call(**arguments | {"latents": arguments["latents"][:, order]}), call(**arguments))

    yield "a query of zeros gives the mean of the values", zeros
    yield "the order of the latents makes no difference", shuffled


@torch.no_grad()
def query_in_model(function, report):
    """A new classifier on the pretrained trunk, read out by the learner's function."""
    model, tokenizer = pretrained(), ByteTokenizer()
    classifier = new_classifier(model, [Task("answer", ("yes", "no"))], seed=8)
    classifier.queries.positions.normal_(generator=torch.Generator(model.device).manual_seed(8))
    ids, mask = (x.to(model.device) for x in tokenizer.batch(["She opened the door.", "Of the house, no."]))
    latents = classifier.processor(classifier.encoder(classifier.embedding(ids), mask))
    c, attention = classifier.decoder.cross_attend, classifier.decoder.cross_attend.attention
    query = attention.query(c.q_norm(classifier.queries.positions[0]))
    given = {"latents": c.kv_norm(latents), "query": query, "key": attention.key, "value": attention.value}
    x = classifier.queries.positions[0] + attention.output(call(function, given))
    yours = classifier.heads[0](x + c.mlp(c.mlp_norm(x)))
    wanted = classifier(ids, mask)["answer"]
    rows = [(i, *(f"{v:+.5f}" for v in (*wanted[i], *yours[i]))) for i in range(len(ids))]
    report.table(
        (
            translated("text"),
            translated("library: yes"),
            translated("no"),
            translated("yours: yes"),
            translated("no"),
        ),
        rows,
    )
    difference = distance(yours, wanted)
    report.say(
        translated(
            "A new classifier, not trained yet. Largest difference of a score: {difference:.1e}.",
            difference=difference,
        )
    )
    return difference <= 1e-5 * max(1.0, float(wanted.abs().max()))


EXERCISE = Exercise(
    title="a query of your own",
    about="6 minutes · medium · section 3.2",
    name="ask",
    cases=query_cases,
    variant=query_variant,
    mistakes={
        "wrong": {
            "mean": "This is the plain mean of the values, in which the query has no effect.",
            "no scale": "The scores are not divided by √K.",
            "wrong scale": "The scores are divided by √D, the square root of the latents' width. The dot "
            "product has K terms, so divide by √K.",
            "N scale": "The scores are divided by √N, the square root of the number of latents. The dot "
            "product has K terms, so divide by √K.",
            "texts": "The softmax runs over the texts. It should run over the latents, so that the attention "
            "weights of each text sum to 1.",
            "no softmax": "The scores are used as the attention weights: the softmax is missing.",
            "hardest": "Only the latent with the highest score is used. The softmax gives every latent an "
            "attention weight.",
            "latents": "You average the latents themselves. Average their values, `value(latents)`.",
            "keys": "You average the keys, which only determine the attention weights. Average the values.",
        }
    },
    properties=query_properties,
    sizes=lambda **_: SIZES,
    trains=True,
    in_model=query_in_model,
)
