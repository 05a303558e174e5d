"""Notebook 11: one text through the whole model, with all the tools of the other notebooks."""

import html
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain, zip_longest
from math import log2
from typing import NamedTuple

import ipywidgets
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import (
    DPI,
    FLOW,
    Experiment,
    choice,
    line_box,
    or_loaded,
    range_slider,
    slider,
    widget,
)
from perceiver_edu.course.widgets.exploring import (
    CHANGED,
    NOTHING,
    SECOND,
    SECONDS,
    UNTOUCHED,
    Explored,
    ForwardPass,
    ForwardPasses,
    described,
    explore,
)
from perceiver_edu.course.widgets.hole import HOLE, TEXT, first_hidden, hole_controls, text_strip, with_signs
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.plots.attention import byte_labels, lines_of, text_shaded
from perceiver_edu.instruments.plots.diagrams import PARTS, stage_graph
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, OUTPUT
from perceiver_edu.language import to_translate
from perceiver_edu.stages import STAGES
from perceiver_edu.weights.pretrained import weights_name

SIZE = (10, 6)  # inches
TOP = 5
LINE, LINES = 64, 4  # signs in a line of the picture, and lines
ARRAYS = {part: STAGES[part].array if part in STAGES else part for part in PARTS}
INTERVAL = to_translate(
    "The two ends of the range that is removed; at the same position they remove nothing."
)


class Preset(NamedTuple):
    """A state with a question. What it does not name is as in the whole model."""

    question: str
    state: dict


PRESETS = {
    to_translate("three latents removed"): Preset(
        to_translate(
            "The latents 6–8 are set to zero. Which of the three does the hidden word need? Zero one at a "
            "time."
        ),
        {"zeroed": (6, 9), "latent": 7},
    ),
    to_translate("one letter, 44 times"): Preset(
        to_translate(
            "Every letter is the same. Does latent 8 attend to the same position as in the sentence, or to "
            "none?"
        ),
        {"text": 44 * "a", "hole": HOLE, "latent": 8},
    ),
    to_translate("stopped after six layers"): Preset(
        to_translate("Only six layers run. Move the layer slider to 0 and up again. Does every layer help?"),
        {"k": 6},
    ),
}


def stages(figure, shapes: dict, layers: int) -> dict[str, dict]:
    """The upper half of the picture -> arguments for `figure.text`, to put the norm under each array."""
    ax = figure.add_axes((0, 0.51, 1, 0.49))
    places = stage_graph(ax, shapes, layers, symbols=False, size=8.5)
    to_figure = ax.transData + figure.transFigure.inverted()
    line = 10.6 / 72 / SIZE[1]  # the distance of two lines of 8.5 points
    for place in places.values():
        place["x"], place["y"] = to_figure.transform((place["x"], place["y"]))
        place["y"] -= line if place["va"] == "center" else 2 * line
    return places


@lru_cache(maxsize=8)
def stages_as_pixels(shapes: tuple, layers: int) -> tuple[np.ndarray, dict[str, dict]]:
    figure = Figure(figsize=SIZE, dpi=DPI)
    places = stages(figure, dict(shapes), layers)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()), places


def paste_stages(figure, shapes: dict, layers: int) -> dict[str, dict]:
    """As `stages`, in a tenth of the time where it was drawn before: most controls leave it as it is."""
    pixels, places = stages_as_pixels(tuple(shapes.items()), layers)
    figure.add_artist(Pixels(pixels))
    return places


class Pixels(Artist):
    """A picture of the size of the figure, under all else; `figimage` would first resample it, for 25 ms."""

    def __init__(self, rgba: np.ndarray):
        super().__init__()
        self.rgba = rgba  # (height, width, 4) uint8
        self.set_zorder(-1)

    def draw(self, renderer):
        context = renderer.new_gc()
        renderer.draw_image(context, 0, 0, self.rgba[::-1])  # a renderer begins at the bottom
        context.restore()


