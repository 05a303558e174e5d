"""Notebook 10: one text through the whole model, and at hand all that the other notebooks had one by one."""

from itertools import zip_longest

from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, choice, line_box, range_slider, slider
from perceiver_edu.course.widgets.cells import text_cells
from perceiver_edu.course.widgets.exploring import (
    CHANGED,
    HALF,
    NAMED,
    NOTHING,
    SECOND,
    UNTOUCHED,
    UNTRAINED,
    Explored,
    Runs,
    described,
    explore,
)
from perceiver_edu.course.widgets.hole import HOLE, TEXT, hole_controls
from perceiver_edu.fill_mask import fill_in, hole_length
from perceiver_edu.instruments.plots.attention import byte_labels, text_shaded
from perceiver_edu.instruments.plots.diagrams import stage_graph
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, OUTPUT
from perceiver_edu.pretrained import weights_name

SIZE = (10, 5.6)  # inches
TOP = 5
SECONDS = [NOTHING, HALF, UNTRAINED, NAMED]
INTERVAL = "From, up to but not including. Equal: none."


def draw(figure, found: Explored) -> str:
    whole, shown = found.runs[UNTOUCHED], found.runs.get(CHANGED, found.runs[UNTOUCHED])
    row, column = whole.weights[found.head, found.latent], whole.weights[found.head, :, found.place]
    graph = figure.add_axes((0, 0.5, 1, 0.5))
    notes = {name: f"length {length:.3g}" for name, length in shown.lengths.items()}
    stage_graph(graph, shown.shapes, found.change.k, notes, size=8.5)

    below = figure.add_axes((0.02, 0.32, 0.97, 0.15))
    text_shaded(below, whole.ids, row)
    line, sign = divmod(found.place, 64)
    below.plot(
        [sign - 0.5, sign + 0.5, sign + 0.5, sign - 0.5, sign - 0.5],
        [line - 0.5, line - 0.5, line + 0.5, line + 0.5, line - 0.5],
        color=OUTPUT, lw=2.5, clip_on=False,
    )  # fmt: skip
    below.set_title(
        f"what latent {found.latent} reads with head {found.head}; framed: byte {found.place}", fontsize=10
    )
    readers = figure.add_axes((0.07, 0.09, 0.49, 0.15))
    readers.stairs(column.numpy(), [n - 0.5 for n in range(len(column) + 1)], fill=True, color=LATENT)
    readers.set_title(
        f"share of the framed byte in what each latent reads with head {found.head}", fontsize=10
    )
    readers.set(xlabel="latent", xlim=(-0.5, len(column) - 0.5))
    readers.locator_params(axis="y", nbins=3)

    bits = figure.add_axes((0.72, 0.09, 0.22, 0.15))
    names = list(found.runs)[::-1]
    colours = {UNTOUCHED: INK, CHANGED: LATENT, SECOND: INPUT}
    for height, name in enumerate(names):
        value = found.runs[name].bits
        bits.barh(height, value, color=colours[name])
        bits.text(value, height, f" {value:.2f}", va="center", fontsize=9)
    bits.set_yticks(range(len(names)), names)
    bits.set_title("bits per hidden byte", fontsize=10)
    bits.set(ylim=(-0.6, 2.6), xlim=(0, max(run.bits for run in found.runs.values()) * 1.25))
    bits.locator_params(axis="x", nbins=3)

    lengths = ", ".join(f"{name.strip()} {length:.3g}" for name, length in shown.lengths.items())
    costs = ", ".join(f"{name} {run.bits:.2f}" for name, run in found.runs.items())
    return (
        f"The stages with their shapes, and the mean length of a row of each array: {lengths}. Below, the "
        f"text as latent {found.latent} reads it with head {found.head}: byte {int(row.argmax())} most, "
        f"{float(row.max()):.0%}. Byte {found.place} is read most by latent {int(column.argmax())}, "
        f"{float(column.max()):.0%}. Bits per hidden byte: {costs}."
    )


def tell(found: Explored) -> Report:
    whole = found.runs[UNTOUCHED]
    with_hole = fill_in(found.text, [found.hole], ["▒" * hole_length(found.hidden)])
    report = Report("playground").table(("what the model reads",), [(with_hole,)])
    header = ["rank", *(f"{name}: filling" for name in found.runs)]
    columns = [
        [f"{filling.text!r} {100 * filling.probability:.3g} %" for filling in run.fillings]
        for run in found.runs.values()
    ]
    ranks = [f"{rank}." for rank in range(1, max(map(len, columns)) + 1)]
    rows = list(zip_longest(ranks, *columns, fillvalue=""))
    rows.append(("bits per hidden byte", *(f"{run.bits:.2f}" for run in found.runs.values())))
    report.table(header, rows)
    report.say(f"Hidden was {found.hidden!r}. {described(found)}")
    rows = [
        (
            name.strip() + {"latents": ", encoder", "latents ": ", processor"}.get(name, ""),
            " × ".join(map(str, whole.shapes[name])),
            *(f"{run.lengths[name]:.3f}" for run in found.runs.values()),
        )
        for name in whole.lengths
    ]
    report.table(("array", "shape", *(f"{name}: length" for name in found.runs)), rows)
    signs = byte_labels(whole.ids)
    shares, places = whole.weights[found.head, found.latent].topk(min(TOP, len(signs)))
    most, latents = whole.weights[found.head, :, found.place].topk(min(TOP, len(whole.weights[0])))
    rows = [
        (f"{place} {signs[place]}", f"{share:.1%}", latent, f"{read:.1%}")
        for place, share, latent, read in zip(
            places.tolist(), shares.tolist(), latents.tolist(), most.tolist(), strict=False
        )
    ]
    byte = f"byte {found.place} {signs[found.place]}"
    report.table((f"latent {found.latent} reads", "share", f"{byte} is read by latent", "share"), rows)
    return report.say(found.note) if found.note else report


def playground(
    model, text: str = TEXT, hole: tuple[int, int] = HOLE, weights: str | None = None
) -> Experiment:
    """Everything about one text. `weights`: the name that `load_pretrained` had, for the exported code."""
    runs, config = Runs(model, weights or weights_name()), model.config
    latents, heads = config.num_latents, config.num_cross_attention_heads
    own, last = config.num_self_attention_heads, max(0, len(model.processor.self_attends) - 1)
    controls = hole_controls(text, hole) | {
        "latent": slider("latent", min(8, latents - 1), 0, latents - 1, "Which latent reads the text."),
        "head": slider("head", 0, 0, heads - 1, "Which head of the encoder's attention."),
        "place": slider("byte", 1 + hole[0], 0, len(text) + 1, "Which byte is framed: who reads it?"),
        "zeroed": range_slider("zero latents", (0, 0), 0, latents, INTERVAL),
        "k": slider("layers", runs.layers, 0, runs.layers, "How many layers of the processor run."),
        "layer": slider("in layer", 0, 0, last, "Whose heads to silence."),
        "silenced": range_slider("silence heads", (0, 0), 0, own, INTERVAL),
        "beside": choice("second weights", SECONDS, NOTHING, "What to run beside it."),
        "second": line_box("their name", "", "embedded, random, a folder, or a hub id; then Enter."),
    }  # fmt: skip
    controls["second"].continuous_update = False  # no half-typed name is looked for
    cells = text_cells(model, controls["text"], controls["place"])
    lab = Experiment("playground", controls, lambda **state: explore(runs, **state), draw, tell, size=SIZE)
    lab.children = (lab.children[0], cells, lab.children[1])
    return lab
