"""What is built, what is in it, and that it works where nothing else of this project is."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from offline import CUT_OFF, can_be_cut_off

import perceiver_edu

ROOT = Path(__file__).parents[1]


def files_below(folder):
    hidden = {"__pycache__", ".ipynb_checkpoints"}
    paths = [path for path in (ROOT / folder).rglob("*") if path.is_file() and not hidden & {*path.parts}]
    return {path.relative_to(ROOT).as_posix() for path in paths}


PACKAGE = files_below("perceiver_edu")
COURSE = (
    files_below("notebooks")
    | files_below("benchmarks/results")
    | files_below("docs/locale")
    | {"constraints.txt", "docs/glossary.md"}
)
EMBEDDED = "perceiver_edu/weights/embedded"
CHECKPOINT = {f"{EMBEDDED}/{name}" for name in ("config.json", "model.safetensors", "README.md")}
EXERCISE = "02.cost"
TEXT = "This is an incomplete sentence where some words are missing."


def test_the_command_line_answers_before_torch_is_imported():
    code = (
        "import sys, perceiver_edu.cli; print(*({'perceiver_edu', 'torch', 'transformers'} & {*sys.modules}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["perceiver_edu"]


def test_no_public_name_imports_transformers():
    code = "import sys\nfrom perceiver_edu import *\nprint(fill_mask.__name__, 'transformers' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["fill_mask", "False"]


def test_every_public_name_has_a_home():
    assert {"PerceiverIOForMaskedLM", "load_pretrained", "fill_mask", "optimize"} <= {*perceiver_edu.__all__}
    assert all(getattr(perceiver_edu, name).__name__ == name for name in perceiver_edu.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        perceiver_edu.no_such_name  # noqa: B018


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def newer(built, tmp_path_factory):
    """The wheel of a release to come, 99.0, with another title of every notebook."""
    folder = tmp_path_factory.mktemp("newer")
    with tarfile.open(built[0]) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    (source / "PKG-INFO").unlink()  # it has the version of today
    for path, pattern, new in [
        (source / "perceiver_edu/__init__.py", '__version__ = ".*"', '__version__ = "99.0"'),
        *((path, '"# ', '"# New: ') for path in (source / "notebooks").glob("*.ipynb")),
    ]:
        text, changes = re.subn(pattern, new, path.read_text("utf-8"), count=1)
        assert changes == 1, path
        path.write_text(text, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", source], check=True
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def blank(built, tmp_path_factory):
    """An environment with the wheel and what it asks for; `blank(…)` runs a command in it, cut off."""
    venv = tmp_path_factory.mktemp("blank") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip"]
    install = [*pip, "install", "-q", "--no-compile", "-c", ROOT / "constraints.txt"]
    subprocess.run([*install, built[1]], check=True)
    subprocess.run([*pip, "check"], check=True)
    ours = ("PYTHONPATH", "PERCEIVER_EDU_WEIGHTS", "PERCEIVER_EDU_PROGRESS")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    clean |= {name: str(venv.parent) for name in ("HOME", "XDG_DATA_HOME", "JUPYTER_CONFIG_DIR")}
    cut_off = CUT_OFF if can_be_cut_off() else []

    def run(program, *arguments):
        command = [*cut_off, venv / "bin" / program, *arguments]
        return subprocess.run(command, cwd=venv.parent, env=clean, capture_output=True, text=True)

    run.folder, run.install = venv.parent, install
    return run


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_package_its_checkpoint_and_the_course(built):
    sdist, wheel = built
    info = f"perceiver_edu-{perceiver_edu.__version__}"
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    assert in_wheel >= CHECKPOINT
    inside = {re.sub("^docs/|(?<=^benchmarks)/results", "", name) for name in COURSE}
    inside = {f"perceiver_edu/data/{name}" for name in inside}
    assert {name for name in in_wheel if not name.startswith(f"{info}.dist-info/")} == PACKAGE | inside
    assert f"{info}.dist-info/licenses/LICENSE" in in_wheel
    assert wheel.stat().st_size <= 30 * 10**6
    with tarfile.open(sdist) as archive:
        in_sdist = {name.removeprefix(f"{info}/") for name in archive.getnames()}
    assert in_sdist >= PACKAGE | COURSE | {
        "LICENSE",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "pyproject.toml",
        "tests/test_packaging.py",
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_fills_a_mask_in_an_empty_environment(blank):
    def fill(*options):
        return blank("perceiver-edu", "fill", TEXT, "--mask", " missing.", *options)

    for_people, for_programs = fill("--top-k", "3"), fill("--top-k", "3", "--json")
    assert (for_people.returncode, for_programs.returncode) == (0, 0), for_people.stderr + for_programs.stderr
    (hole,) = json.loads(for_programs.stdout)["holes"]
    fillings = hole["fillings"]
    probabilities = [filling["probability"] for filling in fillings]
    assert len(fillings) == 3 and probabilities == sorted(probabilities, reverse=True)
    assert all(len(filling["text"].encode()) == len(" missing.") for filling in fillings)
    assert all(filling["text"].strip() in for_people.stdout for filling in fillings)


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("make"), reason="a clone, and make")
def test_make_lab_and_notebooks_that_ran_leave_a_clone_clean(tmp_path):
    clone, ours = tmp_path / "clone", ("PERCEIVER_EDU_WEIGHTS", "PERCEIVER_EDU_PROGRESS")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    clean |= {"PYTHONPATH": str(clone), "PERCEIVER_EDU_FAST": "1"}

    def succeed(*command):
        done = subprocess.run(command, cwd=clone, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    subprocess.run(["git", "clone", "-q", "--shared", ROOT, clone], check=True)
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".ready").touch()  # it is set up: this environment
    succeed("make", "lab", f"VENV={sys.executable}", "LAB_ARGS=--version")  # JupyterLab prints it and ends
    for name in ("00_quickstart.ipynb", "01_tokenizer.ipynb"):
        path = clone / "course" / name
        succeed(
            *(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", path),
        )
        outputs = [cell.get("outputs") for cell in json.loads(path.read_text("utf-8"))["cells"]]
        assert any(outputs)
    assert succeed("git", "status", "--porcelain") == ""
    ignored = succeed("git", "status", "--porcelain", "--ignored").split("\n")[:-1]
    assert {line for line in ignored if not line.endswith("__pycache__/")} == {"!! .venv/", "!! course/"}


# JupyterLab, started as a learner does; then its start page is asked for and it is ended.
VISIT = r"""
import json, re, subprocess, sys, time, urllib.error, urllib.request
lab = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
try:
    lines = (re.search(r"(http://127\S+)/lab/tree/(\S+)\?(\S+)", line) for line in lab.stdout)
    url = next(filter(None, lines))
    for _ in range(60):  # it says so some time before it listens
        try:
            answer = urllib.request.urlopen("{0}/api/contents/{1}?{2}".format(*url.groups()), timeout=60)
        except urllib.error.URLError:
            time.sleep(1)
        else:
            for cell in json.load(answer)["content"]["cells"]:
                print(*(output["data"]["text/html"] for output in cell.get("outputs", [])))
            break
