"""The course in another language: blocks, catalogues, and notebooks whose code is the English one."""

import json
import re
import sys
from dataclasses import replace

import pytest
import torch

from perceiver_edu import InputError, data, language
from perceiver_edu.course import check, predict, reveal
from perceiver_edu.course.checks import judge
from perceiver_edu.course.exercises import all_exercises
from perceiver_edu.course.folder import course_files, update_course
from perceiver_edu.course.overview import NAMES
from perceiver_edu.course.place import RECORD, translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets import WIDGETS
from perceiver_edu.translation import keys, page_translator, translate, translate_notes

NOTEBOOKS = sorted(data.NOTEBOOKS.glob(NAMES))
TEXT = """# A title

A paragraph of
two lines with `code`.

- one item
  that goes on
1. another

| a head | `b` |
|---|---|
| `only code` | 3 |

<details><summary>Hint 1</summary>

> A quotation.

</details>

$$\\text{no block}$$

```python
# no block
```

See [it](https://example.org/blob/v0.2.0/x#Some-title).

    indented code
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """No language was asked for yet, and none is afterwards."""
    monkeypatch.setattr(language, "_used", [])
    monkeypatch.delenv(language.VARIABLE, raising=False)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


def test_a_text_is_cut_into_blocks():
    assert keys(TEXT) == [
        "A title",
        "A paragraph of two lines with `code`.",
        "one item that goes on",
        "another",
        "a head | `b`",
        "Hint 1",
        "A quotation.",
        "See [it](https://example.org/blob/v{version}/x#Some-title).",
    ]


def test_a_translation_takes_the_place_of_its_block_alone():
    words = {"A title": "题", "one item that goes on": "一", "Some title": "某题", "a head | `b`": "甲 | `b`"}
    words["See [it](https://example.org/blob/v{version}/x#Some-title)."] = (
        "见[此](https://example.org/blob/v{version}/x#Some-title)。"
    )
    expected = TEXT.replace("# A title", "# 题").replace("one item\n  that goes on", "一")
    expected = expected.replace("| a head |", "| 甲 |").replace("See [it]", "见[此]")
    expected = expected.replace("#Some-title).", "#某题)。")
    assert page_translator(words)(TEXT) == expected


def test_nothing_is_lost_where_nothing_is_translated():
    texts = [path.read_text("utf-8") for path in (data.CHECKOUT / "docs").glob("*.md")]
    texts += ["".join(cell["source"]) for path in NOTEBOOKS for cell in cells_of(path.read_bytes())]
    assert len(texts) > 900
    assert all(translate(text, lambda key: None) == text for text in texts)


def cells_of(notebook):
    return json.loads(notebook)["cells"]


def code_of(notebook):
    """Everything of a notebook but the words of its Markdown."""
    cells = [
        cell | {"source": ""} if cell["cell_type"] == "markdown" else cell for cell in cells_of(notebook)
    ]
    return json.dumps([cells, json.loads(notebook)["metadata"]])


@pytest.mark.parametrize("code", [name for name in language.LANGUAGES if name != "en"])
def test_the_notebooks_of_another_language_have_the_same_code(tmp_path, code):
    english, other = course_files(tmp_path), course_files(tmp_path, code)
    assert english.keys() == other.keys()
    for path in NOTEBOOKS:
        assert code_of(english[path.name]) == code_of(other[path.name])
    words = language.catalogues(code)
    for name in ("00_quickstart.ipynb", "02_encoder.ipynb"):
        titles = ["".join(cells_of(files[name])[0]["source"]) for files in (english, other)]
        assert titles[1].startswith(f"# {words[keys(titles[0])[0]]}\n")


def test_a_course_folder_keeps_its_language_until_another_is_asked_for(tmp_path, monkeypatch):
    folder = tmp_path / "course"

    def updated(name=None):
        monkeypatch.setattr(language, "_used", [])
        monkeypatch.delenv(language.VARIABLE, raising=False)
        if name:
            language.use_language(name)
        update_course(folder)
        return "".join(cells_of((folder / "00_quickstart.ipynb").read_bytes())[0]["source"])

    chinese = updated("zh")
    assert "潜在向量" in chinese and updated() == chinese
    english = updated("en")
    assert "why latents" in english and updated() == english
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert updated() == english
    record = json.loads((folder / RECORD).read_text("utf-8"))
    (folder / RECORD).write_text(json.dumps({"written": record["written"]}))  # as older releases wrote it
    assert updated() == english


def test_an_answer_stays_when_the_language_changes(tmp_path):
    folder = tmp_path / "course"
    update_course(folder)
    path = folder / "00_quickstart.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    [stub] = [c for c in notebook["cells"] if c["metadata"].get("exercise", {}).get("role") == "stub"]
    stub["source"] = "mine = 1"
    path.write_text(json.dumps(notebook), "utf-8")
    language.use_language("zh")
    update = update_course(folder, carry_answers=True)
    beside = folder / update.beside[path.name]
    assert json.loads(path.read_text("utf-8")) == notebook
    assert update.carried == ["00.shapes"] and "mine = 1" in beside.read_text("utf-8")


@pytest.mark.parametrize(
    "name, found",
    [
        *[
            ("zh", "zh_CN"),
            ("zh-CN", "zh_CN"),
            ("zh_CN.UTF-8", "zh_CN"),
            ("ZH_hans", "zh_CN"),
            ("en_GB", "en"),
        ],
        *[("zh_TW", None), ("zh-Hant", None), ("de", None), ("C", None), ("", None), ("english", None)],
    ],
)
def test_names_of_languages(name, found):
    assert language.find_language(name) == found


@pytest.mark.skipif(sys.platform == "win32", reason="there, the locale is a setting of the system")
def test_the_first_of_several_places_says_the_language(monkeypatch):
    assert language.language() == "en"
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert language.language() == "zh_CN" and language.language("en") == "en"
    monkeypatch.setenv(language.VARIABLE, "en")
    assert language.language("zh_CN") == "en"
    assert language.use_language("zh") == language.language() == "zh_CN"


def test_a_language_that_there_is_not_is_refused(monkeypatch, run):
    code, _, said = run("course", "--language", "tlh")
    assert code == 2 and "there is no edition in the language 'tlh': choose en or zh" in said
    monkeypatch.setenv(language.VARIABLE, "tlh")
    with pytest.raises(InputError, match="choose en or zh"):
        translated("anything")


def test_what_a_catalogue_lacks_is_said_in_english():
    language.use_language("zh")
    assert (
        translated("✓ right") != "✓ right"
        and translated("a sentence that nobody wrote") == "a sentence that nobody wrote"
    )


def test_a_catalogue_is_read_as_babel_reads_it(tmp_path):
    pofile = pytest.importorskip("babel.messages.pofile")
    text = 'msgid ""\nmsgstr ""\n"Language: zh_CN\\n"\n\n#: a b\n'
    text += 'msgid "a \\"b\\" \\\\text"\nmsgstr "\\\\text "\n"更多"\n\n'
    text += '#, fuzzy\nmsgid "c"\nmsgstr "丙"\n\nmsgid "d"\nmsgstr ""\n'
    path = tmp_path / "x.po"
    path.write_text(text, "utf-8")
    with path.open("rb") as file:
        theirs = {m.id: m.string for m in pofile.read_po(file) if m.id and m.string and not m.fuzzy}
    assert language.read_catalogue(path) == theirs == {'a "b" \\text': "\\text 更多"}
    path.write_text(text + "\nwhat?\n", "utf-8")
    with pytest.raises(InputError, match="is not a PO file: its line 'what"):
        language.read_catalogue(path)


@pytest.mark.parametrize("code", language.LANGUAGES)
def test_every_link_to_a_heading_leads_to_it_in_jupyterlab(tmp_path, code):
    """JupyterLab calls a heading as it is written, with - for a space, and finds ASCII names only."""
    texts = {}
    for name, content in course_files(tmp_path, code).items():
        if name.endswith(".ipynb"):
            cells = [cell for cell in cells_of(content) if cell["cell_type"] == "markdown"]
            texts[name] = "\n\n".join("".join(cell["source"]) for cell in cells)
        elif name == data.GLOSSARY.name:
            texts[name] = content.decode()
    names = {
        name: {heading.replace(" ", "-") for heading in re.findall("^#+ (.+)$", text, re.MULTILINE)}
        | {*re.findall('<a id="(.+?)"></a>', text)}
        for name, text in texts.items()
    }
    links = [
        (link[1] or name, link[2])
        for name, text in texts.items()
        for link in re.finditer(r"\]\(([^)#\s:]*)#([^)\s]+)\)", text)
    ]
    assert len(links) > 50
    assert all(target.isascii() and target in names[page] for page, target in links if page in names)
    assert {page for page, _ in links} <= {*names}


def test_a_heading_that_jupyterlab_finds_needs_no_anchor():
    assert translate_notes("# Notation", {}, {"Notation"}) == "# Notation"
    assert (
        translate_notes("# Notation", {"Notation": "记号"}, {"Notation"}) == '<a id="Notation"></a>\n\n# 记号'
    )


HAN = re.compile(r"[\u3400-\u9fff]")


def in_chinese(id, learner):
    """The report of a check as one line: line breaks of a terminal say nothing."""
    language.use_language("zh")
    return " ".join(repr(check(id, learner)).split())


def test_a_classic_mistake_is_named_in_chinese(file):
    text = in_chinese("01.bytes_per_script", lambda plain, accented, chinese, emoji: plain + accented + 2)
    assert (
        "✗ 尚未正确：01.bytes_per_script · 预测 id 的个数" in text
        and "目前正确的情形：只有英文；空文本。" in text
    )
    text = in_chinese("01.bytes_per_script", lambda **counts: sum(counts.values()) + 2)
    assert "你数的是字符，而一个 id 代表一个字节，只有 ASCII 字符才恰好是一个字节。" in text


def test_a_wrong_shape_is_described_in_chinese(file):
    def head(outputs, embedding, bias):
        return (outputs @ embedding.byte_embedding.weight.T + bias).transpose(0, 1)

    text = in_chinese("04.tied_head", head)
    assert "结果的各个尺寸都对，但轴的顺序不同。" in text
    assert "“偏置为 0” 期望 得到 形状 (2, 3, 11) = (B, O, V) (3, 2, 11) = (O, B, V)" in text


@pytest.mark.parametrize(
    "learner, said",
    [
        (lambda *_: 1 / 0, "你的代码中断，错误是 ZeroDivisionError: division by zero"),
        (lambda *_: None, "你的函数返回了 None：是不是缺了 `return`？"),
        (lambda *_: "7", "应为数值，得到文本：'7'。请返回数值本身。"),
        (lambda: 7, "你的代码接受 0 个参数：()。检查给出 4 个：(plain, accented, chinese, emoji)。"),
        (7, "检查要的是函数本身，得到：7。"),
    ],
)
def test_what_cannot_be_compared_is_explained_in_chinese(file, learner, said):
    assert said in in_chinese("01.bytes_per_script", learner)


def test_a_right_answer_is_praised_in_chinese(file):
    from perceiver_edu.course.exercises.n01_tokenizer.bytes_per_script import script_variant

    text = in_chinese("01.bytes_per_script", lambda **counts: script_variant(**counts))
    assert text.startswith("✓ 正确：") and "真实文本 字符数 id 数 你的预测" in text


@torch.no_grad()
@pytest.mark.parametrize("id", all_exercises())
def test_a_report_has_no_english_sentence(id):
    """Of the last mistake that an exercise knows; and a teacher counts it by its English name."""
    language.use_language("zh")
    exercise = replace(all_exercises()[id], in_model=None, accept=lambda learner, exercise: learner)
    if not {*exercise.sentences()} <= language.interface("zh_CN").keys():
        pytest.skip("not translated yet, which tests/book/test_catalogues.py reports")
    mistake = exercise.known_mistakes[-1]
    words = {translated(known.says) for known in exercise.known_mistakes}
    assert len(words) == len({known.says for known in exercise.known_mistakes})
    report = judge(
        exercise, lambda **arguments: exercise.variant(**arguments, **mistake.switches), Report(id)
    )
    said = [content for kind, content in report.parts if kind == "say"]
    assert said and all(map(HAN.search, said))
    assert mistake.says in exercise.named_in(repr(report))
    for kind, content in report.parts:
        if kind == "table":
            assert HAN.search(content[0][-1])  # the first names a case, such as ASCII


@pytest.mark.parametrize("name", WIDGETS)
def test_an_experiment_speaks_chinese(name):
    language.use_language("zh")
    experiment = WIDGETS[name].try_out()
    assert not experiment.problem and HAN.search(experiment.alt) and HAN.search(experiment.view.value)
    for control in experiment.controls.values():
        assert HAN.search(control.description) and HAN.search(control.tooltip)


def test_a_prediction_is_asked_and_compared_in_chinese(file, capsys):
    language.use_language("zh")
    box = predict("01.bytes", "How many bytes does `naïve 猫🎉` have?", number="bytes")
    assert box.sentence == "运行下一个单元格之前，先做预测。 `naïve 猫🎉` 有多少个字节？\n- 数值（字节）"
    box.field.value = "12 字节"
    box.answer()
    assert "你的预测：12 字节。现在请运行下一个单元格。" in box.said.value
    reveal("01.bytes", 13)
    assert capsys.readouterr().out == "你的预测是 12 字节；结果是 13 字节。\n"
    box = predict("02.kinds", "?", choices=["none", "a few"])
    assert box.field.options == (("无", "none"), ("少数几个", "a few"))
    box.field.value = "a few"
    box.answer()
    reveal("02.kinds", "a few")
    assert capsys.readouterr().out == "✓ 你的预测是 “少数几个”，结果是 “少数几个”。\n"


@pytest.mark.parametrize(
    "arguments", [["--language", "zh", "fill", "-h"], ["fill", "--language=zh", "-h"], ["fill", "-h"]]
)
def test_the_help_of_a_command_is_in_the_language_that_is_asked_for(run, arguments):
    code, out, _ = run(*arguments)
    words = "填补文本中的空缺。" if len(arguments) > 2 else "Fill the holes in a text."
    assert code == 0 and words in out and "perceiver-edu fill" in out


def test_the_course_is_listed_in_the_language_that_is_asked_for(run):
    code, out, _ = run("--language", "zh", "course")
    assert code == 0 and "00 · 快速上手" in out and "打开课程的命令：perceiver-edu course --open" in out
