"""Exercise 06.transformer: the length at which a Transformer becomes more expensive."""

import math

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.comparison import same
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import SMALL, price
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained


def transformer_cases():
    small = dict(cost=price(SMALL), D=24, L=5, V=262, qk=8, v=20)
    real = dict(cost=price(PerceiverIOConfig()), D=1280, L=26, V=262, qk=256, v=1280)
    return {"5 small layers": small, "the real model": real}


def transformer_variant(cost, D, L, V, qk, v, map_="both", layers="all", asked="all", unit=2, head=True,
                        price="all", ends=None):  # fmt: skip
    """The length at which a Transformer on the bytes costs as much: the larger root of a quadratic."""
    pair = {"both": qk + v, "scores only": qk, "none": 0}[map_]
    byte = D * (2 * qk + v) + v * D + (2 * D * D if layers == "all" else 0)
    square, linear = unit * L * pair, unit * (L * byte + (D * V if head else 0))
    one, two = (sum(cost(M, M if asked == "all" else 1).values()) for M in (1000, 2000))
    slope = (two - one) / 1000
    fixed = cost(1, 1)["processor"] if price == "processor fixed" else one - 1000 * slope
    a, b = square, linear - (0 if price == "none" else slope)
    length = (-b + math.sqrt(b * b + 4 * a * fixed)) / (2 * a) if a else fixed / b
    return {None: length, "floor": float(int(length)), "ceil": float(math.ceil(length))}[ends]


def transformer_in_model(function, report):
    """Both costs at and around the learner's length, for the pretrained model's own sizes."""
    c = pretrained().config
    sizes = dict(D=c.d_latents, L=c.num_self_attends_per_block, V=c.vocab_size, qk=c.processor_qk)
    given = {"cost": price(c)} | sizes | {"v": c.processor_v}
    if not c.num_self_attends_per_block or c.num_blocks > 1 or c.self_attention_widening_factor > 1:
        report.say(
            translated(
                "These weights have sizes that the formula does not cover, so it is not tried on them."
            )
        )
        return True
    yours, right = call(function, given), transformer_variant(**given)
    report.table(
        (translated("pretrained model"), translated("bytes")),
        [(translated("your length"), f"{yours:,.1f}"), ("N", c.num_latents)],
    )
    return same(yours, right)


EXERCISE = Exercise(
    title="the length at which a Transformer becomes more expensive",
    about="8 minutes · hard · section 3.1",
    name="equal_length",
    cases=transformer_cases,
    variant=transformer_variant,
    mistakes={
        "map_": {
            "none": "The Transformer's map is missing: M × M in each layer.",
            "scores only": "The Transformer's map takes two products, with the keys and with the values. The "
            "second is missing.",
        },
        "layers": {"attention": "The Transformer's MLP is missing: D to D, twice, in each layer."},
        "unit": {
            1: "You count the Transformer in multiply-adds, but `cost` gives FLOPs. One multiply-add is two "
            "FLOPs."
        },
        "asked": {
            "one": "You request one output from Perceiver IO and all M from the Transformer. Request all M "
            "from both: `cost(M, M)`."
        },
        "head": {False: "The Transformer's head is missing: D to V for each byte."},
        "price": {
            "none": "You compare only the fixed part of Perceiver IO's cost. Add its price for each byte.",
            "processor fixed": "You take the processor alone as Perceiver IO's fixed part. Encoder and "
            "decoder have a fixed part, too, for the latents.",
        },
        "ends": {
            "floor": "The number is right, but rounded down to whole bytes. Return it as it is.",
            "ceil": "The number is right, but rounded up to whole bytes. Return it as it is.",
        },
    },
    in_model=transformer_in_model,
)
