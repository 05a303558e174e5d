"""The house has floors, and imports run one way: from the bottom up, as ARCHITECTURE.md says."""

import ast
import re
from pathlib import Path

import pytest

import perceiver_edu
from perceiver_edu.course.overview import read_overview
from perceiver_edu.stages import STAGES

PACKAGE = Path(perceiver_edu.__file__).parent
ROOT = Path(__file__).parents[1]

FLOORS = [  # from the bottom up; a name stands for the module, or for all modules of the folder
    [
        *["errors", "config", "stages", "data", "tokenizer", "terminal", "writing", "borrow"],
        *["language", "translation"],
    ],
    ["attention"],
    [*STAGES],
    ["model"],
    ["weights", "filling", "easy_first", "utf8_search", "fast", "openvino_engine", "export"],
    ["instruments"],
    ["training", "modalities"],
    ["course", "classroom"],
    ["cli", "__main__"],
]


def name_of(path: Path) -> str:
    """A file -> "course.checks"; a package is its __init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """All of a file's imports, those inside functions and those for a type checker too."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if name_of(path)}
PUBLIC = {  # "fill_mask": "filling"
    alias.name: node.module for node in imports_of(PACKAGE / "__init__.pyi") for alias in node.names
}


def imported(module: str) -> set[str]:
    """The modules of this package that one of them imports."""
    names = set()
    for node in imports_of(MODULES[module]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module == "perceiver_edu":
            names |= {f"perceiver_edu.{PUBLIC.get(alias.name, alias.name)}" for alias in node.names}
        else:
            assert not node.level, f"{module}: imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name.removeprefix("perceiver_edu.") for name in names} & MODULES.keys()


def floor(module: str) -> int:
    top = module.partition(".")[0]
    return next(number for number, names in enumerate(FLOORS) if top in names)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    upward = [name for name in imported(module) if floor(name) > floor(module)]
    assert not upward, f"{module} imports {', '.join(upward)}, which is on a higher floor"


def test_stages_never_import_each_other():
    for stage in STAGES:
        assert not imported(stage) & STAGES.keys()


@pytest.mark.parametrize("number, stage", list(enumerate(STAGES.values(), 1)))
def test_the_readme_says_of_a_stage_what_the_table_says(number, stage):
    name, notebook = stage.name, stage.notebook
    assert (PACKAGE / f"{name}.py").is_file() and (ROOT / "notebooks" / f"{notebook}.ipynb").is_file()
    row = (
        f"| {number} {name} | → {stage.array} ({stage.shape}) | [{notebook[:2]}](notebooks/{notebook}.ipynb) "
    )
    row += f"| [`{name}.py`](perceiver_edu/{name}.py) | `{stage.huggingface}` | § {stage.section} |"
    assert row in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("notebook", read_overview().notebooks, ids=lambda notebook: notebook.file.stem)
def test_the_readme_states_minutes_and_exercises(notebook):
    pattern = rf"^\| \[.*\]\(notebooks/{notebook.file.name}\) \| .* \| (\d+) \| (\d+)( open)? \|$"
    row = re.search(pattern, (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert row and int(row[1]) == notebook.minutes and (row[3] or int(row[2]) == len(notebook.exercises))
