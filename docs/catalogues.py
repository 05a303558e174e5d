"""The catalogues of the translations, docs/locale/LANGUAGE/LC_MESSAGES/*.po, one for each text.

    python docs/catalogues.py                   # bring them up to date with the English texts
    python docs/catalogues.py --check 02        # what is wrong in the translation of a text; no name: of all
    python docs/catalogues.py --coverage        # how much of each text is translated

Bringing up to date keeps every translation whose English has not changed, and drops the others. With --fuzzy,
a changed block gets the translation of the most similar old block, marked fuzzy, which nothing uses until
somebody has corrected it and removed the mark. Blocks that several texts have are in common.po.
"""

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from error_messages import templates
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from transforms.chapters import PREDICTION, UNIT
from typer.main import get_command

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from perceiver_edu import cli  # noqa: E402
from perceiver_edu.course.exercises import all_exercises  # noqa: E402
from perceiver_edu.language import ERRORS, INTERFACE  # noqa: E402
from perceiver_edu.translation import keys  # noqa: E402

LOCALE = ROOT / "docs/locale"
LANGUAGES = ["zh_CN"]
COMMON = "common"  # the catalogue of blocks that several texts have
GLOSSARY = "glossary"
# What is translated as a whole, and stays so. A text joins the list when its catalogue is full.
COMPLETE = ["readme", "glossary", "start", "interface"]
COMPLETE += ["00_quickstart", "01_tokenizer", "02_encoder", "03_processor", "04_decoder", "05_parity"]
PAGES = {
    name: ROOT / f"docs/{name}.md"
    for name in ("index", "glossary", "cheatsheet", "install", "scaling", "teaching")
}
START = ROOT / "perceiver_edu/course/start.md"  # the start page of a course folder
SPOKEN = ["perceiver_edu", "docs"]  # where these functions mark what is translated: {name: which arguments}
MARKS = {"translated": [0], "gettext": [0], "to_translate": [0]}
MARKS |= {"slider": [0, 4], "range_slider": [0, 4], "stops": [0, 3], "choice": [0, 3]}  # label and tooltip
MARKS |= {"text_box": [0, 2], "line_box": [0, 2]}
BADGE = re.compile(r"^\[!\[.*\n", re.MULTILINE)  # pictures that are links, which the book leaves out
MARKDOWN = MarkdownIt("commonmark").use(dollarmath_plugin, allow_space=False, allow_digits=False)

PLACEHOLDER = re.compile(r"\{\w+(?:![ra])?(?::[^{}]*)?\}")

HAN = r"[\u3400-\u9fff]"
HALF_WIDTH = re.compile(rf"{HAN}[,;:?!]|[,;:?!]{HAN}|{HAN}\.(?:\s|$)")  # Chinese has punctuation of its own


@cache
def texts() -> dict[str, list[tuple[str, str]]]:
    """{name of a text: [(where, Markdown), …]}: the README, the pages of docs and the notebooks."""
    found = {"readme": [("README.md", BADGE.sub("", (ROOT / "README.md").read_text("utf-8")))]}
    for name, path in PAGES.items():
        found[name] = [(f"docs/{path.name}", path.read_text("utf-8"))]
    found["start"] = [("perceiver_edu/course/start.md", START.read_text("utf-8"))]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        found[path.stem] = [
            (f"notebooks/{path.name}#{cell['id']}", "".join(cell["source"]))
            for cell in cells
            if cell["cell_type"] == "markdown"
        ]
    return found


def spoken() -> dict[str, list[str]]:
    """{what the package or the book says: the files that say it}: marked in code, the help of the
    command line, data of exercises, and predictions."""
    found: dict[str, list[str]] = {}
    for folder in SPOKEN:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for text in marked(path.read_text("utf-8")):
                found.setdefault(text, []).append(path.relative_to(ROOT).as_posix())
    for part, name in cli.helps(get_command(cli.app)):
        for text in cli.paragraphs(getattr(part, name)):
            found.setdefault(text, []).append("perceiver_edu/cli")
    for exercise in all_exercises().values():
        for text in exercise.sentences():
            found.setdefault(text, []).append(exercise.cases.__module__.replace(".", "/") + ".py")
    for text, where in asked():
        found.setdefault(text, []).append(where)
    return found