def draw(figure, found: Explored, stages=stages) -> str:
    whole, drawn = found.runs[UNTOUCHED], CHANGED if CHANGED in found.runs else UNTOUCHED
    shown, query = found.runs[drawn], whole.query(found.position)
    row, column = whole.weights[found.head, found.latent], whole.weights[found.head, :, found.position]
    for part, place in stages(figure, shown.shapes, found.change.k).items():
        if part in shown.norms:
            figure.text(s=f"norm {shown.norms[part]:.3g}", **place)
    figure.text(0.02, 0.965, f"the {drawn} model, with the shapes and the mean norm of the rows", fontsize=10)

    lines = lines_of(byte_labels(whole.ids), LINE)
    line = next(number for number, (_, stop) in enumerate(lines) if found.position < stop)
    above = max(0, min(line - 2, len(lines) - LINES))  # of a long text, the lines about the frame
    first, last = lines[above][0], lines[above : above + LINES][-1][1]
    height, sign, line = 0.035 * min(len(lines), LINES), found.position - lines[line][0], line - above
    below = figure.add_axes((0.02, 0.445 - height, 0.97, height))
    text_shaded(below, whole.ids[first:last], row[first:last], LINE)
    left, right, top, bottom = sign - 0.5, sign + 0.5, line - 0.5, line + 0.5
    frame = [left, right, right, left, left], [top, top, bottom, bottom, top]
    below.plot(*frame, color=OUTPUT, lw=2.5, clip_on=False)
    title = f"attention of latent {found.latent} with head {found.head}, byte {found.position} framed"
    title += f" (bytes {first} to {last - 1})" * (last - first < len(row))
    below.set_title(title, fontsize=10)
    readers = figure.add_axes((0.03, 0.085, 0.55, 0.14))
    readers.stairs(column.numpy(), [n - 0.5 for n in range(len(column) + 1)], fill=True, color=LATENT)
    top = float(column.max())
    title = f"The bars show all latents' weights on the framed byte (up to {top:.1%})."
    if query is not None:
        scaled = query * column.max() / query.max()
        readers.stairs(scaled.numpy(), [n - 0.5 for n in range(len(query) + 1)], color=OUTPUT, lw=1.5)
        title += f"\nThe line shows its query's weights, on its own scale (up to {query.max():.1%})."
    readers.set_title(title, fontsize=9.5, loc="left")
    readers.set(xlabel="latent", xlim=(-0.5, len(column) - 0.5), ylim=(0, top * 1.05))
    readers.locator_params("x", nbins=4, integer=True)  # each costs a millisecond
    readers.yaxis.set_visible(False)  # an axis with numbers takes as long to draw as all else here
    readers.spines["left"].set_visible(False)

    bits = figure.add_axes((0.73, 0.085, 0.22, 0.14))
    colours = {UNTOUCHED: INK, CHANGED: LATENT, SECOND: INPUT}
    bits_of = [run.bits for run in found.runs.values()]
    bits.barh(range(len(bits_of)), bits_of, color=[colours[name] for name in found.runs])
    for height, (name, cost) in enumerate(zip(found.runs, bits_of, strict=True)):
        bits.text(0, height, f"{name} ", va="center", ha="right", fontsize=10)
        bits.text(cost, height, f" {cost:.2f}", va="center", fontsize=9)
    bits.set_title("bits per hidden byte", fontsize=10)
    uniform = log2(shown.shapes["mlm_head"][-1])  # bits of a uniform baseline
    bits.plot([uniform, uniform], [-0.5, 2.5], color=INK, lw=1, ls=":")
    bits.text(uniform, 2.55, f"uniform {uniform:.2f}", ha="center", va="top", fontsize=7.75)
    bits.set(ylim=(2.6, -0.6), xlim=(0, 1.25 * max(*bits_of, uniform)))
    bits.set_axis_off()

    norms = ", ".join(f"{ARRAYS[part]} {norm:.3g}" for part, norm in shown.norms.items())
    costs = ", ".join(f"{translated(name)} {run.bits:.2f}" for name, run in found.runs.items())
    asked = (
        ""
        if query is None
        else translated(
            " Its query attends most to latent {latent}, {weight:.0%}.",
            latent=int(query.argmax()),
            weight=query.max(),
        )
    )
    return translated(
        "The stages with their shapes, and the mean norm of the rows of each array: {norms}. "
        "Below, the attention of latent {latent} with head {head}, which is highest on byte "
        "{byte}, {byte_weight:.0%}. The latent that attends most to byte {place} is {most}, "
        "{weight:.0%}.{asked} Bits per hidden byte: {costs}.",
        norms=norms,
        latent=found.latent,
        head=found.head,
        byte=int(row.argmax()),
        byte_weight=float(row.max()),
        place=found.position,
        most=int(column.argmax()),
        weight=float(column.max()),
        asked=asked,
        costs=costs,
    )


