"""The notebooks' committed outputs: make them afresh, or find the stale ones.

python tests/notebooks/outputs.py            says which cells are stale, exit code 1 if there are any
python tests/notebooks/outputs.py --write    runs the notebooks and writes their outputs, normalised
python tests/notebooks/outputs.py 03 07      the same for some of them
"""

import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

os.environ.pop("PERCEIVER_EDU_FAST", None)  # outputs are committed, and compared, at full size
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

# What may differ from run to run and machine to machine: durations, the size of rounding errors, and what
# stands after "≈", such as the loss of a model that the notebook has trained.
VOLATILE = re.compile(r"\d+(\.\d+)?\s?(ms|µs|s|min)\b|\d+(\.\d+)?e-\d+|0\.0e\+00|≈ ?-?[\d.,]*\d")

WIDGET = "application/vnd.jupyter.widget-view+json"


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh run, normalised: no warnings, no times, no versions.

    A widget is kept as its text alone: its view is nothing without the kernel that made it.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = joined(output for output in cell.outputs if output.get("name") != "stderr")
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def joined(outputs) -> list:
    """The outputs, what was printed in one go as one: Jupyter cuts it where the clock happens to fall."""
    kept = []
    for output in outputs:
        if kept and output.output_type == kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def essence(cell) -> list:
    """What two runs of a cell must agree on: text, volatile numbers masked, and the pictures' alt texts."""
    kept = []
    for output in cell.get("outputs", []):
        data = output.get("data", {"text/plain": output.get("text", "")})
        for kind, content in sorted(data.items()):
            if kind.startswith("image/"):
                content = output.metadata.get(kind, {}).get("alt")
            elif kind == "text/plain" and len(data) > 1:
                continue  # the fall-back of a picture or a widget, with an address in memory
            kept.append((kind, VOLATILE.sub("~", re.sub(r" +", " ", str(content)))))
    return kept


def stale_cells(path: Path) -> list[str]:
    """Ids of the cells whose committed outputs are not what a fresh run gives."""
    committed, fresh = nbformat.read(path, as_version=4), run(path)
    pairs = zip(committed.cells, fresh.cells, strict=True)
    return [new.id for old, new in pairs if essence(old) != essence(new)]


def main(arguments: list[str]) -> int:
    stale, wanted = {}, tuple(argument for argument in arguments if argument[:1] != "-")
    for path in NOTEBOOKS:
        if wanted and not path.stem.startswith(wanted):
            continue
        print(path.name, flush=True)
        if "--write" in arguments:
            nbformat.write(run(path), path)
        else:
            stale[path.name] = stale_cells(path)
    for name, cells in stale.items():
        for cell in cells:
            print(
                f"{name}: the outputs of cell {cell!r} are stale; `make notebooks` runs and writes them again"
            )
    return int(any(stale.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
