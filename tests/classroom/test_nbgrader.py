"""From an empty folder to graded submissions, with nbgrader: all right, half right, untouched, hostile."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from packaging.utils import canonicalize_name

from perceiver_edu.classroom.assignments import exercises_of, points_for, solution_in
from perceiver_edu.course.exercises import all_exercises

ROOT = Path(__file__).parents[2]
NAME = "01_tokenizer"
ORIGINAL = json.loads((ROOT / f"notebooks/{NAME}.ipynb").read_text("utf-8"))
SOLUTIONS = {i: solution_in(roles["solution"]) for i, roles in exercises_of(ORIGINAL).items()}
POINTS = {i: points_for(i) for i in SOLUTIONS}
SECONDS = 20  # for a cell, instead of two minutes


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
        shared = [sys.prefix, *([sys.base_prefix] if sys.base_prefix != sys.prefix else [])]
        self.environment = os.environ | {  # nbgrader runs `alembic`, as in an environment that was activated
            "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "JUPYTER_PATH": os.pathsep.join(str(Path(prefix, "share", "jupyter")) for prefix in shared),
            "SECRET_TOKEN": "the teacher's",
            "PERCEIVER_EDU_PROGRESS": str(folder.parent / "progress.json"),
        }

    def run(self, *words, module="nbgrader", at=None):
        command = [self.python, "-m", module, *map(str, words)]
        done = subprocess.run(
            command, cwd=at or self.folder, env=self.environment, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


HELPER = "def bytes_of(text):\n    return [byte + 6 for byte in text.encode()]"
WITH_HELPER = """def encode(text, add_special_tokens=True):
    return [4, *bytes_of(text), 5] if add_special_tokens else bytes_of(text)"""
HALF = {  # the mistakes are those of tests/notebooks/answers
    "01.bytes_per_script": SOLUTIONS["01.bytes_per_script"],
    "01.truncate": "def truncate(text, limit):\n    return text.encode()[:limit].decode(errors='ignore')",
    "01.tokenizer": WITH_HELPER,
    "01.hidden_ids": SOLUTIONS["01.hidden_ids"].replace("1 + len", "len"),
    "01.decode": "import warnings\nwarnings.warn('a warning costs nothing')\n" + SOLUTIONS["01.decode"],
    "01.pack": "def pack(documents, length):\n    return torch.zeros(3, 5, dtype=torch.long)",
}
HOSTILE = {
    "01.bytes_per_script": """while True:
    try:
        while True:
            pass
    except BaseException:
        pass""",
    "01.truncate": "def truncate(text, limit):\n    import os\n    os._exit(0)",
    "01.tokenizer": f"import os\nassert 'SECRET_TOKEN' not in os.environ\n{SOLUTIONS['01.tokenizer']}",
    "01.hidden_ids": "exit()",
    "01.decode": "def decode(ids, skip_special_tokens=False):\n    return bytearray(10 * 2**30)",
    "01.pack": SOLUTIONS["01.pack"],
    "01.mask_words": "def mask_words(ids, chosen):\n    while True:\n        print('x' * 10**5)",
}


def hand_in(released, answers, change=lambda notebook: None):
    notebook = nbformat.read(released, as_version=4)
    for cell in notebook.cells:
        tag = cell.metadata.get("exercise", {})
        if tag.get("role") == "stub" and tag["id"] in answers:
            cell.source = answers[tag["id"]]
    change(notebook)
    return nbformat.writes(notebook)


def with_helper(notebook):
    [place] = [i for i, cell in enumerate(notebook.cells) if cell.source == WITH_HELPER]
    notebook.cells.insert(place, nbformat.v4.new_code_cell(HELPER))


def tampered(notebook):
    """Its checks give full points, or are gone, and its text is a script."""
    for cell in notebook.cells:
        tag = cell.metadata.get("nbgrader", {})
        if tag.get("grade"):
            cell.source, tag["points"] = "print('✓ right')", 100
        if tag.get("grade_id") == "setup":
            cell.source += "\nimport perceiver_edu.course\nperceiver_edu.course.check = lambda *a, **k: None"
    notebook.cells = [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") != "01-mask_words"
    ]
    notebook.cells.append(nbformat.v4.new_markdown_cell("<script>alert('teacher')</script>"))
    notebook.metadata.kernelspec = {"name": "bash", "display_name": "x", "language": "bash"}


@pytest.mark.slow
def test_a_class_is_graded_from_an_empty_folder(teacher, tmp_path, tally):
    room = Class(tmp_path / "class", teacher)
    room.run("classroom", "class", "--notebooks", "01", module="perceiver_edu.cli", at=tmp_path)
    config = room.folder / "nbgrader_config.py"
    config.write_text(config.read_text("utf-8").replace("timeout = 120", f"timeout = {SECONDS}"), "utf-8")
    room.run("generate_assignment", NAME)
    released = room.folder / "release" / NAME / f"{NAME}.ipynb"
    for cell in nbformat.read(released, as_version=4).cells:  # what a student gets
        assert "SOLUTION" not in cell.source and "<summary>Solution" not in cell.source

    archive = room.folder / "downloaded" / NAME / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "all.zip", "w") as downloaded:
        for student, text in {
            "ada": hand_in(released, SOLUTIONS),
            "bela": hand_in(released, HALF, with_helper),
            "cleo": hand_in(released, {}),
            "mallory": hand_in(released, HOSTILE, tampered),
        }.items():
            downloaded.writestr(f"{student}_{NAME}.ipynb", text)
    room.run("zip_collect", NAME)
    room.run("autograde", NAME)
    room.run("generate_feedback", NAME)
    printed = json.loads(room.run("classroom", "report", room.folder, "--json", module="perceiver_edu.cli"))

    points = printed["students"]
    assert points["ada"] == sum(POINTS.values()) and points["cleo"] == 0
    assert points["bela"] == POINTS["01.bytes_per_script"] + POINTS["01.tokenizer"] + POINTS["01.decode"]
    assert points["mallory"] == POINTS["01.tokenizer"] + POINTS["01.pack"]
    said = {row["exercise"].split(" · ")[0]: row["said"] for row in printed["exercises"]}
    for exercise_id, word in {"01.truncate": "[CLS]", "01.hidden_ids": "[CLS]"}.items():
        known = [mistake.says for mistake in all_exercises()[exercise_id].known_mistakes]
        [named] = [sentence for sentence in said[exercise_id] if sentence in known]
        assert word in named
    assert any("not one of the mistakes" in sentence for sentence in said["01.pack"])
    for exercise_id in ("01.bytes_per_script", "01.truncate", "01.hidden_ids", "01.mask_words"):
        assert any("took too long" in sentence for sentence in said[exercise_id]), exercise_id

    page = (room.folder / "report.html").read_text("utf-8")
    assert all(sentence.split("`")[0][:20] in page for sentence in said["01.truncate"])
    feedback = room.folder / "feedback" / "mallory" / NAME / f"{NAME}.html"
    assert "alert(" not in feedback.read_text("utf-8").replace("&lt;script&gt;alert(", "")
    assert not (tmp_path / "progress.json").exists(), "the teacher's own progress"
    tally("submissions graded by nbgrader", len(points))
    shutil.rmtree(room.folder / "downloaded")
