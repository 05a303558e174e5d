"""Write what opens the course in one click: the first code cell of each notebook, and the links to it.

    .venv/bin/python tests/notebooks/one_click.py

It may run again at any time, after a notebook was edited or the version was raised. No output changes: the
cell has none, and the code cells behind it are counted anew.
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat
from outputs import NOTEBOOKS

import perceiver_edu

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
NAME = REPOSITORY.removeprefix("https://github.com/")
TAG = f"v{perceiver_edu.__version__}"
CELL = "anywhere"  # its id
LINE = "**In the browser** "  # how the line of links begins
HOSTS = {  # where a notebook opens, up to its path in the repository
    "Colab": f"https://colab.research.google.com/github/{NAME}/blob/{TAG}/",
    "Kaggle": f"https://kaggle.com/kernels/welcome?src={REPOSITORY}/blob/{TAG}/",
    "Binder": f"https://mybinder.org/v2/gh/{NAME}/{TAG}?urlpath=lab/tree/",
}
ANY_HOST = r"https://(?:colab\.research|kaggle|mybinder)\.[^)\s]*?(?:/blob/[^/]+/|/tree/)(?=notebooks/)"


def source() -> str:
    """The first code cell."""
    template = Path(__file__).with_name("first_cell.py").read_text("utf-8")
    return template.replace("VERSION", perceiver_edu.__version__).rstrip()


def links(path: Path) -> str:
    return LINE + " · ".join(f"[{host}]({start}notebooks/{path.name})" for host, start in HOSTS.items())


def with_first_cell(notebook: nbformat.NotebookNode, path: Path) -> nbformat.NotebookNode:
    """The notebook with its line of links at the end of the title, and the cell behind it."""
    title, *others = [cell for cell in notebook.cells if cell.id != CELL]
    text = re.sub(rf"\n+{re.escape(LINE)}.*", "", title.source).rstrip()
    title.source = f"{text}\n\n{links(path)}"
    hidden = {"cellView": "form", "jupyter": {"source_hidden": True}}
    notebook.cells = [title, nbformat.v4.new_code_cell(source(), id=CELL, metadata=hidden), *others]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        for counted in (cell, *(o for o in cell.outputs if o.output_type == "execute_result")):
            counted.execution_count = number
    return notebook


def with_links(text: str) -> str:
    """A page whose links to Colab, Kaggle and Binder lead to this repository, at this version."""

    def renewed(link: re.Match) -> str:
        [start] = [start for start in HOSTS.values() if start.split("/")[2] == link[0].split("/")[2]]
        return start

    return re.sub(ANY_HOST, renewed, text)


def main() -> int:
    for path in NOTEBOOKS:
        nbformat.write(with_first_cell(nbformat.read(path, as_version=4), path), path)
    README.write_text(with_links(README.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
