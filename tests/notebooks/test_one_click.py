"""The first code cell of every notebook, and the links that open the course elsewhere."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from copy import deepcopy
from pathlib import Path

import nbformat
import one_click
import pytest
import yaml
from one_click import ANY_HOST, CELL, HOSTS, LINE, README, ROOT, source, with_first_cell, with_links
from outputs import NOTEBOOKS

import perceiver_edu
from perceiver_edu.course.hosted import keep_progress
from perceiver_edu.course.progress import PROGRESS_VARIABLE, note, read_all


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_have_the_cell_and_the_links(path):
    committed = nbformat.read(path, as_version=4)
    assert with_first_cell(deepcopy(committed), path) == committed, "run tests/notebooks/one_click.py"
    first, second, *_ = committed.cells
    assert LINE in first.source and (second.id, second.outputs) == (CELL, [])


def test_readme_and_notebooks_link_to_this_version():
    text = README.read_text("utf-8")
    assert with_links(text) == text and len(re.findall(ANY_HOST, text)) == len(HOSTS)
    assert with_links("x (https://mybinder.org/v2/gh/a/b/v9?urlpath=lab/tree/notebooks/00.ipynb)") == (
        f"x ({HOSTS['Binder']}notebooks/00.ipynb)"
    )


def test_cells_are_counted_anew_and_the_rest_stays(tmp_path):
    new = nbformat.v4
    result = new.new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    cells = [
        new.new_markdown_cell("# Title\n\n**Time** 5 min"),
        new.new_code_cell("1 + 1", execution_count=1),
    ]
    cells[1].outputs = [result]
    once = with_first_cell(new.new_notebook(cells=cells), tmp_path / "00_a.ipynb")
    assert with_first_cell(deepcopy(once), tmp_path / "00_a.ipynb") == once
    title, cell, other = once.cells
    assert title.source.startswith("# Title\n\n**Time** 5 min\n\n") and cell.source == source()
    assert (other.source, other.execution_count, other.outputs[0].execution_count) == ("1 + 1", 2, 2)


# ---------------------------------------------------------------- what the cell does

FAKE_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n"


def run_cell(python, before="", after="", **environment):
    """The cell in a process of its own -> the process, when it has ended."""
    clean = {
        name: value for name, value in os.environ.items() if name not in (PROGRESS_VARIABLE, "PYTHONPATH")
    }
    code = f"{before}\n{source()}\n{after}"
    return subprocess.run(
        [*python, "-c", code], env=clean | environment, cwd="/", capture_output=True, text=True
    )


def test_where_the_course_is_installed_the_cell_does_nothing(monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", None)
    before = dict(os.environ)
    exec(source(), {})
    assert capsys.readouterr() == ("", "") and dict(os.environ) == before


def test_in_a_blank_environment_the_cell_says_what_to_do():
    done = run_cell([sys.executable, "-I", "-S"])
    assert done.returncode == 1 and "pip install perceiver-edu[lab]" in done.stderr


@pytest.mark.parametrize(
    "before, environment", [(FAKE_COLAB, {}), ("", {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"})]
)
def test_on_a_host_pip_keeps_torch_and_numpy_and_its_error_is_shown(tmp_path, before, environment):
    """pip is a stand-in that prints what it is asked for."""
    (tmp_path / "pip.py").write_text("import sys; sys.exit(' '.join(sys.argv[1:]))")
    for name in ("torch", "numpy"):
        (tmp_path / f"{name}-1.2+cu.dist-info").mkdir()
        (tmp_path / f"{name}-1.2+cu.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.2+cu\n")
    before = f"import sys; sys.path.append({str(tmp_path)!r})\n{before}"
    done = run_cell([sys.executable, "-S"], before, PYTHONPATH=str(tmp_path), **environment)
    asked = f"install -q perceiver-edu=={perceiver_edu.__version__} torch==1.2+cu numpy==1.2+cu"
    assert done.stderr.splitlines()[-2:] == ["RuntimeError: the course could not be installed:", asked]


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """A machine with progress in its home, and Drive's folder, which is not mounted yet."""
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "home.json"))
    assert note({"00.shapes": "2026-01-01"}, {"00.hole": "the first"}) == ""
    before = read_all()
    monkeypatch.delenv(PROGRESS_VARIABLE)  # and as the test ends it is what it was, whatever the test does
    monkeypatch.setattr("perceiver_edu.course.hosted.read_all", lambda: before)
    return tmp_path / "MyDrive"


