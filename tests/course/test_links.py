"""Every link of every notebook leads somewhere: in a checkout, in a course folder and on the web."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from perceiver_edu import InputError, __version__, data
from perceiver_edu.course import links
from perceiver_edu.course.folder import course_files
from perceiver_edu.course.links import LINK, on_the_web, relink
from perceiver_edu.course.start import START

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WEB = "https://example.org/repository"


@pytest.fixture(autouse=True)
def placeholder(monkeypatch):
    monkeypatch.setattr(links, "repository", lambda: WEB)


def texts(content: bytes | str) -> list[str]:
    """The Markdown of a notebook, without code."""
    cells = json.loads(content)["cells"]
    text = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return [re.sub(r"^```.*?^```|`[^`\n]*`", "code", part, flags=re.M | re.S) for part in text]


def targets(text: str) -> list[str]:
    """What is linked to, but for other sites, sections of the page, and pictures inside the notebook."""
    found = re.findall(r"\]\(([^)\s]*)", text)
    return [target for target in found if not re.match(r"https?://|#|attachment:", target) or WEB in target]


def leads_somewhere(target: str, folder: Path) -> bool:
    path = unquote(target.partition("#")[0])
    web = f"{WEB}/blob/v{__version__}/"
    file = ROOT / path.removeprefix(web) if path.startswith(web) else folder / path
    return file.is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_link_in_the_repository_and_on_the_web(path):
    parts = texts(path.read_text("utf-8"))
    assert any(map(targets, parts))
    for part in parts:
        assert not re.search(r"(href|src)=[\"'](?!https?:|#|data:)", part), "links are written in Markdown"
        for target in targets(part):
            assert leads_somewhere(target, path.parent), target
            assert LINK.match(f"]({target}", 2), f"relink() does not know links such as {target}"
        for target in targets(relink(part, on_the_web)):
            assert target.startswith(WEB) and leads_somewhere(target, path.parent), target


@pytest.mark.parametrize("place", ["installed", "elsewhere", "checkout"])
def test_every_link_in_a_course_folder(place, tmp_path, monkeypatch):
    """Of an installed package; of a checkout, outside of it and in it."""
    top = tmp_path / "top"  # a checkout with the same files
    top.mkdir()
    for name in ("perceiver_edu", "benchmarks", "docs", "notebooks"):
        (top / name).symlink_to(ROOT / name, target_is_directory=True)
    folder = top / "my" / "course" if place == "checkout" else tmp_path / "course"
    monkeypatch.setattr(data, "CHECKOUT", None if place == "installed" else top)
    written = course_files(folder) | {START: b""}
    for name, content in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    found = [target for path in NOTEBOOKS for text in texts(written[path.name]) for target in targets(text)]
    assert len(found) > 50
    found += targets(written["glossary.md"].decode())
    for target in found:
        assert leads_somewhere(target, folder), target
    kinds = {target.split("/")[0] for target in found if "/" in target}
    assert kinds == {"installed": {"library", "https:"}, "elsewhere": {"library"}, "checkout": {".."}}[place]


def test_sections_stay_and_code_is_left_alone():
    text = "[a](02_encoder.ipynb#cost) `y = f[0](x)` [b](https://x.org/00_a) [c](#here) ![d](images/d.png)"
    changed = relink(text, on_the_web)
    assert "`y = f[0](x)`" in changed
    assert f"]({WEB}/blob/v{__version__}/notebooks/02_encoder.ipynb#cost)" in changed
    assert "f[0](x)" in changed and "](https://x.org/00_a)" in changed and "](#here)" in changed
    assert f"]({WEB}/blob/v{__version__}/notebooks/images/d.png)" in changed


def test_a_link_of_code_looks_like_a_link():
    changed = relink("`a` [`fast.py`](../perceiver_edu/fast.py), [the `b`](https://x.org)", str)
    assert changed == "`a` [fast.py](perceiver_edu/fast.py), [the `b`](https://x.org)"


def test_the_address_of_the_repository_is_that_of_the_installed_package(monkeypatch):
    monkeypatch.undo()
    found = {"Project-URL": ["Documentation, https://a.org", "Repository, https://b.org/c"]}
    monkeypatch.setattr(links, "metadata", lambda name: Metadata(found))
    assert links.repository.__wrapped__() == "https://b.org/c"
    monkeypatch.setattr(links, "metadata", lambda name: Metadata({}))
    with pytest.raises(InputError, match="install it again"):
        links.repository.__wrapped__()


class Metadata(dict):
    get_all = dict.get
