"""The notebooks' committed outputs: find the stale ones (then the exit code is 1), or make them afresh.

With --write, the catalogues of the translations are brought up to date, too, because they contain what a
notebook says, also in the outputs of its predictions.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# What may differ from run to run and machine to machine: durations, the size of rounding errors, and what
# stands after "≈" or is compared with a prediction, such as the loss of a model that was trained here.
VOLATILE = re.compile(
    r"\d+(\.\d+)?\s?(ms|µs|s|min)\b|\d+(\.\d+)?e-\d+|0\.0e\+00|(≈|The result:) ?-?[\d.,]*\d"
)
MEASURED = "measured"  # tag of a cell whose result is a word that follows from measured times
NAMED_RESULT = re.compile("The result: “[^”]*”")

MARK = "perceiver_edu"  # in the metadata of what `course/shown.py` puts beside a widget in a kernel
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh run at full size, normalised: no warnings, times or versions.

    A widget is kept as its text alone: its view is nothing without the kernel that made it, and a page has no
    button to run it again. A picture is kept as PNG with its alt text, and not a second time as HTML.
    """
    environment = os.environ | {"TQDM_DISABLE": "1"}  # a bar appears only where something takes long
    environment.pop("PERCEIVER_EDU_FAST", None)
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": path.parent}}
    with TemporaryDirectory() as fresh:  # a learner who has done nothing yet
        environment["PERCEIVER_EDU_PROGRESS"] = str(Path(fresh) / "progress.json")
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute(env=environment)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = joined(output for output in cell.outputs if is_kept(output))
            for output in cell.outputs:
                data = output.get("data", {})
                data.pop(WIDGET, None)
                if "image/png" in data:
                    data.pop("text/html", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def is_kept(output) -> bool:
    return output.get("name") != "stderr" and MARK not in output.get("metadata", {})


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
    kept, measured = [], MEASURED in cell.metadata.get("tags", [])
    for output in cell.get("outputs", []):
        data = output.get("data", {"text/plain": output.get("text", "")})
        for kind, content in sorted(data.items()):
            if kind.startswith("image/"):
                content = output.metadata.get(kind, {}).get("alt")
            elif kind == "text/plain" and len(data) > 1:
                continue  # the fall-back of a picture or a widget, with an address in memory
            text = NAMED_RESULT.sub("~", str(content)) if measured else str(content)
            kept.append((kind, VOLATILE.sub("~", re.sub(r" +", " ", text))))
    return kept


def stale_cells(path: Path) -> list[str]:
    """Ids of the cells whose committed outputs are not what a fresh run gives."""
    committed, fresh = nbformat.read(path, as_version=4), run(path)
    pairs = zip(committed.cells, fresh.cells, strict=True)
    return [new.id for old, new in pairs if essence(old) != essence(new)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write fresh outputs, normalised")
    parser.add_argument(
        "names", nargs="*", help="how the names of the notebooks begin, as 03 07 (default: all)"
    )
    options = parser.parse_args()
    chosen = [path for path in NOTEBOOKS if path.stem.startswith(tuple(options.names) or "")]
    if not chosen:
        parser.error(f"no notebook's name begins with {' or '.join(options.names)}")
    any_stale = False
    for path in chosen:
        print(path.name, flush=True)
        if options.write:
            nbformat.write(run(path), path)
            continue
        for cell in stale_cells(path):
            any_stale = True
            print(f"    the outputs of cell {cell!r} are stale; `make notebooks` runs and writes them again")
    if options.write:
        subprocess.run([sys.executable, ROOT / "docs/catalogues.py"], check=True)
    return int(any_stale)


if __name__ == "__main__":
    sys.exit(main())
