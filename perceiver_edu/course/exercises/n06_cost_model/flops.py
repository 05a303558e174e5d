"""Exercise 06.flops: the FLOPs of the whole model, from one attend."""

from perceiver_edu.config import DECODER_QK_CHANNELS
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.costs import count_multiply_adds
from perceiver_edu.stages import STAGES

COUNTED = [*STAGES][1:]  # an embedding multiplies nothing


def flops_cases():
    small = dict(B=3, M=13, O=11, N=5, C=17, D=7, L=2, V=19, qk=6, v=8, decoder_qk=9)
    real = dict(B=1, M=2048, O=1024, N=256, C=768, D=1280, L=26, V=262, qk=256, v=1280, decoder_qk=256)
    return {"small": small, "the real model": real}


def flops_variant(B, M, O, N, C, D, L, V, qk, v, decoder_qk, unit=2, texts="", depth="", read="", map_="",
                  values="C", wrong=""):  # fmt: skip
    """FLOPs of each stage that multiplies -> {"encoder": int, …}."""

    def attend(Q, q_dim, K, kv_dim, qk, v):
        columns = M if map_ == "M × M" else K
        width = qk if map_ == "scores only" else qk + v
        rows = Q if wrong == "values from the queries" else K
        parts = {
            "query": Q * q_dim * qk,
            "key, value": rows * (q_dim if wrong == "values from the queries" else kv_dim) * (qk + v),
            "map": Q * columns * width,
            "output": Q * v * q_dim,
            "mlp": 2 * Q * q_dim * q_dim,
        }
        if wrong == "one mlp layer":
            parts["mlp"] //= 2
        return sum(value for name, value in parts.items() if name != {"no mlp": "mlp"}.get(wrong, wrong))

    asked = M if read == "all" else O
    macs = {
        "encoder": attend(N, D, M, C, qk, v),
        "processor": (1 if depth == "one" else L) * attend(N, D, N, D, qk, v),
        "decoder": attend(asked, C, N, D, decoder_qk, C if values == "C" else v),
        "mlm_head": asked * C * V,
    }
    return {stage: unit * (1 if texts == "one" else B) * macs[stage] for stage in COUNTED}


def flops_in_model(function, report):
    """The learner's formula beside what torch counts, for the pretrained model's own sizes."""
    c = pretrained().config
    widths = {c.encoder_qk, c.processor_qk}, {c.encoder_v, c.processor_v}
    if any(len(width) > 1 for width in widths) or c.num_blocks > 1 or c.self_attention_widening_factor > 1:
        report.say(
            translated(
                "These weights have sizes that the formula does not cover, so it is not tried on them."
            )
        )
        return True
    M, O = min(100, c.max_position_embeddings), min(9, c.max_position_embeddings)
    sizes = dict(B=1, M=M, O=O, N=c.num_latents, C=c.d_model, D=c.d_latents)
    sizes |= dict(L=c.num_self_attends_per_block, V=c.vocab_size, qk=c.encoder_qk, v=c.encoder_v)
    yours = call(function, sizes | {"decoder_qk": DECODER_QK_CHANNELS})
    counted = count_multiply_adds(c, M, O)
    rows = [(stage, 2 * counted[stage], yours[stage]) for stage in COUNTED]
    header = (
        translated("pretrained model, M = {M}, O = {O}", M=M, O=O),
        translated("FLOPs, counted by torch"),
        translated("your formula"),
    )
    return beside(report, header, rows)


EXERCISE = Exercise(
    title="the FLOPs of the whole model",
    about="8 minutes · medium · appendix E",
    name="flops",
    cases=flops_cases,
    variant=flops_variant,
    mistakes={
        "unit": {1: "These are multiply-adds. One multiply-add is two FLOPs."},
        "texts": {"one": "This is the cost of one text. There are B texts."},
        "depth": {"one": "This is the cost of one layer of the processor. There are L layers."},
        "read": {
            "all": "Decoder and head are counted for the M input bytes. They work on the O requested outputs."
        },
        "map_": {
            "M × M": "The map has M columns in every stage. It should have one for each row that is attended "
            "to: M in the encoder, N in processor and decoder.",
            "scores only": "The map takes two products, queries with keys and weights with values. The "
            "second is missing.",
        },
        "values": {"v": "The decoder's values have `v` channels in your count. There they have C."},
        "wrong": {
            "query": "The query layer is missing: Q rows, q_dim to qk.",
            "output": "The output layer is missing: Q rows, v back to q_dim.",
            "no mlp": "The MLP is missing: two layers on each of the Q rows.",
            "one mlp layer": "The MLP has two layers. One is missing.",
            "values from the queries": "Keys and values are computed from the array that gives the queries. "
            "They should come from the other one: K rows of kv_dim.",
        },
    },
    in_model=flops_in_model,
)
