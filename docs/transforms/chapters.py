"""A notebook becomes a chapter: what only a running kernel can show gives way to what a page can show.

The notebooks stay as they are; `build.py` calls `chapter` for the copy that Sphinx reads.
"""

import re

import nbformat

from perceiver_edu.language import to_translate
from perceiver_edu.translation import ANCHOR, page_translator
from transforms.said import translate_output

FIRST_AND_LAST = ("anywhere", "course-foot")  # the cell that installs, and the links to other notebooks
HEAD_LINES = re.compile(r"\n+\*\*(?:In the browser|The course)\*\* .*")  # the page has buttons for these
DETAILS = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
PROGRESS_BAR = re.compile(r"^[^\n|]*:\s+\d+%\|")
CONTROLS = ("An experiment with controls", "Buttons that save")  # how a widget's text for other pages begins
PREDICTION = "Before you run the next cell, predict. "
UNIT, NUMBER = re.compile(r"a number \((.+)\)"), "a number ({unit})"

ADMONITION = """:::{{admonition}} {title}
:class: {kind}
{text}
:::"""
LIVE = (
    to_translate("An experiment with controls"),
    to_translate("The picture below shows one state of it. To move the controls, {open}."),
)
BUTTONS = (
    to_translate("Buttons that save your results"),
    to_translate("They need a running notebook: {open}."),
)
YOURS = (
    to_translate("Your turn"),
    to_translate(
        "Write this in the notebook, where the check tells you what is right and what is not yet: {open}."
    ),
)
OPEN = to_translate("[open this chapter on Colab]({colab}), or [install the course](../docs/install.md)")
PREDICT = to_translate("Before you read on, predict")


def chapter(
    notebook: nbformat.NotebookNode, colab: str, words: dict[str, str] | None = None
) -> nbformat.NotebookNode:
    """The notebook as a page reads it. `colab` is the address where the original opens with a kernel, and
    `words` are the translations of a book in another language."""
    words = words or {}
    translated = page_translator(words)
    how = words.get(OPEN, OPEN).format(colab=colab)

    def admonition(kind: str, title: str, text: str) -> str:
        text = words.get(text, text).replace("{open}", how)
        return ADMONITION.format(kind=kind, title=words.get(title, title), text=text)

    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.id in FIRST_AND_LAST or "claims" in tags:
            continue
        if cell.cell_type == "markdown":
            text = translated(HEAD_LINES.sub("", cell.source))
            # JupyterLab keeps the capitals of a heading, MyST does not.
            text = ANCHOR.sub(lambda link: link[1] + link[2].lower(), text)
            cell.source = with_foldings(text)
            cells.append(cell)
            continue
        cell.outputs = [output for output in cell.outputs if not is_progress(output)]
        if words:
            for output in cell.outputs:
                translate_output(output, words)
        after = []
        for output in list(cell.outputs):
            text = output.get("data", {}).get("text/plain", "")
            if text.startswith(CONTROLS):
                cell.outputs.remove(output)
                note = LIVE if text.startswith(CONTROLS[0]) else BUTTONS
                after.append(admonition("live", *note))
            elif text.startswith(PREDICTION):
                cell.outputs.remove(output)
                question = with_list(text.removeprefix(PREDICTION), words)
                after.append(admonition("predict", PREDICT, question))
        if cell.metadata.get("exercise", {}).get("role") == "stub":
            cell.outputs = []
            after.append(admonition("live", *YOURS))
        if cell.id.endswith(("-still", "-predict")):
            cell.metadata["tags"] = [*tags, "remove-input"]
        describe_pictures(cell)
        cells.append(cell)
        cells += [
            nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-book{n}") for n, text in enumerate(after)
        ]
    notebook.cells = cells
    return notebook


def with_foldings(text: str) -> str:
    """Markdown whose HTML foldings are directives, so that their titles are text like any other."""
    return DETAILS.sub(lambda m: f"::::{{folded}} {m[1].strip()}\n{m[2].strip()}\n::::", text)


def is_progress(output) -> bool:
    return bool(PROGRESS_BAR.match(output.get("data", {}).get("text/plain", "")))


def with_list(text: str, words: dict[str, str]) -> str:
    """A question and its choices as Markdown, where a list needs an empty line before it."""
    question, *kinds = text.split("\n- ")
    question = words.get(question, question)
    return "\n- ".join([f"{question}\n", *(kind_in(kind, words) for kind in kinds)]) if kinds else question


def kind_in(kind: str, words: dict[str, str]) -> str:
    """A choice, or what an answer is, in the language of these words."""
    if unit := UNIT.fullmatch(kind):
        return words.get(NUMBER, NUMBER).format(unit=words.get(unit[1], unit[1]))
    return words.get(kind, kind)


def describe_pictures(cell) -> None:
    """MyST-NB takes a picture's alternative text from its cell, whereas Jupyter keeps it at the output."""
    texts = [
        output.metadata["image/png"]["alt"]
        for output in cell.outputs
        if output.get("metadata", {}).get("image/png", {}).get("alt")
    ]
    if texts:
        cell.metadata["pictures"] = texts
