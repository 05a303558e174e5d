"""How documents fill crops, and how much of them is padding."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator

from perceiver_edu.instruments.plots.style import INK, INPUT, VERMILION
from perceiver_edu.tokenizer import ByteTokenizer

WIDEST = 8000  # ids drawn in a strip, more than a screen has pixels
PADDING, OTHER_DOCUMENT = VERMILION, "#BFE3F6"  # a lighter blue than `INPUT`


def packing_strip(ax: Axes, strips: dict[str, Sequence[torch.Tensor]]) -> dict[str, float]:
    """Draw a strip for each way of packing, with its crops in a row, so a shorter strip means less padding.

    Neighbouring documents are in two blues, padding is orange, and a line separates two crops.

    strips: a label -> the packs, each (num_crops, length) -> the fraction of padding, by label.
    """
    length = next(iter(strips.values()))[0].shape[1]
    longest = max(sum(map(len, packs)) for packs in strips.values())
    image = torch.zeros(
        len(strips), longest * length, dtype=torch.int64
    )  # 0 nothing, 1 padding, 2 and 3 text
    shares = {}
    for row, (label, packs) in enumerate(strips.items()):
        crops = torch.cat(list(packs)).long()
        padding = crops == ByteTokenizer.PAD  # (num_crops, length)
        last = (~padding).sum(1) - 1
        between = (crops == ByteTokenizer.SEP) & (torch.arange(length) != last[:, None])
        begins = between.clone()
        begins[torch.tensor([0, *map(len, packs)]).cumsum(0)[:-1], 0] = True  # a pack begins with a document
        shade = 2 + (begins.flatten().cumsum(0) - 1) % 2  # documents take turns
        image[row, : crops.numel()] = shade.masked_fill(padding.flatten(), 1)
        ax.vlines([n * length for n in range(len(crops) + 1)], row - 0.4, row + 0.4, color=INK, lw=0.6)
        shares[label] = padding.double().mean().item()
        note = f" {len(crops)} crops, {shares[label]:.0%} padding"
        ax.text(crops.numel(), row, note, va="center", fontsize=9)
    colours = ListedColormap(["white", PADDING, INPUT, OTHER_DOCUMENT])
    step = -(-longest * length // WIDEST)
    for row in range(len(strips)):
        extent = (0, longest * length, row + 0.4, row - 0.4)
        ids = image[row : row + 1, ::step].numpy()
        ax.imshow(ids, cmap=colours, vmin=0, vmax=3, aspect="auto", extent=extent, zorder=0)
    ax.set_yticks(range(len(strips)), strips)
    ax.set_xlim(0, longest * length * 1.22)
    ax.set_ylim(len(strips) - 0.5, -0.5)
    ax.set_xticks([])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return shares


def packing_waste(ax: Axes, waste: Sequence[float], expected: Sequence[float], marked: int = 10) -> None:
    """Draw the fraction of padding (0..1) for 1, 2, 3, … joined documents, with a dot for the prediction.

    The bar at `marked` is in full colour. A number is above it and above every second bar.
    """
    counts = range(1, len(waste) + 1)
    bars = ax.bar(counts, [100 * share for share in waste], color=PADDING, ec=INK, lw=0.6, alpha=0.45)
    if marked <= len(waste):
        bars[marked - 1].set_alpha(1)
    ticks = [count for count in counts if count == 1 or count % 5 == 0]
    digits = 0 if max(waste) > 0.1 else 1
    for count in {*counts[::2], marked} & {*counts}:
        share, rule = waste[count - 1], expected[count - 1]
        number, top = f"{100 * share:.{digits}f}", 100 * max(share, rule)
        ax.annotate(
            number, (count, top), (0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=8.5
        )
    label = "expected from half a crop of padding in each pack"
    ax.plot(counts, [100 * share for share in expected], "o", color=INK, ms=4, label=label)
    ax.set_xticks(ticks)
    ax.yaxis.set_major_locator(MaxNLocator(4))  # few labels are drawn sooner
    ax.set(xlabel="documents joined before they are split into crops", ylabel="padding (% of all ids)")
    ax.legend(frameon=False, loc="upper right")  # the bars fall; the best place would be searched for
