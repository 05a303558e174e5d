"""Lay out a new exercise: its module, its four cells in the notebook, and examples of what learners hand in.

    make new-exercise ID=02.my_exercise

What is written works from the start, with a task that is only an example: replace it piece by piece.
CONTRIBUTING.md says what each piece is.
"""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]

MODULE = '''"""Exercise {id}: what the learner writes, in a few words."""

import torch

from perceiver_edu.course.exercise import Exercise


def cases():
    """What is tested, from easy to hard. No two sizes are equal, so that a swapped axis shows."""
    return {{"three rows": {{"x": torch.arange(15, dtype=torch.float64).reshape(3, 5)}}}}


def variant(x, wrong=""):
    """The right result; with `wrong`, that of a classic mistake."""
    return {{"": 2 * x, "added": x + 2, "squared": x**2}}[wrong]


MISTAKES = {{
    "added": "2 is added to x. It has to be multiplied.",
    "squared": "x is multiplied by itself, not by 2.",
}}
EXERCISE = Exercise(
    title="twice as large",
    about="5 minutes · easy · section 3.1",
    name="{name}",
    cases=cases,
    variant=variant,
    mistakes={{"wrong": MISTAKES}},
)
'''

STUB = '''def {name}(x):
    """x (B, D) -> (B, D), twice as large."""
    raise NotImplementedError


check("{id}", {name})'''

TASK = """## Exercise: twice as large

*5 minutes · easy · section 3.1*

**Write** `{name}(x)`: the numbers of x, twice as large. Say why anyone needs it, too."""

HINTS = """<details><summary>Hint 1</summary>

Arithmetic works on whole tensors.
</details>"""

SOLUTION = """<details><summary>Solution</summary>

```python
def {name}(x):
    return 2 * x
```
</details>"""

CELLS = {"task": TASK, "stub": STUB, "hints": HINTS, "solution": SOLUTION}

ANSWERS = """@@ correct @@ by a sum
! 2 * x => x + x
@@ mistake: multiplied @@ a sum
! 2 * x => 2 + x
@@ mistake: by itself @@ a square
! 2 * x => x * x
@@ unknown @@ half as large
! 2 * x => x / 2
"""


def lay_out(exercise_id: str, root: Path = ROOT) -> list[Path]:
    """Write the pieces -> the files. Raises: ValueError, in words, where they do not fit in."""
    if not re.fullmatch(r"\d\d\.[a-z][a-z0-9_]*", exercise_id):
        raise ValueError(f"an id has the form 02.my_exercise, got {exercise_id!r}")
    number, _, name = exercise_id.partition(".")
    notebooks = list((root / "notebooks").glob(f"{number}_*.ipynb"))
    if not notebooks:
        raise ValueError(f"there is no notebook {number}")
    notebook, title = notebooks[0], notebooks[0].stem.partition("_")[2]
    folders = list((root / "perceiver_edu/course/exercises").glob(f"n{number}_*"))
    folder = folders[0] if folders else root / f"perceiver_edu/course/exercises/n{number}_{title}"
    module, answers = folder / f"{name}.py", root / f"tests/notebooks/answers/{number}_{name}.diff"
    for path in (module, answers):
        if path.exists():
            raise ValueError(f"{path.relative_to(root)} is there already")

    content = nbformat.read(notebook, as_version=4)
    roles = [cell.metadata.get("exercise", {}).get("role") for cell in content.cells]
    place = len(roles) - roles[::-1].index("solution") if "solution" in roles else len(roles)
    for role, text in reversed(CELLS.items()):
        new = nbformat.v4.new_code_cell if role == "stub" else nbformat.v4.new_markdown_cell
        cell = new(text.format(id=exercise_id, name=name), id=f"{name.replace('_', '-')}-{role}")
        cell.metadata["exercise"] = {"id": exercise_id, "role": role}
        content.cells.insert(place, cell)
    nbformat.write(content, notebook)
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    module.write_text(MODULE.format(id=exercise_id, name=name), "utf-8")
    answers.write_text(ANSWERS, "utf-8")
    count(notebook.name, [*roles, "stub"].count("stub"), root)
    return [module, notebook, answers]


def count(notebook: str, exercises: int, root: Path) -> None:
    """Write how many exercises a notebook has into the README's table, and into its translations."""
    row = re.compile(rf"(\(notebooks/{re.escape(notebook)}\) \| .* \| \d+ \| )\d+")
    for path in (root / "README.md", *root.glob("docs/locale/*/LC_MESSAGES/readme.po")):
        path.write_text(row.sub(rf"\g<1>{exercises}", path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    try:
        files = lay_out(*sys.argv[1:2] or [""])
    except ValueError as error:
        sys.exit(f"new-exercise: {error}")
    for file in files:
        print(file.relative_to(ROOT))
    number, name = sys.argv[1].split(".")
    print("Replace the example in these three files. Then try the module and all of it, and write")
    print("the outputs, which also brings the catalogues of the translations up to date:")
    print(f"  .venv/bin/python -m pytest tests/course/test_checks.py -k {name}")
    print(f"  .venv/bin/python -m pytest tests/notebooks/test_exercises.py -k {number}")
    print(f"  .venv/bin/python tests/notebooks/outputs.py --write {number}")
