"""Pictures in one style: safe for colour-blind readers, white paper on light and dark pages, and each with a
text for those who cannot see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from perceiver_edu.errors import InputError
from perceiver_edu.instruments.tracing import record
from perceiver_edu.tokenizer import ByteTokenizer

# Okabe and Ito's palette, made for all kinds of colour vision.
INPUT, LATENT, OUTPUT, STAGE, INK = "#56B4E9", "#E69F00", "#009E73", "#F2F2F2", "#222222"

STYLE = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
}


@contextmanager
def figure(*, alt: str, size: tuple[float, float] = (9, 4), **subplots) -> Iterator[Axes]:
    """A figure that is drawn in the block, then shown in the notebook with `alt` as its text, and closed.

        with figure(alt="Loss falls from 4.4 to 2.3 bits in 200 s.") as ax:
            ax.plot(seconds, bits)

    `size` is in inches; `subplots` goes to `plt.subplots`, so `ncols=2` gives two axes.

    Raises: InputError for an empty `alt`.
    """
    from IPython.display import Image, display

    if not alt.strip():
        raise InputError("a figure needs an alt text: one sentence that says what there is to see")
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(figsize=size, layout="constrained", **subplots)
        try:
            yield axes
            png = BytesIO()
            fig.savefig(png, format="png", dpi=110)
        finally:
            plt.close(fig)
    display(Image(png.getvalue(), format="png", alt=alt))


@torch.no_grad()
def pipeline(ax: Axes, model, ids: torch.Tensor, positions: torch.Tensor | None = None) -> dict[str, tuple]:
    """Draw the model as the paper's figure, with the shapes that one run on `ids` really had.

    An array is a rectangle, as high as it has rows and as wide as it has channels, on a scale of square
    roots.

    ids (1, M) int64, positions (O,) int64 or None -> {name of the array: its shape}, in the order of the
    figure.
    """
    with record(model, ["embedding", "encoder", "processor", "queries", "decoder", "mlm_head"]) as seen:
        model(ids, positions=positions)
    shapes = {
        "inputs": seen["embedding"],
        "latents": seen["encoder"],
        "latents ": seen["processor"],
        "outputs": seen["decoder"],
        "logits": seen["mlm_head"],
        "queries": seen["queries"],
    }
    shapes = {name: tuple(calls[-1].shape) for name, calls in shapes.items()}
    shapes = {"ids": tuple(ids.shape)} | shapes
    symbols = {"ids": "B, M", "inputs": "B, M, C", "latents": "B, N, D", "latents ": "B, N, D"}
    symbols |= {"outputs": "B, O, E", "logits": "B, O, V", "queries": "1, O, E"}
    colours = {"latents": LATENT, "latents ": LATENT, "outputs": OUTPUT, "logits": OUTPUT, "queries": OUTPUT}

    largest = max(size for shape in shapes.values() for size in shape[1:])

    def array(name, x, y=0.0):
        shape = shapes[name]
        channels = shape[2] if len(shape) == 3 else 1
        height = max(0.12, 2.3 * (shape[1] / largest) ** 0.5)
        width = max(0.10, 0.95 * (channels / largest) ** 0.5)
        colour = colours.get(name, INPUT)
        ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, fc=colour, ec=INK, lw=0.8))
        label = f"{name.strip()}\n({symbols[name]})\n{' × '.join(map(str, shape))}"
        ax.text(x, y - height / 2 - 0.12, label, ha="center", va="top", fontsize=9)
        return height

    def stage(name, note, x, y=0.0):
        ax.add_patch(
            FancyBboxPatch(
                (x - 0.5, y - 0.28), 1.0, 0.56, boxstyle="round,pad=0.04", fc=STAGE, ec=INK, lw=0.8
            )
        )
        ax.text(x, y + 0.04, name, ha="center", va="bottom", fontsize=9, weight="bold")
        ax.text(x, y - 0.04, note, ha="center", va="top", fontsize=7.5)

    def arrow(x0, x1, y0=0.0, y1=0.0):
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=dict(arrowstyle="->", color=INK, lw=1.1))

    depth = len(model.processor.self_attends) * model.processor.num_blocks
    stages = [
        ("embedding", "byte + place"),
        ("encoder", "cross-attend"),
        ("processor", f"{depth} × self-attend"),
        ("decoder", "cross-attend"),
        ("mlm_head", "compare, tied"),
    ]
    names = ["ids", "inputs", "latents", "latents ", "outputs", "logits"]
    step = 2.45
    for number, name in enumerate(names):
        array(name, number * step)
        if number:
            title, note = stages[number - 1]
            middle = (number - 0.5) * step
            stage(title, note, middle)
            arrow(middle - step / 2 + 0.52, middle - 0.56)
            arrow(middle + 0.56, middle + step / 2 - 0.52)
    array("queries", 3.5 * step, y=1.95)
    arrow(3.5 * step, 3.5 * step, y0=0.78, y1=0.36)

    shown = ByteTokenizer().decode(ids[0, :56].tolist()).replace("\n", "⏎")
    ax.text(
        -0.6, 1.95, f"{shown}{'…' if ids.shape[1] > 56 else ''}", fontsize=9, va="center", family="monospace"
    )
    arrow(0, 0, y0=1.75, y1=0.62 + 0.65 * (shapes["ids"][1] / largest) ** 0.5)
    ax.set_xlim(-0.9, 5 * step + 0.9)
    ax.set_ylim(-1.9, 2.5)
    ax.set_axis_off()
    return shapes


def byte_labels(ids: torch.Tensor) -> list[str]:
    """ids (M,) -> a sign for each: the letter itself, ␣ for a space, □ for a special id, · else."""
    labels = []
    for i in ids.tolist():
        letter = chr(i - ByteTokenizer.BYTE_OFFSET) if i >= ByteTokenizer.BYTE_OFFSET else "□"
        labels.append("␣" if letter == " " else letter if "!" <= letter <= "~" or letter == "□" else "·")
    return labels


def attention_over_text(ax: Axes, weights: torch.Tensor, ids: torch.Tensor, row_labels: list[str]) -> None:
    """Who reads which byte: weights (rows, M) as shades, with the text itself below, a sign per column.

    weights (rows, M), each row sums to 1; ids (M,); a label for each row. Black is the largest weight.
    """
    weights = weights.float().cpu()
    image = ax.imshow(weights.numpy(), aspect="auto", cmap="Greys", vmin=0, interpolation="nearest")
    ax.set_xticks(range(len(ids)), byte_labels(ids), family="monospace", fontsize=9)
    ax.tick_params(axis="x", length=0)
    ax.set_yticks(range(len(row_labels)), row_labels)
    ax.set_yticks([row + 0.5 for row in range(len(row_labels) - 1)], minor=True)
    ax.grid(axis="y", which="minor", color="#BBBBBB", lw=0.5)
    ax.tick_params(axis="y", which="minor", length=0)
    ax.figure.colorbar(image, ax=ax, label="attention", pad=0.01)


def attention_heads(axes, weights: torch.Tensor) -> None:
    """One panel per head: weights (heads, N, M), a row for each latent, a column for each byte.

    Shades are of the square root, so that faint attention is seen too.
    """
    for head, (ax, panel) in enumerate(zip(axes.flat, weights.float().cpu(), strict=True)):
        ax.imshow(panel.sqrt().numpy(), aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(f"head {head}", fontsize=10)
        ax.label_outer()
    for ax in axes[-1]:
        ax.set_xlabel("byte")
    for ax in axes[:, 0]:
        ax.set_ylabel("latent")


def attention_entropy(ax: Axes, weights: torch.Tensor) -> torch.Tensor:
    """How spread out each latent reads, in bits, beside attention that is the same everywhere.

    weights (heads, N, M) -> entropies (heads, N). All M are taken to be real bytes: cut padding off first.
    """
    weights = weights.double().cpu()
    bits = -torch.xlogy(weights, weights).sum(-1) / torch.log(torch.tensor(2.0))
    uniform = float(torch.tensor(float(weights.shape[-1])).log2())
    for head, row in enumerate(bits):
        across = head + torch.linspace(-0.3, 0.3, len(row))
        ax.scatter(across, row, s=9, color=LATENT, ec=INK, lw=0.3, label="a latent" if head == 0 else None)
        ax.plot(
            [head - 0.35, head + 0.35], [row.mean()] * 2, color=INK, lw=2, label="mean" if head == 0 else None
        )
    ax.axhline(uniform, color=INPUT, lw=2, ls="--", label=f"uniform: {uniform:.1f} bits")
    ax.set_xticks(range(len(bits)))
    ax.set(xlabel="head", ylabel="entropy (bits)", ylim=(0, uniform + 0.7))
    ax.legend(loc="upper right", ncols=3, frameon=False, fontsize=9)
    return bits


def cross_attention(ax: Axes, attention, num_queries: int, num_keys: int) -> None:
    """The matrices of one cross-attention with their shapes: `attention` is a `MultiHeadAttention`."""
    q_dim, kv_dim = attention.query.in_features, attention.key.in_features
    qk, v, heads = attention.query.out_features, attention.value.out_features, attention.num_heads
    boxes = [  # name, rows, columns, x, y, colour
        ("latents", num_queries, q_dim, 0.0, 1.3, LATENT),
        ("inputs", num_keys, kv_dim, 0.0, -1.3, INPUT),
        ("Q", num_queries, qk, 2.6, 1.9, LATENT),
        ("K", num_keys, qk, 2.6, 0.0, INPUT),
        ("V", num_keys, v, 2.6, -1.9, INPUT),
        (f"map, × {heads} heads", num_queries, num_keys, 5.2, 1.3, STAGE),
        ("what was read", num_queries, v, 7.8, 0.0, LATENT),
        ("output", num_queries, attention.output.out_features, 10.4, 0.0, LATENT),
    ]
    largest = max(max(rows, columns) for _, rows, columns, *_ in boxes)
    place = {}
    for name, rows, columns, x, y, colour in boxes:
        width, height = (max(0.15, 1.2 * (size / largest) ** 0.5) for size in (columns, rows))
        ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, fc=colour, ec=INK, lw=0.8))
        ax.text(x, y - height / 2 - 0.06, f"{name}\n{rows} × {columns}", ha="center", va="top", fontsize=9)
        place[name.split(",")[0]] = (x, y)
    steps = [
        ("latents", "Q", "query"),
        ("inputs", "K", "key"),
        ("inputs", "V", "value"),
        ("Q", "map", "softmax"),
    ]
    steps += [("K", "map", ""), ("map", "what was read", "map · V"), ("V", "what was read", "")]
    for start, end, label in [*steps, ("what was read", "output", "output")]:
        (x0, y0), (x1, y1) = place[start], place[end]
        arrow = dict(arrowstyle="->", color=INK, lw=1.1, shrinkA=0, shrinkB=0)
        ax.annotate("", (x1 - 0.72, y1), (x0 + 0.72, y0), arrowprops=arrow)
        ax.text(
            (x0 + x1) / 2, (y0 + y1) / 2 + 0.1, label, ha="center", va="bottom", fontsize=9, style="italic"
        )
    ax.set_xlim(-0.9, 11.3)
    ax.set_ylim(-3.1, 2.7)
    ax.set_axis_off()
