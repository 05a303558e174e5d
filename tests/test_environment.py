"""pyproject.toml, constraints.txt, environment.yml, the Makefile and CI describe one environment."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import perceiver_edu

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] != "#"]
PINNED = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in PINS}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
EXTRAS = PROJECT["optional-dependencies"]
DECLARED = [Requirement(line) for lines in [PROJECT["dependencies"], *EXTRAS.values()] for line in lines]
APART = {"teach"}  # nbgrader adds buttons to JupyterLab, so neither make nor conda installs it
PYTHONS = [f"3.{minor}" for minor in range(8, 30)]

# CUDA's own packages: torch names their versions itself, and a machine without CUDA has none to pin.
CUDA = ("nvidia-", "cuda-", "triton")


def test_constraints_are_exact_and_fit_with_and_without_cuda():
    for pin in PINS:
        assert re.fullmatch(r"==[0-9a-z.]+", str(pin.specifier)), f"{pin}: one exact version, no +cpu"
    assert len(PINNED) == len(PINS)


@pytest.mark.parametrize("requirement", DECLARED, ids=str)
def test_every_declared_dependency_is_pinned_within_its_bounds(requirement):
    if requirement.name == PROJECT["name"]:  # test = lab + train + its own
        assert requirement.extras <= set(EXTRAS)
        return
    assert str(requirement.specifier).startswith(">="), "a lower bound, and no more"
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)])


def imported(folder):
    """The distributions that the Python files below `folder` import, at their top or inside functions."""
    files = list((ROOT / folder).rglob("*.py"))
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    modules = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    own = [*files, *(ROOT / "benchmarks").glob("*.py"), *(ROOT / "docs").iterdir()]  # tests import those, too
    modules -= {"perceiver_edu", "tests", *(path.stem for path in own)}
    owners = metadata.packages_distributions()
    return {canonicalize_name(owners.get(module, [module])[0]) for module in modules}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("perceiver_edu", ["train", "lab", "fast", "export", "teach"]), ("tests", list(EXTRAS))],
)
def test_whatever_is_imported_is_declared(folder, extras):
    declared = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    assert imported(folder) <= {canonicalize_name(Requirement(line).name) for line in declared}


def needed(requirement: Requirement, seen: set) -> set[str]:
    """Names of everything that pip installs for `requirement` here."""
    name = canonicalize_name(requirement.name)
    for extra in {"", *requirement.extras}:
        if (name, extra) in seen or name.startswith(CUDA):
            continue
        seen.add((name, extra))
        for line in metadata.requires(name) or []:
            below = Requirement(line)
            if below.marker is None or below.marker.evaluate({"extra": extra}):
                needed(below, seen)
    return {name for name, _ in seen}


@pytest.mark.skipif(sys.platform != "linux", reason="the pins were taken on Linux")
def test_everything_that_is_installed_is_pinned():
    everything = needed(Requirement(f"{PROJECT['name']}[{','.join(EXTRAS.keys() - APART)}]"), set())
    assert len(everything) > len(DECLARED)
    assert everything - set(PINNED) == {PROJECT["name"]}


def test_make_and_conda_install_the_same():
    (constraints, extras), *more = re.findall(r'pip install .*-c (\S+) -e "\.\[(.+)\]"', MAKEFILE)
    (pip,) = [entry["pip"] for entry in CONDA if isinstance(entry, dict)]
    assert not more and constraints == "constraints.txt"
    assert set(extras.split(",")) == set(EXTRAS) - APART
    assert pip == [f"-c {constraints}", f"-e .[{extras}]"]
    assert re.search(r"^\$\(READY\): pyproject\.toml constraints\.txt$", MAKEFILE, re.M)


def test_git_ignores_what_make_lab_writes():
    assert re.search(r"^COURSE := course$", MAKEFILE, re.M) and '--folder "$(COURSE)"' in MAKEFILE
    assert "/course/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_same_pythons_everywhere():
    ours = SpecifierSet(PROJECT["requires-python"])
    (conda,) = [e.removeprefix("python") for e in CONDA if isinstance(e, str) and re.match(r"python\W", e)]
    in_conda = list(SpecifierSet(conda).filter(PYTHONS))
    oldest = next(ours.filter(PYTHONS))
    assert in_conda[0] == oldest and all(python in ours for python in in_conda)
    in_ci = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert in_ci == [in_conda[0], in_conda[-1]], "CI tests the oldest and the newest"
    assert f"sys.version_info < ({oldest.replace('.', ', ')})" in MAKEFILE


def test_ci_runs_what_the_makefile_offers():
    steps = WORKFLOW["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]
    caches = [step["with"]["cache-dependency-path"] for step in steps if "cache" in step.get("with", {})]
    assert [files.split() for files in caches] == [["pyproject.toml", "constraints.txt"]]
    lines = (ROOT / ".ci/run").read_text().splitlines()
    goals = [line.removeprefix("make ") for line in lines if line.startswith("make ")]
    assert goals == ["test", "test-slow"]
    for goal in goals:
        assert f"\n{goal}: $(READY)\n" in MAKEFILE


def test_pre_commit_runs_the_pinned_ruff():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["rev"] == f"v{PINNED['ruff']}"


def test_the_version_stands_in_one_place():
    version = perceiver_edu.__version__
    assert PYPROJECT["tool"]["hatch"]["version"] == {"path": "perceiver_edu/__init__.py"}
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    stating = [path for path in (ROOT / "perceiver_edu").rglob("*.py") if f'"{version}"' in path.read_text()]
    assert stating == [ROOT / "perceiver_edu/__init__.py"]
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text()
