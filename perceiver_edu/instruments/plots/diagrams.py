"""The model as boxes and arrows, with the shapes of a real run."""

from collections.abc import Collection
from itertools import product

import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from perceiver_edu.attention import MultiHeadAttention
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, OUTPUT, STAGE
from perceiver_edu.instruments.tracing import record
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.stages import STAGES
from perceiver_edu.tokenizer import ByteTokenizer

PARTS = [*STAGES, "queries"]  # the modules of the model whose output is an array of the figure
COLOURS = {"latents": LATENT, "outputs": OUTPUT, "logits": OUTPUT, "queries": OUTPUT}


@torch.no_grad()
def pipeline(
    ax: Axes, model: PerceiverIOForMaskedLM, ids: torch.Tensor, positions: torch.Tensor | None = None
) -> dict[str, tuple[int, ...]]:
    """Draw the model as the paper's figure, with the shapes that one run on `ids` really had.

    An array is a rectangle, as high as it has rows and as wide as it has channels, on a scale of square
    roots.

    ids (1, M) int64, positions (O,) int64 or None -> {"ids" or the part of the model: the shape of the array
    that leaves it}, in the order of the figure.
    """
    with record(model, PARTS) as seen:
        model(ids, positions=positions)
    shapes = {part: tuple(seen[part][-1].shape) for part in PARTS}
    shapes = {"ids": tuple(ids.shape)} | shapes
    stage_graph(ax, shapes, len(model.processor.self_attends) * model.processor.num_blocks)

    largest = max(size for shape in shapes.values() for size in shape[1:])
    shown = ByteTokenizer().decode(ids[0, :56].tolist()).replace("\n", "⏎")
    shown += "…" * (ids.shape[1] > 56)
    ax.text(-0.6, 1.95, shown, fontsize=9, va="center", family="monospace", parse_math=False)
    _arrow(ax, 0, 0, y0=1.75, y1=0.62 + 0.65 * (shapes["ids"][1] / largest) ** 0.5)
    return shapes


def stage_graph(
    ax: Axes, shapes: dict[str, tuple[int, ...]], depth: int, symbols: bool = True, size: float = 9.5
) -> dict[str, dict]:
    """Draw the five stages and the arrays between them.

    shapes: "ids" or a part of the model, one of `PARTS` -> the shape of the array that leaves it; depth: how
    many layers the processor runs; symbols: whether the shapes are named, as (B, M, C); size: of the letters,
    in points.

    Without symbols there is room for a third line under each array. -> part -> arguments for `ax.text` that
    put the label of its array where it is.
    """
    places: dict[str, dict] = {}
    largest = max(side for shape in shapes.values() for side in shape[1:])

    def array(part: str, name: str, symbol: str, x: float, y: float = 0.0) -> None:
        shape = shapes[part]
        channels = shape[2] if len(shape) == 3 else 1
        height = max(0.12, 2.3 * (shape[1] / largest) ** 0.5)
        width = max(0.10, 0.95 * (channels / largest) ** 0.5)
        colour = COLOURS.get(name, INPUT)
        ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, fc=colour, ec=INK, lw=0.8))
        lines = [name, f"({symbol})", " × ".join(map(str, shape))]
        if not symbols:
            lines = [lines[0], lines[2], ""]
        if part == "queries" and not symbols:  # beside it: below there is no room for one more line
            place = dict(x=x + width / 2 + 0.15, y=y, ha="left", va="center", fontsize=size)
        else:
            place = dict(x=x, y=y - height / 2 - 0.12, ha="center", va="top", fontsize=size)
        ax.text(s="\n".join(lines), **place)
        places[part] = place

    def stage(name: str, note: str, x: float, y: float = 0.0) -> None:
        ax.add_patch(
            FancyBboxPatch(
                (x - 0.56, y - 0.28), 1.12, 0.56, boxstyle="round,pad=0.04", fc=STAGE, ec=INK, lw=0.8
            )
        )
        ax.text(x, y + 0.04, name, ha="center", va="bottom", fontsize=size - 0.5, weight="bold")
        ax.text(x, y - 0.04, note, ha="center", va="top", fontsize=size - 0.75)

    step = 2.45
    array("ids", "ids", "B, M", 0)
    for number, s in enumerate(STAGES.values(), 1):
        array(s.name, s.array, s.shape, number * step)
        middle = (number - 0.5) * step
        stage(s.name, f"{depth} × {s.operation}" if s.name == "processor" else s.operation, middle)
        _arrow(ax, middle - step / 2 + 0.5, middle - 0.61)
        _arrow(ax, middle + 0.61, middle + step / 2 - 0.5)
    array("queries", "queries", "1, O, E", 3.5 * step, y=1.95)
    _arrow(ax, 3.5 * step, 3.5 * step, y0=0.78, y1=0.36)
    ax.set_xlim(-0.9, 5 * step + 0.9)
    ax.set_ylim(-1.9, 2.5)
    ax.set_axis_off()
    return places


