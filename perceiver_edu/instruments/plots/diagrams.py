"""The model as boxes and arrows, with the shapes of a real run."""

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
    ax: Axes, shapes: dict[str, tuple[int, ...]], depth: int, symbols: bool = True, size: float = 9
) -> dict[str, dict]:
    """The five stages and the arrays between them.

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
                (x - 0.5, y - 0.28), 1.0, 0.56, boxstyle="round,pad=0.04", fc=STAGE, ec=INK, lw=0.8
            )
        )
        ax.text(x, y + 0.04, name, ha="center", va="bottom", fontsize=size - 0.5, weight="bold")
        ax.text(x, y - 0.04, note, ha="center", va="top", fontsize=size - 1.25)

    step = 2.45
    array("ids", "ids", "B, M", 0)
    for number, s in enumerate(STAGES.values(), 1):
        array(s.name, s.array, s.shape, number * step)
        middle = (number - 0.5) * step
        stage(s.name, f"{depth} × {s.operation}" if s.name == "processor" else s.operation, middle)
        _arrow(ax, middle - step / 2 + 0.52, middle - 0.56)
        _arrow(ax, middle + 0.56, middle + step / 2 - 0.52)
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
) -> None:
    """The matrices of one cross-attention with their shapes.

    `names` and `colours` are those of the array that asks and of the array that answers.
    """
    (asking, answering), (ask_colour, answer_colour) = names, colours
    q_dim, kv_dim = attention.query.in_features, attention.key.in_features
    qk, v, heads = attention.query.out_features, attention.value.out_features, attention.num_heads
    boxes = [  # name, rows, columns, x, y, colour
        (asking, num_queries, q_dim, 0.0, 1.3, ask_colour),
        (answering, num_keys, kv_dim, 0.0, -1.3, answer_colour),
        ("Q", num_queries, qk, 2.6, 1.9, ask_colour),
        ("K", num_keys, qk, 2.6, 0.0, answer_colour),
        ("V", num_keys, v, 2.6, -1.9, answer_colour),
        (f"map, × {heads} heads", num_queries, num_keys, 5.2, 1.3, STAGE),
        ("what was read", num_queries, v, 7.8, 0.0, ask_colour),
        ("output", num_queries, attention.output.out_features, 10.4, 0.0, ask_colour),
    ]
    largest = max(max(rows, columns) for _, rows, columns, *_ in boxes)
    place = {}
    for name, rows, columns, x, y, colour in boxes:
        width, height = (max(0.15, 1.2 * (size / largest) ** 0.5) for size in (columns, rows))
        ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, fc=colour, ec=INK, lw=0.8))
        ax.text(x, y - height / 2 - 0.06, f"{name}\n{rows} × {columns}", ha="center", va="top", fontsize=9)
        place[name.split(",")[0]] = (x, y)
    steps = [
        (asking, "Q", "query"),
        (answering, "K", "key"),
        (answering, "V", "value"),
        ("Q", "map", "softmax(Q · Kᵀ / √d)"),
    ]
    steps += [("K", "map", ""), ("map", "what was read", "map · V"), ("V", "what was read", "")]
    for start, end, label in [*steps, ("what was read", "output", "output")]:
        (x0, y0), (x1, y1) = place[start], place[end]
        arrow = dict(arrowstyle="->", color=INK, lw=1.1, shrinkA=0, shrinkB=0)
        ax.annotate("", (x1 - 0.72, y1), (x0 + 0.72, y0), arrowprops=arrow)
        side = "center" if y0 == y1 else "right" if y0 < y1 else "left"  # beside the arrow, not on it
        ax.text((x0 + x1) / 2, (y0 + y1) / 2 + 0.1, label, ha=side, va="bottom", fontsize=9, style="italic")
    ax.set_xlim(-0.9, 11.3)
    ax.set_ylim(-3.1, 2.7)
    ax.set_axis_off()
