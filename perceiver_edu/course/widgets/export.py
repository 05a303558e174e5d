"""Take home what the playground shows: the figure as a file, and the code that makes it again."""

import html
from itertools import count
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from perceiver_edu.course.widgets.base import Experiment, line_box
from perceiver_edu.course.widgets.exploring import (
    CHANGED,
    HALF,
    NAMED,
    SECOND,
    UNTOUCHED,
    UNTRAINED,
    Explored,
)
from perceiver_edu.course.widgets.playground import SIZE, draw
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.plots.style import STYLE

KINDS = ("png", "svg", "py")


def save(found: Explored, folder: str | Path = ".", kind: str = "png") -> Path:
    """Write the figure ("png", "svg") or the code ("py") to a new file of this folder -> the file.

    A file that is there is never written over: a number is added to the name.

    Raises: InputError for a folder that is not there or cannot be written, and for another kind.
    """
    if kind not in KINDS:
        raise InputError(f"a figure is saved as {', '.join(KINDS)}, not {kind!r}")
    try:
        folder = Path(folder).expanduser()
        if not folder.is_dir():
            raise InputError(f"There is no folder {str(folder)!r}: make it first, or name another.")
        for number in count(1):
            path = folder / f"playground{f'-{number}' * (number > 1)}.{kind}"
            try:
                file = path.open("xb")
                break
            except FileExistsError:
                continue
        with file:
            if kind == "py":
                file.write(code(found).encode())
            else:
                with plt.rc_context(STYLE):
                    figure = Figure(figsize=SIZE, dpi=192)
                    alt = draw(figure, found)
                    about = {"Description": alt} | ({"Date": None} if kind == "svg" else {})
                    figure.savefig(file, format=kind, metadata=about)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"Cannot write to {str(folder)!r}: {getattr(error, 'strerror', None) or error}."
        ) from None
    return path


def code(found: Explored) -> str:
    """A script that runs by itself and makes the numbers again, by the library's calls, and the figure.

    Its `found` is name of the run -> a `Look`; `reads` and `readers` are the row and the column of the
    encoder's map that the playground shows, `query` the row of the decoder's where the framed byte is hidden.
    """
    change, names, looks = (
        found.change,
        "ByteTokenizer, fill_mask, instruments, load_pretrained",
        ['found = {"untouched": look(model)}'],
    )
    if CHANGED in found.runs:
        parts = [
            f"instruments.ablate_latents(model, range{change.zeroed})"
            * (change.zeroed[0] < change.zeroed[1]),
            f"instruments.ablate_heads(model, {change.layer}, range{change.silenced})"
            * (change.silenced[0] < change.silenced[1]),
            f"instruments.stop_after(model, {change.k})" * (change.k < found.layers),
        ]
        listed = "".join(f"    {part},\n" for part in parts if part)
        looks.append(f'found["changed"] = look(\n    model,\n{listed})')
    if SECOND in found.runs and found.beside == HALF:
        looks.append(
            f'found["second weights"] = look(model, instruments.stop_after(model, {found.layers // 2}))'
        )
    elif SECOND in found.runs:
        if found.beside == UNTRAINED:
            names = names.replace("fill_mask", "PerceiverIOForMaskedLM, fill_mask")
            looks.append("torch.manual_seed(0)\nsecond = PerceiverIOForMaskedLM(model.config).eval()")
        elif found.beside == NAMED:
            looks.append(f"second = load_pretrained({found.second.strip()!r})")
        looks.append('found["second weights"] = look(second)')
    state = {"text": found.text, "hole": found.hole, "latent": found.latent, "head": found.head}
    state |= {"place": found.place, **change._asdict(), "beside": found.beside, "second": found.second}
    calls = "\n".join(looks)
    row, asks = found.place - found.runs[UNTOUCHED].first, ""
    if found.runs[UNTOUCHED].query(found.place) is not None:
        asks = f"""
query = found["untouched"].asked[{row}]  # (N,): what the query of byte {found.place} reads
print(f"its query reads latent {{int(query.argmax())}} most: {{query.max():.1%}}")"""
    return f'''"""Made by the playground of perceiver_edu. It prints the numbers, and saves the figure."""

from contextlib import ExitStack
from math import log
from typing import NamedTuple

import torch
import torch.nn.functional as F

from perceiver_edu import {names}
from perceiver_edu.course.widgets.exploring import Runs, explore
from perceiver_edu.course.widgets.export import save

model = load_pretrained({found.weights!r})
text, hole = {found.text!r}, {found.hole}
parts = ["embedding", "encoder", "processor", "queries", "decoder", "mlm_head"]
encoder_map = "encoder.cross_attend.attention.attention_map"
decoder_map = "decoder.cross_attend.attention.attention_map"
hidden = torch.tensor(ByteTokenizer().encode(text[slice(*hole)], add_special_tokens=False))  # (L,)


class Look(NamedTuple):
    fillings: list
    lengths: dict  # part -> mean length of the rows of what it puts out
    bits: float  # for each hidden byte
    weights: torch.Tensor  # (heads, N, M), the encoder's map
    asked: torch.Tensor  # (L, N): what the query of each hidden byte reads, mean of the decoder's heads


@torch.no_grad()
def look(model, *changes):
    """One run of the model, with these changes."""
    with ExitStack() as stack:
        for change in changes:
            stack.enter_context(change)
        seen = stack.enter_context(instruments.record(model, [*parts, encoder_map, decoder_map]))
        [fillings] = fill_mask(model, text, hole)
    lengths = {{part: float(seen[part][-1].norm(dim=-1).mean()) for part in parts}}
    bits = float(F.cross_entropy(seen["mlm_head"][-1][0], hidden)) / log(2)
    return Look(fillings, lengths, bits, seen[encoder_map][0][0], seen[decoder_map][0][0].mean(0))


{calls}
for name, run in found.items():
    print(name, *[f"{{f.text!r}} {{f.probability:.3g}}" for f in run.fillings], sep="\\n    ")
    print(f"    {{run.bits:.2f}} bits per hidden byte")
    print("   ", ", ".join(f"{{part}} {{length:.3f}}" for part, length in run.lengths.items()))

weights = found["untouched"].weights
reads = weights[{found.head}, {found.latent}]  # (M,): what latent {found.latent} reads with head {found.head}
readers = weights[{found.head}, :, {found.place}]  # (N,): who reads byte {found.place} with this head
print("most read: byte", int(reads.argmax()), "- read most by: latent", int(readers.argmax())){asks}

state = {state!r}
print(save(explore(Runs(model, {found.weights!r}), **state), ".", "png"))
'''


