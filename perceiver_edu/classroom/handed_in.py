"""What a student handed in, put into the notebook that was released: a submission can be any file at all."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

MISSING = "# This answer was missing in the notebook that was handed in."


def with_answers(released: nbformat.NotebookNode, theirs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The released notebook, reduced to what is graded, with what a student wrote.

    The text and the experiments are left out where the student has not changed them. An answer is found by
    the id of its cell, and an answer in several cells, as after a split, is joined. A cell that the student
    added or changed comes after the answer that it followed, because an answer may use its functions.
    """
    ours = {cell.source.strip() for cell in released.cells}
    by_id = {id_of(cell): cell for cell in released.cells if id_of(cell)}
    answers: dict[str, list[str]] = {}
    added: dict[str, list[nbformat.NotebookNode]] = {}
    place = ""
    for cell in theirs.cells:
        name = id_of(cell)
        if name in by_id:
            place = name
            if is_answer(by_id[name]):
                answers.setdefault(name, []).append(cell.source)
        elif cell.source.strip() and cell.source.strip() not in ours:
            added.setdefault(place, []).append(copy_of(cell))
    cells = [released.cells[0], *added.get("", [])]
    for cell in released.cells[1:]:
        name = id_of(cell)
        if is_answer(cell):
            cell.source = "\n\n".join(answers.get(name, [MISSING]))
        if name or cell.metadata.get("exercise", {}).get("role") == "task":
            cells += [cell, *added.get(name, [])] if name else [cell]
    released.cells = cells
    return released


def id_of(cell: nbformat.NotebookNode) -> str:
    """nbgrader's id of a cell, or ""; a student may have put anything there."""
    tag = cell.metadata.get("nbgrader")
    name = tag.get("grade_id") if isinstance(tag, dict) else None
    return name if isinstance(name, str) else ""


def is_answer(cell: nbformat.NotebookNode) -> bool:
    return bool(id_of(cell)) and bool(cell.metadata.nbgrader.get("solution"))


def copy_of(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Its type and source, and nothing else."""
    return (new_code_cell if cell.cell_type == "code" else new_markdown_cell)(str(cell.source))
