"""A correct and slow way to score hidden bytes, for the lab of notebook 07, and what finds its slownesses."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset

from perceiver_edu.course.place import translated
from perceiver_edu.tokenizer import ByteTokenizer


@torch.no_grad()
def slow_scores(model, ids, lengths, positions):
    """ids (B, M), lengths (B,), hidden positions (B, O) -> (B, O): log-probability of each hidden byte."""
    precise = deepcopy(model).double()
    scores = torch.zeros(positions.shape, device=ids.device)
    for row in range(len(ids)):
        for column in range(positions.shape[1]):
            mask = torch.zeros(1, ids.shape[1], dtype=torch.bool, device=ids.device)
            for place in range(int(lengths[row])):
                mask[0, place] = True
            hidden = ids[row : row + 1].clone()
            hidden[0, positions[row]] = ByteTokenizer.MASK
            logits = precise(hidden, mask, positions[row, column : column + 1])  # (1, 1, V)
            logits = logits.cpu().clone().to(ids.device)
            byte = ids[row, positions[row, column]].item()
            scores[row, column] = logits.log_softmax(-1)[0, 0, byte].item()
    return scores


class SlowTexts(Dataset):
    """Texts that arrive slowly, as from a disk or a network: one takes `seconds` to read."""

    def __init__(self, number: int, length: int, seconds: float = 0.004):
        self.number, self.length, self.seconds = number, length, seconds

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(self.seconds)
        generator = torch.Generator().manual_seed(index)
        return torch.randint(6, 262, (self.length,), generator=generator)


class Watch(TorchDispatchMode):
    """What a function does around a model: how it calls it, where it waits, what it makes and copies."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0  # of modules that run
        self.outputs: list[tuple[int, int]] = []  # rows and queries of each call of the model
        self.waits = self.masks = self.copies = self.doubles = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        made = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor) and not function.is_view]
        self.doubles += any(x.dtype == torch.float64 and x.numel() > 1 for x in made)
        if self.depth == 0:
            self.waits += name == "_local_scalar_dense"
            self.masks += any(x.dtype == torch.bool for x in made)
            copied = [x for x in made if x.is_floating_point() and x.numel() > 100]
            self.copies += name in ("clone", "_to_copy", "copy_") and bool(copied)
        return result


@contextmanager
def watched(words: int) -> Iterator[Watch]:
    """A `Watch` while the block runs; `words` is the size of the vocabulary, by which logits are known."""
    watch = Watch()

    def begin(module: nn.Module, args: tuple) -> None:
        watch.depth += 1

    def end(module: nn.Module, args: tuple, output: object) -> None:
        watch.depth -= 1
        if watch.depth == 0 and isinstance(output, torch.Tensor) and output.shape[-1] == words:
            watch.outputs.append((output.shape[0], output.shape[-2] if output.dim() > 2 else 1))

    handles = [
        register_module_forward_pre_hook(begin),
        register_module_forward_hook(end, always_call=True),
    ]
    try:
        with torch.no_grad(), watch:
            yield watch
    finally:
        for handle in handles:
            handle.remove()


Found = tuple[bool, str]  # whether it is fast, and what was seen


def slownesses(B: int) -> dict[str, Callable[[Watch], Found]]:
    """{what a fast answer does: a look at the `Watch`}, for B texts with several hidden positions each."""

    def batched(watch: Watch) -> Found:
        rows = [rows for rows, _ in watch.outputs]
        return max(rows, default=B) > 1, translated(
            "at most {number} of {all} texts in a call", number=max(rows, default=B), all=B
        )

    def asked(watch: Watch) -> Found:
        queries = [queries for _, queries in watch.outputs]
        return max(queries, default=2) > 1, translated(
            "at most {number} queries a text in a call", number=max(queries, default=2)
        )

    def counted(number: int, most: int, what: str) -> Found:
        return number <= most, translated("{number:,} {what}", number=number, what=what)

    return {
        "runs the texts as one batch": batched,
        "asks for all hidden positions of a text at once": asked,
        "computes in the model's float32, not in float64": lambda w: counted(
            w.doubles, 0, translated("results in float64")
        ),
        "does not make the CPU wait for a number, as `.item()` and `int(…)` do": lambda w: counted(
            w.waits, 2, translated("waits")
        ),
        "builds the mask once": lambda w: counted(
            w.masks, B + 2, translated("operations that write a bool tensor")
        ),
        "copies no array of floats, and no model": lambda w: counted(w.copies, 0, translated("copies")),
    }