@cache
def error_messages() -> dict[str, list[str]]:
    """{template of what errors and warnings of the package say: the files that say it}."""
    paths = sorted((ROOT / "perceiver_edu").rglob("*.py"))
    return templates({path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths})


def asked() -> Iterator[tuple[str, str]]:
    """(what a prediction in a notebook asks, a choice, or the unit of a number; where), from the outputs."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                text = "".join(output.get("data", {}).get("text/plain", ""))
                if text.startswith(PREDICTION):
                    for part in text.removeprefix(PREDICTION).split("\n- "):
                        unit = UNIT.fullmatch(part)
                        words = unit[1] if unit else part
                        if keys(words):
                            yield words, f"notebooks/{path.name}#{cell['id']}"


def marked(code: str) -> list[str]:
    """What a module marks to be translated, in order."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    found = []
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        places = MARKS.get(call.func.id, []) if isinstance(call.func, ast.Name) else []
        for argument in (call.args[place] for place in places if place < len(call.args)):
            if isinstance(argument, ast.JoinedStr):
                raise ValueError(
                    f"what is translated has {{placeholders}}, and is no f-string: {ast.unparse(call)}"
                )
            if isinstance(argument, ast.Constant):
                found.append(argument.value)
    return found


@cache
def wanted() -> dict[str, dict[str, list[str]]]:
    """{catalogue: {key: where it is}}, in the order of the texts."""
    places: dict[str, dict[str, list[str]]] = {}  # {key: {text: where}}
    for name, parts in texts().items():
        for where, markdown in parts:
            for key in keys(markdown):
                places.setdefault(key, {}).setdefault(name, []).append(where)
    found: dict[str, dict[str, list[str]]] = {name: {} for name in (COMMON, INTERFACE, ERRORS, *texts())}
    for key, where in spoken().items():
        # What is said has a catalogue of its own, also where a text has the same words. But a term of the
        # glossary is translated with the English word after it, and the same word on a slider without.
        theirs = {} if GLOSSARY in places.get(key, {}) else places.pop(key, {})
        found[INTERFACE][key] = unique(theirs | {INTERFACE: where})
    found[ERRORS] = error_messages()
    for key, of_texts in places.items():
        name = COMMON if len(of_texts) > 1 else next(iter(of_texts))
        found[name][key] = unique(of_texts)
    return found


def unique(places: dict[str, list[str]]) -> list[str]:
    return list(dict.fromkeys(where for several in places.values() for where in several))


