"""Labelled text from the packages that are installed: the same on every machine, and with no leaks left."""

import pytest

from perceiver_edu.errors import InputError
from perceiver_edu.training.origins import (
    Origin,
    documentation_origins,
    skeleton,
    split_by_module,
    without_names,
    without_near_duplicates,
)


def paragraph(number):
    return f"This paragraph is about {'abcdefghij'[number % 10] * (number + 3)} and about little else."


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four files with ten documented functions each, tests that do not count, and no Python."""
    folder = tmp_path / "somepackage"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text(
        '"""A package of the tests, with a docstring that is long enough."""\n'
    )
    for file in range(4):
        functions = [f'def f{i}():\n    """{paragraph(10 * file + i)}"""\n' for i in range(10)]
        (folder / f"part{file}.py").write_text("\n".join(functions))
    (folder / "tests" / "part.py").write_text(f'"""{paragraph(99)}"""\n')
    (folder / "broken.py").write_text("def (:\n")
    (folder / "danger.py").write_text('raise RuntimeError("files are read, never run")\n')
    monkeypatch.syspath_prepend(tmp_path)
    return "somepackage"


def test_texts_come_in_the_same_order_each_time_and_few_from_a_file(package):
    found = documentation_origins(20, [package])
    assert found == documentation_origins(20, [package])
    assert found[:7] == documentation_origins(7, [package])
    assert len({origin.text for origin in found}) == 20
    by_file = [sum(o.module == f"somepackage/part{i}.py" for o in found) for i in range(4)]
    assert max(by_file) == 8
    assert {origin.kind for origin in found} <= {"function", "module"}
    assert all(len(o.text.encode()) <= 60 for o in documentation_origins(3, [package], longest=60))


def test_what_is_not_there_is_an_error(package):
    with pytest.raises(InputError, match="somepackage has 33 such paragraphs, fewer than 34"):
        documentation_origins(34, [package])
    with pytest.raises(InputError, match="package 'nosuchpackage' is not installed"):
        documentation_origins(1, ["nosuchpackage"])


def test_near_duplicates_names_and_files():
    assert skeleton("Layer_3 is CUT, é.") == skeleton("layer 12 is cut é") == "layeriscuté"
    rows = [
        Origin("One thing.", "torch", "torch/a.py", "function"),
        Origin("one thing 2", "torch", "torch/b.py", "function"),
        Origin("Shared by two.", "torch", "torch/a.py", "class"),
        Origin("shared by two", "numpy", "numpy/a.py", "class"),
        Origin("A NumPy array.", "numpy", "numpy/a.py", "class"),
        Origin("A plain text.", "numpy", "numpy/b.py", "module"),
    ]
    assert without_near_duplicates(rows) == [rows[0], rows[4], rows[5]]
    assert without_names(rows) == [*rows[:4], rows[5]]
    many = [Origin(f"text {i}", "torch", f"torch/{i % 40}.py", "function") for i in range(400)]
    training, test = split_by_module(many)
    assert len(training) + len(test) == 400 and 50 < len(test) < 200
    assert not {o.module for o in training} & {o.module for o in test}


def test_the_real_packages_have_enough_for_the_course():
    found = documentation_origins(5)
    assert len(found) == 25 and len({origin.package for origin in found}) == 5