finally:
    lab.terminate()
    lab.wait(60)
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_course_from_the_wheel_to_a_newer_one(blank, built, newer):
    """Two commands to the start page, two notebooks to their end, an exercise; then comes a new version."""

    def succeed(*command):
        done = blank(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def cells(name):
        return json.loads((course / name).read_text("utf-8"))["cells"]

    def course_now(*options):
        return json.loads(succeed("perceiver-edu", "course", *options, "--json"))

    subprocess.run([*blank.install, f"perceiver-edu[lab] @ {built[1].as_uri()}"], check=True)
    course = blank.folder / "perceiver-course"
    lab = [
        "perceiver-edu",
        "course",
        "--open",
        "--",
        "--no-browser",
        "--ServerApp.port_retries=0",
        "--port=18999",
    ]
    page = succeed("python", "-c", VISIT, blank.folder / "venv" / "bin" / lab[0], *lab[1:])
    assert 'Begin with <a href="00_quickstart.ipynb">00 · Quickstart' in page and course.is_dir()

    notebook = json.loads((course / "02_encoder.ipynb").read_text("utf-8"))
    roles = {
        c["metadata"]["exercise"]["role"]: c for c in notebook["cells"] if EXERCISE in str(c["metadata"])
    }
    (solution,) = re.findall(r"```python\n(.*?)```", "".join(roles["solution"]["source"]), re.DOTALL)
    answer = f'{solution}\n\ncheck("{EXERCISE}", multiply_adds)'
    roles["stub"]["source"] = answer
    (course / "02_encoder.ipynb").write_text(json.dumps(notebook), "utf-8")
    for name in ("00_quickstart.ipynb", "02_encoder.ipynb"):
        succeed("jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", course / name)
        assert all(cell["execution_count"] for cell in cells(name) if cell["cell_type"] == "code")
    done = {i["id"]: i["done"] for notebook in course_now()["notebooks"] for i in notebook["exercises"]}
    assert [name for name, day in done.items() if day] == [EXERCISE]

    solved = (course / "02_encoder.ipynb").read_bytes()
    subprocess.run([*blank.install, "--no-deps", newer], check=True)
    told = succeed("perceiver-edu", "course", "--folder", course)
    new = "02_encoder (new in 99.0).ipynb"
    assert f"02_encoder.ipynb: {new}" in told and (course / "02_encoder.ipynb").read_bytes() == solved
    assert "# New: " in "".join(cells("00_quickstart.ipynb")[0]["source"])
    assert "# New: " in "".join(cells(new)[0]["source"]) and answer not in [c["source"] for c in cells(new)]
    now = course_now("--carry-answers")
    assert answer in [cell["source"] for cell in cells(new)]
    assert (course / "02_encoder.ipynb").read_bytes() == solved
    assert now["notebooks"][2]["newer"] == [str(course / new)]
    assert {i["id"]: i["done"] for n in now["notebooks"] for i in n["exercises"]} == done
