"""The code of solved exercises, kept for notebook 05, which builds a whole model from it.

When a check says "right", it writes the cell's imports, functions and classes to a file of its own beside the
progress file, such as `answers/02.cross_attention.py` in the course folder, together with the functions and
classes of other cells that they call. The file runs by itself. Its last line says what was handed in. Whoever
can write there can also write in the notebooks, so reading it is as safe as running one of them.
"""

import ast
import builtins
import inspect
import linecache
import sys
from collections.abc import Iterable
from pathlib import Path
from symtable import symtable
from types import FunctionType, ModuleType
from typing import Any

from torch import nn

from perceiver_edu.course.guard import ANSWERS
from perceiver_edu.course.place import translated
from perceiver_edu.course.progress import progress_file
from perceiver_edu.errors import InputError
from perceiver_edu.writing import check_plain, write_whole

LONGEST = 2**18  # bytes
DEFINES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
HANDED_IN = "handed_in"
PARTS = {  # what a part is called in the model of notebook 05: the exercise in which it is written
    "encode": "01.tokenizer",
    "cross_attention": "02.cross_attention",
    "self_attend": "03.self_attend",
    "stack": "03.stack",
    "decode": "04.decoder",
    "tied_head": "04.tied_head",
}


def answer_file(exercise_id: str) -> Path:
    return progress_file().parent / ANSWERS / f"{exercise_id}.py"


def keep(exercise_id: str, learner: Any) -> str:
    """Write down a right answer -> "", or a sentence that says why notebook 05 cannot use it."""
    needed = exercise_id in PARTS.values()
    try:
        code = source_of(learner)
        if not code:
            reason = translated("the check finds no `def` or `class` of it in your cells")
            return (
                translated("It is right, but it cannot be kept for notebook 05: {reason}.", reason=reason)
                if needed
                else ""
            )
        path = answer_file(exercise_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        note = f"# Your answer to {exercise_id}, kept by its check. Notebook 05 builds your model from it.\n"
        write_whole(path, (note + code).encode())
        lacks = missing_names(code)
        return (
            translated("It is right, but notebook 05 cannot use it yet: {lacks}", lacks=say_missing(lacks))
            if needed and lacks
            else ""
        )
    except (OSError, InputError) as error:
        reason = getattr(error, "strerror", None) or error
        return translated(
            "It is right, but your code cannot be kept for notebook 05 ({reason}).", reason=reason
        )


def load(exercise_id: str, name: str) -> Any:
    """What was handed in, or in a file of an older version what it defines as `name`; None without a file.

    Raises: InputError for a file that cannot be used; and whatever its code raises.
    """
    path = answer_file(exercise_id)
    about = check_plain(path)
    if about is None:
        return None
    if about.st_size > LONGEST:
        raise InputError(
            translated("{path} is too large to be an answer: run the cell of the exercise again", path=path)
        )
    code = path.read_text("utf-8")
    linecache.cache[str(path)] = (len(code), None, code.splitlines(keepends=True), str(path))
    namespace: dict[str, Any] = {"__name__": f"answer_{exercise_id.replace('.', '_')}"}
    exec(compile(code, str(path), "exec"), namespace)
    for known in (HANDED_IN, name):
        if known in namespace:
            return namespace[known]
    raise InputError(
        translated("{path} defines no {name}: run the cell of the exercise again", path=path, name=name)
    )


def missing_names(code: str) -> list[str]:
    """What this code uses, but neither defines nor imports."""
    tables = [symtable(code, "answer", "exec")]
    for table in tables:
        tables += table.get_children()
    top = tables[0].get_symbols()
    defined = {each.get_name() for each in top if each.is_assigned() or each.is_imported()}
    used = {each.get_name() for table in tables[1:] for each in table.get_symbols() if each.is_global()}
    used |= {each.get_name() for each in top if each.is_referenced()}
    return sorted(used - defined - vars(builtins).keys())


def say_missing(names: list[str]) -> str:
    return translated(
        "its code uses {names}, which the cell of the exercise does not define. Define it there, "
        "or inside the function, and run the check again.",
        names=translated(" and ").join(f"`{name}`" for name in names),
    )


def source_of(learner: Any) -> str:
    """The definitions of the cell in which this function or class is written, after what they need from other
    cells; "" where there is no such cell."""
    call = ""
    if isinstance(learner, nn.Module):  # without weights, an instance can be made again
        call = "" if any(True for _ in learner.parameters()) else "()"
        learner = type(learner)
    function = function_of(learner)
    body = [node for node in cell_of(function) if is_kept(node)]
    defined = {name for node in body for name in names_of(node)}
    space = function.__globals__ if function else {}
    names = [name for name in sorted(defined) if space.get(name) is learner]
    if not names:
        return ""
    others = needed(body, space, defined)
    parts = [text_of(node, function) for node in body]
    last = f"{HANDED_IN} = {names[0]}{call}"
    return "\n".join([*others, "", "", *"\n\n\n".join([*parts, last]).splitlines()]) + "\n"


def function_of(learner: Any) -> FunctionType | None:
    """The function itself, or one of the class, by which their cell is found."""
    made_by = [learner, *vars(learner).values()] if inspect.isclass(learner) else [learner]
    functions = (each for each in map(inspect.unwrap, made_by) if inspect.isfunction(each))
    return next((each for each in functions if linecache.getlines(each.__code__.co_filename)), None)


def cell_of(function: FunctionType | None) -> list[ast.stmt]:
    """The statements of the cell, or the file, in which a function is written."""
    try:
        lines = linecache.getlines(function.__code__.co_filename) if function else []
        return ast.parse("".join(lines)).body
    except SyntaxError:  # the file has been changed since it was run
        return []


def text_of(node: ast.stmt, function: FunctionType) -> str:
    lines = linecache.getlines(function.__code__.co_filename)
    first = min([node.lineno, *(each.lineno for each in decorators(node))])
    return "".join(lines[first - 1 : node.end_lineno]).rstrip("\n")


def is_kept(node: ast.stmt) -> bool:
    return isinstance(node, DEFINES) or (isinstance(node, ast.Assign) and not has_call(node))


def names_of(node: ast.stmt) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    parts = (part for target in getattr(node, "targets", []) for part in ast.walk(target))
    return {part.id for part in parts if isinstance(part, ast.Name)}


def needed(nodes: Iterable[ast.stmt], space: dict[str, Any], known: set[str]) -> list[str]:
    """The code of what these statements use from other cells: imports, numbers, functions and classes."""
    found = []
    used = {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}
    for name in sorted(used & space.keys()):
        value = space[name]
        if name in known:
            continue
        known.add(name)
        if line := import_of(name, value):
            found.append(line)
        elif isinstance(value, bool | int | float | str):
            found.append(f"{name} = {value!r}")
        elif callable(value) and (function := function_of(value)):
            made = [node for node in cell_of(function) if names_of(node) == {value.__name__}]
            if made:
                found += [
                    *needed(made[-1:], function.__globals__, known),
                    "",
                    "",
                    text_of(made[-1], function),
                ]
                found += [f"{name} = {value.__name__}"] if value.__name__ != name else []
    return found


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