def test_progress_goes_to_drive_where_it_is_mounted(colab, capsys):
    keep_progress(colab)
    assert "mount Google Drive" in capsys.readouterr().out and PROGRESS_VARIABLE not in os.environ
    colab.mkdir()
    keep_progress(colab)
    assert str(colab) in capsys.readouterr().out
    assert note({"00.slip": "2026-01-02"}) == "" and set(read_all().done) == {"00.shapes", "00.slip"}
    assert read_all().predictions == {"00.hole": "the first"}
    keep_progress(colab)
    assert capsys.readouterr().out == "" and (colab / "perceiver-edu" / "progress.json").is_file()


def test_a_drive_that_takes_nothing_is_said(colab, capsys):
    colab.mkdir()
    (colab / "perceiver-edu").touch()  # a file where the folder should be
    keep_progress(colab)
    assert "Your progress cannot be" in capsys.readouterr().out


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A Python with all that is installed here but the course, as on Colab; and the course's wheel."""
    folder = tmp_path_factory.mktemp("host")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder / "wheels", ROOT], check=True
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (folder / "preinstalled").mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not re.match("(_editable_impl_)?perceiver", entry.name):
            (folder / "preinstalled" / entry.name).symlink_to(entry)
    [site] = (folder / "venv" / "lib").glob("*/site-packages")
    (site / "preinstalled.pth").write_text(str(folder / "preinstalled"))
    return folder


@pytest.mark.slow
def test_on_colab_the_wheel_is_installed_and_nothing_else_is_fetched(host, tmp_path):
    python = host / "venv" / "bin" / "python"
    (tmp_path / "MyDrive").mkdir()
    drive = f"""
from pathlib import Path
from perceiver_edu.course.hosted import keep_progress
keep_progress(Path({str(tmp_path / "MyDrive")!r}))
"""
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    [setup] = [cell.source for cell in notebook.cells if cell.id == "setup"]
    only_the_wheel = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(host / "wheels"), "PIP_EXTRA_INDEX_URL": ""}
    packages = [python, "-m", "pip", "list", "--format", "freeze"]
    before = subprocess.check_output(packages, text=True).splitlines()
    for _ in range(2):  # a second time it installs nothing
        done = run_cell([python], FAKE_COLAB, f"{drive}\n{setup}", **only_the_wheel)
        assert done.returncode == 0 and "weights: embedded" in done.stdout, done.stderr
        assert str(tmp_path / "MyDrive") in done.stdout
        only_the_wheel["PIP_FIND_LINKS"] = str(tmp_path / "nothing")
    after = subprocess.check_output(packages, text=True).splitlines()
    assert set(after) - set(before) == {f"perceiver-edu=={perceiver_edu.__version__}"} and set(before) <= set(
        after
    )


# ---------------------------------------------------------------- Binder and Codespaces


def test_binder_and_codespaces_install_the_tested_versions():
    newest = yaml.safe_load((ROOT / ".github/workflows/newest.yml").read_text("utf-8"))
    pythons = newest["jobs"]["newest"]["strategy"]["matrix"]["python"]
    assert (ROOT / "binder/runtime.txt").read_text().strip().removeprefix("python-") in pythons
    post_build = ROOT / "binder/postBuild"
    assert os.access(post_build, os.X_OK), "repo2docker runs it"
    codespaces = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    assert codespaces["image"].rpartition(":")[2] in pythons
    cpu = "https://download.pytorch.org/whl/cpu"
    assert cpu in post_build.read_text() and codespaces["containerEnv"]["PIP_EXTRA_INDEX_URL"] == cpu
    for command in (post_build.read_text(), codespaces["postCreateCommand"]):
        assert re.search(r"-c constraints\.txt -e ['\"]\.\[lab", command)
    assert all((ROOT / path).is_file() for path in codespaces["customizations"]["codespaces"]["openFiles"])


def test_the_repository_is_set_in_one_place():
    assert all(one_click.NAME in start and one_click.TAG in start for start in HOSTS.values())
