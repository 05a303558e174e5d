"""Exercises 06.crossover and 06.transformer: from which length on the bytes cost more than something else."""

import math

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.exercise import Exercise, Mistake
from perceiver_edu.course.guard import run
from perceiver_edu.course.swap import pretrained
from perceiver_edu.instruments.costs import stage_costs

SMALL = PerceiverIOConfig(
    max_position_embeddings=64,
    d_model=16,
    num_latents=6,
    d_latents=24,
    num_self_attends_per_block=5,
    num_self_attention_heads=2,
    num_cross_attention_heads=2,
    qk_channels=8,
    v_channels=24,
)


class Price:
    """FLOPs by stage of one text of M bytes, O of them asked: `cost(M, O)`."""

    def __init__(self, config):
        self.config = config

    def __call__(self, M, O):
        return {cost.stage: cost.flops for cost in stage_costs(self.config, M, O)}

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"the costs of a model with {self.config.num_self_attends_per_block} layers"


def rounded(result, arguments):
    """Six digits: in which order a learner divides makes no difference."""
    return float(f"{float(result):.6g}") if isinstance(result, int | float) else result


def crossover_cases():
    return {
        "5 small layers": {"cost": Price(SMALL)},
        "the real model": {"cost": Price(PerceiverIOConfig())},
    }


def crossover_variant(cost, grows=("encoder", "decoder", "mlm_head"), mean=False, whole=False, ends=None):
    """Bytes, read and asked, whose price equals the processor's."""
    one, two = cost(1000, 1000), cost(2000, 2000)
    if mean:
        per_byte = sum(two[stage] for stage in grows) / 2000
    else:
        per_byte = sum(two[stage] - one[stage] for stage in grows) / 1000
    flat = sum(one.values()) - 1000 * per_byte if whole else one["processor"]
    bytes_ = flat / per_byte
    return {None: bytes_, "floor": float(int(bytes_)), "ceil": float(math.ceil(bytes_))}[ends]


CROSSOVER = Exercise(
    id="06.crossover",
    title="where the bytes cost as much as the depth",
    minutes=6,
    difficulty=2,
    paper="section 3.1",
    name="crossover",
    cases=crossover_cases,
    reference=lambda cost: rounded(crossover_variant(cost), {}),
    variant=crossover_variant,
    mistakes={
        "read": Mistake(
            "Only the bytes that are read are counted. They are asked for too: decoder and head grow with O.",
            {"grows": ("encoder",)},
        ),
        "asked": Mistake(
            "Only the bytes that are asked are counted. They are read too: the encoder grows with M.",
            {"grows": ("decoder", "mlm_head")},
        ),
        "no head": Mistake(
            "The head is missing. It too has a price for each byte that is asked.",
            {"grows": ("encoder", "decoder")},
        ),
        "mean": Mistake(
            "You divide the whole price by the number of bytes. A part of it is fixed, so that is no "
            "price of "
            "one *further* byte: take the difference of two lengths.",
            {"mean": True},
        ),
        "whole": Mistake(
            "You take all that is fixed: also what encoder and decoder cost for the latents alone. Asked "
            "is the "
            "processor.",
            {"whole": True},
        ),
        "floor": Mistake(
            "The number is right, but cut to whole bytes. Return it as it is.", {"ends": "floor"}
        ),
        "ceil": Mistake(
            "The number is right, but rounded up to whole bytes. Return it as it is.", {"ends": "ceil"}
        ),
    },
    observe=rounded,
)


def transformer_cases():
    small = dict(cost=Price(SMALL), D=24, L=5, V=262, qk=8, v=24)
    real = dict(cost=Price(PerceiverIOConfig()), D=1280, L=26, V=262, qk=256, v=1280)
    return {"5 small layers": small, "the real model": real}


def transformer_variant(cost, D, L, V, qk, v, map_="both", layers="all", asked="all", unit=2, head=True):
    """The length at which a Transformer on the bytes costs as much: the larger root of a quadratic."""
    pair = {"both": qk + v, "scores only": qk, "none": 0}[map_]
    byte = D * (2 * qk + v) + v * D + (2 * D * D if layers == "all" else 0)
    square, linear = unit * L * pair, unit * (L * byte + (D * V if head else 0))
    one, two = (sum(cost(M, M if asked == "all" else 1).values()) for M in (1000, 2000))
    slope = (two - one) / 1000
    fixed = one - 1000 * slope
    a, b = square, linear - slope
    if not a:
        return fixed / b
    return (-b + math.sqrt(b * b + 4 * a * fixed)) / (2 * a)


def transformer_in_model(function, report):
    """Both costs at and around the learner's length, for the pretrained model's own sizes."""
    c = pretrained().config
    sizes = dict(D=c.d_latents, L=c.num_self_attends_per_block, V=c.vocab_size, qk=c.processor_qk)
    given = {"cost": Price(c)} | sizes | {"v": c.processor_v}
    if not c.num_self_attends_per_block or c.num_blocks > 1 or c.self_attention_widening_factor > 1:
        report.say("These weights have sizes that this formula does not speak of; it is not tried on them.")
        return True
    yours, right = (
        rounded(f, {}) for f in (run(function, given, quiet=True).value, transformer_variant(**given))
    )
    report.table(("pretrained model", "bytes"), [("your length", f"{yours:,.1f}"), ("N", c.num_latents)])
    return yours == right


TRANSFORMER = Exercise(
    id="06.transformer",
    title="from which length on a Transformer costs more",
    minutes=8,
    difficulty=3,
    paper="section 3.1",
    name="equal_length",
    cases=transformer_cases,
    reference=lambda **sizes: rounded(transformer_variant(**sizes), {}),
    variant=transformer_variant,
    mistakes={
        "no map": Mistake("The Transformer's map is missing: M × M in each layer.", {"map_": "none"}),
        "scores only": Mistake(
            "The Transformer's map takes part in two products, with the keys and with the values. The second "
            "is missing.",
            {"map_": "scores only"},
        ),
        "no mlp": Mistake(
            "The Transformer's MLP is missing: D to D, twice, in each layer.", {"layers": "attention"}
        ),
        "macs": Mistake(
            "The Transformer is counted in multiply-adds, and `cost` in FLOPs. A multiply-add is two FLOPs.",
            {"unit": 1},
        ),
        "asked": Mistake(
            "Perceiver IO is asked for one byte, the Transformer for all M. Ask both for all: `cost(M, M)`.",
            {"asked": "one"},
        ),
        "no head": Mistake("The Transformer's head is missing: D to V for each byte.", {"head": False}),
    },
    observe=rounded,
    in_model=transformer_in_model,
)
