"""Write what opens the course in one click: the first code cell of each notebook, and the links to it.

    .venv/bin/python tests/notebooks/one_click.py       # all notebooks; with 03 07, those

It writes the way through the course, too: links to the notebooks before and after, at the head and the foot.
It may run again at any time, after a notebook was edited or the version was raised. No output changes: the
cell has none, and the code cells behind it are counted anew.
"""

import json
import re
import sys
import tomllib
from functools import cache
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
WAY = "**The course** "  # and how that to the notebooks before and after this one
FOOT = "course-foot"  # the id of the last cell, which has these links again
COURSE_PAGE = "../README.md"  # in a learner's copy it is the start page
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


def way(path: Path) -> str:
    """Links to the notebook before this one, to the course page, and to the notebook after it."""
    names = [other.name for other in NOTEBOOKS]
    place = names.index(path.name) if path.name in names else len(names)
    before = [f"[← {name_of(other)}]({other.name})" for other in NOTEBOOKS[:place][-1:]]
    after = [f"[{name_of(other)} →]({other.name})" for other in NOTEBOOKS[place + 1 :][:1]]
    return WAY + " · ".join([*before, f"[all notebooks]({COURSE_PAGE})", *after])


@cache
def name_of(path: Path) -> str:
    """ "02 · The encoder", from the title of a notebook."""
    title = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"])
    return title.splitlines()[0].removeprefix("# ").partition(":")[0]


def with_first_cell(notebook: nbformat.NotebookNode, path: Path) -> nbformat.NotebookNode:
    """The notebook with its lines of links at the end of the title, the cell behind it, and the foot."""
    title, *others = [cell for cell in notebook.cells if cell.id not in (CELL, FOOT)]
    text = re.sub(rf"\n+({re.escape(LINE)}|{re.escape(WAY)}).*", "", title.source).rstrip()
    title.source = f"{text}\n\n{links(path)}\n\n{way(path)}"
    hidden = {"cellView": "form", "jupyter": {"source_hidden": True}}
    first = nbformat.v4.new_code_cell(source(), id=CELL, metadata=hidden)
    notebook.cells = [title, first, *others, nbformat.v4.new_markdown_cell(way(path), id=FOOT)]
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
    for path in (path for path in NOTEBOOKS if path.stem.startswith(tuple(sys.argv[1:]) or "")):
        nbformat.write(with_first_cell(nbformat.read(path, as_version=4), path), path)
    README.write_text(with_links(README.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