def headline(found: Explored) -> str:
    best = {
        name: repr(run.fillings[0].text) if run.fillings else translated("none")
        for name, run in found.runs.items()
    }
    parts = [
        translated(
            "{name}: {best}, {bits:.2f} bits per hidden byte",
            name=translated(name),
            best=best[name],
            bits=run.bits,
        )
        for name, run in found.runs.items()
    ]
    return "; ".join(parts)


def compared(run: ForwardPass, whole: ForwardPass, part: str) -> tuple[str, str]:
    """The norm of an array's rows, and its difference from the untouched one."""
    difference = run.difference(whole, part)
    return f"{run.norms[part]:.3f}", translated(
        "different shape"
    ) if difference is None else f"{difference:.1%}"


def tell(found: Explored) -> Report:
    whole = found.runs[UNTOUCHED]
    report = Report("playground").table(
        (translated("what the model is given"),), [(with_signs(found.text, found.hole),)]
    )
    header = [
        translated("rank"),
        *(translated("{name}: filling", name=translated(name)) for name in found.runs),
    ]
    columns = [[f"{text!r} {100 * p:.3g} %" for text, p in run.fillings] for run in found.runs.values()]
    ranks = [f"{rank}." for rank in range(1, max(map(len, columns)) + 1)]
    rows = list(zip_longest(ranks, *columns, fillvalue=""))
    rows.append((translated("bits per hidden byte"), *(f"{run.bits:.2f}" for run in found.runs.values())))
    report.table(header, rows)
    report.say(
        translated("The hidden text was {hidden!r}. {change}", hidden=found.hidden, change=described(found))
    )
    others = {name: run for name, run in found.runs.items() if name != UNTOUCHED}
    rows = [
        (
            translated("latents, {part}", part=part) if ARRAYS[part] == "latents" else ARRAYS[part],
            " × ".join(map(str, whole.shapes[part])),
            f"{whole.norms[part]:.3f}",
            *chain.from_iterable(compared(run, whole, part) for run in others.values()),
        )
        for part in whole.norms
    ]
    header = (
        translated("array"),
        translated("shape"),
        translated("{name}: norm", name=translated(UNTOUCHED)),
    )
    header += tuple(
        translated("{name}: {what}", name=translated(name), what=what)
        for name in others
        for what in (translated("norm"), translated("difference"))
    )
    report.table(header, rows)
    signs = byte_labels(whole.ids)
    places, shares = largest(whole.weights[found.head, found.latent])
    header = [translated("latent {latent} attends to", latent=found.latent), translated("weight")]
    header += [
        translated(
            "latents attending to byte {place} {sign}", place=found.position, sign=signs[found.position]
        ),
        translated("weight"),
    ]
    columns = [[f"{place} {signs[place]}" for place in places], shares]
    columns += largest(whole.weights[found.head, :, found.position])
    if (query := whole.query(found.position)) is not None:
        columns += largest(query)
        header += [translated("its query attends to latent"), translated("weight")]
    return report.table(header, zip_longest(*columns, fillvalue=""))


