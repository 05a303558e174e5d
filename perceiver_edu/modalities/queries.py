"""What is asked of the latents. One query is one output: (B or 1, O, E) queries give (B, O, E) outputs."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from perceiver_edu.decoder import OutputQueries
from perceiver_edu.errors import InputError, brief
from perceiver_edu.modalities.multimodal import ModalityPadding
from perceiver_edu.modalities.positions import grid_positions, point_positions


def check_points(points, number):
    """Raises: InputError for anything but None or the indices (O,) int64 of some of these queries."""
    if points is None:
        return
    if not isinstance(points, torch.Tensor) or points.dtype != torch.int64 or points.dim() != 1:
        raise InputError(f"points must be a tensor (O,) of int64, got {brief(points)}")
    if len(points) and not 0 <= int(points.min()) <= int(points.max()) < number:
        raise InputError(f"points must be from 0 to {number - 1}, got {brief(points.tolist())}")


class LearnedQueries(OutputQueries):
    """Learned queries that are the same for every example, such as one query for a class."""

    def __init__(self, num_queries, num_channels):
        super().__init__(num_queries, num_channels)
        self.num_channels = num_channels

    def forward(self, inputs, points=None):
        """inputs are not used; points (O,) int64, None = all -> (1, O, num_channels)."""
        check_points(points, len(self.positions))
        return super().forward(points)


class InputQueries(nn.Module):
    """The input array itself as queries: one output per input, and each query contains its features, too."""

    def forward(self, inputs, points=None):
        """inputs (B, M, C) -> (B, M, C), or with points (O,) int64 (B, O, C)."""
        check_points(points, inputs.shape[1])
        return inputs if points is None else inputs[:, points]


class GridQueries(nn.Module):
    """A query for each cell of a grid, which contains only the features of its position.

    All cells use `grid_positions`, and a selection of them uses `point_positions`.
    """

    def __init__(self, positions, grid):
        super().__init__()
        self.positions = positions
        self.grid = tuple(grid)
        self.num_channels = positions.num_channels

    def forward(self, inputs, points=None):
        """points (O,) int64, indices in the flattened grid; None = all -> (1, O, num_channels)."""
        check_points(points, math.prod(self.grid))
        if points is None:
            places = grid_positions(self.grid, inputs.device)
        else:
            places = point_positions(points.to(inputs.device), self.grid)
        return self.positions.at(places).to(inputs.dtype)[None]


class MultimodalQueries(nn.Module):
    """The queries of several modalities, padded to one width and concatenated in alphabetical order."""

    def __init__(self, queries, min_padding=2):
        super().__init__()
        self.queries = nn.ModuleDict(queries)
        self.padding = ModalityPadding({name: q.num_channels for name, q in queries.items()}, min_padding)
        self.num_channels = self.padding.num_channels

    def forward(self, inputs, points):
        """points: {modality: (O_k,) int64 or None = all of it}; None = all of all -> (1, O, num_channels).

        O is O_1 + O_2 + .... Raises: InputError for a modality that has no queries, or for none at all.
        """
        points = dict.fromkeys(self.queries) if points is None else points
        if not isinstance(points, Mapping) or not points or points.keys() - self.queries.keys():
            raise InputError(f"points must name one or more of {', '.join(self.queries)}; got {points}")
        parts = [self.padding(name, self.queries[name](inputs, points[name])) for name in sorted(points)]
        return torch.cat(parts, dim=1)
