"""A text as cells, one for each id, of which one is chosen by a click; a slider does the same by keyboard."""

import ipywidgets

from perceiver_edu.course.widgets.base import readable
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.plots.attention import byte_labels
from perceiver_edu.tokenizer import ByteTokenizer

MOST = 512  # cells; the slider goes on where a longer text has none

LOOK = """<style>
.perceiver-cells .widget-label {width: auto}
.perceiver-cells .widget-toggle-button {padding: 0; margin: 1px; min-width: 1.5em; height: 1.7em;
    line-height: 1.7em; font-family: monospace}
</style>"""


def text_cells(model, text_box, place_slider) -> ipywidgets.Box:
    """Cells for the ids of the text that stands in `text_box`, tied to a slider over their places."""
    cells = ipywidgets.ToggleButtons(
        description="frame a byte by a click, or with the slider `byte`", tooltip="As the slider `byte` does."
    )
    cells.style.button_width = "1.6em"
    cells.add_class("perceiver-cells").add_class("perceiver-control-place")
    busy = False  # while a new text is laid out, cells and slider move on their own

    def lay_out(change=None):
        nonlocal busy
        kept = place_slider.value
        try:
            ids, _ = ByteTokenizer().batch([readable(model, text_box.value)[0]])
        except InputError:  # the experiment says what is wrong with this text
            return
        busy = True
        try:
            place_slider.max = ids.shape[1] - 1
            labels = list(zip(byte_labels(ids[0]), range(MOST), strict=False))
            cells.options = [(sign + _invisible(place), place) for sign, place in labels]
            cells.tooltips = [f"byte {place}: {sign}" for sign, place in labels]
            place_slider.value = min(kept, place_slider.max)
            cells.index = place_slider.value if place_slider.value < len(labels) else None
        finally:
            busy = False

    def clicked(change):
        if not busy and change.new is not None:
            place_slider.value = change.new

    def slid(change):
        if not busy:
            cells.index = change.new if change.new < len(cells.options) else None

    lay_out()
    text_box.observe(lay_out, "value")
    cells.observe(clicked, "value")
    place_slider.observe(slid, "value")
    look = ipywidgets.HTML(LOOK, layout={"display": "none"})
    return ipywidgets.Box([look, cells], layout={"overflow": "hidden", "width": "auto"})


def _invisible(place: int) -> str:
    """A number in signs without width: the page tells buttons apart by their labels."""
    return format(place, "b").translate({ord("0"): "\u200b", ord("1"): "\u200c"})
