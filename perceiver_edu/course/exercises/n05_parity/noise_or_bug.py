"""Exercise 05.noise_or_bug: two layers differ; is it rounding, or is one of them wrong?"""

from copy import deepcopy

import torch
from torch import nn

from perceiver_edu.course.exercise import Exercise


class InPieces(nn.Module):
    """A linear layer that adds its products piece by piece: right, in another order."""

    def __init__(self, linear, pieces=7):
        super().__init__()
        self.linear, self.pieces = linear, pieces

    def forward(self, x):
        weights = self.linear.weight.chunk(self.pieces, dim=1)
        parts = zip(x.chunk(self.pieces, dim=-1), weights, strict=True)
        return sum(part @ weight.T for part, weight in parts) + self.linear.bias


class TwoMoments(nn.LayerNorm):
    """A LayerNorm that takes the variance as mean(x²) - mean(x)²: right, and careless with digits."""

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        variance = (x * x).mean(-1, keepdim=True) - mean * mean
        return (x - mean) / (variance + self.eps).sqrt() * self.weight + self.bias


def rounding_cases():
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        linear, large = nn.Linear(140, 9), nn.Linear(140, 9)
        large.weight.mul_(1e7)
        x, wide = torch.randn(3, 11, 140), torch.randn(3, 11, 24)
    norm = nn.LayerNorm(24)
    cases = {
        "the same products, added in another order": (InPieces(linear), linear, x),
        "the same with large weights": (InPieces(large), large, x),
        "a variance computed in another way": (TwoMoments(24), norm, wide + 30),
        "another eps in a LayerNorm": (nn.LayerNorm(24, eps=1e-12), norm, wide),
        "a bug of 1e-8": (nn.LayerNorm(24, eps=1.002e-5), norm, wide),
        "a bug that hides in rounding": (TwoMoments(24, eps=1.002e-5), norm, wide + 30),
        "another form of GELU": (nn.GELU("tanh"), nn.GELU(), wide),
        "the very same layer": (linear, linear, x),
    }
    return {k: {"ours": ours, "theirs": theirs, "x": x} for k, (ours, theirs, x) in cases.items()}


def measure(ours, theirs, x, dtype, late=False):
    """-> the largest difference and the scale, of a run in this dtype (late: only converted to it)."""
    with torch.no_grad():
        if late:
            a, b = ours(x).to(dtype), theirs(x).to(dtype)
        else:
            a, b = deepcopy(ours).to(dtype)(x.to(dtype)), deepcopy(theirs).to(dtype)(x.to(dtype))
    return float((a - b).abs().max()), float(b.abs().max())


def rounding_variant(ours, theirs, x, rule="float64", late=False):
    single, scale = measure(ours, theirs, x, torch.float32)
    double, _ = measure(ours, theirs, x, torch.float64, late)
    is_bug = {
        "float64": double > 1e-10 * max(1.0, scale),
        "float32": single > 1e-5 * max(1.0, scale),
        "float32, absolute": single > 1e-5,
        "float32, wide": single > 1e-3 * max(1.0, scale),
        "float64, absolute": double > 1e-10,
        "float64, equal": double > 0,
        "float64, wide": double > 1e-7 * max(1.0, scale),
        "shrinks a little": double > 0.01 * single,
        "shrinks": not double < 1e-4 * single,
        "inverted": double <= 1e-10 * max(1.0, scale),
    }[rule]
    return "bug" if is_bug else "rounding"


EXERCISE = Exercise(
    title="rounding, or a bug?",
    about="5 minutes · medium",
    name="noise_or_bug",
    cases=rounding_cases,
    variant=rounding_variant,
    mistakes={
        "rule": {
            "float32": "You decide by the difference in float32, where a bug can be smaller than rounding "
            "errors. Run both layers again in float64.",
            "float32, absolute": "You decide by the absolute difference in float32, without regard to the "
            "scale, and a bug can be smaller than rounding errors. Run both layers again in float64.",
            "float32, wide": "You decide by the difference in float32, with a tolerance so wide that every "
            "one of these bugs passes. Run both layers again in float64.",
            "float64, absolute": "In float64, too, the difference grows with the numbers. Compare it with a "
            "fraction of the largest one.",
            "float64, equal": "You require equality, but float64 rounds, too, at about 1e-16 of the scale.",
            "float64, wide": "Your tolerance in float64 is too wide: a bug of 1e-8 of the scale passes. "
            "Rounding is at about 1e-16 of it.",
            "shrinks a little": "It is not enough that the difference is smaller in float64. A bug that "
            "hides in rounding shrinks, too, until only the bug is left. Rounding alone shrinks by a factor "
            "of about 10⁹.",
            "shrinks": "You call two layers that are exactly equal a bug, because a difference of 0 does not "
            "shrink in float64. Look at the difference in float64 itself, or accept 0 first.",
            "inverted": "The two words are swapped.",
        },
        "late": {
            True: "You call everything that differs in float32 a bug. Did you convert only the results to "
            "float64? They already contain the rounding: convert the layers and `x`, and run again."
        },
    },
    terse=True,
)
