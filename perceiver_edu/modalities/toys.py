"""Small worlds to try the adapters on: made here, without a download, from a generator of random numbers."""

import math

import torch
import torch.nn.functional as F

from perceiver_edu.errors import InputError

RATE = 4000  # samples per second of all sounds here
SCALE = torch.tensor([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])  # white keys of a piano from middle C, in semitones
HERTZ = 261.63 * 2 ** (SCALE / 12)


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """scikit-learn's handwritten digits: images (1797, 1, 8, 8) from 0 to 1, labels (1797,) int64."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    return images, torch.tensor(data.target)


def sound(keys: torch.Tensor, samples: int, generator: torch.Generator, noise: float = 0.3) -> torch.Tensor:
    """keys (B, K) bool, which of the first K keys are down -> waves (B, samples).

    Loudness and phase of each tone are random; noise is its standard deviation, of loudness around 1.
    """
    time = torch.arange(samples) / RATE  # seconds
    phase = 2 * math.pi * torch.rand(keys.shape, generator=generator)
    loud = keys * (0.5 + torch.rand(keys.shape, generator=generator))
    tones = (2 * math.pi * HERTZ[: keys.shape[1], None] * time + phase[..., None]).sin()  # (B, K, samples)
    waves = (loud[..., None] * tones).sum(1)
    return waves + noise * torch.randn(waves.shape, generator=generator)


def chords(batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """One to three of eight keys at a time, for 96 ms: waves (B, 384), keys (B, 8) bool."""
    order = torch.rand(batch, 8, generator=generator).argsort(1).argsort(1)
    keys = order < torch.randint(1, 4, (batch, 1), generator=generator)
    return sound(keys, 384, generator), keys


def scenes(
    batch: int, generator: torch.Generator, size: int = 16, fastest: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two plain shapes move on black: frames (B, 2, size, size), flow (B, size, size, 2) in pixels, (x, y).

    Squares and discs of one shade each, the second in front. Flow is that of the first frame's pixels.
    """

    def draw(low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, (*shape, batch, 1, 1), generator=generator)

    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    frames, flow = torch.zeros(2, batch, size, size), torch.zeros(batch, size, size, 2)
    for _ in range(2):
        square, radius = draw(0, 2) == 0, draw(2, 4)
        centre, speed = draw(4, size - 4, 2), draw(-fastest, fastest + 1, 2)  # (x, y)
        shade = 0.4 + 0.6 * torch.rand(batch, 1, 1, generator=generator)
        for t in range(2):
            dx, dy = x - centre[0] - t * speed[0], y - centre[1] - t * speed[1]
            inside = torch.where(
                square, (dx.abs() <= radius) & (dy.abs() <= radius), dx**2 + dy**2 <= (radius + 0.3) ** 2
            )
            frames[t] = torch.where(inside, shade, frames[t])
            if t == 0:
                flow = torch.where(inside[..., None], speed.movedim(0, -1).float(), flow)
    return frames.movedim(0, 1), flow


def neighbourhoods(frames: torch.Tensor, side: int) -> torch.Tensor:
    """Each pixel with its neighbours as channels: (B, T, H, W) -> (B, T, side * side, H, W); side is odd."""
    if side % 2 == 0:
        raise InputError(f"side must be odd, so that a pixel is in the middle of its neighbours; got {side}")
    around = F.unfold(frames.flatten(0, 1)[:, None], side, padding=side // 2)  # (B * T, side², H * W)
    return around.unflatten(-1, frames.shape[2:]).unflatten(0, frames.shape[:2])


def block_matching(frames: torch.Tensor, fastest: int = 2, side: int = 5) -> torch.Tensor:
    """The classic guess of motion: where in the second frame does the block around this pixel fit best?

    frames (B, 2, H, W) -> flow (B, H, W, 2). Of shifts that fit equally well the shortest is taken.
    """
    height, width = frames.shape[2:]
    block, padded = neighbourhoods(frames[:, :1], side)[:, 0], F.pad(frames[:, 1:], (fastest,) * 4)
    steps = range(-fastest, fastest + 1)
    shifts = sorted(((x, y) for x in steps for y in steps), key=lambda shift: math.hypot(*shift))
    errors = []
    for x, y in shifts:
        moved = padded[..., fastest + y : fastest + y + height, fastest + x : fastest + x + width]
        errors.append((neighbourhoods(moved, side)[:, 0] - block).abs().sum(1))  # (B, H, W)
    return torch.tensor(shifts, dtype=frames.dtype)[torch.stack(errors).argmin(0)]


def end_point_error(flow: torch.Tensor, truth: torch.Tensor, where: torch.Tensor | None = None) -> float:
    """Mean distance in pixels of guessed and true end points; `where` (B, H, W) bool: of these pixels."""
    distance = (flow - truth).norm(dim=-1)
    return float((distance if where is None else distance[where]).mean())
