"""From raw numbers to an input array (B, M, C): the only part of the model that knows what it is looking at.

A *feature* module turns raw data into a grid of features, channels last. `WithPositions` writes the place of
each cell beside its features and flattens the grid. What comes out goes to the same `Encoder` as text.
"""

import torch
from torch import nn

from perceiver_edu.errors import InputError


class WithPositions(nn.Module):
    """features: raw data -> (B, *grid, F); positions: grid -> (M, P). Together: (B, M, C = F + P)."""

    def __init__(self, features, positions):
        super().__init__()
        self.features = features
        self.positions = positions
        self.num_channels = features.num_channels + positions.num_channels

    def forward(self, x):
        """raw data -> inputs (B, M, C), M the number of the grid's cells, its last axis running fastest.

        Raises: InputError for features that are whole numbers, to which positions would be rounded.
        """
        features = self.features(x)  # (B, *grid, F)
        if not features.is_floating_point():
            raise InputError(f"features must be floating-point numbers, got {features.dtype}: convert them")
        positions = self.positions(features.shape[1:-1], features.device).to(features.dtype)  # (M, P)
        features = features.flatten(1, -2)  # (B, M, F)
        return torch.cat([features, positions.expand(len(features), -1, -1)], dim=-1)  # (B, M, F + P)


class Pixels(nn.Module):
    """Every pixel is an input; its features are its own channels. Nothing is learned."""

    def __init__(self, num_channels=3):
        super().__init__()
        self.num_channels = num_channels

    def forward(self, images):
        """images (B, channels, H, W) -> (B, H, W, channels)."""
        return images.movedim(1, -1)


class Conv1x1(nn.Module):
    """Every pixel is an input; its channels are mixed by one linear map, the same everywhere."""

    def __init__(self, in_channels, num_channels):
        super().__init__()
        self.num_channels = num_channels
        self.conv = nn.Conv2d(in_channels, num_channels, kernel_size=1)

    def forward(self, images):
        """images (B, in_channels, H, W) -> (B, H, W, num_channels)."""
        return self.conv(images).movedim(1, -1)


class ConvStem(nn.Module):
    """A convolution and a max pooling, so 16 times fewer inputs, each with features of its neighbourhood.

    Hugging Face pads the convolution by (3, 3) and the pooling not at all, so 224 pixels become 55 cells.
    DeepMind's code pads both as TensorFlow's SAME does, (2, 3) and (0, 1), and gets 56; `same=True` does so.
    The weights that Hugging Face publishes have DeepMind's 7 × 7 kernels with height and width swapped, so
    neither setting gives DeepMind's numbers from them, unless `conv.weight` is transposed back.
    """

    def __init__(self, in_channels, num_channels, same=False):
        super().__init__()
        self.num_channels = num_channels
        self.same = same
        padding = 0 if same else 3
        self.conv = nn.Conv2d(in_channels, num_channels, kernel_size=7, stride=2, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(num_channels)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)

    def forward(self, images):
        """images (B, in_channels, H, W) -> (B, about H/4, about W/4, num_channels).

        Raises: InputError for images of less than 5 × 5 pixels, of which nothing is left.
        """
        if min(images.shape[-2:]) < 5:
            raise InputError(f"images must have at least 5 × 5 pixels, got {tuple(images.shape[-2:])}")
        if not self.same:
            return self.pool(self.norm(self.conv(images)).relu()).movedim(1, -1)
        convolved = self.norm(self.conv(pad_same(images, 7))).relu()
        return self.pool(pad_same(convolved, 3)).movedim(1, -1)  # after a ReLU, zeros never win the maximum


