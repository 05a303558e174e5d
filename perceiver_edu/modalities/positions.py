"""Where each element stands. Attention sees a set, so an input's place has to be written beside its value."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from perceiver_edu.errors import InputError


def grid_positions(grid, device=None):
    """Return the coordinates of all cells of an n-D grid, from -1 to 1: (M, n) float32, last axis fastest."""
    axes = [torch.linspace(-1, 1, size, device=device) for size in grid]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)  # (M, n)


def point_positions(points, grid):
    """Return the coordinates of some cells, by index in the flattened grid: points (O,) int64 -> (O, n).

    Each axis runs from -1 to 1 - 2/size, as Hugging Face places subsampled outputs. In `grid_positions` the
    last cell is at 1 instead. The result is float32.

    Raises: InputError for points outside the grid.
    """
    if len(points) and not 0 <= int(points.min()) <= int(points.max()) < math.prod(grid):
        raise InputError(f"points must be from 0 to {math.prod(grid) - 1}, the cells of a grid {tuple(grid)}")
    cells = torch.stack(torch.unravel_index(points, tuple(grid)), dim=1)  # (O, n)
    return -1 + 2 * cells / torch.tensor(grid, device=points.device)


class FourierPositions(nn.Module):
    """Fixed features of a coordinate p in [-1, 1] (Jaegle et al. 2021): nothing is learned.

        p,  sin(π f_k p),  cos(π f_k p)   for num_bands frequencies f_k from 1 to resolution / 2, per axis

    `resolution`, cells along each axis, is the grid for which the highest frequency is the Nyquist frequency.
    The features are computed in float32 and then cast, as in Hugging Face, in whatever dtype the model runs.
    """

    def __init__(self, num_bands, resolution):
        super().__init__()
        self.num_bands = num_bands
        self.resolution = tuple(resolution)
        self.num_channels = len(self.resolution) * (2 * num_bands + 1)

    def forward(self, grid, device=None):
        """A grid's shape, n sizes -> (M, num_channels)."""
        return self.at(grid_positions(grid, device))

    def at(self, positions):
        """Coordinates (M, n) -> (M, num_channels)."""
        if positions.shape[1] != len(self.resolution):
            raise InputError(f"coordinates have {positions.shape[1]} axes, resolution has {self.resolution}")
        bands = [torch.linspace(1, size / 2, self.num_bands) for size in self.resolution]
        bands = torch.stack(bands).to(positions.device)  # (n, num_bands)
        angles = math.pi * (positions[:, :, None] * bands).flatten(1)  # (M, n * num_bands)
        return torch.cat([positions, angles.sin(), angles.cos()], dim=-1)


class LearnedPositions(nn.Module):
    """One learned vector for each cell of a grid; which cells are near each other has to be learned.

    `grid`: its shape, such as (16, 16), or only its number of cells, which accepts any grid of that many.
    `interpolate`: for a different grid of two dimensions, such as a larger image, interpolate the vectors
    (bicubic), as Hugging Face does with `interpolate_pos_encoding=True`. May be set at any time.
    """

    def __init__(self, grid, num_channels, interpolate=False):
        super().__init__()
        self.grid = (grid,) if isinstance(grid, int) else tuple(grid)
        self.num_channels = num_channels
        self.interpolate = interpolate
        self.positions = nn.Parameter(0.02 * torch.randn(math.prod(self.grid), num_channels))

    def forward(self, grid, device=None):
        """A grid's shape -> (M, num_channels). Raises: InputError for a grid that was not learned."""
        grid = tuple(grid)
        if grid == self.grid or (len(self.grid) == 1 and math.prod(grid) == self.grid[0]):
            return self.positions
        if self.interpolate and len(grid) == len(self.grid) == 2:
            plane = self.positions.unflatten(0, self.grid).movedim(-1, 0)[None]  # (1, num_channels, H, W)
            plane = F.interpolate(plane, grid, mode="bicubic", align_corners=False)
            return plane[0].flatten(1).T  # (M, num_channels)
        cells = " × ".join(map(str, self.grid))
        hint = "; interpolate=True draws them out" if len(grid) == len(self.grid) == 2 else ""
        raise InputError(f"there are learned positions for {cells} cells, not for {grid}{hint}")


class ProjectedPositions(nn.Module):
    """Positions passed through a linear layer, to any width."""

    def __init__(self, positions, num_channels):
        super().__init__()
        self.num_channels = num_channels
        self.positions = positions
        self.project = nn.Linear(positions.num_channels, num_channels)

    def forward(self, grid, device=None):
        """A grid's shape -> (M, num_channels)."""
        return self.project(self.positions(grid, device).to(self.project.weight.dtype))
