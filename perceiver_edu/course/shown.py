"""What widgets of the course have in common: how a page shows them when no kernel runs, or a new one.

JupyterLab keeps the page of a widget whose kernel was restarted, with broken links for icons, and has nothing
but an error for one in a notebook that is opened again. So an output comes before every widget. Its style
hides it while the widget lives; when it does not, it hides the error, and shows a sentence and a button.
"""

import html

import ipywidgets
from IPython import get_ipython
from IPython.display import display, publish_display_data

from perceiver_edu.course.place import translated
from perceiver_edu.language import to_translate

MARK = "perceiver_edu"  # in the metadata of outputs that are of no use without a kernel

LOOK = """<style>
.perceiver-asleep {display: none}
.jp-OutputArea:not(:has(.perceiver-shown:not(.jupyter-widgets-disconnected))) .perceiver-asleep {
    display: block; max-height: 0; overflow: hidden; animation: perceiver-asleep 0s 2s forwards}
@keyframes perceiver-asleep {to {max-height: none}}
.jp-OutputArea:has(.perceiver-asleep) .jupyter-widgets-disconnected::before {display: none !important}
.jp-OutputArea:has(.perceiver-asleep) .perceiver-shown.jupyter-widgets-disconnected {
    opacity: .5; pointer-events: none}
.jp-OutputArea-child:has(.perceiver-asleep) + .jp-OutputArea-child
    .jp-OutputArea-output:not(:has(.perceiver-shown)) {display: none}
</style>"""
STOPPED = to_translate(
    "This cell was run by a kernel that has ended. To use it again, run it, after the cells above if it "
    "needs them."
)
ABOVE, RUN = to_translate("Run All Above"), to_translate("Run this cell")


class Shown(ipywidgets.VBox):
    """A widget with a sentence for pages without a kernel, and one for the time after its kernel ended."""

    sentence = ""

    def __init__(self, children=(), **traits):
        super().__init__(children, **traits)
        self.add_class("perceiver-shown")

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/plain"] = translated(self.sentence)
        return bundle

    def _ipython_display_(self):
        if getattr(get_ipython(), "kernel", None) is not None:
            buttons = f"{run_button('notebook:run-all-above', ABOVE)} {run_button('notebook:run-cell')}"
            words = f"<p>{translated(STOPPED)} {buttons}</p>"
            asleep = f'{LOOK}<div class="perceiver-asleep">{words}</div>'
            display({"text/plain": "", "text/html": asleep}, raw=True, metadata={MARK: {"asleep": True}})
        bundle = self._repr_mimebundle_()
        publish_display_data(bundle[0] if isinstance(bundle, tuple) else bundle)


class Asleep:
    """In the place of an experiment that lacks what the cells above compute."""

    def __init__(self, name: str):
        self.sentence = translated(
            "This experiment shows what the cells above compute (`{name}` is not there yet).", name=name
        )
        self.what = translated("Run them by Run ▸ Run All Above Selected Cell, then run this cell.")

    def __repr__(self):
        return f"{self.sentence} {self.what}"

    def _repr_html_(self):
        button = run_button("notebook:run-all-above", ABOVE)
        return f"<p>{html.escape(repr(self))} {button}</p>"

    def still(self) -> None:
        """There is no picture yet."""


def run_button(command: str, label: str = RUN) -> str:
    """A button that gives JupyterLab a command. Elsewhere there is none."""
    style = ".perceiver-run {display: none} .jp-OutputArea .perceiver-run {display: inline}"
    button = (
        f'<button class="perceiver-run" data-commandlinker-command="{command}">{translated(label)}</button>'
    )
    return f"<style>{style}</style>{button}"
