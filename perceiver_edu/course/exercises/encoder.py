"""Exercises of notebook 02: cross-attention, its mask and its cost."""

import torch

from perceiver_edu.course.exercise import Exercise, Mistake
from perceiver_edu.course.exercises.cross_attention import CROSS_ATTENTION
from perceiver_edu.course.guard import Misfit, run
from perceiver_edu.course.plug import counted_multiply_adds, pretrained

# ---------------------------------------------------------------- the additive mask


def mask_cases():
    lengths = torch.tensor([[5], [2], [4]])
    mask = torch.arange(6) < lengths  # (B, K) = (3, 6)
    hole = mask.clone()
    hole[0, 2] = False  # not every mask is padding at the end
    return {
        "float32": {"mask": mask, "dtype": torch.float32},
        "padding at the end": {"mask": mask, "dtype": torch.float64},
        "a hole in the middle": {"mask": hole, "dtype": torch.float64},
    }


def library_mask(mask, dtype):
    bias = torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
    return attention_with(bias[:, None, None, :], {"mask": mask})


def attention_with(bias, arguments):
    """What the bias does: softmax(scores + bias) for large scores, (B, heads, Q, K)."""
    if not isinstance(bias, torch.Tensor):
        return bias
    B, K = arguments["mask"].shape
    generator = torch.Generator().manual_seed(6)
    scores = 100 * torch.randn(B, 4, 5, K, generator=generator, dtype=torch.float64)
    if bias.dtype == torch.bool or not bias.is_floating_point():
        raise Misfit(f"expected floating-point numbers, which can be added to scores; got {bias.dtype}.")
    try:
        total = scores + bias.double()
    except RuntimeError:
        total = None
    if total is None or total.shape != scores.shape:
        raise Misfit(
            f"the bias must fit the scores (B, heads, Q, K) = {tuple(scores.shape)} when it is added. "
            f"Expected shape ({B}, 1, 1, {K}), got {tuple(bias.shape)}."
        )
    return total.softmax(-1)


def mask_variant(mask, dtype, wrong=""):
    low = torch.finfo(dtype).min
    real = mask[:, None, None, :]
    zeros = torch.zeros(real.shape, dtype=dtype)
    return {
        "": zeros.masked_fill(~real, low),
        "inverted": zeros.masked_fill(real, low),
        "one": real.to(dtype),
        "zero": zeros,
        "ten": zeros.masked_fill(~real, -10.0),
        "positive": zeros.masked_fill(~real, torch.finfo(dtype).max),
        "hundred": zeros.masked_fill(~real, -100.0),
    }[wrong]


def mask_properties(arguments):
    mask = torch.tensor([[True, True, False], [False, False, False]])

    def shape(call):
        seen = tuple(call(**arguments).shape)
        B, K = arguments["mask"].shape
        return seen == (B, 1, 1, K), f"expected ({B}, 1, 1, {K}), got {seen}"

    def dtype(call):
        seen = call(**arguments).dtype
        return seen == arguments["dtype"], f"expected {arguments['dtype']}, got {seen}"

    def real(call):
        largest = float(call(**arguments)[:, 0, 0][arguments["mask"]].abs().max())
        return largest == 0, f"largest {largest:.3g}"

    def finite(call):
        weights = (torch.zeros(2, 1, 1, 3) + call(mask=mask, dtype=torch.float32)).softmax(-1)
        bad = int(weights.isnan().sum())
        return bad == 0, "no NaN" if not bad else f"{bad} NaN: -inf minus -inf. Use torch.finfo(dtype).min"

    yield "one bias for every head and query: shape (B, 1, 1, K)", shape
    yield "the bias has the dtype that was asked for", dtype
    yield "a real byte gets 0", real
    yield "a text of padding alone gives no NaN after the softmax", finite


ADDITIVE_MASK = Exercise(
    id="02.additive_mask",
    title="from a bool mask to a bias on the scores",
    minutes=8,
    difficulty=1,
    paper="appendix E",
    name="additive_mask",
    cases=mask_cases,
    reference=library_mask,
    variant=mask_variant,
    mistakes={
        "inverted": Mistake(
            "The mask is inverted: the real bytes are pushed down. True means a real byte.",
            {"wrong": "inverted"},
        ),
        "one": Mistake(
            "This is the mask as numbers, 1 apart. That is not enough: padding must fall below any score.",
            {"wrong": "one"},
        ),
        "zero": Mistake(
            "Padding gets 0, or next to nothing, so it is read like text. `torch.finfo(dtype).tiny` is a "
            "positive number next to 0; `.min` is the most negative one.",
            {"wrong": "zero"},
        ),
        "ten": Mistake("Padding gets -10. Scores can be larger than that.", {"wrong": "ten"}),
        "hundred": Mistake("Padding gets -100. Scores can be larger than that.", {"wrong": "hundred"}),
        "positive": Mistake(
            "Padding gets a large positive number: now all attention goes there. It must be negative.",
            {"wrong": "positive"},
        ),
    },
    properties=mask_properties,
    observe=lambda result, arguments: attention_with(result, arguments),
    sizes=lambda **_: {"B": 3, "heads": 4, "Q": 5, "K": 6},
)

