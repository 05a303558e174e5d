"""The learner's code is kept when a check says "right", and becomes the parts of one model."""

import linecache
import re
from dataclasses import replace
from itertools import count

import nbformat
import pytest
import torch
from torch import nn

from perceiver_edu import ByteTokenizer, data, load_pretrained
from perceiver_edu.course import capstone, check, kept
from perceiver_edu.course.checks import judge
from perceiver_edu.course.exercises import find
from perceiver_edu.course.report import Report
from perceiver_edu.weights.files import read_safetensors
from perceiver_edu.weights.pretrained import EMBEDDED

NUMBER = count()


def run_cell(source: str, **names):
    """What a cell defines, as in a notebook: Python finds its lines."""
    file = f"/tmp/ipykernel_0/{next(NUMBER)}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    usual = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    space = {"__name__": "__main__"} | usual | names
    exec(compile(source, file, "exec"), space)
    return space


def solution(exercise_id: str) -> str:
    """The solution that stands in the notebook."""
    [path] = [path for path in data.NOTEBOOKS.glob("*.ipynb") if path.stem[:2] == exercise_id[:2]]
    cells = nbformat.read(path, as_version=4).cells
    tag = {"id": exercise_id, "role": "solution"}
    [text] = [cell.source for cell in cells if cell.metadata.get("exercise") == tag]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]


def test_the_definitions_of_a_cell_are_kept_with_the_imports_that_they_need(file):
    source = (
        "import math\nSIZE = 3  # a comment\n\n\ndef half(x):\n    return x / 2\n\n\n"
        "@torch.no_grad()\ndef f(x):\n    return half(F.relu(x)) * SIZE * math.pi / ids.MASK\n\n\n"
        "report = print('never')\nf(torch.ones(1))"
    )
    names = {"ids": ByteTokenizer, "unused": torch.nn}
    assert kept.keep("09.f", run_cell(source, **names)["f"]) == ""
    text = kept.answer_file("09.f").read_text()
    assert kept.answer_file("09.f") == file.parent / "answers" / "09.f.py"
    assert "import torch.nn.functional as F\n" in text
    assert "from perceiver_edu.tokenizer import ByteTokenizer as ids\n" in text
    assert "never" not in text and "unused" not in text and text.count("import torch\n") == 1
    f = kept.load("09.f", "f")
    assert f(torch.ones(1)).item() == pytest.approx(1.5 * torch.pi / 3)


def test_functions_of_other_cells_are_kept_too_and_what_cannot_be_kept_is_named(file):
    helper = run_cell("def scaled(x):\n    return FACTOR * x", FACTOR=3)["scaled"]
    answer = "def cross_attention(x):\n    return scaled(x) + offset"
    cell = run_cell(answer, scaled=helper, offset=torch.ones(1))
    said = kept.keep("02.cross_attention", cell["cross_attention"])
    assert "uses `offset`, which the cell of the exercise does not define" in said
    whose = capstone.collect().whose["cross_attention"]
    assert whose.startswith("the library's") and "uses `offset`" in whose
    assert kept.keep("02.cross_attention", run_cell(answer, scaled=helper, offset=1)["cross_attention"]) == ""
    assert kept.load("02.cross_attention", "cross_attention")(2) == 7


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("class Mine(nn.Module):\n    def forward(self, x):\n        return x", "Mine"),
        ("def mine(x):\n    pass", "mine"),
    ],
)
def test_what_was_handed_in_is_found_by_whatever_name(code, name, file):
    code += "\n\n\ndef cross_attention():\n    raise NotImplementedError"
    handed_in = run_cell(code)[name]
    assert kept.keep("02.cross_attention", handed_in) == ""
    assert kept.load("02.cross_attention", "cross_attention").__name__ == name
    if name == "Mine":
        assert kept.keep("02.cross_attention", handed_in()) == ""
        assert isinstance(kept.load("02.cross_attention", "cross_attention"), nn.Module)


def test_an_error_in_a_kept_answer_is_shown_there_and_where_it_was_called(file):
    kept.keep("04.tied_head", run_cell(solution("04.tied_head"))["tied_head"])
    code = solution("05.my_perceiver").replace("self.embedding, self.bias", "self.latents, self.bias")
    exercise = replace(find("05.my_perceiver"), in_model=None)
    report = " ".join(repr(judge(exercise, run_cell(code)["MyPerceiver"], Report(""))).split())
    assert "of answers/04.tied_head.py, your kept answer, in tied_head:" in report
    assert "called by line" in report and "of your code, in forward:" in report


