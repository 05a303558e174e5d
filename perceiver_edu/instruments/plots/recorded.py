"""The pictures of a recorded device."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from perceiver_edu.instruments.machine import Peaks
from perceiver_edu.instruments.plots.roofline import roofline
from perceiver_edu.instruments.plots.style import INPUT, LATENT, OUTPUT, PURPLE, STYLE, VERMILION
from perceiver_edu.instruments.plots.timeline import draw_timeline
from perceiver_edu.instruments.timeline import read_trace
from perceiver_edu.writing import whole_file


def draw(found: dict[str, Any], folder: Path) -> None:
    """throughput.png, memory.png, roofline.png, and a timeline of each trace."""
    machine = f"{found['machine']['device']}, {found['machine']['date']}"
    with plt.rc_context(STYLE):
        for name, picture in (
            ("throughput", throughput),
            ("memory", memory_curves),
            ("roofline", stage_roof),
        ):
            save(folder / f"{name}.png", machine, partial(picture, found=found))
        for trace in found["traces"]:
            events = read_trace(folder / trace["file"])
            save(
                folder / trace["file"].replace(".json", ".png"),
                f"{machine}, B = {trace['batch']}",
                partial(draw_timeline, events=events),
            )


def save(path: Path, title: str, picture: Callable[[Axes], None]) -> None:
    figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
    try:
        picture(ax)
        ax.set_title(title, loc="left", fontsize=10)
        with whole_file(path) as file:
            figure.savefig(file, format="png", dpi=110)
    finally:
        plt.close(figure)


def throughput(ax: Axes, found: dict[str, Any]) -> None:
    """Texts per second against the batch, a line for each way that was measured at more than one size."""
    lines: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for row in found["rows"]:
        if "seconds" in row:
            key = row["who"], row["how"], row["precision"]
            lines.setdefault(key, []).append((row["batch"], row["texts_per_second"]))
    shades = dict(
        zip(("float32", "tf32", "bfloat16", "float16"), (INPUT, OUTPUT, LATENT, PURPLE), strict=True)
    )
    for (who, how, precision), points in lines.items():
        style = {"eager": "-", "autocast": "--", "graphs": ":"}.get(how, "-.")
        mark = {"perceiver-edu": "o", "optimize()": "D"}.get(who, "s")
        label = f"{who}, {how}, {precision}"
        ax.plot(*zip(*points, strict=True), marker=mark, color=shades[precision], ls=style, label=label)
    ax.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="texts per second")
    ax.legend(frameon=False, fontsize=8, ncols=2)


def memory_curves(ax: Axes, found: dict[str, Any]) -> None:
    memory_over_time(ax, found["memory"])


def memory_over_time(ax: Axes, curves: dict[str, list[int]]) -> None:
    """Megabytes held through a forward and a backward pass: {name: bytes after each change}."""
    for (name, history), shade, style in zip(curves.items(), (LATENT, VERMILION), ("-", "--"), strict=False):
        share = [100 * step / max(1, len(history) - 1) for step in range(len(history))]
        ax.plot(share, [bytes_ / 1e6 for bytes_ in history], color=shade, ls=style, label=name)
    ax.set(
        xlabel="progress of the step (% of its allocations and releases)", ylabel="MB held beyond the weights"
    )
    ax.legend(frameon=False, fontsize=9)


def stage_roof(ax: Axes, found: dict[str, Any]) -> None:
    """The stages in float32 under the measured roof."""
    from perceiver_edu.config import PerceiverIOConfig
    from perceiver_edu.instruments.costs import stage_costs

    config, M = PerceiverIOConfig(**found["config"]), found["M"]
    points, fastest = {}, found["peaks"]["float32"]
    for B, rows in found["stages"].items():
        costs = {c.stage: c for c in stage_costs(config, M, M, int(B)) if c.flops}
        points[f"B = {B}"] = {
            row["stage"]: (costs[row["stage"]].intensity / 4, row["flops"] / row["seconds"])
            for row in rows
            if row["stage"] in costs
        }
        fastest = max(fastest, *(rate for _, rate in points[f"B = {B}"].values()))
    peaks = Peaks(found["machine"]["device"], "float32", fastest, found["peaks"]["bytes_per_second"])
    roofline(ax, peaks, points)
