"""The code of solved exercises, kept for notebook 05, which builds a whole model from it.

When a check says "right", it writes the cell's imports, functions and classes to a file of its own beside the
progress file, such as `answers/02.cross_attention.py` in the course folder. The file runs by itself. Whoever
can write there can also write in the notebooks, so reading it is as safe as running one of them.
"""

import ast
import inspect
import linecache
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from perceiver_edu.course.progress import progress_file
from perceiver_edu.errors import InputError
from perceiver_edu.writing import check_plain, write_whole

ANSWERS = "answers"
LONGEST = 2**18  # bytes
DEFINES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def answer_file(exercise_id: str) -> Path:
    return progress_file().parent / ANSWERS / f"{exercise_id}.py"


def keep(exercise_id: str, learner: Any) -> str:
    """Write down a right answer -> "", or a sentence that says why it could not be kept."""
    try:
        code = source_of(learner)
        if code:
            path = answer_file(exercise_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            note = (
                f"# Your answer to {exercise_id}, kept by its check. Notebook 05 builds your model from it.\n"
            )
            write_whole(path, (note + code).encode())
        return ""
    except (OSError, InputError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"It is right, but your code cannot be kept for notebook 05 ({reason})."


def load(exercise_id: str, name: str) -> Any:
    """What a kept answer defines as `name`; None where none is kept.

    Raises: InputError for a file that cannot be used; and whatever its code raises.
    """
    path = answer_file(exercise_id)
    about = check_plain(path)
    if about is None:
        return None
    if about.st_size > LONGEST:
        raise InputError(f"{path} is too large to be an answer: run the cell of the exercise again")
    code = path.read_text("utf-8")
    linecache.cache[str(path)] = (len(code), None, code.splitlines(keepends=True), str(path))
    namespace: dict[str, Any] = {"__name__": f"answer_{exercise_id.replace('.', '_')}"}
    exec(compile(code, str(path), "exec"), namespace)
    if name not in namespace:
        raise InputError(f"{path} defines no {name}: run the cell of the exercise again")
    return namespace[name]


def source_of(learner: Any) -> str:
    """The definitions of the cell in which this function or class is written, after the imports that they
    need from other cells; "" where there is no such cell."""
    made_by = [learner, *vars(learner).values()] if inspect.isclass(learner) else [learner]
    function = next((each for each in map(inspect.unwrap, made_by) if inspect.isfunction(each)), None)
    if function is None:
        return ""
    cell = "".join(linecache.getlines(function.__code__.co_filename))
    try:
        body = ast.parse(cell).body
    except SyntaxError:  # the file has been changed since it was run
        return ""
    lines = cell.splitlines()
    parts = [
        "\n".join(lines[min([node.lineno, *(d.lineno for d in decorators(node))]) - 1 : node.end_lineno])
        for node in body
        if isinstance(node, DEFINES) or (isinstance(node, ast.Assign) and not has_call(node))
    ]
    if not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body):
        return ""
    used = {node.id for node in ast.walk(ast.Module(body, [])) if isinstance(node, ast.Name)}
    found = {name: function.__globals__[name] for name in sorted(used & function.__globals__.keys())}
    imports = [line for name, value in found.items() if (line := import_of(name, value))]
    return "\n".join([*imports, "", "", *"\n\n\n".join(parts).splitlines()]) + "\n"


def decorators(node: ast.stmt) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def has_call(node: ast.AST) -> bool:
    """Such as `report = check(…)`, which must not run when the answer is read."""
    return any(isinstance(part, ast.Call) for part in ast.walk(node))


def import_of(name: str, value: Any) -> str:
    """The line that imports what this cell calls `name`; "" where no module has it."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else "")
    module, there = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if (
        module in (None, "builtins", "__main__")
        or getattr(sys.modules.get(module), str(there), None) is not value
    ):
        return ""
    return f"from {module} import {there}" + (f" as {name}" if there != name else "")
