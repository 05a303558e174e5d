"""Exercise 04.savings: which share of the decoder, and of the whole model, the asked positions save."""

from perceiver_edu.course.comparison import same
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.costs import count_multiply_adds


def savings_cases():
    small = dict(M=19, O=17, asked=3, N=5, E=8, D=7, qk_channels=6, v_channels=9, V=11)
    real = dict(M=2048, O=2048, asked=9, N=256, E=768, D=1280, qk_channels=256, v_channels=768, V=262)
    return {
        "small": small | {"fixed": 15_000, "each_byte": 251},
        "the real model": real | {"fixed": 51_942_260_736, "each_byte": 1_572_864},
    }


def savings_variant(
    M, O, asked, N, E, D, qk_channels, v_channels, V, fixed, each_byte, cost="", share="", length=""
):  # fmt: skip
    """Multiply-adds of decoder and head, what fewer queries save, and where length costs as much as depth."""
    rest = fixed if length == "rest" else fixed + M * each_byte
    width = qk_channels + v_channels
    once = N * D * width
    parts = {
        "query": E * qk_channels,
        "scores": N * qk_channels,
        "mix": N * v_channels,
        "output": v_channels * E,
        "mlp": 2 * E * E,
        "head": E * V,
    }
    missing = {"no map": ("scores", "mix"), "scores only": ("mix",), "no query": ("query",)}
    missing |= {"no output": ("output",), "no mlp": ("mlp",), "no head": ("head",)}
    each = sum(value for name, value in parts.items() if name not in missing.get(cost, ()))
    if cost == "one mlp layer":
        each -= E * E
    if cost == "O × O":
        each += (O - N) * width
    if cost == "keys from queries":
        once = N * E * width
    if cost == "again for each":
        once, each = 0, each + once
    if cost == "flop":
        once, each = 2 * once, 2 * each
    total, saved = once + O * each, (O - asked) * each
    if share == "proportional":
        saved = total * (O - asked) / O
    decoder, whole = saved / total, saved / (rest + total)
    balance = {
        "stack alone": fixed / (each_byte + each),
        "outputs alone": (fixed + once) / each,
        "inputs alone": (fixed + once) / each_byte,
        "with M": (rest + once) / (each_byte + each),
    }.get(length, (fixed + once) / (each_byte + each))
    return {"once": once, "each": each, "balance": balance} | {
        "": {"decoder": decoder, "model": whole},
        "proportional": {"decoder": decoder, "model": whole},
        "decoder in proportion": {"decoder": (O - asked) / O, "model": whole},
        "left": {"decoder": 1 - decoder, "model": 1 - whole},
        "of the rest": {"decoder": decoder, "model": saved / rest},
        "percent": {"decoder": 100 * decoder, "model": 100 * whole},
    }[share]


def savings_in_model(function, report):
    """The learner's formula beside what torch counts, for the pretrained model's own sizes."""
    c = pretrained().config
    attention = pretrained().decoder.cross_attend.attention
    M, O, asked = min(64, c.max_position_embeddings // 2), c.max_position_embeddings, 9
    counted = {queries: count_multiply_adds(c, M, queries) for queries in (O, asked)}
    both = {queries: parts["decoder"] + parts["mlm_head"] for queries, parts in counted.items()}
    longer = count_multiply_adds(c, 2 * M, asked)["encoder"]
    each_byte = (longer - counted[asked]["encoder"]) // M
    sizes = dict(M=M, O=O, asked=asked, N=c.num_latents, E=c.d_model, D=c.d_latents)
    sizes |= dict(qk_channels=attention.query.out_features, v_channels=attention.value.out_features)
    fixed = counted[O]["all"] - both[O] - M * each_byte
    sizes |= dict(V=c.vocab_size, fixed=fixed, each_byte=each_byte)  # in the order of the stub
    yours = call(function, sizes)
    rows = [
        (translated("{number} queries", number=q), both[q], yours["once"] + q * yours["each"]) for q in both
    ]
    header = (
        translated("the whole model's decoder and head, multiply-adds"),
        translated("counted by torch"),
        translated("your formula"),
    )
    equal = beside(report, header, rows)
    share = 1 - counted[asked]["all"] / counted[O]["all"]
    report.say(
        translated(
            "For the whole model, torch counts {share:.1%} saved; your formula says {yours:.1%}.",
            share=share,
            yours=yours["model"],
        )
    )
    report.say(
        translated(
            "Length costs as much as depth at {length:,.0f} bytes in and out, by your formula; this "
            "model takes at most {longest}.",
            length=yours["balance"],
            longest=O,
        )
    )
    return equal and same(share, yours["model"])


EXERCISE = Exercise(
    title="predict the cost of the whole model",
    about="15 minutes · hard · appendix E.2",
    name="savings",
    cases=savings_cases,
    variant=savings_variant,
    mistakes={
        "cost": {
            "flop": "These are FLOPs, which are twice as many. Count a multiply-add once here, as in "
            "`fixed`.",
            "again for each": "Keys and values are counted for each query. All queries use the same ones, "
            "which are computed once.",
            "keys from queries": "Keys and values are computed from the latents, which have D channels, not "
            "E.",
            "O × O": "You counted a map of O × O entries, as if queries attended to each other. A query "
            "attends to the N latents.",
            "no map": "The map is missing. Each query is compared with N keys and mixes N values.",
            "scores only": "The map takes two products, queries with keys and weights with values. The "
            "second is missing.",
            "no query": "The query layer is missing: E to qk_channels.",
            "no output": "The output layer is missing: v_channels to E.",
            "no mlp": "The MLP is missing: two layers, E to E each.",
            "one mlp layer": "The MLP has two layers, E to E each. One is missing.",
            "no head": "The head is missing. Each output is compared with V embeddings.",
        },
        "share": {
            "proportional": "Your fractions are 1 - asked / O. The saving is not proportional, because keys "
            "and values are computed even for a single query.",
            "decoder in proportion": "Your decoder's fraction is 1 - asked / O. The saving is not "
            "proportional, because keys and values are computed even for a single query.",
            "left": "These fractions are what remains. Return what is saved.",
            "of the rest": "You divided by the cost of encoder and processor alone. The whole model includes "
            "decoder and head, too.",
            "percent": "These are percentages. Return fractions of 1.",
        },
        "length": {
            "rest": "What the M bytes cost in the encoder is missing from the whole: M · each_byte.",
            "stack alone": "The decoder's `once` is missing from what does not grow with the text.",
            "outputs alone": "Only the outputs grow in your `balance`. With as many bytes in as out, both "
            "grow: each_byte + each.",
            "inputs alone": "Only the inputs grow in your `balance`. With as many bytes out as in, both "
            "grow: each_byte + each.",
            "with M": "The cost of the M bytes is counted as part of what does not grow. In `balance`, the "
            "length is the unknown.",
        },
    },
    in_model=savings_in_model,
)
