"""Exercise 02.cost: what cross-attention costs once, and what each byte adds."""

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.costs import count_attention_multiply_adds


def cost_cases():
    small = dict(N=5, C=11, D=7, qk_channels=6, v_channels=8, num_heads=2)
    return {
        "N 5, C 11, D 7, qk 6, v 8, 2 heads": small,
        "the real model": dict(N=256, C=768, D=1280, qk_channels=256, v_channels=1280, num_heads=8),
    }


def cost_variant(N, C, D, qk_channels, v_channels, num_heads, wrong=""):
    """Multiply-adds of the encoder's attention -> {"once": int, "each": int}: once + each · M."""
    query, output = N * D * qk_channels, N * v_channels * D
    keys_and_values, attention_map = C * (qk_channels + v_channels), N * (qk_channels + v_channels)
    once, each = query + output, keys_and_values + attention_map
    return {
        "": {"once": once, "each": each},
        "flop": {"once": 2 * once, "each": 2 * each},
        "heads": {"once": once, "each": keys_and_values + num_heads * attention_map},
        "N × N": {"once": once + N * attention_map, "each": keys_and_values},
        "no map": {"once": once, "each": keys_and_values},
        "swapped": {"once": each, "each": once},
        "map only": {"once": 0, "each": attention_map},
        "no keys and values": {"once": once, "each": attention_map},
        "scores only": {"once": once, "each": each - N * v_channels},
        "one key": {"once": once, "each": keys_and_values + qk_channels + v_channels},
        "no output": {"once": query, "each": each},
        "no query": {"once": output, "each": each},
        "output of M": {"once": query, "each": each + v_channels * D},
        "query of M": {"once": output, "each": each + D * qk_channels},
        "one latent": {"once": D * (qk_channels + v_channels), "each": each},
        "widths": {"once": once, "each": keys_and_values + N * (C + D)},
        "keys from latents": {"once": once, "each": D * (qk_channels + v_channels) + attention_map},
    }[wrong]


def cost_in_model(function, report):
    """The learner's straight line beside what torch counts in the pretrained model, for two lengths."""
    c, rows = pretrained().config, []
    sizes = dict(N=c.num_latents, C=c.d_model, D=c.d_latents, qk_channels=c.encoder_qk)
    sizes |= dict(v_channels=c.encoder_v, num_heads=c.num_cross_attention_heads)
    yours = call(function, sizes)
    for M in (100, 200):  # not N
        if c.max_position_embeddings < M:
            continue
        counted = count_attention_multiply_adds(pretrained().encoder.cross_attend.attention, M, c)
        rows.append((f"M = {M}", counted, yours["once"] + yours["each"] * M))
    header = (
        translated("attention of the whole model's encoder, multiply-adds"),
        translated("counted by torch"),
        "once + each · M",
    )
    return beside(report, header, rows)


EXERCISE = Exercise(
    title="what cross-attention costs once, and what each byte adds",
    about="12 minutes · medium · appendix E.2",
    name="multiply_adds",
    cases=cost_cases,
    variant=cost_variant,
    mistakes={
        "wrong": {
            "flop": "These are FLOPs, which are twice as many. Count a multiply-add once here.",
            "heads": "The map is multiplied by the number of heads. Each head has only a fraction of the "
            "channels, so splitting into heads adds nothing.",
            "N × N": "The map is counted as N × N, as in the processor. In the encoder, each byte adds a "
            "column of N entries, which belongs to `each`.",
            "no map": "The map is missing. Each byte adds N entries to Q · Kᵀ and N rows to weights · V.",
            "swapped": "The two numbers are swapped. `each` is what one more byte costs, and `once` is "
            "what does not depend on M.",
            "map only": "The four layers are missing. Query and output belong to `once`, key and value to "
            "`each`.",
            "no keys and values": "The layers that compute keys and values are missing. Each byte passes "
            "through both.",
            "scores only": "The map takes two products, queries with keys and weights with values. The "
            "second is missing.",
            "one key": "The map is counted for one latent. Each byte is compared with all N latents.",
            "no output": "The output layer is missing: N rows, v_channels to D.",
            "no query": "The query layer is missing: N rows, D to qk_channels.",
            "output of M": "The output layer is counted for each byte. Attention returns N rows, one for "
            "each latent, however long the text is.",
            "query of M": "The query layer is counted for each byte. Queries come from the N latents, "
            "however long the text is.",
            "one latent": "`once` is counted for one latent. There are N of them.",
            "widths": "The map comes after the projections, so its widths are qk_channels and v_channels, "
            "not C and D.",
            "keys from latents": "Keys and values are computed from the inputs, which have C channels, not "
            "D.",
        }
    },
    in_model=cost_in_model,
)