# ---------------------------------------------------------------- why N × M


def cost_cases():
    return {
        "small": dict(M=13, N=5, C=11, D=7, qk_channels=6, v_channels=8, num_heads=2),
        "the real model": dict(M=2048, N=256, C=768, D=1280, qk_channels=256, v_channels=1280, num_heads=8),
    }


def cost_variant(M, N, C, D, qk_channels, v_channels, num_heads, wrong=""):
    """Multiply-adds of the encoder's attention -> {"projections": int, "map": int}."""
    projections = N * D * qk_channels + M * C * (qk_channels + v_channels) + N * v_channels * D
    attention_map = N * M * (qk_channels + v_channels)
    return {
        "": {"projections": projections, "map": attention_map},
        "flop": {"projections": 2 * projections, "map": 2 * attention_map},
        "heads": {"projections": projections, "map": num_heads * attention_map},
        "M × M": {"projections": projections, "map": M * M * (qk_channels + v_channels)},
        "N × N": {"projections": projections, "map": N * N * (qk_channels + v_channels)},
        "scores only": {"projections": projections, "map": N * M * qk_channels},
        "no output": {"projections": projections - N * v_channels * D, "map": attention_map},
        "widths": {"projections": projections, "map": N * M * (C + D)},
        "keys from latents": {
            "projections": N * D * (2 * qk_channels + v_channels) + N * v_channels * D,
            "map": attention_map,
        },
    }[wrong]


def cost_in_model(function, report):
    """The learner's formula beside what torch counts in the pretrained model, for two lengths."""
    c, rows, ok = pretrained().config, [], True
    for M in (64, 128):
        if c.max_position_embeddings < M:
            continue
        sizes = dict(M=M, N=c.num_latents, C=c.d_model, D=c.d_latents, qk_channels=c.encoder_qk)
        sizes |= dict(v_channels=c.encoder_v, num_heads=c.num_cross_attention_heads)
        yours = run(function, sizes, quiet=True).value
        counted = counted_multiply_adds(pretrained().encoder.cross_attend.attention, M, c)
        total = sum(yours.values())
        ok = ok and total == counted
        rows.append((f"M = {M}", f"{counted:,}", f"{total:,}"))
    report.table(("the whole model's encoder, multiply-adds", "counted by torch", "your formula"), rows)
    return ok


COST = Exercise(
    id="02.cost",
    title="predict the cost of cross-attention",
    minutes=10,
    difficulty=2,
    paper="section 3.1 and table 1",
    name="multiply_adds",
    cases=cost_cases,
    reference=cost_variant,
    variant=cost_variant,
    mistakes={
        "flop": Mistake(
            "These are FLOPs, twice as many: a multiply-add is counted once here.", {"wrong": "flop"}
        ),
        "heads": Mistake(
            "The map is multiplied by the number of heads. Each head has only its share of the channels, "
            "so heads cost nothing here.",
            {"wrong": "heads"},
        ),
        "M × M": Mistake(
            "This is self-attention, M × M. Here the N latents ask: the map has N × M entries.",
            {"wrong": "M × M"},
        ),
        "N × N": Mistake(
            "This is the processor, N × N. In the encoder the M inputs are the keys: N × M.",
            {"wrong": "N × N"},
        ),
        "scores only": Mistake(
            "The map has two products: queries with keys, and weights with values. The second is missing.",
            {"wrong": "scores only"},
        ),
        "no output": Mistake(
            "The output layer is missing: N rows, v_channels to D.", {"wrong": "no output"}
        ),
        "widths": Mistake(
            "The map comes after the projections: its widths are qk_channels and v_channels, not C and D.",
            {"wrong": "widths"},
        ),
        "keys from latents": Mistake(
            "Keys and values come from the M inputs, which are C wide; not from the latents.",
            {"wrong": "keys from latents"},
        ),
    },
    in_model=cost_in_model,
)  # fmt: skip

EXERCISES = [CROSS_ATTENTION, ADDITIVE_MASK, COST]
