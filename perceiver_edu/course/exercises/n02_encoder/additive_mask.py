"""Exercise 02.additive_mask: a bool mask as numbers that are added to the scores."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated


def mask_cases():
    lengths = torch.tensor([[5], [2], [4]])
    mask = torch.arange(6) < lengths  # (B, K) = (3, 6)
    hole = mask.clone()
    hole[0, 2] = False  # not every mask is padding at the end
    return {
        "float32": {"mask": mask, "dtype": torch.float32},
        "padding at the end": {"mask": mask, "dtype": torch.float64},
        "a hole in the middle": {"mask": hole, "dtype": torch.float64},
        "float16, which ends at -65,504": {"mask": mask, "dtype": torch.float16},
    }


def attention_with(bias, arguments):
    """What the bias does: softmax(scores + bias) for large scores, (B, heads, Q, K)."""
    if not isinstance(bias, torch.Tensor):
        return bias
    B, K = arguments["mask"].shape
    generator = torch.Generator().manual_seed(6)
    scores = 100 * torch.randn(B, 4, 5, K, generator=generator, dtype=torch.float64)
    if bias.device != arguments["mask"].device:
        raise Misfit(
            translated(
                "expected a tensor on {wanted}, where the mask is; got one on {got}.",
                wanted=arguments["mask"].device,
                got=bias.device,
            )
        )
    if bias.dtype == torch.bool or not bias.is_floating_point():
        raise Misfit(
            translated(
                "expected floating-point numbers, because they are added to the scores; got {dtype}.",
                dtype=bias.dtype,
            )
        )
    if bias.isnan().any():
        raise Misfit(
            translated(
                "the bias contains NaN, which is the result of 0 · inf. A product of a bool mask with a "
                "number is float32, where the most negative float64 number is -inf; in float16 -1e9 is. "
                "Start from zeros of the right dtype, and fill in its own `torch.finfo(dtype).min / 2`."
            )
        )
    try:
        total = scores + bias.double()
    except RuntimeError:
        total = None
    if total is None or total.shape != scores.shape:
        raise Misfit(
            translated(
                "the bias must fit the scores (B, heads, Q, K) = {scores} when it is added. Expected shape "
                "({B}, 1, 1, {K}), got {got}.",
                scores=tuple(scores.shape),
                B=B,
                K=K,
                got=tuple(bias.shape),
            )
        )
    return total.softmax(-1)


def mask_variant(mask, dtype, wrong=""):
    real, limits = mask[:, None, None, :], torch.finfo(dtype)
    if wrong == "one":
        return real.to(dtype)
    low = {"zero": 0.0, "tiny": limits.tiny, "ten": -10.0, "hundred": -100.0, "positive": limits.max}
    hidden = real if wrong == "inverted" else ~real
    return torch.zeros(real.shape, dtype=dtype).masked_fill(hidden, low.get(wrong, limits.min))


def mask_properties(arguments):
    mask = torch.tensor([[True, True, False], [False, False, False]])

    def shape(call):
        seen = tuple(call(**arguments).shape)
        B, K = arguments["mask"].shape
        return seen == (B, 1, 1, K), f"{seen}"

    def dtype(call):
        seen = call(**arguments).dtype
        return seen == arguments["dtype"], translated(
            "{seen}, requested {wanted}", seen=seen, wanted=arguments["dtype"]
        )

    def real(call):
        largest = float(call(**arguments)[:, 0, 0][arguments["mask"]].abs().max())
        return largest == 0, translated("largest {largest:.3g}", largest=largest)

    def finite(call):
        weights = (torch.zeros(2, 1, 1, 3) + call(mask=mask, dtype=arguments["dtype"])).softmax(-1)
        bad = int(weights.isnan().sum())
        why = translated(
            "{bad} NaN: its scores are all -inf (-1e9 is -inf in float16). Use torch.finfo(dtype).min / 2",
            bad=bad,
        )
        return bad == 0, why if bad else translated("no NaN")

    def half(call):
        scores = torch.full((2, 1, 1, 3), -100.0, dtype=torch.float16)
        total = scores + call(mask=mask, dtype=torch.float16)
        bad = int(total.softmax(-1).isnan().sum())
        why = translated(
            "{bad} NaN: with a score of -100 the bias becomes {lowest}, since float16 ends at -65504. Leave "
            "room: torch.finfo(dtype).min / 2",
            bad=bad,
            lowest=total[1].min(),
        )
        return bad == 0, why if bad else translated("no NaN")

    yield "one bias for every head and query: shape (B, 1, 1, K)", shape
    yield "the bias has the requested dtype", dtype
    yield "a real byte gets 0", real
    yield "a text of padding alone gives no NaN after the softmax", finite
    yield "nor in float16, where the scores are -100", half


EXERCISE = Exercise(
    title="from a bool mask to a bias on the scores",
    about="8 minutes · easy",
    name="additive_mask",
    cases=mask_cases,
    variant=mask_variant,
    mistakes={
        "wrong": {
            "inverted": "The mask is inverted, so the scores of the real bytes are pushed down. True means a "
            "real byte.",
            "one": "This is the mask as numbers, which differ by only 1. That is not enough, because padding "
            "must fall below any score.",
            "zero": "Padding gets 0, so it is attended to like text.",
            "tiny": "Padding gets almost 0, so it is attended to like text. `torch.finfo(dtype).tiny` is the "
            "smallest positive number; `.min` is the most negative one.",
            "ten": "Padding gets -10, but scores can differ by more than that.",
            "hundred": "Padding gets -100, but scores can differ by more than that.",
            "positive": "Padding gets a large positive number, so it receives all the attention. The number "
            "must be negative.",
        }
    },
    properties=mask_properties,
    view=attention_with,
    compared="attention weights after the softmax",
    sizes=lambda **_: {"B": 3, "heads": 4, "Q": 5, "K": 6},
)
