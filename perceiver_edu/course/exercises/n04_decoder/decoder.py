"""Exercise 04.decoder: queries attend to the latents, without a query residual."""

import torch

from perceiver_edu.attention import CrossAttend
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import agree, numbers, redrawn
from perceiver_edu.course.exercises.modules import module_or_function
from perceiver_edu.course.swap import call, into_model, pretrained

LAYERS = ("q_norm", "kv_norm", "attention", "mlp_norm", "mlp")
SIZES = {"B": 2, "O": 3, "N": 5, "E": 8, "D": 7, "qk_channels": 12, "v_channels": 10}


def decoder_arguments(num_texts, seed):
    """queries (num_texts, O, E) and latents (B, N, D), with the layers of one cross-attend."""
    s, draw = SIZES, numbers(seed)
    layers = CrossAttend(s["E"], s["D"], s["qk_channels"], s["v_channels"], 2, widening_factor=2)
    layers = redrawn(layers, draw)
    queries, latents = draw(num_texts, s["O"], s["E"]), draw(s["B"], s["N"], s["D"])
    return {"queries": queries, "latents": latents} | {name: getattr(layers, name) for name in LAYERS}


def decoder_cases():
    return {
        "queries of their own for each text, (B, O, E)": decoder_arguments(SIZES["B"], seed=1),
        "the same queries for all texts, (1, O, E)": decoder_arguments(1, seed=2),
    }


def library_decoder(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    """queries (B or 1, O, E), latents (B, N, D) -> outputs (B, O, E), by our class."""
    cross_attend = CrossAttend(8, 7, 12, 10, 2, query_residual=False).eval()
    given = zip(LAYERS, (q_norm, kv_norm, attention, mlp_norm, mlp), strict=True)
    for name, layer in given:
        setattr(cross_attend, name, layer)
    return cross_attend(queries.expand(len(latents), -1, -1), latents)


@torch.no_grad()
def decoder_variant(
    queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp,
    residual="none", q="q_norm", kv="kv_norm", axis="keys", mlp_in="mlp_norm", end="x", texts="all",
):  # fmt: skip
    """The decoder with a switch for each mistake that many make; untouched, it is right."""
    queries = queries.expand(len(latents), -1, -1)
    latents = latents[:1].expand_as(latents) if texts == "first" else latents
    norms = {"q_norm": q_norm, "kv_norm": kv_norm, "mlp_norm": mlp_norm, "none": lambda x: x}
    asking, answering = norms[q](queries), norms[kv](latents)
    if axis == "keys":
        x = attention(asking, answering)
    else:
        heads = [layer(x) for layer, x in ((attention.query, asking), (attention.key, answering))]
        heads = [attention.split_heads(x) for x in [*heads, attention.value(answering)]]
        scores = heads[0] @ heads[1].transpose(-2, -1) / heads[0].shape[-1] ** 0.5
        x = attention.output((scores.softmax(-2) @ heads[2]).transpose(1, 2).flatten(2))
    x = {"none": x, "queries": x + queries, "normed": x + asking}[residual]
    normed = norms[mlp_in](x)
    y = mlp(normed)
    return {"x": x + y, "y": y, "normed": normed + y, "queries": queries + y, "no mlp": x}[end]


def decoder_properties(arguments):
    def where_only(call):
        longer = arguments | {"queries": 2 * arguments["queries"]}
        return agree(call(**longer), call(**arguments), limit=1e-3)

    def alone(call):
        few = arguments | {"queries": arguments["queries"][:, 1:2]}
        return agree(call(**few), call(**arguments)[:, 1:2])

    def order(call):
        turned = arguments | {"latents": arguments["latents"].flip(1)}
        return agree(call(**turned), call(**arguments))

    yield "a query of twice the norm gives the same output", where_only
    yield "the queries do not affect each other", alone
    yield "the order of the latents makes no difference", order


def decoder_sizes(attention, mlp, **_):
    """What a learner's module is built with."""
    return {
        "d_queries": attention.query.in_features,
        "d_latents": attention.key.in_features,
        "qk_channels": attention.query.out_features,
        "v_channels": attention.value.out_features,
        "num_heads": attention.num_heads,
        "widening_factor": mlp.expand.out_features // mlp.expand.in_features,
    }


def decoder_in_model(function, report):
    cross_attend = pretrained().decoder.cross_attend
    layers = {name: getattr(cross_attend, name) for name in LAYERS}

    def replacement(queries, latents):
        return call(function, {"queries": queries, "latents": latents} | layers)

    return into_model("decoder", replacement, report)


EXERCISE = Exercise(
    title="a decoder without query residual",
    about="8 minutes · medium · section 3.2, appendix E.1",
    name="decode",
    cases=decoder_cases,
    reference=library_decoder,
    variant=decoder_variant,
    mistakes={
        "residual": {
            "queries": "The queries are added to the output of attention. That is the query residual, which "
            "the encoder has and the decoder does not: a query says where, and its numbers are not part of "
            "the answer.",
            "normed": "The normalised queries are added to the output of attention. The decoder has no query "
            "residual at all.",
        },
        "q": {
            "none": "The queries enter attention without `q_norm`.",
            "mlp_norm": "The queries are normalised with `mlp_norm`. It has the same width as `q_norm`, but "
            "different weights; use `q_norm`.",
        },
        "kv": {"none": "The latents enter attention without `kv_norm`."},
        "axis": {
            "queries": "The softmax runs over the queries. It should run over the latents, the last axis, so "
            "that each query's attention weights sum to 1."
        },
        "mlp_in": {
            "none": "The MLP gets its input without `mlp_norm`.",
            "q_norm": "The MLP's input is normalised with `q_norm`. It has the same width as `mlp_norm`, but "
            "different weights; use `mlp_norm`.",
        },
        "end": {
            "y": "You return only the output of the MLP. There is a residual around it, x + mlp(…); only the "
            "query residual is left out.",
            "normed": "The MLP's output is added to its own normalised input. Keep x as it was before the "
            "norm: x + mlp(mlp_norm(x)).",
            "queries": "The MLP's output is added to the queries. Add it to x, the output of attention.",
            "no mlp": "The MLP is missing: after attention comes x + mlp(mlp_norm(x)).",
        },
        "texts": {"first": "The latents of the first text are used for every text. Keep the batch axis."},
    },
    properties=decoder_properties,
    sizes=lambda **_: SIZES,
    accept=module_or_function(decoder_sizes),
    trains=True,
    in_model=decoder_in_model,
)