def _arrow(ax: Axes, x0: float, x1: float, y0: float = 0.0, y1: float = 0.0) -> None:
    ax.annotate("", (x1, y1), (x0, y0), arrowprops=dict(arrowstyle="->", color=INK, lw=1.1))


def cross_attention(
    ax: Axes,
    attention: MultiHeadAttention,
    num_queries: int,
    num_keys: int,
    names: tuple[str, str] = ("latents", "inputs"),
    colours: tuple[str, str] = (LATENT, INPUT),
    padding: bool = False,
) -> None:
    """Draw the matrices of one cross-attention with their shapes: a map for each head, and the softmax axis.

    `names` and `colours` are those of the array that gives the queries and of the one that gives keys and
    values; `padding`: the last columns of the map are hatched, as those that a mask closes.
    """
    (q_name, kv_name), (q_colour, kv_colour) = names, colours
    q_dim, kv_dim = attention.query.in_features, attention.key.in_features
    qk, v, heads = attention.query.out_features, attention.value.out_features, attention.num_heads
    boxes = [  # name, rows, columns, x, y, colour
        (q_name, num_queries, q_dim, 0.0, 1.5, q_colour),
        (kv_name, num_keys, kv_dim, 0.0, -1.5, kv_colour),
        ("Q", num_queries, qk, 2.5, 1.9, q_colour),
        ("K", num_keys, qk, 2.5, -0.1, kv_colour),
        ("V", num_keys, v, 2.5, -2.1, kv_colour),
        ("mixed values", num_queries, v, 8.9, 0.0, q_colour),
        ("output", num_queries, attention.output.out_features, 11.3, 0.0, q_colour),
    ]
    sizes = num_keys, num_queries, *(size for _, *pair, _, _, _ in boxes for size in pair)

    def side(size: int) -> float:
        return max(0.15, 1.2 * (size / max(sizes)) ** 0.5)

    place = {"map": (5.6, 1.1)}
    for name, rows, columns, x, y, colour in boxes:
        width, height = side(columns), side(rows)
        ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, fc=colour, ec=INK, lw=0.8))
        ax.text(x, y - height / 2 - 0.06, f"{name}\n{rows} × {columns}", ha="center", va="top", fontsize=9)
        if name in ("Q", "K", "V", "mixed values"):  # each head has a block of the channels
            for block in range(1, heads):
                left = x - width / 2 + width * block / heads
                ax.plot([left] * 2, [y - height / 2, y + height / 2], color=INK, lw=0.4)
        place[name] = (x, y)
    x, y = place["map"]
    width, height = 2.4 * side(num_keys), max(1.1, 2.4 * side(num_queries))  # room for text
    _maps(ax, x, y, width, height, heads, padding)
    below = f"{heads} maps, one for each head\n{num_queries} × {num_keys}"
    ax.text(x, y - height / 2 - 0.06, below, ha="center", va="top", fontsize=9)
    steps = [
        (q_name, "Q", "query"),
        (kv_name, "K", "key"),
        (kv_name, "V", "value"),
        ("Q", "map", "Q · Kᵀ / √d"),
    ]
    steps += [("K", "map", ""), ("map", "mixed values", "weights · V"), ("V", "mixed values", "")]
    for start, end, label in [*steps, ("mixed values", "output", "output")]:
        (x0, y0), (x1, y1) = place[start], place[end]
        before, after = (width / 2 + 0.35 if name == "map" else 0.72 for name in (start, end))
        arrow = dict(arrowstyle="->", color=INK, lw=1.1, shrinkA=0, shrinkB=0)
        ax.annotate("", (x1 - after, y1), (x0 + before, y0), arrowprops=arrow)
        beside = "center" if y0 == y1 else "right" if y0 < y1 else "left"  # beside the arrow, not on it
        ax.text((x0 + x1) / 2, (y0 + y1) / 2 + 0.1, label, ha=beside, va="bottom", fontsize=9, style="italic")
    ax.set_xlim(-0.9, 12.2)
    ax.set_ylim(-3.3, 2.9)
    ax.set_axis_off()


