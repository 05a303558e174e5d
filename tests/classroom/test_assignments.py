"""The folder of a class: what students get, what stays with the teacher, and what a check is worth."""

import json
import re

import nbformat
import pytest

from perceiver_edu import data
from perceiver_edu.classroom.assignments import (
    as_assignment,
    chosen_numbers,
    exercises_of,
    points_for,
    solution_in,
    write_classroom,
    write_plain,
)
from perceiver_edu.classroom.handed_in import MISSING, with_answers
from perceiver_edu.course.exercises import all_exercises
from perceiver_edu.course.links import on_the_web
from perceiver_edu.errors import InputError

NOTEBOOKS = {path.stem: json.loads(path.read_text("utf-8")) for path in data.NOTEBOOKS.glob("*.ipynb")}
MARKED = re.compile(r"\n*### BEGIN SOLUTION\n(.*)\n### END SOLUTION", re.DOTALL)


def parts(notebook):
    """{exercise id: {role: cell}} of an assignment."""
    found = {}
    for cell in notebook["cells"]:
        tag = cell["metadata"].get("exercise")
        if tag:
            found.setdefault(tag["id"], {})[tag["role"]] = cell
    return found


def test_every_exercise_becomes_an_answer_and_a_locked_check():
    seen = {}
    for name, notebook in NOTEBOOKS.items():
        assignment = as_assignment(notebook, NOTEBOOKS, keep_solutions=False, drop_hints=False)
        cells, before = parts(assignment), exercises_of(notebook)
        seen |= cells
        for exercise_id, roles in cells.items():
            assert list(roles) == ["task", "stub", "check", "hints"]
            answer, check = roles["stub"], roles["check"]
            [solution] = MARKED.findall(answer["source"])
            assert solution == solution_in(before[exercise_id]["solution"])
            stub = MARKED.sub("", answer["source"])
            assert before[exercise_id]["stub"].split() == f"{stub}\n{call_in(check)}".split()
            assert check["metadata"]["nbgrader"]["grade"] and check["metadata"]["nbgrader"]["locked"]
            assert check["metadata"]["nbgrader"]["points"] == points_for(exercise_id) > 0
            assert answer["metadata"]["nbgrader"]["solution"] and not answer["metadata"]["nbgrader"]["grade"]
        ids = [cell["metadata"]["nbgrader"]["grade_id"] for cell in assignment["cells"] if graded(cell)]
        assert len(ids) == len(set(ids)) and all(re.fullmatch(r"[\w-]+", each) for each in ids)
        cell_ids = [cell["id"] for cell in assignment["cells"]]
        assert len(cell_ids) == len(set(cell_ids)), name
        nbformat.validate(assignment)
    assert set(seen) == set(all_exercises())


def call_in(check):
    """What the check was in the notebook: check("02.cost", multiply_adds)."""
    [call] = re.findall(r"display\((check\(.*), strict=True\)\)", check["source"])
    return f"{call})"


def graded(cell):
    return "nbgrader" in cell["metadata"]


def test_solutions_and_hints_are_left_out_or_kept():
    notebook = NOTEBOOKS["02_encoder"]
    for keep, drop, roles in [
        (False, False, {"task", "stub", "check", "hints"}),
        (True, False, {"task", "stub", "check", "hints", "solution"}),
        (False, True, {"task", "stub", "check"}),
    ]:
        assignment = as_assignment(notebook, NOTEBOOKS, keep, drop)
        assert all(set(found) == roles for found in parts(assignment).values())
        text = "\n".join(
            "".join(cell["source"]) for cell in assignment["cells"] if cell["cell_type"] == "markdown"
        )
        assert ("<summary>Solution</summary>" in text) == keep
    assert exercises_of(notebook) == exercises_of(json.loads(json.dumps(notebook))), (
        "the original is untouched"
    )


