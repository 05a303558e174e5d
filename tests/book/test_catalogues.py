"""The catalogues of the translations: up to date, complete where promised, and true to the English."""

import csv
import os
import re
import shutil
import warnings
from itertools import cycle

import catalogues
import pytest
from babel.messages.catalog import Message
from catalogues import COMPLETE, LANGUAGES, LOCALE, coverage, marked, path_of, problems, read, spoken, wanted
from error_messages import templates

from perceiver_edu import language
from perceiver_edu.course.exercises import all_exercises
from perceiver_edu.language import ERRORS

NAMES = list(wanted())
MUST = os.environ.get("PERCEIVER_EDU_REQUIRE_TRANSLATIONS")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogues_are_those_of_the_texts(language):
    assert {path.stem for path in path_of(language, "x").parent.glob("*.po")} == set(NAMES)
    for name, blocks in wanted().items():
        found = [message.id for message in read(path_of(language, name)) if message.id]
        assert found == list(blocks), f"{name}.po: run `make messages`"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_code_formulas_and_links(language, name):
    wrong = {m.id: found for m in read(path_of(language, name)) if m.id and (found := problems(m))}
    assert not wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_promised_is_complete(language, tally):
    """A text that is not in COMPLETE may be translated in part; the table at the end says how far it is.

    A gap in the others is a warning for whoever writes English, and an error where `.ci/run` checks.
    """
    found = coverage(language)
    for name, (done, everything) in found.items():
        tally(f"% of {name} in {language}", 100 * done // everything)
    lacking = {name: everything - done for name in COMPLETE for done, everything in [found[name]]}
    if gaps := ", ".join(f"{number} in {name}" for name, number in lacking.items() if number):
        assert not MUST, f"{language} lacks translations: {gaps}"
        warnings.warn(f"{language} lacks translations: {gaps}. They are needed before a merge", stacklevel=1)


KEPT = "A *new* **word** `x` at [it](a.ipynb#B) with $c_1$ and <b>"


@pytest.mark.parametrize(
    "words, problem",
    [
        ("*新* **词。**见[它](a.ipynb#B)里的 `x` 和 $c_1$ 与 <b>", "bold text"),
        ("新 **词** `x` 见[它](a.ipynb#B)和 $c_1$ 与 <b>", "italic text"),
        ("*新* **词** `y` 见[它](a.ipynb#B)和 $c_1$ 与 <b>", "the code `y`"),
        ("*新* **词** `x` 见[它](a.ipynb#词)和 $c_1$ 与 <b>", "the link to a.ipynb#B"),
        ("*新* **词** `x` 见[它](a.ipynb#B)和 $c_2$ 与 <b>", "the formula $c_1$"),
        ("*新* **词** `x` 见[它](a.ipynb#B)和 $c_1$", "the tag <b>"),
        ("*新* **词**, `x` 见,[它](a.ipynb#B)和 $c_1$ 与 <b>", "half-width"),
        ("- *新* **词** `x` 见[它](a.ipynb#B)和 $c_1$ 与 <b>", "another kind of block"),
        ("*新* **词** `x` 见\n[它](a.ipynb#B)和 $c_1$ 与 <b>", "line breaks"),
        ("$c_1$：见[它](a.ipynb#B)里的 `x`，**词**与*新* <b>。", None),
        ("", None),
    ],
)
def test_what_a_translation_lost_is_named(words, problem):
    found = " ".join(problems(Message(KEPT, words)))
    assert problem in found if problem else not found


def test_a_fuzzy_translation_is_a_problem():
    assert "fuzzy" in problems(Message("a", "甲", flags=["fuzzy"]))[0]


def test_what_code_marks_is_found():
    code = 'translated("a {x:.2f}", x=1)\nslider("label", 3, 0, 5, "the " "tip")\nstops(label, [], 2, "tip")'
    assert marked(code) == ["a {x:.2f}", "label", "the tip", "tip"]
    with pytest.raises(ValueError, match="no f-string"):
        marked('translated(f"a {x}")')
    assert "placeholder {x:.2f}" in " ".join(problems(Message("a {x:.2f}", "甲 {x}")))


SOURCE = """
HOW = "write one"

def check(path, sizes, kind="file"):
    more = f" and {len(sizes) - 1} more" if len(sizes) > 1 else ""
    name = brief(path.name)
    if sizes:
        raise InputError(f"{path!r} {{is}} no {kind} of {sizes[0]:,}{more}: {HOW}")
    for problem, number in (("is too long", 3), (f"is {path}", 4)):
        warn("it " + problem if number else f"{name} needs {sizes or 'nothing'}" "!")
    raise InputError(translated("{path} is a file", path=path))

def read(path):
    raise InputError(f"{path}: {str(error)}")

def outer():
    check("no text", [], kind=f"file of {number} rows")
    check(path, [], "file")
"""


def test_the_messages_of_errors_are_templates():
    assert [*templates({"a.py": SOURCE})] == [
        "{path} {{is}} no file of {number} rows of {sizes} and {sizes2} more: write one",
        "{path} {{is}} no file of {number} rows of {sizes}: write one",
        "{path} {{is}} no {kind} of {sizes} and {sizes2} more: write one",
        "{path} {{is}} no {kind} of {sizes}: write one",
        "it is too long",
        "it is no text",
        "it is {path}",
        "{name} needs {sizes}!",
        "{name} needs nothing!",
    ]
    assert templates({"a.py": SOURCE, "b.py": SOURCE})["it is too long"] == ["a.py", "b.py"]


VALUES = ["", "'it''s' \"q\"", "{0} {name} }{", "a\\nb", "文件.csv", "(2, 3)", "x; y", "\\1 .*"]


@pytest.mark.parametrize("shift", range(len(VALUES)))
def test_a_message_is_recognised_by_its_own_template(shift, monkeypatch):
    known = wanted()[ERRORS]
    monkeypatch.setattr(language, "read_catalogue", lambda path: {words: f"译 {words}" for words in known})
    language.templates.cache_clear()
    values = VALUES[shift:] + VALUES[:shift]
    with language.speaking("zh_CN"):
        for words in known:
            _, names = language.parts_of(words)
            filled = words.format(**dict(zip(names, cycle(values), strict=False)))
            assert language.translated_message(filled) == f"译 {filled}"
    language.templates.cache_clear()


def test_the_data_of_exercises_and_predictions_are_found():
    found = spoken()
    for exercise in all_exercises().values():
        assert {mistake.says for mistake in exercise.known_mistakes} | {*exercise.cases()} <= found.keys()
    assert found["How many bytes does `naïve 猫🎉` have?"] == ["notebooks/01_tokenizer.ipynb#bytes-predict"]


def test_the_term_base_has_one_chinese_term_for_each_term():
    with (LOCALE / "terms.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["English", "Chinese", "note"] and all(len(row) == 3 and row[1] for row in rows)
    names = [row[0] for row in rows]
    assert names == sorted(set(names), key=str.lower)
    glossary = (LOCALE.parent / "glossary.md").read_text("utf-8")
    assert set(re.findall(r"^### (.+)", glossary, re.MULTILINE)) <= {*names}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_glossary_and_the_term_base_agree(language):
    with (LOCALE / "terms.csv").open(encoding="utf-8", newline="") as file:
        terms = {row["English"]: row["Chinese"] for row in csv.DictReader(file)}
    found = {m.id: m.string for m in read(path_of(language, "glossary")) if m.id in terms and m.string}
    for term, words in found.items():
        chinese = terms[term]
        assert words == (chinese if chinese == term else f"{chinese}（{term}）")


def test_a_label_has_the_term_without_the_english_word(tmp_path, monkeypatch):
    """Also a new one, which has no translation yet when its catalogue is brought up to date."""
    folder = shutil.copytree(LOCALE, tmp_path / "locale") / "zh_CN/LC_MESSAGES"
    monkeypatch.setattr(catalogues, "LOCALE", tmp_path / "locale")
    path = folder / "interface.po"
    assert path.read_text("utf-8").count('msgid "latent"\nmsgstr "潜在向量"\n') == 1
    path.write_text(path.read_text("utf-8").replace('msgid "latent"\nmsgstr "潜在向量"\n', ""), "utf-8")
    catalogues.refresh("zh_CN", fuzzy=False)
    assert {m.id: m.string for m in read(path)}["latent"] == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_has_no_english_word_behind_its_terms(language):
    found = {m.id: m.string for m in read(path_of(language, "interface")) if m.id}
    assert not [english for english, words in found.items() if words.endswith(f"（{english}）")]


WIDGETS = "perceiver_edu/course/widgets/"
QUOTED = re.compile(r"(?<![`*])[`*]([^`*]+ [^`*]+)[`*](?![`*])")  # in two words or more: a word may be code


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_gives_the_name_that_a_control_has_in_its_language(language):
    """Behind the English name, which the picture on a page has."""
    labels = {
        message.id: message.string
        for message in read(path_of(language, "interface"))
        if message.string and any(WIDGETS in place for place, _ in message.locations)
    }
    found = 0
    for name in set(NAMES) - {"interface"}:
        for message in read(path_of(language, name)):
            for label in labels.keys() & {*QUOTED.findall(message.id or "")} if message.string else ():
                found += 1
                assert labels[label] in message.string, (label, message.id)
    assert found > 5
