"""What a release needs: one version, one address of the repository, workflows that fit the package."""

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes

import pytest
import yaml
from test_environment import PROJECT, PYPROJECT, PYTHONS, ROOT
from test_packaging import built  # noqa: F401  a fixture

import perceiver_edu

REPOSITORY = PROJECT["urls"]["Repository"]
WORKFLOWS = {path.stem: path.read_text("utf-8") for path in (ROOT / ".github/workflows").glob("*.yml")}
MOST = 30e6  # bytes of the wheel
OURS = re.compile(r"https://[\w.]+/[\w./-]*perceiver-edu/perceiver-edu[\w./-]*")


def test_the_changelog_begins_with_this_version():
    headings = re.findall(
        r"^## \[(.+?)\]( - \d{4}-\d{2}-\d{2})?$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M
    )
    assert headings[0][0] == perceiver_edu.__version__


def test_the_repository_has_one_address():
    """In files that people read or run; a link to another copy would be noticed by nobody."""
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split("\n")
    owner_and_name = REPOSITORY.removeprefix("https://github.com/")
    owner, repository_name = owner_and_name.split("/")
    pages = f"https://{owner}.github.io/{repository_name}/"
    for name in filter(None, files):
        path = ROOT / name
        if path.suffix in (".md", ".ipynb", ".toml", ".yml", ".py", ".json", ".cff") and path.is_file():
            for link in re.findall(
                r"https?://[^\s\"'<>)\\]*/perceiver-edu\b[^\s\"'<>)\\]*", path.read_text("utf-8")
            ):
                assert owner_and_name in link or link.startswith(pages), f"{name}: {link}"


def test_urls_and_links_on_pypi_lead_to_the_repository():
    assert all(url.startswith(REPOSITORY) for url in PROJECT["urls"].values())
    pages = [
        s["replacement"]
        for s in PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    ]
    raw = REPOSITORY.replace("https://github.com", "https://raw.githubusercontent.com")
    assert pages == [rf"\1{raw}/v$HFPR_VERSION/", rf"\1{REPOSITORY}/blob/v$HFPR_VERSION/"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_are_well_formed_and_may_do_little(name):
    workflow = yaml.safe_load(WORKFLOWS[name])
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)


def test_the_weekly_workflow_tries_all_pythons_and_the_oldest_versions():
    jobs = yaml.safe_load(WORKFLOWS["newest"])["jobs"]
    first, *_ = pythons = jobs["newest"]["strategy"]["matrix"]["python"]
    assert (
        PROJECT["requires-python"] == f">={first}"
        and pythons == PYTHONS[PYTHONS.index(first) :][: len(pythons)]
    )
    assert not any("-c " in step.get("run", "") for step in jobs["newest"]["steps"])
    assert any("lowest-direct" in step.get("run", "") for step in jobs["oldest"]["steps"])
    for chosen in re.findall(r"tests/\S+[a-z]", (ROOT / ".github/broken.sh").read_text("utf-8")):
        assert (ROOT / chosen).exists(), chosen


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_published_is_small_and_well_described(built, tmp_path):  # noqa: F811
    sdist, wheel = built
    assert wheel.stat().st_size < MOST
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        about = message_from_bytes(archive.read(name))
    assert f"Repository, {REPOSITORY}" in about.get_all("Project-URL")
    text = about.get_payload(decode=True).decode()
    assert (
        "](notebooks/" not in text and f"]({REPOSITORY}/blob/v{perceiver_edu.__version__}/notebooks/" in text
    )
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "twine>=6"], check=True)
    subprocess.run([python, "-m", "twine", "check", "--strict", sdist, wheel], check=True)


def test_the_readme_says_the_same_for_both_shells():
    text = (ROOT / "README.md").read_text("utf-8").partition("## Start")[2]
    posix, windows = (re.search(rf"```{shell}\n(.*?)```", text, re.S)[1] for shell in ("bash", "powershell"))
    assert windows == posix.replace("python3 -m venv", "py -m venv").replace("/bin/", "\\Scripts\\").replace(
        "perceiver/", "perceiver\\"
    )
    assert f'"{PROJECT["name"]}[lab]"' in posix