def test_links_lead_to_other_assignments_or_to_the_web():
    chosen = {name: NOTEBOOKS[name] for name in ("01_tokenizer", "02_encoder")}
    assignment = as_assignment(NOTEBOOKS["02_encoder"], chosen, keep_solutions=False, drop_hints=False)
    text = "\n".join(
        "".join(cell["source"]) for cell in assignment["cells"] if cell["cell_type"] == "markdown"
    )
    assert "](../01_tokenizer/01_tokenizer.ipynb" in text
    assert f"]({on_the_web('notebooks/03_processor.ipynb')}" in text
    assert f"]({on_the_web('perceiver_edu/encoder.py')}" in text
    assert "](../perceiver_edu" not in text and not re.search(r"\]\(\d\d_", text)


def test_a_class_has_its_folder_and_the_teacher_a_key(tmp_path):
    folder = tmp_path / "class"
    written = write_classroom(folder, ["00", "02", "11"])
    files = [
        file
        for name in ("00_quickstart", "02_encoder")
        for file in (f"source/{name}/{name}.ipynb", f"key/{name}.md")
    ]
    assert written.new == ["nbgrader_config.py", *files]
    assert written.points == {"00_quickstart": 1, "02_encoder": 1 + 1 + 2 + 3 + 2}
    for name, exercise_id in (("00_quickstart", "00.shapes"), ("02_encoder", "02.cost")):
        key = (folder / f"key/{name}.md").read_text("utf-8")
        cells = exercises_of(NOTEBOOKS[name])
        assert solution_in(cells[exercise_id]["solution"]) in key and exercise_id in key
    compile((folder / "nbgrader_config.py").read_text("utf-8"), "config", "exec")


def test_what_the_teacher_changed_stays(tmp_path):
    write_classroom(tmp_path, ["00"])
    config, source = tmp_path / "nbgrader_config.py", tmp_path / "source/00_quickstart/00_quickstart.ipynb"
    config.write_text("mine", "utf-8")
    key = tmp_path / "key/00_quickstart.md"
    key.write_text("my notes", "utf-8")
    source.unlink()
    written = write_classroom(tmp_path, ["00", "01"])
    assert config.read_text("utf-8") == "mine" and key.read_text("utf-8") == "my notes" and source.exists()
    assert written.kept == ["nbgrader_config.py", "key/00_quickstart.md"] and len(written.new) == 3


def test_plain_notebooks_have_their_outputs_and_no_solutions(tmp_path):
    written = write_plain(tmp_path, ["00", "11"])
    assert written.new == ["00_quickstart.ipynb", "11_playground.ipynb", "key/00_quickstart.md"]
    notebook = json.loads((tmp_path / "00_quickstart.ipynb").read_text("utf-8"))
    assert [set(roles) for roles in exercises_of(notebook).values()] == [{"task", "stub", "hints"}]
    assert any(cell.get("outputs") for cell in notebook["cells"])
    assert "](01_tokenizer.ipynb" in json.dumps(notebook) and "](../" not in json.dumps(notebook)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [("02", ["02"]), ("00-02", ["00", "01", "02"]), ("03, 00-01", ["00", "01", "03"]), ("05-05,05", ["05"])],
)
def test_notebooks_are_chosen_by_number(words, numbers):
    assert chosen_numbers(words) == numbers


@pytest.mark.parametrize("words", ["", "2", "12", "00-12", "05-02", "02-", "all", "00,,01", "encoder"])
def test_other_words_for_notebooks_are_refused(words):
    with pytest.raises(InputError, match="such as 02 or 00-05,08"):
        chosen_numbers(words)


