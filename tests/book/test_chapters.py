"""What `docs/transforms/chapters.py` makes of a notebook."""

import html
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import nbformat
import pytest
from catalogues import spoken
from transforms import said
from transforms.chapters import chapter, with_foldings

from perceiver_edu.classroom.assignments import write_plain

ROOT = Path(__file__).parents[2]
v4 = nbformat.v4


def output(text, **more):
    return v4.new_output("display_data", data={"text/plain": text, **more})


def page_of(*cells):
    return chapter(v4.new_notebook(cells=list(cells)), "https://colab.example/x").cells


def test_only_the_page_s_own_cells_remain():
    first, foot = v4.new_code_cell("pip()", id="anywhere"), v4.new_markdown_cell("More", id="course-foot")
    claim = v4.new_code_cell("assert 1", metadata={"tags": ["claims"]})
    title = v4.new_markdown_cell("# Title\n\nText.\n\n**In the browser** [A](x)\n\n**The course** [B](y)")
    [kept] = page_of(title, first, claim, foot)
    assert kept.source == "# Title\n\nText."


def test_foldings_become_directives_with_their_titles():
    text = "<details><summary>Hint 1: join</summary>\n\nUse `+`.\n\n```python\na + b\n```\n</details>\n"
    text += "<details><summary>Hint 2</summary>\n\nMore.\n</details>"
    assert with_foldings(text) == (
        "::::{folded} Hint 1: join\nUse `+`.\n\n```python\na + b\n```\n::::\n::::{folded} Hint 2\nMore.\n::::"
    )


def test_links_to_headings_are_written_as_myst_names_them():
    [cell] = page_of(v4.new_markdown_cell("[a](#Notation), [b](00_quickstart.ipynb#Two-Words), `x[i](#A)`"))
    assert "[a](#notation), [b](00_quickstart.ipynb#two-words)" in cell.source


def test_a_widget_gives_way_to_its_picture_and_a_sentence():
    controls = output("An experiment with controls: run this cell to use it.")
    lab = v4.new_code_cell("lab", id="hole", outputs=[controls])
    picture = output("<Picture>", **{"image/png": "x"})
    still = v4.new_code_cell("lab.still()", id="hole-still", outputs=[picture])
    shown, note, kept = page_of(lab, still)
    assert shown.outputs == []
    assert "To move the controls, [open this chapter on Colab](https://colab.example/x)" in note.source
    assert kept.metadata["tags"] == ["remove-input"] and kept.outputs == [picture]


def test_a_stub_is_work_for_the_notebook():
    stub = v4.new_code_cell("raise NotImplementedError")
    stub.metadata["exercise"] = {"id": "00.x", "role": "stub"}
    stub.outputs = [output("… not done yet: 00.x")]
    shown, note = page_of(stub)
    assert shown.source and not shown.outputs and "Write this in the notebook" in note.source


def test_a_prediction_is_a_question_with_its_choices():
    text = "Before you run the next cell, predict. Equal?\n- yes\n- no"
    asked, note = page_of(v4.new_code_cell("predict(…)", id="x-predict", outputs=[output(text)]))
    assert "Equal?\n\n- yes\n- no\n:::" in note.source and asked.metadata["tags"] == ["remove-input"]


def test_a_prediction_in_another_language():
    text = "Before you run the next cell, predict. How long?\n- a number (bytes)"
    words = {"How long?": "多长？", "a number ({unit})": "数值（{unit}）", "bytes": "字节"}
    cell = v4.new_code_cell("predict(…)", id="x-predict", outputs=[output(text)])
    note = chapter(v4.new_notebook(cells=[cell]), "https://colab.example/x", words).cells[-1]
    assert "多长？\n\n- 数值（字节）\n:::" in note.source


WORDS = {
    "The result: {result}.": "结果：{result}。",
    "it <doubles>": "<加倍>",
    "bytes": "字节",
    "letter": "字母",
}
WORDS |= {"`{file}`, line {line}": "`{file}`，第 {line} 行", "up to {number:,}": "至多 {number:,}"}


def translated(kind, text):
    cell = v4.new_code_cell("run()", outputs=[output(text if kind == "text/plain" else "", **{kind: text})])
    return chapter(v4.new_notebook(cells=[cell]), "https://colab.example/x", WORDS).cells[0].outputs[0].data


@pytest.mark.parametrize(
    "result, words",
    [
        ("“it <doubles>”", "“<加倍>”"),
        ("“the”", "“the”"),
        ("1 byte", "1 字节"),
        ("1,024 bytes", "1,024 字节"),
        ("2 cats", "2 cats"),
        ("23.9%", "23.9%"),
    ],
)
def test_the_result_of_a_prediction_in_another_language(result, words):
    data = translated("text/plain", f"The result: {result}.")
    assert data["text/plain"] == f"结果：{words}。"
    assert html.unescape(data["text/html"]) == f'<p class="perceiver-reveal"><b>结果：{words}。</b></p>'


def test_what_stands_above_a_source_and_in_a_table_in_another_language():
    source = "\n\n```python\n# line 3\n```"
    data = translated("text/markdown", f"`perceiver_edu/model.py`, line 50{source}")
    assert data["text/markdown"] == f"`perceiver_edu/model.py`，第 50 行{source}"
    table = "| letter | x |\n|---|---|\n| **M** | up to 2,048 |"
    assert translated("text/markdown", table)["text/markdown"] == (
        "| 字母 | x |\n|---|---|\n| **M** | 至多 2,048 |"
    )


def test_what_a_book_translates_is_what_the_package_says():
    assert {said.RESULT, said.SOURCE, said.UP_TO} <= spoken().keys()


@pytest.mark.parametrize("bar", ["training:   0%|          | 0/400 [00:00<?, ?it/s]", "x:  100%|███| 3/3"])
def test_progress_bars_are_left_out(bar):
    [cell] = page_of(v4.new_code_cell("train()", outputs=[output(bar), output("loss: 30%")]))
    assert [shown.data["text/plain"] for shown in cell.outputs] == ["loss: 30%"]


def test_pictures_keep_their_alternative_text():
    picture = output("<Picture>", **{"image/png": "x"})
    picture.metadata = {"image/png": {"alt": "A curve falls."}}
    [cell] = page_of(v4.new_code_cell("draw()", outputs=[picture]))
    assert cell.metadata["pictures"] == ["A curve falls."]


def test_a_book_for_a_class_has_no_solutions(tmp_path):
    spec = spec_from_file_location("build_book", ROOT / "docs/build.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    write_plain(tmp_path / "plain", ["02"])
    module.gather(tmp_path / "plain", tmp_path / "source")
    page = (tmp_path / "source/notebooks/02_encoder.ipynb").read_text("utf-8")
    assert "Hint 1" in page and "Solution" not in page
