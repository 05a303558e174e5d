"""Build the book: `python docs/build.py` writes build/book, and with --zip and --pdf copies to take along.

Sphinx reads the repository's own pages under the names that they have there, so that their links need no
second form. They are gathered in build/book-source because Sphinx would otherwise walk through the whole
repository, and because a chapter is not quite its notebook (`transforms/chapters.py`).

An edition in another language has the course and its guides, from the same sources and the catalogues of
`docs/locale`. It is in a folder of the book, as in build/book/zh.
"""

import argparse
import fnmatch
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from conf import PAGES as PUBLISHED
from conf import REPOSITORY, ROOT, release
from nbformat import read, reads, writes
from sphinx.cmd.build import main as sphinx
from transforms.actions import colab
from transforms.chapters import chapter
from transforms.languages import EDITIONS

from perceiver_edu.language import ENGLISH, catalogues
from perceiver_edu.translation import page_translator, translate

BUILD = ROOT / "build"
SOURCE, BOOK, DOCTREES = BUILD / "book-source", BUILD / "book", BUILD / "book-doctrees"
GUIDES = [f"docs/{name}.md" for name in ("index", "glossary", "cheatsheet", "install", "scaling", "teaching")]
PAGES = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md"]
PAGES += ["perceiver_edu/weights/embedded/README.md"]
NAME = f"perceiver-edu-book-{release}"
# On paper there are the course and its guides, without the reference.
LEFT_OUT = ["_readme", "docs/api/*", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
PAPER = ["-D", f"exclude_patterns={','.join(LEFT_OUT)}"]
PAPER += ["-D", "suppress_warnings=toc.excluded,toc.not_readable"]
IMAGES = ROOT / "notebooks/images"
TOC = re.compile(r"(```\{toctree\}\n(?::.*\n)*\n)((?:[^`\n]+\n)+)```\n")
PITCH = "pitch"  # the part of the README above its first heading
BADGE = re.compile(r"^\[!\[Open in .*\n", re.MULTILINE)


def gather(notebooks: Path, source: Path = SOURCE, language: str = ENGLISH) -> None:
    """Everything that Sphinx reads. A file that has not changed is left alone, so that its page is, too."""
    words = catalogues(language)
    translated = page_translator(words)
    pages = [ROOT / name for name in (PAGES if language == ENGLISH else GUIDES)]
    pages += (ROOT / "docs").rglob("*.md") if language == ENGLISH else []
    wanted = {
        path.relative_to(ROOT).as_posix(): translated(path.read_text("utf-8")).encode() for path in pages
    }
    wanted |= {f"notebooks/images/{path.name}": path.read_bytes() for path in IMAGES.iterdir()}
    for path in sorted(notebooks.glob("*.ipynb")):
        name = f"notebooks/{path.name}"
        page = chapter(read(path, as_version=4), colab(REPOSITORY, release, name), words)
        wanted[name] = writes(page).encode()
    wanted["index.md"] = only_pages(wanted.pop("docs/index.md").decode(), wanted).encode()
    for name, text in sections((ROOT / "README.md").read_text("utf-8")).items():
        if name == PITCH:  # its links to headings lead to the README, which the repository has in English
            text = translate(text, words.get).replace("](#", f"]({REPOSITORY}#")
        else:
            text = translated(text)
        text = text.replace(f"{PUBLISHED}/", "")  # the live page of this copy
        wanted[f"_readme/{name}.md"] = text.encode()
    for path in source.rglob("*"):
        if path.is_file() and path.relative_to(source).as_posix() not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = source / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def only_pages(index: str, pages: Collection[str]) -> str:
    """The front page, whose tables of contents keep the lines that name or match one of these pages; a table
    that keeps none is left out."""
    there = {name.rpartition(".")[0] for name in pages}

    def shortened(toc: re.Match[str]) -> str:
        kept = [line for line in toc[2].splitlines(keepends=True) if fnmatch.filter(there, line.strip())]
        return f"{toc[1]}{''.join(kept)}```\n" if kept else ""

    return TOC.sub(shortened, index)


def sections(readme: str) -> dict[str, str]:
    """{"pitch": …, "start": …, "the-course": …}: what the README says, for the front page to include."""
    pitch, *others = re.split(r"^## ", BADGE.sub("", readme), flags=re.MULTILINE)
    found = {PITCH: pitch.partition("\n")[2]}
    for text in others:
        title, _, body = text.partition("\n")
        found[re.sub(r"\W+", "-", title.lower())] = body
    return found


def build(builder: str, out: Path, *options: str, language: str = ENGLISH) -> None:
    """Run Sphinx, for which every warning is an error."""
    doctrees = DOCTREES / (builder if language == ENGLISH else language)
    places = [str(source_of(language)), str(out), "-c", str(ROOT / "docs"), "-d", str(doctrees)]
    options = ("-D", f"language={language}", *options)
    if sphinx([*places, "-b", builder, "-j", "auto", "-q", "-W", "--keep-going", *options]):
        sys.exit("The book was not built: Sphinx warned above.")


def source_of(language: str) -> Path:
    return SOURCE if language == ENGLISH else SOURCE.with_name(f"{SOURCE.name}-{language}")


def book(notebooks: Path, languages: Collection[str] = EDITIONS) -> str:
    """The editions in these languages -> what the live page lacks, a sentence, or nothing."""
    for language in EDITIONS:  # all before the first is built, because their pages link to each other
        gather(notebooks, source_of(language), language)
    # In a process of its own: the model's export takes as long as Sphinx, and its libraries log a lot.
    with subprocess.Popen([sys.executable, ROOT / "docs/browser_model.py", BOOK]) as live:
        for language in languages:
            edition(notebooks, language, BOOK / EDITIONS[language])
    if live.returncode:
        sys.exit("The book has no live page: its program ended with the error above.")
    return json.loads((BOOK / "live/about.json").read_text("utf-8")).get("missing", "")


def edition(notebooks: Path, language: str, out: Path) -> None:
    """The book in one language, with the notebooks to download."""
    build("html", out, language=language)
    (out / "downloads/notebooks").mkdir(parents=True, exist_ok=True)
    for path in notebooks.glob("*.ipynb"):  # the originals, with every cell
        copy = out / "downloads/notebooks" / path.name
        copy.write_bytes(in_language(path.read_bytes(), catalogues(language)))
    for path in (out / "_static").glob("*webpack-macros.html"):  # the theme's templates, which are not pages
        path.unlink()


def in_language(notebook: bytes, words: dict[str, str]) -> bytes:
    """A notebook whose Markdown is translated; without words, the same bytes."""
    if not words:
        return notebook
    content, translated = reads(notebook.decode(), as_version=4), page_translator(words)
    for cell in content.cells:
        if cell.cell_type == "markdown":
            cell.source = translated(cell.source)
    return (writes(content) + "\n").encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--zip", action="store_true", help=f"also write build/{NAME}.zip, to read offline")
    parser.add_argument("--pdf", action="store_true", help=f"also write build/{NAME}.pdf; needs Chromium")
    words = "other notebooks, such as those without solutions of `perceiver-edu classroom --plain`"
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", metavar="FOLDER", help=words)
    words = "fail where the live page cannot get its model, which by default is one line of warning"
    parser.add_argument("--complete", action="store_true", help=words)
    words = "build one edition only, whose links to the others lead to what was built before"
    parser.add_argument("--language", choices=EDITIONS, help=words)
    options = parser.parse_args()
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    if lacking := names - {path.name for path in options.notebooks.glob("*.ipynb")}:
        sys.exit(f"{options.notebooks} lacks {', '.join(sorted(lacking))}.")
    if missing := book(options.notebooks, [options.language] if options.language else EDITIONS):
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
