"""Run what a learner wrote, whatever it does, and say in words what went wrong."""

import contextlib
import inspect
import io
import linecache
import traceback
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.language import to_translate

ANSWERS = "answers"  # the folder of the kept answers
OUTSIDE = to_translate("the call failed outside your code")
PACKAGE = str(Path(__file__).parents[1])


class Outcome(NamedTuple):
    """What one call gave: a value, or a problem in words (and, under it, lines of code to look at)."""

    value: Any = None
    problem: str = ""
    code: str = ""
    not_done: bool = False  # the stub's NotImplementedError


class Misfit(Exception):
    """What the learner handed in cannot be called as the exercise says; the message explains."""


def run(function, arguments: dict[str, Any], quiet: bool = False) -> Outcome:
    """Call `function` with copies of the arguments -> its outcome. Nothing is raised but Ctrl-C.

    Arguments go by name where the function has all the names, and by position otherwise. What the function
    prints is shown unless `quiet`.
    """
    given = deepcopy(arguments)
    try:
        call = bind(function, given)
        with contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext():
            value = call()
    except Misfit as misfit:
        return Outcome(problem=str(misfit))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return explain_error(error, arguments)
    changed = [name for name in given if not unchanged(given[name], arguments[name])]
    if changed:
        names = translated(" and ").join(f"`{name}`" for name in changed)
        layers = any(isinstance(given[name], nn.Module) for name in changed)
        way = "`deepcopy`" if layers else translated("for example `x.clone()`, or with `+` instead of `+=`")
        problem = translated(
            "your code changed its input {names} in place. The model still needs it: work on a copy, {way}.",
            names=names,
            way=way,
        )
        return Outcome(value, problem)
    return Outcome(value)


def bind(function, given: dict[str, Any]) -> partial:
    """A call without arguments. Raises: Misfit where the function does not take what the check gives."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return partial(function, *given.values())
    for args, kwargs in (((), given), (tuple(given.values()), {})):
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            continue
        return partial(function, *args, **kwargs)
    raise Misfit(
        translated(
            "your code takes {number} arguments, {signature}. The check gives {given}: ({names}). "
            "Keep the first line of the stub.",
            number=len(signature.parameters),
            signature=signature,
            given=len(given),
            names=", ".join(given),
        )
    )


def explain_error(error: BaseException, arguments: dict[str, Any], outside=OUTSIDE) -> Outcome:
    """An exception in the learner's code -> what it means, and the line of their code.

    `outside`: what is to be said where no line of theirs is involved.
    """
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if is_learners(frame.filename)]
    last = theirs[-1] if theirs else None
    if isinstance(error, NotImplementedError) and last is not None and last is frames[-1]:
        return Outcome(not_done=True)
    code = ""
    if last is not None:
        code = place(last)
        if is_kept_answer(last.filename):  # of an earlier exercise: what did this one pass to it?
            callers = [frame for frame in theirs if not is_kept_answer(frame.filename)]
            code += "\n" + translated("called by {place}", place=place(callers[-1])) if callers else ""
    if isinstance(error, RecursionError) and theirs:
        return Outcome(problem=translated("your code calls itself endlessly (RecursionError)."), code=code)
    try:
        message = str(error).strip().splitlines()[0]
    except KeyboardInterrupt:
        raise
    except BaseException:
        message = ""
    name = type(error).__name__ + (f": {message[:300]}" if message else ".")
    problem = (
        translated("your code stopped with {name}", name=name)
        if theirs
        else translated("{outside}. Python says {name}", outside=translated(outside), name=name)
    )
    if "without overflow" in message:
        problem += translated(
            ". A number does not fit its dtype. Plain numbers are float32, and `torch.finfo` gives the "
            "limits."
        )
    tensors = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
    if code and tensors:
        sizes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in tensors.items())
        code += "\n" + translated("with the inputs {sizes}", sizes=sizes)
    return Outcome(problem=problem, code=code)


def place(frame: traceback.FrameSummary) -> str:
    """Where a line of theirs is, and the line."""
    path = Path(frame.filename)
    kept = translated("{file}, your kept answer", file=f"{path.parent.name}/{path.name}")
    whose = kept if is_kept_answer(path) else translated("your code")
    line = (linecache.getline(frame.filename, frame.lineno or 0) or frame.line or "").strip()
    where = translated(
        "line {number} of {whose}, in {function}:", number=frame.lineno, whose=whose, function=frame.name
    )
    return f"{where}\n    {line}"


def is_kept_answer(file: str | Path) -> bool:
    return Path(file).parent.name == ANSWERS


def is_learners(filename: str) -> bool:
    """A cell, a file of theirs or an exec; not this library, not an installed one, not Python's own."""
    installed = ("site-packages", "dist-packages", "/lib/python", "\\lib\\", "<frozen")
    return not filename.startswith(PACKAGE) and not any(part in filename for part in installed)


def unchanged(now, before) -> bool:
    if isinstance(before, nn.Module):
        if now.state_dict().keys() != before.state_dict().keys():
            return False
        pairs = zip(now.state_dict().values(), before.state_dict().values(), strict=True)
        return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)
    if isinstance(before, torch.Tensor):
        if before.is_floating_point() and now.is_floating_point():  # a NaN is equal to itself here
            now, before = now.nan_to_num(0.5), before.nan_to_num(0.5)
        return now.shape == before.shape and now.dtype == before.dtype and torch.equal(now, before)
    if isinstance(before, dict):
        return now.keys() == before.keys() and all(unchanged(now[key], before[key]) for key in before)
    return now == before


def as_function(learner, exercise):
    """What the learner handed in, where a function is asked for. Raises: Misfit for anything else."""
    if isinstance(learner, torch.Tensor | str | int | float | dict | list | tuple) or learner is None:
        raise Misfit(
            translated(
                "the check takes your function itself, but got {learner}. Write `check({id!r}, {name})`: "
                "the name alone, without parentheses after it.",
                learner=shown(learner),
                id=exercise.id,
                name=exercise.name,
            )
        )
    if isinstance(learner, nn.Module) or (inspect.isclass(learner) and issubclass(learner, nn.Module)):
        raise Misfit(
            translated("this exercise needs a function, but got an nn.Module. Write it as in the stub.")
        )
    if inspect.isclass(learner):
        raise Misfit(
            translated(
                "`{name}` is a class, but not an nn.Module. Hand in a function, or write `class "
                "{name}(nn.Module)`.",
                name=learner.__name__,
            )
        )
    if not callable(learner):
        raise Misfit(
            translated(
                "the check takes a function or an nn.Module, but got {learner}.", learner=shown(learner)
            )
        )
    return learner
