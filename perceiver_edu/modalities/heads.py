"""From what the decoder put out to what was asked for. The last step, and the second that knows the task."""

from torch import nn


class ClassHead(nn.Module):
    """A score for each class, from a single output."""

    def __init__(self, d_queries, num_classes):
        super().__init__()
        self.project = nn.Linear(d_queries, num_classes)

    def forward(self, outputs, points=None):
        """outputs (B, 1, E) -> (B, num_classes)."""
        return self.project(outputs)[:, 0]


class DenseHead(nn.Module):
    """A small vector for each cell, divided by `scale` so that the layer works near 1.

    With `grid`, the outputs are arranged on it again.
    """

    def __init__(self, d_queries, num_channels, scale=1.0, grid=None):
        super().__init__()
        self.project = nn.Linear(d_queries, num_channels)
        self.scale = scale
        self.grid = grid

    def forward(self, outputs, points=None):
        """outputs (B, O, E) -> (B, O, num_channels); with a grid and all cells (B, *grid, num_channels)."""
        dense = self.project(outputs) / self.scale
        return dense.unflatten(1, self.grid) if self.grid and points is None else dense


class AudioHead(DenseHead):
    """The samples of each patch, joined end to end."""

    def forward(self, outputs, points=None):
        """outputs (B, O, E) -> (B, O * samples)."""
        return super().forward(outputs, points).flatten(1)


class MultimodalHead(nn.Module):
    """One projection for all outputs, followed by a head for each modality.

    sizes: {modality: the number of its outputs}.
    """

    def __init__(self, d_queries, d_shared, heads, sizes):
        super().__init__()
        self.sizes = dict(sizes)
        self.project = nn.Linear(d_queries, d_shared)
        self.heads = nn.ModuleDict(heads)

    def forward(self, outputs, points):
        """outputs (B, O, E), points as they were asked -> {modality: that head's result}."""
        points = dict.fromkeys(self.heads) if points is None else points
        sizes = {
            name: self.sizes[name] if points[name] is None else len(points[name]) for name in sorted(points)
        }
        parts = self.project(outputs).split(list(sizes.values()), dim=1)
        return {name: self.heads[name](part, points[name]) for name, part in zip(sizes, parts, strict=True)}
