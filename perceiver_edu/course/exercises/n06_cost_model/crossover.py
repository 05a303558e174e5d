"""Exercise 06.crossover: where the bytes cost as much as the depth."""

import math

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import SMALL, price


def crossover_cases():
    return {"5 small layers": {"cost": price(SMALL)}, "the real model": {"cost": price(PerceiverIOConfig())}}


def crossover_variant(cost, grows=("encoder", "decoder", "mlm_head"), mean=None, fixed=0, ends=None):
    """Bytes, read and asked, whose price equals the processor's."""
    one, two = cost(1000, 1000), cost(2000, 2000)
    if mean:
        at, depth = mean  # a length, and whether the processor is divided too
        total = cost(at, at)
        per_byte = (sum(total.values()) - (0 if depth else total["processor"])) / at
    else:
        per_byte = sum(two[stage] - one[stage] for stage in grows) / 1000
    rest = sum(one.values()) - one["processor"] - 1000 * per_byte  # what encoder and decoder cost at 0 bytes
    bytes_ = (one["processor"] + fixed * rest) / per_byte
    return {None: bytes_, "floor": float(int(bytes_)), "ceil": float(math.ceil(bytes_))}[ends]


EXERCISE = Exercise(
    title="where the bytes cost as much as the depth",
    about="6 minutes · medium · section 3.1",
    name="crossover",
    cases=crossover_cases,
    variant=crossover_variant,
    mistakes={
        "grows": {
            ("encoder",): "Only the bytes that are read are counted. They are asked for too: decoder and "
            "head grow with O.",
            ("decoder", "mlm_head"): "Only the bytes that are asked are counted. They are read too: the "
            "encoder grows with M.",
            ("encoder", "decoder"): "The head is missing. It too has a price for each byte that is asked.",
        },
        "mean": {
            (at, depth): "You divide the cost of the bytes by their number"
            + (", the processor's share too" if depth else "")
            + ". A part of it is fixed, so that is no price of one *further* byte: take a difference."
            for depth in (False, True)
            for at in (1, 1000, 2000, 2048)  # lengths that learners try
        },
        "fixed": {
            1: "You take all that is fixed: also what encoder and decoder cost for the latents alone. "
            "Asked is the processor.",
            -1: "You take the fixed part of encoder and decoder off the processor. Asked is where the bytes "
            "cost as much as the whole processor.",
        },
        "ends": {
            "floor": "The number is right, but cut to whole bytes. Return it as it is.",
            "ceil": "The number is right, but rounded to whole bytes. Return it as it is.",
        },
    },
)
