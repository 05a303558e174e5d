"""A caller's model and random state, borrowed: returned unchanged, also after an error.

Threads may share a model.
"""

import random
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import nn

from perceiver_edu.errors import InputError

COMPILED = "_orig_mod."  # what torch.compile puts before the names inside a module

P = ParamSpec("P")
Value = TypeVar("Value")
Model = TypeVar("Model", bound=nn.Module)

_lock = threading.Lock()  # held for bookkeeping only, never while a model runs
_open: dict[Hashable, tuple[int, ExitStack]] = {}  # by key: how many blocks, and how to leave the last
_users: dict[int, list[tuple[int, bool]]] = {}  # by a model's id: (thread, whether it changes the model)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Dropout is off in the block; afterwards every module has the mode it had before.

    Raises: InputError while another thread has changed the model, for example by `swap_stage`.
    """
    model = unwrapped(model)
    with _used(model, changes=False), overlapping(("eval", id(model)), lambda: _all_in_eval_mode(model)):
        yield


def unwrapped(model: nn.Module) -> nn.Module:
    """The model from which torch.compile made this one, or else the model itself."""
    return dict(model.named_children()).get(COMPILED.removesuffix("."), model)


@contextmanager
def overlapping(key: Hashable, context: Callable[[], AbstractContextManager]) -> Iterator[None]:
    """Of several blocks with one key, nested or in several threads, the first enters `context()` and the last
    leaves it: what was before is restored exactly once.
    """
    with _lock:
        count, stack = _open.get(key, (0, ExitStack()))
        if not count:
            stack.enter_context(context())
        _open[key] = count + 1, stack
    try:
        yield
    finally:
        with _lock:
            count, stack = _open.pop(key)
            if count > 1:
                _open[key] = count - 1, stack
            else:
                stack.close()


def changes_model(
    block: Callable[Concatenate[Model, P], Iterator[Value]],
) -> Callable[Concatenate[Model, P], AbstractContextManager[Value]]:
    """A `contextmanager` whose block changes its first argument, the model; blocks may be nested.

    Other threads would compute with the changed model without knowing, or leave the blocks in another order.
    So while one is open, other threads get an InputError, and so does this one while another uses the model.
    """

    @wraps(block)
    @contextmanager
    def alone(model: Model, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Value]:
        if unwrapped(model) is not model:
            raise InputError(
                "a compiled model cannot have parts exchanged: give the model from which it was compiled"
            )
        with _used(model, changes=True), eager(), contextmanager(block)(model, *args, **kwargs) as value:
            yield value

    return alone


def eager() -> AbstractContextManager:
    """What torch.compile has compiled runs uncompiled in the block: else hooks and changes have no effect."""
    if "torch._dynamo" not in sys.modules:  # then nothing is compiled, and importing it takes seconds
        return nullcontext()
    return overlapping("eager", lambda: torch.compiler.set_stance("force_eager"))


@contextmanager
def same_random_state() -> Iterator[None]:
    """The block may draw and seed: afterwards the generators of torch and Python are as they were before."""
    before = random.getstate()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(before)


@contextmanager
def _used(model: nn.Module, changes: bool) -> Iterator[None]:
    me = threading.get_ident()
    with _lock:
        users = _users.setdefault(id(model), [])
        if any(thread != me and (changes or changed) for thread, changed in users):
            raise InputError(
                "another thread changes this model, or uses it while it should be changed: wait for that "
                "thread, or give each thread a model of its own, copy.deepcopy(model)"
            )
        users.append((me, changes))
    try:
        yield
    finally:
        with _lock:
            users.remove((me, changes))
            if not users:
                del _users[id(model)]


@contextmanager
def _all_in_eval_mode(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
