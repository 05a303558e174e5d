"""The text of an experiment as its control: select letters to hide them, click a letter to query it. Or the
pixels of its picture: click one to choose it.

The page's side of it is strip.js, for which anywidget is the way in; it also names the sliders and buttons of
an experiment for those who hear the page, so an experiment without a text has a strip that shows nothing.
"""

import re
from itertools import accumulate, product
from pathlib import Path

import anywidget
from traitlets import Bool, Dict, Int, List, Unicode

from perceiver_edu.course.place import translated
from perceiver_edu.filling import MASK_TOKEN
from perceiver_edu.language import to_translate

HERE = Path(__file__).parent
HIDE = to_translate(
    "Select letters to hide them. By keyboard, the arrow keys move, and with Shift they hide."
)
QUERY = to_translate("Click a letter to query it, or press Enter.")
CHOOSE = to_translate(
    "Click a pixel of the picture to choose it. By keyboard, the arrow keys move the frame."
)
WORDS = [  # what strip.js says
    to_translate("space"),
    to_translate("new line"),
    to_translate("queried"),
    to_translate("not read"),
    to_translate("copy this state as code"),
    to_translate("copied"),
    to_translate("{label}, begin"),
    to_translate("{label}, end"),
    to_translate("{label}, as a number"),
]


class TextStrip(anywidget.AnyWidget):
    """Shows a text, tied to the controls that hold it, its hole and the queried byte. One state: theirs.

    Args:
        read: text -> how many of its letters are read.
        text, hole, position: the controls; without `text`, nothing is shown. `position` counts the ids that
            the model reads.
        query: (position) -> None, called with the position of a letter that is clicked.
        ask: (first, last) -> None, called with the positions of letters that are selected.
        label: what can be done here, where it is not to hide and to query.
    """

    _esm = HERE / "strip.js"
    _css = HERE / "strip.css"
    text = Unicode().tag(sync=True)
    end = Int().tag(sync=True)  # letters that are read
    hole = List([0, 0]).tag(sync=True)  # letters that are selected: from, up to but not including
    position = Int(-1).tag(sync=True)
    places = List().tag(sync=True)  # of the first id of each letter, and that of the end
    can_select = Bool().tag(sync=True)
    can_query = Bool().tag(sync=True)
    selected = Unicode().tag(sync=True)  # what a selected letter is called
    label = Unicode().tag(sync=True)
    names = List().tag(sync=True)  # of the controls that it replaces
    line = Unicode().tag(sync=True)  # of code, to be copied
    columns = Int().tag(sync=True)  # of pixels; 0 for a text
    spoken = List().tag(sync=True)  # the names of pixels
    over = List().tag(sync=True)  # left, top, width and height of the pixels, as shares of the picture
    words = Dict().tag(sync=True)  # {what strip.js says: the same in the learner's language}

    def __init__(self, read=len, text=None, hole=None, position=None, query=None, ask=None, label=""):
        held = {"hole": hole, "position": position}
        names = [name for name, control in held.items() if control is not None]
        said = [label] if label else [HIDE] * (hole is not None) + [QUERY] * (position is not None)
        can = dict(can_select=bool(hole or ask), can_query=bool(position or query))
        super().__init__(
            label=" ".join(map(translated, said)),
            names=names,
            selected=translated("queried") if ask else translated("hidden"),
            **can,
        )
        self.layout.width = "auto"
        self.words = {word: translated(word) for word in WORDS}
        if text is None:
            return

        def lay_out(change=None):
            self.places = places_of(text.value)
            self.end, self.text = read(text.value), text.value

        def show(change=None):
            self.hole = list(hole.value) if hole else self.hole
            self.position = position.value if position else self.position

        lay_out()
        show()
        text.observe(lay_out, "value")
        for name in names:
            held[name].observe(show, "value")
            self.observe(lambda change: setattr(held[change.name], "value", change.new), name)
        if query:
            text.observe(lambda change: setattr(self, "position", -1), "value")
            self.observe(lambda change: query(change.new), "position")
        if ask:
            self.observe(lambda change: ask(*self.selected_places()), "hole")

    def selected_places(self) -> tuple[int, int]:
        """The first and the last position of the letters that are selected."""
        start, stop = self.hole
        return self.places[start], max(self.places[start], self.places[stop] - 1)


class PixelGrid(TextStrip):
    """The pixels of a picture, tied to the sliders of row and column, which count from 0. One state: theirs.

    `over` says where they are in the picture.
    """

    def __init__(self, row, column):
        super().__init__(label=CHOOSE)
        self.can_query, self.columns = True, column.max + 1
        pixels = list(product(range(row.max + 1), range(self.columns)))
        self.spoken = [translated("row {row}, column {column}", row=r, column=c) for r, c in pixels]
        self.text, self.end, self.places = " " * len(pixels), len(pixels), list(range(len(pixels) + 1))

        def show(change=None):
            self.position = row.value * self.columns + column.value

        def choose(change):
            with self.hold_sync():  # between the two sliders, the page hears of no third pixel
                row.value, column.value = divmod(change.new, self.columns)

        show()
        row.observe(show, "value")
        column.observe(show, "value")
        self.observe(choose, "position")


def places_of(text: str) -> list[int]:
    """Where the ids of each letter begin, [CLS] before them, and where they end."""
    sizes = []
    for part in re.split(f"({re.escape(MASK_TOKEN)})", text):
        if part == MASK_TOKEN:  # one id
            sizes += [1] + [0] * (len(part) - 1)
        else:
            sizes += [len(letter.encode(errors="surrogatepass")) for letter in part]
    return list(accumulate(sizes, initial=1))


def alike(one: str, other: str) -> int:
    """How many letters at their beginning are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def hole_after(old: str, new: str, hole: tuple[int, int]) -> tuple[int, int] | None:
    """Where a hole is after an edit of the text: on the letters it was on. None if they are gone."""
    before = alike(old, new)
    after = alike(old[before:][::-1], new[before:][::-1])
    shift, gone = len(new) - len(old), len(old) - after  # letters from `before` to `gone` were replaced
    if before <= hole[0] and hole[1] <= gone:
        return None
    start = hole[0] + shift if hole[0] >= gone else min(hole[0], before)
    stop = hole[1] + shift if hole[1] >= gone and hole[1] > before else min(hole[1], before)
    gone = old[slice(*hole)].strip() and not new[start:stop].strip()  # only a space is left
    return None if gone else (start, stop)


def middle_word(text: str, longest: int) -> tuple[int, int]:
    """The word nearest to the middle of a text, with the space before it; context on both sides helps."""
    letters = text.replace(MASK_TOKEN, "." * len(MASK_TOKEN))
    words = [found.span() for found in re.finditer(r"\s?\w{2,}", letters)] or [(0, len(text))]
    start, stop = min(words, key=lambda span: abs(sum(span) - len(text)))
    while len(text[start:stop].encode(errors="surrogatepass")) > longest:
        stop -= 1
    return start, stop
