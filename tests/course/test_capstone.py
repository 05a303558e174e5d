"""The learner's code is kept when a check says "right", and becomes the parts of one model."""

import linecache
import re
from dataclasses import replace
from itertools import count

import nbformat
import pytest
import torch

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
    assert "fails its check" in whose["cross_attention"] and "fails its check" in whose["tied_head"]
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
