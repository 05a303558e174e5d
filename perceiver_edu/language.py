"""The language of the course and of what the package says: English, or one that has catalogues.

It is the first of these: `use_language`, the variable PERCEIVER_EDU_LANGUAGE, the language of the course
folder, the user's locale. What a catalogue lacks is said in English.
"""

import ast
import locale
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from string import Formatter

from perceiver_edu import data
from perceiver_edu.errors import InputError

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
VARIABLE = "PERCEIVER_EDU_LANGUAGE"
ENGLISH = "en"
INTERFACE = "interface"  # the catalogue of what the package says
ERRORS = "errors"  # that of the templates of errors and warnings
_used: list[str] = []  # by `use_language`


def find_language(name: str) -> str | None:
    """ "zh", "zh-CN", "zh_CN.UTF-8" → "zh_CN"; None for a language that has no catalogues."""
    parts = re.split(r"[_\-.@]", name.lower())
    if parts[0] == "zh" and not {"tw", "hk", "mo", "hant"} & {*parts}:
        return "zh_CN"
    return ENGLISH if parts[0] == "en" else None


def known_language(name: str) -> str:
    """Raises: InputError for a language that has no catalogues."""
    found = find_language(name)
    if found is None:
        raise InputError(f"there is no edition in the language {name!r}: choose en or zh")
    return found


def use_language(name: str) -> str:
    """Speak this language from now on, in this process and those that it starts. Raises: InputError."""
    _used[:] = [known_language(name)]
    os.environ[VARIABLE] = _used[0]
    return _used[0]


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Speak this language for a while."""
    before = _used[:]
    _used[:] = [name]
    try:
        yield
    finally:
        _used[:] = before


def language(of_folder: str | None = None) -> str:
    """The language to speak. Raises: InputError where the variable names one that there is not."""
    if _used:
        return _used[0]
    if name := os.environ.get(VARIABLE):
        return known_language(name)
    return of_folder or find_language(users_locale()) or ENGLISH


of_errors: Callable[[], str] = language  # `perceiver_edu.course` puts one here that knows the course folder


def users_locale() -> str:
    """Such as zh_CN.UTF-8, or "" where none is set."""
    if sys.platform == "win32":
        import ctypes

        return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
    names = map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((name for name in names if name), "")


def gettext(text: str, of_folder: str | None = None, /, **values: object) -> str:
    """What the package says, in the language to speak; `values` are those of the {placeholders}."""
    words = interface(language(of_folder)).get(text, text)
    return words.format(**values) if values else words


def translated_message(message: str) -> str:
    """What is shown of an error or a warning: its message in the language to speak, or in English where no
    template of the catalogue has made it."""
    try:
        known = templates(of_errors())
    except (InputError, OSError):  # no such language, or no catalogue: what is to be shown matters more
        return message
    matches = ((pattern.fullmatch(message), words) for pattern, words in known)
    return next((words.format(**found.groupdict()) for found, words in matches if found), message)


@cache
def templates(language: str) -> list[tuple[re.Pattern[str], str]]:
    """(what the messages of a template look like, its translation), the longest templates first."""
    path = folder_of(language) / f"{ERRORS}.po"
    translations = {} if language == ENGLISH else read_catalogue(path)
    found = [(*parts_of(template), words) for template, words in translations.items()]
    found.sort(key=lambda parts: -len("".join(parts[0])))  # by the text that is not from values
    return [(pattern_of(texts, names), words) for texts, names, words in found]


def parts_of(template: str) -> tuple[list[str], list[str]]:
    """ "no {what} here" -> its texts ["no ", " here"], and the names ["what"] of what is between them."""
    texts, names = [""], []
    for text, name, _, _ in Formatter().parse(template):
        texts[-1] += text
        if name is not None:
            names.append(name)
            texts.append("")
    return texts, names


def pattern_of(texts: list[str], names: list[str]) -> re.Pattern[str]:
    """Each text is looked for once, (?>…), so that a long message takes no longer than its length."""
    first, *others = map(re.escape, texts)
    parts = [f"(?>(?P<{name}>.*?){text})" for name, text in zip(names, others, strict=True)]
    if parts:  # the last goes on to the end
        parts[-1] = f"(?P<{names[-1]}>.*){others[-1]}"
    return re.compile(first + "".join(parts), re.DOTALL)


def in_every_language(text: str) -> tuple[str, ...]:
    """What the package may have said, in whichever language."""
    return tuple(interface(name).get(text, text) for name in LANGUAGES)


def to_translate(text: str) -> str:
    """Marks for `docs/catalogues.py` what `translated` gets later, when it is shown."""
    return text


@cache
def interface(language: str) -> dict[str, str]:
    return {} if language == ENGLISH else read_catalogue(folder_of(language) / f"{INTERFACE}.po")


@cache
def catalogues(language: str) -> dict[str, str]:
    """{English: translation} of all texts of the course; nothing for English."""
    paths = [] if language == ENGLISH else folder_of(language).glob("*.po")
    paths = [path for path in paths if path.stem != ERRORS]  # no texts of the course
    # The glossary's own words count: there a term has the English word after it, and on a slider it has not.
    glossary_last = sorted(paths, key=lambda path: (path.stem == "glossary", path))
    return {english: words for path in glossary_last for english, words in read_catalogue(path).items()}


def folder_of(language: str) -> Path:
    return data.LOCALE / language / "LC_MESSAGES"


def read_catalogue(path: Path) -> dict[str, str]:
    """{English: translation} of a PO file, without what is untranslated or fuzzy.

    Raises: InputError where it is not a PO file.
    """
    found = {}
    for entry in re.split(r"\n\s*\n", path.read_text("utf-8")):
        texts, part = {"msgid": "", "msgstr": ""}, ""
        for line in entry.splitlines():
            if line.startswith("#"):
                continue
            word, _, quoted = line.partition('"')
            part = word.strip() or part
            try:
                texts[part] += ast.literal_eval(f'"{quoted.rstrip()}')
            except (SyntaxError, ValueError, KeyError):
                raise InputError(f"{path} is not a PO file: its line {line!r} cannot be read") from None
        if all(texts.values()) and not re.search("^#,.*fuzzy", entry, re.MULTILINE):
            found[texts["msgid"]] = texts["msgstr"]
    return found
