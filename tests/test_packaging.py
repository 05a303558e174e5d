"""What is built, what is in it, and that it works where nothing else of this project is."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import perceiver_edu

ROOT = Path(__file__).parents[1]
PACKAGE = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "perceiver_edu").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
EMBEDDED = "perceiver_edu/weights/embedded"
CHECKPOINT = {f"{EMBEDDED}/{name}" for name in ("config.json", "model.safetensors", "README.md")}
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


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_package_and_its_checkpoint(built):
    sdist, wheel = built
    info = f"perceiver_edu-{perceiver_edu.__version__}"
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    assert in_wheel >= CHECKPOINT
    assert {name for name in in_wheel if not name.startswith(f"{info}.dist-info/")} == PACKAGE
    assert f"{info}.dist-info/licenses/LICENSE" in in_wheel
    with tarfile.open(sdist) as archive:
        in_sdist = {name.removeprefix(f"{info}/") for name in archive.getnames()}
    assert in_sdist >= PACKAGE | {"LICENSE", "README.md", "pyproject.toml", "tests/test_packaging.py"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_fills_a_mask_in_an_empty_environment(built, tmp_path):
    venv = tmp_path / "venv" / "bin"
    ours = ("PYTHONPATH", "PERCEIVER_EDU_WEIGHTS")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    subprocess.run([sys.executable, "-m", "venv", venv.parent], check=True)
    pip = [venv / "python", "-m", "pip"]
    install = [*pip, "install", "-q", "--no-compile", "-c", ROOT / "constraints.txt", built[1]]
    subprocess.run(install, check=True)
    subprocess.run([*pip, "check"], check=True)

    def fill(*options):
        command = [venv / "perceiver-edu", "fill", TEXT, "--mask", " missing.", *options]
        return subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True)

    for_people, for_programs = fill("--top-k", "3"), fill("--top-k", "3", "--json")
    assert (for_people.returncode, for_programs.returncode) == (0, 0), for_people.stderr + for_programs.stderr
    (hole,) = json.loads(for_programs.stdout)["holes"]
    fillings = hole["fillings"]
    probabilities = [filling["probability"] for filling in fillings]
    assert len(fillings) == 3 and probabilities == sorted(probabilities, reverse=True)
    assert all(len(filling["text"].encode()) == len(" missing.") for filling in fillings)
    assert all(filling["text"].strip() in for_people.stdout for filling in fillings)
