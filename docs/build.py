"""Build the book: `python docs/build.py` writes build/book, and with --zip and --pdf copies to take along.

Sphinx reads the repository's own pages under the names that they have there, so that their links need no
second form. They are gathered in build/book-source because Sphinx would otherwise walk through the whole
repository, and because a chapter is not quite its notebook (`transforms/chapters.py`).
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from conf import PAGES as PUBLISHED
from conf import REPOSITORY, ROOT, release
from sphinx.cmd.build import main as sphinx
from transforms.actions import colab
from transforms.chapters import chapter

BUILD = ROOT / "build"
SOURCE, BOOK, DOCTREES = BUILD / "book-source", BUILD / "book", BUILD / "book-doctrees"
PAGES = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md"]
PAGES += ["perceiver_edu/weights/embedded/README.md"]
NAME = f"perceiver-edu-book-{release}"
# On paper there are the course and its guides, without the reference.
LEFT_OUT = ["_readme", "docs/api/*", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
PAPER = ["-D", f"exclude_patterns={','.join(LEFT_OUT)}"]
PAPER += ["-D", "suppress_warnings=toc.excluded,toc.not_readable"]
BADGE = re.compile(r"^\[!\[Open in .*\n", re.MULTILINE)


def gather(notebooks: Path, source: Path = SOURCE) -> None:
    """Everything that Sphinx reads. A file that has not changed is left alone, so that its page is, too."""
    wanted: dict[str, bytes] = {name: (ROOT / name).read_bytes() for name in PAGES}
    for path in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks/images").iterdir()]:
        wanted[path.relative_to(ROOT).as_posix()] = path.read_bytes()
    wanted["index.md"] = wanted.pop("docs/index.md")
    for path in sorted(notebooks.glob("*.ipynb")):
        name = f"notebooks/{path.name}"
        page = chapter(nbformat.read(path, as_version=4), colab(REPOSITORY, release, name))
        wanted[name] = nbformat.writes(page).encode()
    for name, text in sections((ROOT / "README.md").read_text("utf-8")).items():
        wanted[f"_readme/{name}.md"] = text.encode()
    for path in source.rglob("*"):
        if path.is_file() and path.relative_to(source).as_posix() not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = source / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def sections(readme: str) -> dict[str, str]:
    """{"pitch": …, "start": …, "the-course": …}: what the README says, for the front page to include."""
    pitch, *others = re.split(r"^## ", BADGE.sub("", readme), flags=re.MULTILINE)
    pitch = pitch.partition("\n")[2].replace("](#", f"]({REPOSITORY}#")
    found = {"pitch": pitch.replace(f"{PUBLISHED}/", "")}  # the live page of this copy of the book
    for text in others:
        title, _, body = text.partition("\n")
        found[re.sub(r"\W+", "-", title.lower())] = body
    return found


def build(builder: str, out: Path, *options: str) -> None:
    """Run Sphinx, for which every warning is an error."""
    places = [str(SOURCE), str(out), "-c", str(ROOT / "docs"), "-d", str(DOCTREES / builder)]
    if sphinx([*places, "-b", builder, "-j", "auto", "-q", "-W", "--keep-going", *options]):
        sys.exit("The book was not built: Sphinx warned above.")


def book(notebooks: Path) -> str:
    """-> what the live page lacks, a sentence, or nothing."""
    gather(notebooks)
    # In a process of its own: the model's export takes as long as Sphinx, and its libraries log a lot.
    with subprocess.Popen([sys.executable, ROOT / "docs/browser_model.py", BOOK]) as live:
        build("html", BOOK)
    if live.returncode:
        sys.exit("The book has no live page: its program ended with the error above.")
    (BOOK / "downloads/notebooks").mkdir(parents=True, exist_ok=True)
    for path in notebooks.glob("*.ipynb"):  # the originals, with every cell
        shutil.copy2(path, BOOK / "downloads/notebooks")
    for path in (BOOK / "_static").glob("*webpack-macros.html"):  # the theme's templates, which are not pages
        path.unlink()
    return json.loads((BOOK / "live/about.json").read_text("utf-8")).get("missing", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--zip", action="store_true", help=f"also write build/{NAME}.zip, to read offline")
    parser.add_argument("--pdf", action="store_true", help=f"also write build/{NAME}.pdf; needs Chromium")
    words = "other notebooks, such as those without solutions of `perceiver-edu classroom --plain`"
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", metavar="FOLDER", help=words)
    words = "fail where the live page cannot get its model, which by default is one line of warning"
    parser.add_argument("--complete", action="store_true", help=words)
    options = parser.parse_args()
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    if lacking := names - {path.name for path in options.notebooks.glob("*.ipynb")}:
        sys.exit(f"{options.notebooks} lacks {', '.join(sorted(lacking))}.")
    if missing := book(options.notebooks):
        if options.complete:
            sys.exit(missing)
        print(f"{BOOK / 'live/index.html'}: {missing}", file=sys.stderr)
    print(BOOK / "index.html")
    if options.zip:
        print(shutil.make_archive(str(BUILD / NAME), "zip", BUILD, "book"))
    if options.pdf:
        from paper import print_book

        build("singlehtml", BUILD / "book-paper", *PAPER)
        print(print_book(BUILD / "book-paper/index.html", BUILD / f"{NAME}.pdf"))


if __name__ == "__main__":
    main()
