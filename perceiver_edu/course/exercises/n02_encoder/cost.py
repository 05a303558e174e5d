"""Exercise 02.cost: the multiply-adds of cross-attention, and why N × M."""

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.costs import count_attention_multiply_adds


def cost_cases():
    small = dict(M=13, N=5, C=11, D=7, qk_channels=6, v_channels=8, num_heads=2)
    return {
        "M 13, N 5, C 11, D 7, qk 6, v 8, 2 heads": small,
        "the real model": dict(M=2048, N=256, C=768, D=1280, qk_channels=256, v_channels=1280, num_heads=8),
    }


def cost_variant(M, N, C, D, qk_channels, v_channels, num_heads, wrong=""):
    """Multiply-adds of the encoder's attention -> {"projections": int, "map": int}."""
    output = N * v_channels * D
    projections = N * D * qk_channels + M * C * (qk_channels + v_channels) + output
    attention_map = N * M * (qk_channels + v_channels)
    changed = {
        "flop": (2 * projections, 2 * attention_map),
        "heads": (projections, num_heads * attention_map),
        "M × M": (projections, M * M * (qk_channels + v_channels)),
        "N × N": (projections, N * N * (qk_channels + v_channels)),
        "scores only": (projections, N * M * qk_channels),
        "no output": (projections - output, attention_map),
        "output of M": (projections + (M - N) * v_channels * D, attention_map),
        "widths": (projections, N * M * (C + D)),
        "keys from latents": (N * D * (2 * qk_channels + v_channels) + output, attention_map),
    }
    projections, attention_map = changed.get(wrong, (projections, attention_map))
    return {"projections": projections, "map": attention_map}


def cost_in_model(function, report):
    """The learner's formula beside what torch counts in the pretrained model, for two lengths."""
    c, rows = pretrained().config, []
    for M in (100, 200):  # not N
        if c.max_position_embeddings < M:
            continue
        sizes = dict(M=M, N=c.num_latents, C=c.d_model, D=c.d_latents, qk_channels=c.encoder_qk)
        sizes |= dict(v_channels=c.encoder_v, num_heads=c.num_cross_attention_heads)
        yours = call(function, sizes)
        counted = count_attention_multiply_adds(pretrained().encoder.cross_attend.attention, M, c)
        rows.append((f"M = {M}", counted, sum(yours.values())))
    header = ("attention of the whole model's encoder, multiply-adds", "counted by torch", "your formula")
    return beside(report, header, rows)


EXERCISE = Exercise(
    title="predict the cost of cross-attention",
    about="10 minutes · medium · section 3.1",
    name="multiply_adds",
    cases=cost_cases,
    variant=cost_variant,
    mistakes={
        "wrong": {
            "flop": "These are FLOPs, twice as many: a multiply-add is counted once here.",
            "heads": "The map is multiplied by the number of heads. Each head has only its share of the "
            "channels, so heads cost nothing here.",
            "M × M": "This is self-attention, M × M. Here the N latents ask: the map has N × M entries.",
            "N × N": "This is the processor, N × N. In the encoder the M inputs are the keys: N × M.",
            "scores only": "The map has two products: queries with keys, and weights with values. The "
            "second is missing.",
            "no output": "The output layer is missing: N rows, v_channels to D.",
            "output of M": "The output layer is counted for M rows. What was read has N rows, one for each "
            "latent.",
            "widths": "The map comes after the projections: its widths are qk_channels and v_channels, not "
            "C and D.",
            "keys from latents": "Keys and values come from the M inputs, which are C wide; not from the "
            "latents.",
        }
    },
    in_model=cost_in_model,
)
