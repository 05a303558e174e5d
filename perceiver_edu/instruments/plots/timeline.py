"""A trace as a picture: the CPU above, the GPU below, and the gaps between."""

import statistics

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from perceiver_edu.instruments.plots.style import GREY, INK, INPUT, LATENT, OUTPUT, PURPLE
from perceiver_edu.instruments.timeline import Event
from perceiver_edu.stages import STAGES

PRODUCTS = ("mm", "gemm", "cutlass", "linear", "attention", "conv", "fmha", "flash")
LONGEST_NAME = 14
LETTERS = 120  # that fit side by side into the width of a picture
OPERATIONS = {"product or attention": INPUT, "other operation": GREY, "copy": PURPLE}  # {kind: colour}


def draw_timeline(ax: Axes, events: list[Event], window: tuple[float, float] | None = None) -> None:
    """Draw bars over time (µs): stages, the CPU's outermost operations and the GPU's kernels.

    `window`: the interval that is shown. White between the kernels means that the GPU waits.
    Names are written where they fit.
    """
    begin, end = window or (0.0, max(event.end for event in events))
    inside = [event for event in events if event.end >= begin and event.begin <= end]
    rows = {
        "stage": [e for e in inside if e.kind == "user_annotation" and e.name in STAGES],
        "CPU calls": outermost([e for e in inside if e.kind == "cpu_op"]),
        "GPU runs": [e for e in inside if e.on_gpu],
    }
    rows = {name: bars for name, bars in rows.items() if bars}
    for row, (_, bars) in enumerate(rows.items()):
        for event in bars:
            spans = [(event.begin, event.end - event.begin)]
            ax.broken_barh(spans, (row - 0.4, 0.8), facecolor=colour(event), edgecolor=INK, lw=0.3)
            text = event.name.removeprefix("aten::")[:LONGEST_NAME]
            left, right = max(event.begin, begin), min(event.end, end)
            if right - left > (end - begin) * len(text) / LETTERS:
                middle = (left + right) / 2
                ax.text(middle, row, text, ha="center", va="center", fontsize=9, clip_on=True)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlim=(begin, end), ylim=(len(rows) - 0.4, -0.6), xlabel="microseconds")
    ax.xaxis.set_major_formatter(lambda time, _: f"{time:,.0f}")
    drawn = {operation(e) for name, bars in rows.items() if name != "stage" for e in bars}
    keys = [
        Patch(fc=shade, ec=INK, lw=0.3, label=kind) for kind, shade in OPERATIONS.items() if kind in drawn
    ]
    ax.legend(
        handles=keys, ncols=len(keys) or 1, loc="lower right", bbox_to_anchor=(1, 0.98), borderaxespad=0.0,
        frameon=False, fontsize=9,
    )  # fmt: skip


def outermost(events: list[Event]) -> list[Event]:
    """Without those that another one calls."""
    kept: list[Event] = []
    for event in sorted(events, key=lambda event: (event.begin, -event.end)):
        if not kept or event.begin > kept[-1].end - 1e-3:  # µs, for rounding
            kept.append(event)
    return kept


def operation(event: Event) -> str:
    """Which of the OPERATIONS an event of the CPU or the GPU is."""
    if event.kind in ("gpu_memcpy", "gpu_memset"):
        return "copy"
    is_product = any(word in event.name.lower() for word in PRODUCTS)
    return "product or attention" if is_product else "other operation"


def colour(event: Event) -> str:
    return STAGES[event.name].colour if event.kind == "user_annotation" else OPERATIONS[operation(event)]


def launch_bound(
    ax: Axes, batches: list[int], curves: dict[str, list[float]], words: dict[str, list[str]]
) -> None:
    """Draw the predicted time of a run (ms) against the batch size, for each GPU; markers say what bounds it.

    `words`: {name: ["launches", "arithmetic" or "memory", …]}.
    """
    styles = zip(("-", "--", "-.", ":"), (INPUT, LATENT, OUTPUT, PURPLE), strict=True)
    found = {word for row in words.values() for word in row}
    marks = {"launches": "s", "arithmetic": "o", "memory": "^"}
    marks = {word: mark for word, mark in marks.items() if word in found}
    for (name, values), (style, shade) in zip(curves.items(), styles, strict=False):
        ax.plot(batches, values, color=shade, ls=style, lw=2, label=name)
        for word, mark in marks.items():
            points = [(b, v) for b, v, w in zip(batches, values, words[name], strict=True) if w == word]
            ax.plot(*zip(*points, strict=True) if points else ([], []), mark, color=shade, mec=INK, ms=6)
    for word, mark in marks.items():
        ax.plot([], [], mark, color="white", mec=INK, label=f"bound by {word}")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(batches, [str(batch) for batch in batches])
    ax.minorticks_off()
    ax.set(xlabel="batch size B", ylabel="predicted time per batch (ms)")
    ax.legend(frameon=False, fontsize=9)


def run_times(ax: Axes, series: dict[str, list[float]]) -> None:
    """Draw the seconds of one run after the other, and the median of each series."""
    for (name, times), shade, mark in zip(series.items(), (LATENT, INPUT), ("o", "s"), strict=False):
        ax.plot(range(1, len(times) + 1), [1e3 * t for t in times], mark, color=shade, mec=INK, label=name)
        ax.axhline(1e3 * statistics.median(times), color=shade, lw=1.2, ls="--")
    ax.set(xlabel="run", ylabel="milliseconds", ylim=(0, None))
    if len(series) > 1:
        ax.legend(frameon=False, fontsize=9)
