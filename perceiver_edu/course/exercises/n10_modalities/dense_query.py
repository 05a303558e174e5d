"""Exercise 10.dense_query: one query for each output pixel, with what stands there in the query."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import numbers

SIZES = {"B": 2, "O": 6, "H": 4, "W": 5, "F": 3, "P": 7}


def query_cases():
    s, draw = SIZES, numbers(10)
    given = {"features": draw(s["B"], s["H"], s["W"], s["F"]), "positions": draw(s["H"] * s["W"], s["P"])}
    return {
        "every pixel": {"points": torch.arange(s["H"] * s["W"])} | given,
        "six pixels, one of them twice": {"points": torch.tensor([13, 2, 19, 2, 0, 8])} | given,
    }


def query_variant(points, features, positions, wrong="", place="", first="features"):
    """points (O,), features (B, H, W, F), positions (H * W, P) -> (B, O, F + P)."""
    B, H, W, _ = features.shape
    flat = features.flatten(1, 2)  # (B, H * W, F)
    asked = points.sort().values if wrong == "sorted" else points
    what = {
        "columns": lambda: features.transpose(1, 2).flatten(1, 2)[:, asked],
        "first": lambda: flat[:, : len(asked)],
        "one image": lambda: flat[:1, asked].expand(B, -1, -1),
        "mean": lambda: flat.mean(1, keepdim=True).expand(-1, len(asked), -1),
        "swapped": lambda: features[:, (asked // H).clamp(max=H - 1), asked % W],
    }.get(wrong, lambda: flat[:, asked])()
    where = positions[: len(asked)] if place == "first" else positions[asked]
    where = where.expand(B, -1, -1)
    return torch.cat([where, what] if first == "positions" else [what, where], dim=-1)


EXERCISE = Exercise(
    title="a query for each pixel",
    about="8 minutes · medium · section 3.2",
    name="pixel_queries",
    cases=query_cases,
    variant=query_variant,
    mistakes={
        "wrong": {
            "columns": "The features are taken column by column. Point number p is at row `p // W`, column "
            "`p % W`, because the grid is flattened row by row.",
            "swapped": "The row is `points // W`, not `points // H`, because a row of the grid has W pixels.",
            "first": "These are the features of the first O pixels. Use `points` as an index.",
            "one image": "Every example has the features of the first image. These queries differ from image "
            "to image, because they contain its features.",
            "mean": "Every query has the mean of the image. Its features should be those of its own pixel.",
            "sorted": "The points are sorted. Return the queries in the order in which they were requested.",
        },
        "place": {
            "first": "The positions are those of the first O pixels. A query needs the position of the same "
            "pixel as its features."
        },
        "first": {
            "positions": "The positions come before the features. Put the features first, then the positions."
        },
    },
    sizes=lambda points, **_: SIZES | {"O": len(points), "F + P": SIZES["F"] + SIZES["P"]},
)
