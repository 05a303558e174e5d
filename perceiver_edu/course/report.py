"""What a check says: one list of parts, read as plain text in a terminal and as HTML in a notebook."""

import html
import re
import textwrap
from reprlib import Repr

from rich.cells import cell_len, set_cell_size

from perceiver_edu.course.place import translated
from perceiver_edu.language import to_translate
from perceiver_edu.terminal import visible

# Verdicts, which precede the title, and the colours of the bar next to it (safe for colour-blind readers).
DONE, NOT_YET, WAITING = to_translate("✓ right"), to_translate("✗ not yet"), to_translate("… not done yet")
SAME, CHANGED = to_translate("✓ nothing changes"), to_translate("✗ something changes")
COLOURS = {DONE: "#009E73", SAME: "#009E73", NOT_YET: "#D55E00", CHANGED: "#D55E00", WAITING: "#999999"}


class Short(Repr):
    """Values in a few words. A tensor, also within a list, shows as its shape."""

    def repr_Tensor(self, tensor, level):
        return translated(
            "a tensor of shape {shape}, {dtype}",
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
        )

    repr_Parameter = repr_Tensor

    def repr_ndarray(self, array, level):
        return translated("an array of shape {shape}, {dtype}", shape=array.shape, dtype=array.dtype)

    def repr_ellipsis(self, value, level):
        return "..."


_short = Short()
_short.maxstring = _short.maxother = 120


class Report:
    """A verdict, a title and parts: sentences, tables and preformatted text.

    Shown as the value of a cell. `ok` says whether the exercise is done. All text is escaped when it is
    shown, so a part may quote what a learner wrote.
    """

    def __init__(self, title: str, verdict: str = WAITING):
        self.title, self.verdict, self.parts = title, verdict, []

    @property
    def ok(self) -> bool:
        return self.verdict == DONE

    def say(self, text: str) -> "Report":
        self.parts.append(("say", text))
        return self

    def table(self, header, rows) -> "Report":
        self.parts.append(("table", [list(map(str, row)) for row in (header, *rows)]))
        return self

    def fold(self, title: str, header, rows, plain: str) -> "Report":
        """A table that is unfolded by a click on its title; plain text has the line `plain` instead."""
        self.table(header, rows)
        self.parts[-1] = ("fold", (title, plain, self.parts[-1][1]))
        return self

    def pre(self, text: str) -> "Report":
        self.parts.append(("pre", text))
        return self

    def __repr__(self):
        verdict, title = translated(self.verdict), _plain(self.title)
        blocks = [translated("{verdict}: {title}", verdict=verdict, title=title)]
        for kind, content in self.parts:
            if kind == "say":
                blocks.append(
                    textwrap.fill(_plain(content), 100, break_long_words=False, break_on_hyphens=False)
                )
            elif kind == "fold":
                blocks.append(visible(content[1]))
            elif kind == "pre":
                blocks.append(textwrap.indent(visible(content, keep="\n"), "  "))
            else:
                rows = [[_plain(cell) for cell in row] for row in content]
                widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
                for row in rows:
                    cells = [set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)]
                    blocks.append("  " + "  ".join(cells).rstrip())
        return "\n".join(blocks)

    def _repr_html_(self):
        # No colour is set for the text: it is the page's own, so it is readable in light and in dark.
        style = f"border-left:4px solid {COLOURS[self.verdict]};padding-left:1em"
        head = f"<p><b>{translated(self.verdict)}</b> · {_inline(self.title)}</p>"
        body = head + self.parts_as_html()
        untouched = " mathjax_ignore tex2jax_ignore" * ("$" in body)  # JupyterLab would typeset $…$
        return f'<div class="perceiver-edu-check{untouched}" style="{style}">{body}</div>'

    def parts_as_html(self) -> str:
        """The parts alone, without verdict and title."""
        body = []
        for kind, content in self.parts:
            if kind == "say":
                body.append(f"<p>{_inline(content)}</p>")
            elif kind == "pre":
                text = html.escape(visible(content, keep="\n"))
                body.append(f'<pre style="font-family:monospace">{text}</pre>')
            elif kind == "fold":
                title, _, rows = content
                body.append(f"<details><summary>{_inline(title)}</summary>{_table(rows)}</details>")
            else:
                body.append(_table(content))
        return "".join(body)


class NotRight(AssertionError):
    """What a strict check raises for an exercise that is not done. Its message is the whole report."""

    def __init__(self, report: Report):
        super().__init__(repr(report))
        self.report = report
        self.is_shown = False

    def _render_traceback_(self) -> list[str]:
        """In a notebook the report itself is shown, followed by one line instead of a traceback."""
        from IPython.display import display

        if not self.is_shown:  # IPython asks twice: for the notebook, and for its log
            display(self.report)
        self.is_shown = True
        return [f"{type(self).__name__}: {_plain(self.report.title)}"]


def _table(rows) -> str:
    """Rows as HTML; the first is the header."""
    cells = [[_inline(cell) for cell in row] for row in rows]
    lines = ["".join(f'<th style="text-align:left">{cell}</th>' for cell in cells[0])]
    lines += ["".join(f'<td style="text-align:left">{cell}</td>' for cell in row) for row in cells[1:]]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table style="color:inherit;font-size:inherit">{body}</table>'


# To a notebook of the course, beside the one that shows the report.
NOTEBOOK_LINK = re.compile(r"\[([^\]\n]+)\]\((\d\d_\w+\.ipynb)\)")


def _inline(text: str) -> str:
    """As `with_code`, with links to notebooks."""
    return NOTEBOOK_LINK.sub(r'<a href="\2">\1</a>', with_code(text))


def with_code(text: str) -> str:
    """As HTML: escaped, with `code` in backticks set as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(visible(text)))


def _plain(text: str) -> str:
    """As a terminal shows it."""
    return NOTEBOOK_LINK.sub(r"\1", visible(text))


def shown(value) -> str:
    """A value in a few words; never raises, whatever the value does."""
    try:
        return _short.repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit, too: it would end the learner's session
        return translated("an object of type {name}", name=type(value).__name__)