def _maps(ax: Axes, x: float, y: float, width: float, height: float, heads: int, padding: bool) -> None:
    """Draw a stack of attention maps, the softmax axis marked on the first; `padding`: some are masked."""
    for behind in reversed(range(min(heads, 3))):
        corner = x - width / 2 + 0.13 * behind, y - height / 2 + 0.13 * behind
        ax.add_patch(Rectangle(corner, width, height, fc=STAGE, ec=INK, lw=0.8))
    left, bottom, right = x - width / 2, y - height / 2, x + width / 2
    ax.add_patch(Rectangle((left, y - 0.07), width, 0.14, fc=LATENT, ec=INK, lw=0.6))
    ax.annotate("", (right - 0.03, y - 0.2), (left + 0.03, y - 0.2),
                arrowprops=dict(arrowstyle="<->", color=INK, lw=1, shrinkA=0, shrinkB=0))  # fmt: skip
    middle = x - 0.08 * width * padding
    ax.text(middle, y + 0.1, "softmax", ha="center", va="bottom", fontsize=9)
    ax.text(middle, y - 0.26, "sums to 1", ha="center", va="top", fontsize=9)
    if padding:
        box = (right - 0.16 * width, bottom), 0.16 * width, height
        ax.add_patch(Rectangle(*box, fc="white", ec=INK, lw=0.6, hatch="////"))
        at, beside = (right - 0.08 * width, bottom + height), (right + 0.3, y + height / 2 + 0.75)
        ax.annotate(
            "masked, weight 0", at, beside, fontsize=9, arrowprops=dict(arrowstyle="-", color=INK, lw=0.7)
        )


def attention_by_hand(
    ax: Axes,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    letters: str,
    open_rows: Collection[int] = (),
) -> None:
    """Draw one head of attention with all its numbers: scores, weights and result, row by row.

    queries (N, d), keys (M, d), values (M, v); letters: one for each key; open_rows: the rows that are left
    open, for the reader to work out.
    """
    scores = queries @ keys.T / queries.shape[1] ** 0.5  # (N, M)
    weights = scores.softmax(-1)
    bytes_of, latents = list(letters), [f"latent {n}" for n in range(len(queries))]
    parts = [  # title, numbers, names of the rows and of the columns, colour, digits, what comes before it
        ("Q", queries, latents, None, LATENT, 0, ""),
        ("Kᵀ", keys.T, None, bytes_of, INPUT, 0, "·"),
        ("scores", scores, None, bytes_of, STAGE, 1, "÷ √d\n="),
        ("weights", weights, None, bytes_of, STAGE, 2, "soft-\nmax\n→"),
        ("V", values, bytes_of, None, INPUT, 0, "·"),
        ("result", weights @ values, None, None, LATENT, 2, "="),
    ]
    x = 2.2
    for title, array, rows, columns, colour, digits, sign in parts:
        hides = title in ("scores", "weights", "result")
        height, width = array.shape
        x += {"V": 2.0}.get(title, 1.4) if sign else 0
        ax.text(x - {"V": 1.2}.get(title, 0.7), 0, sign, ha="center", va="center", fontsize=10)
        for i, j in product(range(height), range(width)):
            y = (height - 1) / 2 - i
            ax.add_patch(Rectangle((x + j, y - 0.5), 1, 1, fc=colour, ec=INK, lw=0.7, alpha=0.75))
            number = "?" if hides and i in open_rows else f"{array[i, j]:.{digits}f}"
            ax.text(x + j + 0.5, y, number, ha="center", va="center", fontsize=10)
        for i, name in enumerate(rows or ()):
            ax.text(x - 0.15, (height - 1) / 2 - i, name, ha="right", va="center", fontsize=9)
        for j, name in enumerate(columns or ()):
            ax.text(x + j + 0.5, height / 2 + 0.1, name, ha="center", va="bottom", family="monospace")
        ax.text(x + width / 2, height / 2 + 0.65, title, ha="center", va="bottom", weight="bold")
        if title == "weights":
            ends = (x + 0.1, -height / 2 - 0.25), (x + width - 0.1, -height / 2 - 0.25)
            ax.annotate("", *ends, arrowprops=dict(arrowstyle="<->", color=INK, lw=1, shrinkA=0, shrinkB=0))
            ax.text(x + width / 2, -height / 2 - 0.4, "each row sums to 1", ha="center", va="top", fontsize=9)
        x += width
    ax.set_xlim(0, x + 0.2)
    ax.set_ylim(-2.6, 3.3)
    ax.set_aspect("equal")
    ax.set_axis_off()
