"""Layers, numbers and comparisons that several exercises share."""

from collections.abc import Callable

import torch
from torch import nn

from perceiver_edu.course.place import translated


def numbers(source: int | torch.Generator) -> Callable[..., torch.Tensor]:
    """A seed, or a generator -> draw(*shape): the next random numbers, in float64."""
    generator = torch.Generator().manual_seed(source) if isinstance(source, int) else source
    return lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)


@torch.no_grad()
def redrawn(module: nn.Module, draw, scale: float = 0.5) -> nn.Module:
    """The module in float64 with all parameters drawn anew, norms and biases too, so large that no mistake
    is mistaken for rounding."""
    for parameter in module.double().eval().parameters():
        parameter.copy_(draw(*parameter.shape) * scale)
    return module


def split_heads(x: torch.Tensor, heads: int, split: str = "blocks") -> torch.Tensor:
    """x (B, T, channels) -> (B, heads, T, channels / heads), or one of the ways to get it wrong."""
    if split == "interleaved":
        return x.unflatten(-1, (-1, heads)).movedim(-1, 1)
    if split == "no transpose":
        return x.reshape(len(x), heads, x.shape[1], -1)
    return x.unflatten(-1, (1 if split == "none" else heads, -1)).transpose(1, 2)


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


def agree(a: torch.Tensor, b: torch.Tensor, limit: float = 1e-6) -> tuple[bool, str]:
    """What a property returns where two results must be equal."""
    moved = distance(a, b)
    return moved < limit, translated("changes by {moved:.2g}", moved=moved)