def test_what_has_no_cell_is_not_kept_and_a_place_that_cannot_be_written_costs_a_sentence(file):
    assert kept.keep("09.f", len) == "" and kept.load("09.f", "f") is None
    file.parent.mkdir()
    (file.parent / "answers").write_text("not a folder")
    message = kept.keep("09.f", run_cell("def f():\n    pass")["f"])
    assert "cannot be kept" in message


def test_a_check_that_passes_keeps_the_answer_and_one_that_fails_does_not(file):
    right = run_cell("def encode(text, add_special_tokens=True):\n    return [0]")["encode"]
    assert not check("01.tokenizer", right).ok and not kept.answer_file("01.tokenizer").exists()
    assert check("01.tokenizer", run_cell(solution("01.tokenizer"))["encode"]).ok
    assert kept.answer_file("01.tokenizer").exists()


def test_the_library_stands_in_by_name_and_says_why(file):
    nothing = capstone.collect()
    assert all(who.startswith("the library's: no answer is kept") for who in nothing.whose.values())
    folder = kept.answer_file("x").parent
    folder.mkdir(parents=True)
    (folder / "02.cross_attention.py").write_text("def cross_attention(*arguments):\n    return helper()")
    (folder / "03.stack.py").write_text("raise SystemExit")
    (folder / "04.decoder.py").write_text("decoder = 1")
    (folder / "04.tied_head.py").write_text("def tied_head(outputs, embedding, bias):\n    return outputs")
    whose = capstone.collect().whose
    assert all(who.startswith("the library's") for who in whose.values())
    assert "uses `helper`" in whose["cross_attention"] and "fails its check" in whose["tied_head"]
    assert "SystemExit" in whose["stack"] and "defines no decode" in whose["decode"]
    assert "0 of 6 parts are your own" in repr(capstone.collect())


def test_six_solutions_and_the_seventh_are_the_trained_model(file):
    for exercise_id in capstone.PARTS.values():
        name = find(exercise_id).name
        assert kept.keep(exercise_id, run_cell(solution(exercise_id))[name]) == ""
    mine = capstone.collect()
    assert all(who.startswith("yours") for who in mine.whose.values()), mine
    learner = run_cell(solution("05.my_perceiver"))["MyPerceiver"]
    ours = load_pretrained("embedded")
    assembled = capstone.assemble(learner, ours.config, mine)
    state = read_safetensors(EMBEDDED / "model.safetensors")
    assembled.load_state_dict(capstone.renamed(state, assembled.renames))
    rows = capstone.compare_assembled(assembled, ours, *ByteTokenizer().batch(["One text.", "Two."]))
    assert [row.stage for row in rows] == ["inputs", "encoded", "processed", "outputs", "logits"]
    assert all(row.ok for row in rows)


def test_a_class_that_is_not_written_yet_is_replaced_and_said_so(file, capsys):
    stub = run_cell(
        "class MyPerceiver(torch.nn.Module):\n    def __init__(self, config, mine):\n"
        "        super().__init__()\n\n    def forward(self, ids):\n        raise NotImplementedError"
    )["MyPerceiver"]
    config = find("05.my_perceiver").cases()["two texts, the first of them padded"]["config"]
    model = capstone.assemble(stub, config, capstone.library_parts())
    assert isinstance(model, capstone.Assembled) and "stands in" in capsys.readouterr().out


STACK = """class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.num_blocks, self.layers = num_blocks, nn.ModuleList(make_layer() for _ in range(num_layers))

    def forward(self, x):
        for _ in range(self.num_blocks):
            for layer in self.layers:
                x = layer(x)
        return x"""


@pytest.mark.parametrize("named", ["layers", "self_attends"])
def test_one_fixed_name_of_the_learners_stack_fits_every_case(named, file):
    kept.keep("03.stack", run_cell(STACK)["Stack"])
    code = solution("05.my_perceiver").replace("stack.{name}", f"stack.{named}")
    exercise = replace(find("05.my_perceiver"), in_model=None)
    report = judge(exercise, run_cell(code)["MyPerceiver"], Report(""))
    assert report.ok == (named == "layers")
    assert report.ok or "of your model get nothing (stack.layers.0" in " ".join(repr(report).split())


def test_the_capstone_can_be_entered_without_the_cells_above_it():
    cells = nbformat.read(next(data.NOTEBOOKS.glob("05_*.ipynb")), as_version=4).cells
    ids = [cell.id for cell in cells]
    section = cells[ids.index("capstone-text") : ids.index("capstone-after")]
    code = [cell.source for cell in section if cell.cell_type == "code"]
    assert len(code) > 6
    for n in range(1, len(code) + 1):
        assert kept.missing_names("\n".join(code[:n])) == []
