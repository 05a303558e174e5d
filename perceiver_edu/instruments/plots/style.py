"""Pictures in one style: safe for colour-blind readers, on light and on dark pages, and each with a text for
those who cannot see it."""

import html
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from math import ceil
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from perceiver_edu.errors import InputError
from perceiver_edu.stages import STAGES
from perceiver_edu.terminal import amount

INPUT, LATENT, OUTPUT = (STAGES[name].colour for name in ("encoder", "processor", "decoder"))
STAGE, INK, GREY = "#F2F2F2", "#222222", "#999999"
PURPLE, VERMILION = "#CC79A7", "#D55E00"  # further colours of the same palette, by Okabe and Ito

STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
}


HAN = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")  # Chinese characters and punctuation
CHINESE = ["Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC"]
CHINESE += ["Hiragino Sans GB", "Heiti SC", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"]

# On a dark page the paper takes the page's colour and the ink is light; hues stay what they are. A photograph
# would become a negative, so it stays as it is.
LOOK = """<style>
.perceiver-picture {overflow-x: auto}
.perceiver-picture img {display: block; height: auto; max-width: 100%}
[data-jp-theme-light="false"] .perceiver-drawing img, .vscode-dark .perceiver-drawing img,
html[theme="dark"] .perceiver-drawing img {filter: invert(.93) hue-rotate(180deg)}
</style>"""
MOST = 7  # points of a curve that its alt text names
SMALLEST = 9  # pixels: in a narrow window a picture scrolls before its letters get smaller


def add_chinese_fonts(figure: Figure) -> None:
    """A label with Chinese characters also gets a font that has them, where the machine has one."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and HAN.search(text.get_text()):
            text.set_fontfamily([*text.get_fontfamily(), *chinese_fonts()])


@cache
def chinese_fonts() -> list[str]:
    return [name for name in CHINESE if name in font_manager.get_font_names()]


class Picture:
    """A PNG with a text in its place for those who cannot see it.

    JupyterLab shows the text of an image only where it is HTML; the PNG beside it is for all other readers.
    """

    def __init__(self, png: bytes, alt: str, figure: Figure, photo: bool = False):
        self.png, self.alt, self.photo = png, alt, photo
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # its header
        scale = width / figure.get_figwidth() / 72  # pixels in a point
        letters = [float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_text().strip()]
        self.smallest = min(letters, default=10) * scale
        self.size, self.least = (width, height), min(width, ceil(width * SMALLEST / self.smallest))

    def html(self) -> str:
        width, height = self.size
        source, alt = b64encode(self.png).decode(), html.escape(self.alt)
        kind = "" if self.photo else " perceiver-drawing"
        return (
            f'<div class="perceiver-picture{kind}"><img src="data:image/png;base64,{source}" width="{width}" '
            f'height="{height}" style="min-width: {self.least}px" alt="{alt}"></div>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        data = {"image/png": b64encode(self.png).decode(), "text/html": LOOK + self.html()}
        return data, {"image/png": {"alt": self.alt}}


@contextmanager
def figure(
    *, alt: str, size: tuple[float, float] = (9, 4), photo: bool = False, **subplots: Any
) -> Iterator[Any]:
    """Open a figure to draw on in the block; then show it with `alt` as its text, and close it.

        with figure(alt="Loss falls from 4.4 to 2.3 bits in 200 s.") as ax:
            ax.plot(seconds, bits)

    `size` is in inches; `photo=True` keeps the colours on a dark page; `subplots` goes to `plt.subplots`, so
    `ncols=2` gives an array of two axes.

    Raises: InputError for an empty `alt`.
    """
    from IPython.display import display

    if not alt.strip():
        raise InputError("a figure needs an alt text: one sentence that describes what it shows")
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(figsize=size, layout="constrained", **subplots)
        try:
            yield axes
            add_chinese_fonts(fig)
            png = BytesIO()
            fig.savefig(png, format="png", dpi=110)
            picture = Picture(png.getvalue(), alt, fig, photo)
        finally:
            plt.close(fig)
    display(picture)


def describe(what: str, numbers: Mapping[str, Any], varies: bool = False) -> str:
    """An alt text from the numbers that are drawn, for a cell that must not tell the result before it runs.

        describe("Bits against steps", {"aligned": {50: 4.5, 800: 2.98}, "unigram": 4.57})

    A value is a number, or a list of numbers, such as one for each seed, of which the mean and the range are
    named. A dict, {label or x: number or list}, is a row of bars or a curve, of which a few points are named.
    `varies` marks numbers by ≈ because they are a little different on every machine.
    """
    sign = "≈ " if varies else ""

    def number(value: Any) -> str:
        return sign + amount(round(fmean(value) if isinstance(value, list) else float(value), 2))

    def in_words(values: Any) -> str:
        if isinstance(values, Mapping):
            points = [*values.items()]
            chosen = np.linspace(0, len(points) - 1, min(len(points), MOST)).round().astype(int)
            between = ", " if len(chosen) == len(points) else " … "
            return ": " + between.join(
                f"{x} {number(y)}" if isinstance(x, str) else f"{number(y)} at {x:g}"
                for x, y in map(points.__getitem__, chosen)
            )
        spread = f" ({number(min(values))} to {number(max(values))})" if isinstance(values, list) else ""
        return f" {number(values)}{spread}"

    return "; ".join([what, *(name + in_words(values) for name, values in numbers.items())]) + "."