def largest(weights) -> tuple[list[int], list[str]]:
    """Where the largest of these attention weights are, and the weights in per cent."""
    shares, places = weights.topk(min(TOP, len(weights)))
    return places.tolist(), [f"{share:.1%}" for share in shares.tolist()]


@widget("11_playground", "lab")
def playground(
    model=None, text: str = TEXT, hole: tuple[int, int] = HOLE, weights: str | None = None, **state
) -> Experiment:
    """Everything about one text. `state`: initial values of other controls, by name.

    `weights`: what `load_pretrained` was given for the model, for the code to be exported; None is as there.
    """
    model = or_loaded(model)
    runs, config = ForwardPasses(model, weights or weights_name()), model.config
    latents, heads = config.num_latents, config.num_cross_attention_heads
    own, last = config.num_self_attention_heads, max(0, len(model.processor.self_attends) - 1)
    controls = hole_controls(model, text, hole) | {
        "latent": slider("latent", min(8, latents - 1), 0, latents - 1, "The latent whose attention weights "
        "are shown."),
        "head": slider("head", 0, 0, heads - 1, "The head of the encoder's attention."),
        "position": slider("byte", 1 + hole[0], 0, len(text.encode()) + 1, "The byte that is framed."),
        "zeroed": range_slider("zero latents", (0, 0), 0, latents, INTERVAL),
        "k": slider("layers", runs.layers, 0, runs.layers, "How many layers of the processor run."),
        "layer": slider("silence in layer", 0, 0, last, "The layer whose heads are silenced."),
        "silenced": range_slider("silence heads", (0, 0), 0, own, INTERVAL),
        "beside": choice("second weights", SECONDS, NOTHING, "The second weights, run for comparison."),
        "second": line_box("their name", "", "embedded, random, a folder or a hub id; then press Enter."),
    }  # fmt: skip
    place, whole = controls["position"], {name: control.value for name, control in controls.items()}

    def follow(change):  # a hole that moves takes the frame along
        if change.new[0] != change.old[0]:
            with suppress(InputError):  # the experiment says what is wrong with this text
                place.value = min(first_hidden(controls["text"].value, change.new), place.max)

    def make_room(change):
        place.max = max(place.max, len(change.new.encode(errors="replace")) + 1)

    controls["text"].observe(make_room, "value")
    controls["hole"].observe(follow, "value")
    controls["second"].continuous_update = False  # no half-typed name is looked for
    for name, value in state.items():
        controls[name].value = value
    compute, quick_draw = partial(explore, runs), partial(draw, stages=paste_stages)
    strip = text_strip(model, controls)
    lab = Experiment(
        "playground", controls, compute, quick_draw, tell, size=SIZE, headline=headline, strip=strip
    )

    def show_line(change=None):
        changed = [f", {name}={value!r}" for name, value in lab.state.items() if value != whole[name]]
        strip.line = f"widgets.playground(model{''.join(changed)})"

    lab.view.observe(show_line, "value")
    show_line()
    lab.children = (presets(lab, whole), *lab.children)
    return lab


def presets(lab: Experiment, whole: dict) -> ipywidgets.VBox:
    """A button for each preset, with its question, and one that restores the whole model."""
    asked = ipywidgets.HTML()

    def go_to(question, state):
        lab.state = whole | state
        asked.value = html.escape(translated(question))

    buttons = []
    for name, preset in (PRESETS | {to_translate("reset"): Preset("", {})}).items():
        tip = translated(preset.question or to_translate("Restore the whole model and the original text."))
        button = ipywidgets.Button(description=translated(name), tooltip=tip, layout={"width": "auto"})
        button.on_click(lambda _, preset=preset: go_to(*preset))
        buttons.append(button)
    return ipywidgets.VBox([ipywidgets.Box(buttons, layout=FLOW), asked])
