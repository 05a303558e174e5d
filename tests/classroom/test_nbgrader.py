"""From an empty folder to graded submissions, with nbgrader: right, half right, hostile."""

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from packaging.utils import canonicalize_name

from perceiver_edu.classroom.assignments import exercises_of, points_for, solution_in
from perceiver_edu.course.exercises import all_exercises

ROOT = Path(__file__).parents[2]
NAME = "01_tokenizer"
ORIGINAL = json.loads((ROOT / f"notebooks/{NAME}.ipynb").read_text("utf-8"))
CHOSEN = "01.truncate", "01.tokenizer"  # the other exercises are taken out, for speed
SOLUTIONS = {i: solution_in(exercises_of(ORIGINAL)[i]["solution"]) for i in CHOSEN}
POINTS = {i: points_for(i) for i in CHOSEN}
SECONDS = 60  # for a cell: a busy machine needs as many to import torch; one cell below takes all of them
SECRET = "e1c5a0f2"  # in the teacher's environment


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A Python with nbgrader: this one, or one in an environment on top of it, as nbgrader adds buttons to
    the JupyterLab of its own."""
    if find_spec("nbgrader"):
        return Path(sys.executable)
    folder = tmp_path_factory.mktemp("teacher")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = run_python(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    below = [path for path in sys.path if path.endswith("site-packages")]
    Path(site, "below.pth").write_text("\n".join(below) + "\n", "utf-8")
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "-c",
        "constraints.txt",
        "nbgrader",
    ]
    done = subprocess.run(pip, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nbgrader cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    new = {found.name: found.version for found in metadata.distributions(path=[site])}
    lines = (ROOT / "constraints.txt").read_text("utf-8").split()
    pins = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines) if pin}
    assert "nbgrader" in new and all(pins[canonicalize_name(name)] == new[name] for name in new), (
        "all are pinned"
    )
    return python


def run_python(python, code):
    return subprocess.check_output([python, "-c", code], text=True).strip()


class Class:
    """A folder of a class, and its commands."""

    def __init__(self, folder, python):
        self.folder, self.python = folder, python
        above = {
            folder for path in sys.path if path.endswith("site-packages") for folder in Path(path).parents
        }
        shared = sorted(str(each / "share/jupyter") for each in above if (each / "share/jupyter").is_dir())
        self.environment = os.environ | {  # nbgrader runs `alembic`, as in an environment that was activated
            "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "JUPYTER_PATH": os.pathsep.join(shared),
            "SECRET_TOKEN": SECRET,
            "PERCEIVER_EDU_PROGRESS": str(folder.parent / "progress.json"),
        }

    def run(self, *words, module="nbgrader", at=None):
        command = [self.python, "-m", module, *map(str, words)]
        done = subprocess.run(
            command, cwd=at or self.folder, env=self.environment, capture_output=True, text=True, timeout=1000
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


HELPER = "def bytes_of(text):\n    return [byte + 6 for byte in text.encode()]"
WITH_HELPER = """import warnings
warnings.warn("a warning costs nothing")
def encode(text, add_special_tokens=True):
    return [4, *bytes_of(text), 5] if add_special_tokens else bytes_of(text)"""
HALF = {
    "01.truncate": "def truncate(text, limit):\n    return text.encode()[:limit].decode(errors='ignore')",
    "01.tokenizer": WITH_HELPER,
}
ENDLESS = """import time
print('x' * 3 * 2**20)
while True:
    try:
        time.sleep(1000)
    except BaseException:
        pass"""
GREEDY = "print(len(bytearray(5 * 2**30)), 'bytes')"
CURIOUS = "import os\nprint(dict(os.environ))\nprint('seen')"
TEXT = "<script>alert('teacher')</script>\n\n![seen](https://example.org/seen.png)"
ENDING = "import os\nos._exit(0)"


def hand_in(released, answers, change=lambda notebook: None):
    notebook = nbformat.read(released, as_version=4)
    for cell in notebook.cells:
        tag = cell.metadata.get("exercise", {})
        if tag.get("role") == "stub":
            cell.source = answers[tag["id"]]
    change(notebook)
    return nbformat.writes(notebook)


def place_of(notebook, grade_id):
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    return ids.index(grade_id)


def with_helper(notebook):
    notebook.cells.insert(place_of(notebook, "answer-01-tokenizer"), new_code_cell(HELPER))


def tampered(notebook):
    """Its checks give full points, or are gone, its text is a script, and its own cells do harm."""
    for cell in notebook.cells:
        tag = cell.metadata.get("nbgrader", {})
        if tag.get("grade"):
            cell.source, tag["points"] = "print('✓ right')", 100
        if tag.get("grade_id") == "setup":
            cell.source += "\nimport perceiver_edu.course\nperceiver_edu.course.check = lambda *a, **k: None"
    del notebook.cells[place_of(notebook, "01-truncate")]
    own = [new_code_cell(code) for code in (CURIOUS, GREEDY, ENDING)]
    place = place_of(notebook, "answer-01-truncate")
    notebook.cells[place:place] = [*own, new_markdown_cell(TEXT)]
    notebook.metadata.kernelspec = {"name": "bash", "display_name": "x", "language": "bash"}


def left_out(notebook, chosen):
    """The notebook without the answers and checks of all exercises but `chosen`."""
    cells = notebook["cells"]
    kept = [c for c in cells if c["metadata"].get("exercise", {}).get("id", chosen[0]) in chosen]
    return notebook | {"cells": kept}


def outputs_of(notebook):
    """{source of a code cell: its outputs, as text}"""
    return {cell.source: json.dumps(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_class_is_graded_from_an_empty_folder(teacher, tmp_path, tally):
    room = Class(tmp_path / "class", teacher)
    room.run("classroom", "class", "--notebooks", "01", module="perceiver_edu.cli", at=tmp_path)
    source = room.folder / "source" / NAME / f"{NAME}.ipynb"
    source.write_text(json.dumps(left_out(json.loads(source.read_text("utf-8")), CHOSEN)), "utf-8")
    config = room.folder / "nbgrader_config.py"
    settings = config.read_text("utf-8").replace("timeout = 120", f"timeout = {SECONDS}")
    # nbgrader's own limit comes after ours and would hide it.
    config.write_text(settings + "\nc.LimitOutput.max_lines = c.LimitOutput.max_chars = 10**9\n", "utf-8")
    room.run("generate_assignment", NAME)
    released = room.folder / "release" / NAME / f"{NAME}.ipynb"
    for cell in nbformat.read(released, as_version=4).cells:  # what a student gets
        assert "SOLUTION" not in cell.source and "<summary>Solution" not in cell.source

    archive = room.folder / "downloaded" / NAME / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "all.zip", "w") as downloaded:
        for student, text in {
            "ada": hand_in(released, SOLUTIONS),
            "dora": released.read_text("utf-8"),
            "bela": hand_in(released, HALF, with_helper),
            "mallory": hand_in(released, SOLUTIONS | {"01.truncate": ENDLESS}, tampered),
        }.items():
            downloaded.writestr(f"{student}_{NAME}.ipynb", text)
    room.run("zip_collect", NAME)
    room.run("autograde", NAME)
    room.run("generate_feedback", NAME)
    printed = json.loads(room.run("classroom", "report", room.folder, "--json", module="perceiver_edu.cli"))

    points = printed["students"]
    assert points["ada"] == sum(POINTS.values()) and points["dora"] == 0
    assert points["bela"] == points["mallory"] == POINTS["01.tokenizer"]
    said = {row["exercise"].split(" · ")[0]: row["said"] for row in printed["exercises"]}
    [mistake] = [
        m.says for m in all_exercises()["01.truncate"].known_mistakes if m.says in said["01.truncate"]
    ]
    assert "[CLS]" in mistake and any("took too long" in sentence for sentence in said["01.truncate"])
    assert mistake.split("`")[0][:20] in (room.folder / "report.html").read_text("utf-8")
    assert not (tmp_path / "progress.json").exists(), "the teacher's own progress"

    graded = room.folder / "autograded" / "mallory" / NAME / f"{NAME}.ipynb"
    printed = outputs_of(nbformat.read(graded, as_version=4))
    assert f"more than {SECONDS} seconds" in printed[ENDLESS] and len(printed[ENDLESS]) < 2 * 2**20
    assert "Python ended" in printed[ENDING]
    assert "seen" in printed[CURIOUS] and SECRET not in printed[CURIOUS]
    if sys.platform == "linux":
        assert "MemoryError" in printed[GREEDY] and str(5 * 2**30) not in printed[GREEDY]
    feedback = (room.folder / "feedback" / "mallory" / NAME / f"{NAME}.html").read_text("utf-8")
    assert "alert(" in feedback and "alert(" not in feedback.replace("&lt;script&gt;alert(", "")
    assert "<h1" in feedback and "&lt;p&gt;" not in feedback
    [loaded] = re.findall(r'(?:src|<link[^>]*href)="(http[^"]*)', feedback)
    assert "/mathjax/" in loaded
    tally("submissions graded by nbgrader", len(points))
