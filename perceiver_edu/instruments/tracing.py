"""See what passes through a model without changing a line of it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from functools import partial
from threading import get_ident
from typing import Any

import torch
from torch import nn

from perceiver_edu.borrow import COMPILED, eager, overlapping
from perceiver_edu.errors import InputError, brief
from perceiver_edu.stages import STAGES

ENCODER_MAP = "encoder.cross_attend.attention.attention_map"
DECODER_MAP = "decoder.cross_attend.attention.attention_map"


@contextmanager
def record(model: nn.Module, names: str | Iterable[str]) -> Iterator[dict[str, list[torch.Tensor]]]:
    """Keep the outputs of the named submodules while the block runs.

        with record(model, ["encoder", ENCODER_MAP]) as seen:
            model(ids)
        seen["encoder"][0]  # latents (B, N, D) of the first call

    There is a list for each name, with one tensor per call in the order of the calls. A stack that is applied
    several times (`num_blocks` > 1) has several calls of each layer. Of a tuple, as Hugging Face's modules
    return, the first tensor is kept. The tensors are live, and remain part of autograd's graph, if any.

    What other threads compute meanwhile is not kept, and a compiled model runs uncompiled.

    An attention map (B, heads, Q, K) is the output of an `attention_map`. Attention computes it explicitly
    only while it is recorded. At the end of the block, also after an error, the model is as it was.

    Raises: InputError for a name that is not a submodule.
    """
    names = [names] if isinstance(names, str) else list(names)
    modules = {name.replace(COMPILED, ""): module for name, module in model.named_modules()}
    for name in names:
        if name not in modules:
            close = get_close_matches(name, modules, n=3) or [key for key, _ in model.named_children()]
            there = ", ".join(close)
            raise InputError(f"{type(model).__name__} has no module {brief(name)}; choose from {there}")

    thread = get_ident()
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in names}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
            if get_ident() == thread:
                seen[name].append(output if isinstance(output, torch.Tensor) else output[0])

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    parents = {name.rpartition(".")[0] for name in names if name.rpartition(".")[2] == "attention_map"}
    try:
        with ExitStack() as stack:
            stack.enter_context(eager())
            for attention in [modules[parent] for parent in parents]:
                key = "explicit", id(attention)
                stack.enter_context(overlapping(key, partial(explicit, attention)))
            yield seen
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def explicit(attention: Any) -> Iterator[None]:
    """An attention computes its map while the block runs."""
    fused = attention.fused
    attention.fused = False
    try:
        yield
    finally:
        attention.fused = fused


@contextmanager
def stage_hooks(model: nn.Module, mark: Callable[[str, bool], object]) -> Iterator[None]:
    """Call `mark(stage, True)` as a stage begins and `mark(stage, False)` as it ends."""
    handles = []
    for name in STAGES:
        stage = getattr(model, name)
        handles += [
            stage.register_forward_pre_hook(lambda *_, name=name: mark(name, True)),
            stage.register_forward_hook(lambda *_, name=name: mark(name, False)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