def path_of(language: str, name: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{name}.po"


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def refresh(language: str, fuzzy: bool) -> None:
    folder = LOCALE / language / "LC_MESSAGES"
    folder.mkdir(parents=True, exist_ok=True)
    old = {path.stem: read(path) for path in sorted(folder.glob("*.po"))}
    for name, blocks in wanted().items():
        catalogue = Catalog(language, header_comment="", project="perceiver_edu", fuzzy=False)
        for key, where in blocks.items():
            catalogue.add(key, locations=[(place, None) for place in where])
        merged = Catalog(language)
        # What is said takes nothing from the glossary, where a term has the English word after it.
        others = [theirs for other, theirs in old.items() if (name, other) != (INTERFACE, GLOSSARY)]
        for message in chain(old.get(name, ()), *others):  # of two translations, the first
            if message.id and message.string:
                merged[message.id] = message
        merged.update(catalogue, no_fuzzy_matching=not fuzzy)
        for message in merged:
            if message.id and message.id in catalogue:
                catalogue[message.id].string = message.string
                catalogue[message.id].flags = message.flags
        path = path_of(language, name)
        if path.exists() and content(read(path)) == content(catalogue):
            continue  # somebody's line breaks stay, too
        with path.open("wb") as file:
            file.write(HEADER.format(language=language).encode())
            write_po(file, catalogue, width=0, omit_header=True)
    for path in folder.glob("*.po"):
        if path.stem not in wanted():
            path.unlink()


def content(catalogue: Catalog) -> list[tuple]:
    return [(m.id, m.string, m.fuzzy, [place for place, _ in m.locations]) for m in catalogue if m.id]


# Without dates, so that bringing a catalogue up to date changes only what is new.
HEADER = """msgid ""
msgstr ""
"Project-Id-Version: perceiver_edu\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def fixed(text: str) -> Counter:
    """What a translation must keep: code, formulas, links, pictures, tags, bold and italics, columns."""
    [line] = MARKDOWN.parseInline(text)
    found: Counter = Counter()
    for token in line.children or []:
        if token.type == "code_inline":
            found[f"the code `{token.content}`"] += 1
        elif token.type.startswith("math"):
            found[f"the formula ${token.content}$"] += 1
        elif token.type == "link_open":
            found[f"the link to {token.attrs['href']}"] += 1
        elif token.type == "image":
            found[f"the picture {token.attrs['src']}"] += 1
        elif token.type == "html_inline":
            found[f"the tag {token.content}"] += 1
        elif token.type in ("strong_open", "em_open"):
            found[f"{'bold' if token.tag == 'strong' else 'italic'} text"] += 1
        elif token.type == "text":
            for mark, words in (("*", "the mark * as text"), ("|", "the mark | between columns")):
                found[words] += token.content.count(mark)
            found += Counter(f"the placeholder {name}" for name in PLACEHOLDER.findall(token.content))
    return found


def problems(message: Message) -> list[str]:
    """What is wrong with a translation, in sentences; nothing where there is none yet."""
    english, words = message.id, message.string
    if not words:
        return []
    found = ["It is fuzzy: correct it, and remove the mark."] if message.fuzzy else []
    before, after = fixed(english), fixed(words)
    found += [f"It lacks {what} ({n} ×)." for what, n in (before - after).items()]
    found += [f"It has {what} ({n} ×), unlike the English." for what, n in (after - before).items()]
    if english == " ".join(english.split()) and words != " ".join(words.split()):
        found.append("It has line breaks, or spaces at its ends or in a row.")
    elif keys(english) == [english] and keys(words) != [words]:
        found.append("It begins like another kind of block, such as a heading or a list.")
    spoken = re.sub(r"(`+).+?\1|\$[^$]+\$|\]\([^)]*\)", "", words)
    if half := HALF_WIDTH.search(spoken):
        found.append(f"It has half-width punctuation in Chinese: {half[0]!r}.")
    return found


def check(language: str, names: list[str]) -> int:
    """Print what is wrong -> how many translations are."""
    wrong = 0
    for name in names:
        for message in read(path_of(language, name)):
            if message.id and (found := problems(message)):
                wrong += 1
                print(f"{name}: {message.id[:90]}", *(f"    {sentence}" for sentence in found), sep="\n")
    return wrong


def coverage(language: str) -> dict[str, tuple[int, int]]:
    """{text: (translated blocks, all blocks)}; a block that several texts have counts in each of them."""
    done = {
        message.id
        for name in wanted()
        for message in read(path_of(language, name))
        if message.id and message.string and not message.fuzzy
    }
    blocks = {name: {key for _, text in parts for key in keys(text)} for name, parts in texts().items()}
    blocks |= {name: {*wanted()[name]} for name in (INTERFACE, ERRORS)}
    return {name: (len(found & done), len(found)) for name, found in blocks.items()}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", nargs="*", metavar="NAME", help="texts, by the beginning of their names")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument(
        "--fuzzy", action="store_true", help="offer similar old translations for changed blocks"
    )
    options = parser.parse_args()
    for language in LANGUAGES:
        if options.check is not None:
            names = [name for name in wanted() if name.startswith(tuple(options.check) or "")]
            if not names:
                sys.exit(f"There is no such text. There are {', '.join(wanted())}.")
            wrong = check(language, names)
            print(f"{language}: {wrong or 'no'} wrong translation{'s' * (wrong != 1)} in {', '.join(names)}")
            if wrong:
                return 1
        if options.coverage:
            for name, (done, everything) in coverage(language).items():
                print(f"{language} {name:18} {done:4} of {everything:4}  {100 * done // everything:3} %")
        if options.check is None and not options.coverage:
            refresh(language, options.fuzzy)
    return 0


if __name__ == "__main__":
    sys.exit(main())