def pad_same(images, kernel, stride=2):
    """TensorFlow's SAME: zeros around images (B, C, H, W), so that a stride of 2 gives ⌈H/2⌉ × ⌈W/2⌉ cells.

    An odd number of zeros is one more at the end, where torch's `padding` would put as many on either side.
    """
    missing = [max(0, (-(-size // stride) - 1) * stride + kernel - size) for size in images.shape[-2:]]
    (top, left), (bottom, right) = zip(*((m // 2, m - m // 2) for m in missing), strict=True)
    return nn.functional.pad(images, (left, right, top, bottom))


class Patches(nn.Module):
    """Blocks of an image or a video, each flattened into one vector and optionally mixed by a linear map.

    `block` is (height, width) for images (B, C, H, W), (time, height, width) for videos (B, T, C, H, W).
    Within a patch the order is time, height, width, channel. `squeeze=True` drops a time axis of length 1.
    """

    def __init__(self, block, in_channels, num_channels=None, squeeze=False):
        super().__init__()
        self.block = tuple(block)
        self.squeeze = squeeze
        flat = in_channels * torch.Size(self.block).numel()
        self.num_channels = num_channels or flat
        self.project = nn.Linear(flat, num_channels) if num_channels else nn.Identity()

    def forward(self, x):
        """(B, C, H, W) -> (B, H/h, W/w, num_channels); (B, T, C, H, W) -> (B, T/t, H/h, W/w, num_channels).

        Raises: InputError where the blocks do not fill the grid.
        """
        x = x.movedim(-3, -1)  # channels last: (B, *grid, C)
        grid = x.shape[1:-1]
        if len(grid) != len(self.block) or any(
            size % step for size, step in zip(grid, self.block, strict=True)
        ):
            raise InputError(f"blocks of {self.block} do not fill a grid of {tuple(grid)}")
        for axis, step in reversed(list(enumerate(self.block, start=1))):
            x = x.unflatten(axis, (-1, step))  # each axis becomes (blocks, position within the block)
        n = len(grid)
        blocks, within = list(range(1, 2 * n, 2)), list(range(2, 2 * n + 1, 2))
        x = self.project(x.permute(0, *blocks, *within, 2 * n + 1).flatten(n + 1))  # (B, *blocks, features)
        return x.squeeze(1) if self.squeeze else x


class AudioPatches(nn.Module):
    """Raw audio: `samples` neighbouring samples are one input, as they come. No spectrogram."""

    def __init__(self, samples):
        super().__init__()
        self.num_channels = samples

    def forward(self, waves):
        """waves (B, T) or (B, T, 1) -> (B, T / samples, samples).

        Raises: InputError for another shape, and where T is no multiple of `samples`.
        """
        if waves.ndim < 2 or waves.shape[2:] not in ((), (1,)):
            shape = tuple(waves.shape)
            raise InputError(f"waves must be (B, T) or (B, T, 1), got {shape}: give one channel per example")
        waves = waves.flatten(1)  # (B, T)
        if waves.shape[1] % self.num_channels:
            raise InputError(f"{waves.shape[1]} samples do not divide into patches of {self.num_channels}")
        return waves.unflatten(1, (-1, self.num_channels))


class OneInput(nn.Module):
    """A vector, such as class scores, as an input array of one element, which needs no position."""

    def __init__(self, num_channels):
        super().__init__()
        self.num_channels = num_channels

    def forward(self, x):
        """(B, C) -> (B, 1, C)."""
        return x[:, None]


class OfShape(WithPositions):
    """`WithPositions` for raw data of one shape, such as ("B", 3, 224, 224); a letter stands for any size.

    Without it, frames that lie on their side would fill the same number of cells, in another order.
    """

    def __init__(self, features, positions, what, shape):
        super().__init__(features, positions)
        self.what = what
        self.shape = tuple(shape)

    def forward(self, x):
        """raw data -> inputs (B, M, C). Raises: InputError for data of another shape, or of whole numbers."""
        wanted = f"{self.what} must be ({', '.join(map(str, self.shape))}) floating-point numbers"
        fits = x.ndim == len(self.shape) and all(
            isinstance(size, str) or size == given for size, given in zip(self.shape, x.shape, strict=True)
        )
        if not fits or not x.is_floating_point():
            raise InputError(f"{wanted}, got {tuple(x.shape)} of {x.dtype}")
        return super().forward(x)