class Export(ipywidgets.VBox):
    """A folder, three buttons, and the code for what a playground shows at this moment."""

    def __init__(self, lab: Experiment):
        self.lab = lab
        self.folder = line_box("folder", ".", "Where the files go; a dot is the folder of this notebook.")
        self.buttons = {}
        for kind, label in zip(KINDS, ("save PNG", "save SVG", "save code"), strict=True):
            tip = f"Write playground.{kind}, or with a number where that name is taken."
            self.buttons[kind] = ipywidgets.Button(description=label, tooltip=tip)
            self.buttons[kind].on_click(lambda _, kind=kind: self._save(kind))
            self.buttons[kind].add_class(f"perceiver-save-{kind}")
        self.said, self.code = ipywidgets.HTML(), ipywidgets.HTML(layout={"width": "auto"})
        flow = {"display": "flex", "flex_flow": "row wrap", "width": "auto", "overflow": "hidden"}
        row = ipywidgets.Box([self.folder, *self.buttons.values()], layout=flow)
        super().__init__([row, self.said, self.code])
        self.add_class("perceiver-export")
        self._show()
        lab.view.observe(self._show, "value")

    def _save(self, kind: str) -> None:
        try:
            if self.lab.problem:
                raise InputError(self.lab.problem)
            text, role = f"Written: {save(self.lab.result, self.folder.value, kind).resolve()}", "status"
        except InputError as error:
            text, role = str(error), "alert"
        self.said.value = f'<p role="{role}">{html.escape(text)}</p>'

    def _show(self, change=None) -> None:
        shown = self.lab.problem or code(self.lab.result)
        style = "border:1px solid #8888;padding:.5em;white-space:pre-wrap;word-break:normal;"
        style += "overflow-wrap:anywhere;box-sizing:border-box;"
        style += "overflow:auto;line-height:1.4;max-height:28em;color:inherit;background:none"
        self.code.value = (
            f'<pre tabindex="0" aria-label="the code" style="{style}">{html.escape(shown)}</pre>'
        )

    def _repr_mimebundle_(self, **kwargs):
        """As every widget's, with a plain text for pages without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/plain"] = "Buttons that save the figure and the code: run this cell to use them."
        return bundle
