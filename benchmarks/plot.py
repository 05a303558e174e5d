"""A record of bench.py as a picture: python benchmarks/plot.py benchmarks/results/cpu-….json"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, STYLE


def draw(record: dict, path: Path) -> None:
    """A panel for each job, a bar for each contender: this library's orange, the peers' blue and hatched."""
    where, rows = record["machine"], record["rows"]
    panels = [[row for row in rows if row["job"] == job] for job in dict.fromkeys(row["job"] for row in rows)]
    heights = [len(panel) + 1.5 for panel in panels]
    with plt.rc_context(STYLE):
        size = (9, 0.24 * sum(heights) + 0.8)
        figure, axes = plt.subplots(
            len(panels), figsize=size, layout="constrained", height_ratios=heights, squeeze=False
        )
        for ax, panel in zip(axes[:, 0], panels, strict=True):
            bars(ax, panel)
        about = (
            f"{where['device']}, {where['threads']} threads" if path.name[:3] == "cpu" else where["device"]
        )
        figure.suptitle(
            f"{about}, torch {where['torch']}, {where['date']}: orange = perceiver_edu, shorter is faster",
            fontsize=10,
        )
        figure.savefig(path, dpi=110)
        plt.close(figure)


def bars(ax: Axes, rows: list[dict]) -> None:
    """One job: by precision, the fastest first. The thin line runs from the fastest to the slowest round."""
    precisions = ["", "fp32", "bf16", "int8"]
    rows = sorted(rows, key=lambda row: (precisions.index(row["precision"]), row["seconds"]))
    unit, name = (1, "s") if max(row["seconds"] for row in rows) >= 1 else (1e3, "ms")
    for number, row in enumerate(rows):
        seconds = unit * row["seconds"]
        style = dict(color=LATENT) if row["ours"] else dict(color=INPUT, hatch="//")
        ax.barh(number, seconds, height=0.7, ec=INK, lw=0.6, **style)
        ax.hlines(number, unit * row["fastest"], unit * row["slowest"], color=INK, lw=1.2)
        end = max(seconds, unit * row["slowest"])
        ax.text(
            end,
            number,
            f" {seconds:.3g} {name}",
            va="center",
            fontsize=8,
            weight="bold" if row["ours"] else None,
        )
    labels = [f"{row['contender']}  {row['precision']}" for row in rows]
    ax.set_yticks(range(len(rows)), labels, fontsize=8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.margins(x=0.12)
    ax.tick_params(axis="x", labelsize=8)
    ax.set_title(rows[0]["job"], loc="left", fontsize=9, weight="bold")
    ax.set_xlabel(name, fontsize=8)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw(json.loads(Path(name).read_text("utf-8")), Path(name).with_suffix(".png"))
