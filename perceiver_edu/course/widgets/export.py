"""Save what the playground shows: the figure as a file, and the code that reproduces it."""

import html
import os
from io import BytesIO
from itertools import count
from pathlib import Path
from string import Template

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from perceiver_edu.course.place import translated
from perceiver_edu.course.shown import Shown
from perceiver_edu.course.widgets.base import FLOW, Experiment, line_box
from perceiver_edu.course.widgets.exploring import Explored
from perceiver_edu.course.widgets.playground import SIZE, draw
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.plots.style import STYLE, add_chinese_fonts
from perceiver_edu.language import to_translate
from perceiver_edu.writing import write_whole

KINDS = ("png", "svg", "py")


def save(found: Explored, folder: str | Path = ".", kind: str = "png") -> Path:
    """Write the figure ("png", "svg") or the code ("py") to a new file of this folder -> the file.

    A file that is there is never written over: a number is added to the name.

    Raises: InputError for a folder that is not there or cannot be written, and for another kind.
    """
    if kind not in KINDS:
        raise InputError(
            translated("a figure can be saved as {kinds}, not {kind!r}", kinds=", ".join(KINDS), kind=kind)
        )
    try:
        folder = Path(folder).expanduser()
        if not folder.is_dir():
            raise InputError(
                translated(
                    "There is no folder {folder!r}: create it first, or name another.", folder=str(folder)
                )
            )
        content = code(found).encode() if kind == "py" else picture(found, kind)
        names = (f"playground{f'-{number}' * (number > 1)}.{kind}" for number in count(1))
        path = next(folder / name for name in names if not os.path.lexists(folder / name))
        write_whole(path, content)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            translated("Cannot write to {folder!r}: {reason}.", folder=str(folder), reason=reason)
        ) from None
    return path


def picture(found: Explored, kind: str) -> bytes:
    """The figure as the content of a file."""
    file = BytesIO()
    with plt.rc_context(STYLE):
        figure = Figure(figsize=SIZE, dpi=192)
        alt = draw(figure, found)
        add_chinese_fonts(figure)
        about = {"Description": alt} | ({"Date": None} if kind == "svg" else {})
        figure.savefig(file, format=kind, metadata=about)
    return file.getvalue()


PROGRAM = Template('''"""Made by the playground of perceiver_edu. It prints the numbers and saves the figure.

Change what you like. `explore` makes the untouched run and the changed run. Its source code shows how to
stop a model early, zero latents and silence heads with the functions of `perceiver_edu.instruments`.
"""

from perceiver_edu import load_pretrained
from perceiver_edu.course.widgets.exploring import ForwardPasses, explore
from perceiver_edu.course.widgets.export import save

weights = $weights
text, hole = $text, $hole  # first hidden character, first visible one after it
explored = explore(
    ForwardPasses(load_pretrained(weights), weights),
    text,
    hole,
    latent=$latent,  # the picture shows the attention weights of this latent
    head=$head,  # with this head of the encoder
    position=$position,  # of the queried byte, which has a frame in the picture
    k=$k,  # how many layers of the processor run
    zeroed=$zeroed,  # latents set to zero: the first, and the next one that is kept
    layer=$layer,  # the layer whose heads are silenced
    silenced=$silenced,  # the first of these heads, and the next one that is kept
    beside=$beside,  # what kind of second weights
    second=$second,  # their name, if you give one
)
found = explored.runs  # always "untouched"; also "changed" and "second weights" if you set them above
for name, run in found.items():
    print(name, *[f"{f.text!r} {f.probability:.3g}" for f in run.fillings], sep="\\n    ")
    print(f"    {run.bits:.2f} bits per hidden byte")
    print("    mean norms:", ", ".join(f"{part} {norm:.3f}" for part, norm in run.norms.items()))

whole = found["untouched"]
of_latent = whole.weights[explored.head, explored.latent]  # (M,): its attention weights
on_byte = whole.weights[explored.head, :, explored.position]  # (N,): of all latents, on the queried byte
print("the latent attends most to byte", int(of_latent.argmax()))
print("the latent that attends most to the queried byte is", int(on_byte.argmax()))
if whole.query(explored.position) is not None:  # the queried byte is hidden, so it has an output query
    query = whole.query(explored.position)  # (N,): the attention weights of this output query
    print(f"its output query attends most to latent {int(query.argmax())}: {query.max():.1%}")

print(save(explored, ".", "png"))
''')


def code(found: Explored) -> str:
    """A program that runs by itself, prints the numbers of the playground and saves its figure."""
    known = found._asdict() | found.change._asdict()
    return PROGRAM.substitute({name: repr(known[name]) for name in PROGRAM.get_identifiers()})


class Export(Shown):
    """A folder, three buttons, and the code for what a playground shows at this moment."""

    sentence = to_translate("Buttons that save the figure and the code: run this cell to use them.")

    def __init__(self, lab: Experiment):
        self.lab = lab
        self.folder = line_box(
            "folder", ".", "The folder for the files; a dot is the folder of this notebook."
        )
        self.buttons = {}
        for kind, label in zip(
            KINDS, (translated("save PNG"), translated("save SVG"), translated("save code")), strict=True
        ):
            tip = translated("Write playground.{kind}, or add a number if that name is taken.", kind=kind)
            self.buttons[kind] = ipywidgets.Button(description=label, tooltip=tip)
            self.buttons[kind].on_click(lambda _, kind=kind: self._save(kind))
            self.buttons[kind].add_class(f"perceiver-save-{kind}")
        self.said, self.code = ipywidgets.HTML(), ipywidgets.HTML(layout={"width": "auto"})
        row = ipywidgets.Box([self.folder, *self.buttons.values()], layout=FLOW)
        super().__init__([row, self.said, self.code])
        self.add_class("perceiver-export")
        self._show()
        lab.view.observe(self._show, "value")

    def _save(self, kind: str) -> None:
        try:
            if self.lab.problem:
                raise InputError(self.lab.problem)
            text, role = (
                translated("Written: {file}", file=save(self.lab.result, self.folder.value, kind).resolve()),
                "status",
            )
        except InputError as error:
            text, role = str(error), "alert"
        self.said.value = f'<p role="{role}">{html.escape(text)}</p>'

    def _show(self, change=None) -> None:
        shown = self.lab.problem or code(self.lab.result)
        style = "border:1px solid #8888;padding:.5em;white-space:pre-wrap;word-break:normal;"
        style += "overflow-wrap:anywhere;box-sizing:border-box;"
        style += "overflow:auto;line-height:1.4;max-height:28em;color:inherit;background:none"
        about = f'tabindex="0" aria-label="{translated("the code")}" style="{style}"'
        self.code.value = f"<pre {about}>{html.escape(shown)}</pre>"