@pytest.mark.parametrize("write", [write_classroom, write_plain])
def test_a_folder_with_something_else_is_refused(write, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(InputError, match="not empty"):
        write(tmp_path, ["00"])
    with pytest.raises(InputError, match="name a folder"):
        write(tmp_path / "thesis.txt", ["00"])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_notebook_without_exercises_is_no_assignment(tmp_path):
    with pytest.raises(InputError, match="nothing to grade"):
        write_classroom(tmp_path / "class", ["11"])


def test_the_command_writes_and_says_what_comes_next(run, tmp_path):
    code, out, err = run("classroom", tmp_path / "class", "--notebooks", "00")
    assert (code, err) == (0, "") and "nbgrader generate_assignment 00_quickstart" in out
    source = tmp_path / "class/source/00_quickstart/00_quickstart.ipynb"
    source.write_text("mine", "utf-8")
    code, out, err = run("classroom", tmp_path / "class", "--notebooks", "00", "--json")
    assert json.loads(out)["kept"] == ["source/00_quickstart/00_quickstart.ipynb"]
    assert json.loads(out)["written"] == [] and source.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report"], "name one folder"),
        (["a", "b"], "name one folder"),
        (["report", "a", "--plain"], "no other option"),
        (["a", "--plain", "--keep-solutions"], "does not go with"),
        (["a", "--notebooks", "13"], "numbers from 00 to 11"),
        (["a\0b"], "no name of a folder"),
        (["report", "nowhere"], ("there is no gradebook.db", "nbgrader is not installed")),
    ],
)
def test_what_a_teacher_typed_wrong_is_one_line(run, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("classroom", *words)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert any(sentence in err for sentence in ((said,) if isinstance(said, str) else said))
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- what is handed in


@pytest.fixture
def released():
    """Notebook 00 as a student gets it."""
    assignment = as_assignment(NOTEBOOKS["00_quickstart"], NOTEBOOKS, keep_solutions=False, drop_hints=False)
    for cell in assignment["cells"]:
        cell["source"] = MARKED.sub("", "".join(cell["source"]))
    return nbformat.from_dict(assignment)


def by_id(notebook, grade_id):
    [place] = [
        i
        for i, cell in enumerate(notebook.cells)
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    ]
    return place


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def put_together(released, theirs):
    return with_answers(nbformat.from_dict(json.loads(json.dumps(released))), theirs)


def test_only_exercises_and_what_the_student_wrote_are_graded(released):
    theirs = nbformat.from_dict(json.loads(json.dumps(released)))
    place = by_id(theirs, "answer-00-shapes")
    theirs.cells[place].source = "def shapes(*sizes): return helper(sizes)"
    theirs.cells.insert(place, nbformat.v4.new_code_cell("def helper(sizes): ..."))
    theirs.cells[by_id(theirs, "setup") + 3].source += "\n# changed"
    graded = put_together(released, theirs)
    [title, setup, changed, helper, task, answer, check] = sources(graded)
    assert title.startswith("# 00 ·") and setup.startswith("import torch") and changed.endswith("# changed")
    assert (helper, answer) == ("def helper(sizes): ...", "def shapes(*sizes): return helper(sizes)")
    assert task.startswith("## Exercise") and check.endswith("strict=True))")


def test_locked_cells_come_back_and_an_answer_in_two_cells_is_one(released):
    theirs = nbformat.from_dict(json.loads(json.dumps(released)))
    check, answer = by_id(theirs, "00-shapes"), by_id(theirs, "answer-00-shapes")
    theirs.cells[by_id(theirs, "setup")].source = "check = print"
    theirs.cells[check].source = "pass"
    theirs.cells[check].metadata.nbgrader.points = 100
    second = nbformat.from_dict(json.loads(json.dumps(theirs.cells[answer])))
    theirs.cells[answer].source, second.source = "first = 1", "second = 2"
    theirs.cells.insert(answer + 1, second)
    graded = put_together(released, theirs)
    assert graded.cells[by_id(graded, "00-shapes")] == released.cells[by_id(released, "00-shapes")]
    assert graded.cells[by_id(graded, "setup")] == released.cells[by_id(released, "setup")]
    assert graded.cells[by_id(graded, "answer-00-shapes")].source == "first = 1\n\nsecond = 2"


def test_a_notebook_with_nothing_of_ours_is_graded_as_empty(released):
    hostile = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import os"), nbformat.v4.new_raw_cell("x")]
    )
    hostile.cells[0].metadata = {"nbgrader": ["grade_id"]}
    hostile.cells[1].metadata = {"nbgrader": {"grade_id": {"a": 1}}}
    graded = put_together(released, hostile)
    assert graded.cells[by_id(graded, "answer-00-shapes")].source == MISSING
    assert graded.cells[by_id(graded, "00-shapes")] == released.cells[by_id(released, "00-shapes")]
    assert "import os" in sources(graded)
