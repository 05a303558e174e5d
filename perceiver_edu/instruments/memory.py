"""How much memory a run holds, followed tensor by tensor."""

import weakref
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from perceiver_edu.instruments.tracing import stage_hooks
from perceiver_edu.model import PerceiverIOForMaskedLM


def peak_memory(model: PerceiverIOForMaskedLM, run: Callable[[], object]) -> dict[str, int]:
    """The most bytes that tensors held at once in each stage, those made before it and still alive included.

    On CUDA the allocator says it; elsewhere every tensor that an operation returns is followed until it dies,
    which leaves out the scratch space inside a fused kernel.
    """
    peaks: dict[str, int] = {}
    if model.device.type == "cuda":
        before = torch.cuda.memory_allocated()

        def mark(stage: str, begin: bool) -> None:
            if begin:
                torch.cuda.reset_peak_memory_stats()
            else:
                peaks[stage] = torch.cuda.max_memory_allocated() - before

        with stage_hooks(model, mark):
            run()
        return peaks
    with LiveBytes() as bytes_, stage_hooks(model, lambda stage, begin: bytes_.mark(peaks, stage, begin)):
        run()
    return peaks


class LiveBytes(TorchDispatchMode):
    """Follows the memory of every tensor that is made in the block: `live` bytes now, `peak` at most.

    `history` has the bytes that were held after each change.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.history: list[int] = []
        self.followed: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        known = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if is_tensor(leaf)}
        result = function(*args, **(kwargs or {}))
        for leaf in filter(is_tensor, tree_leaves(result)):
            storage = leaf.untyped_storage()
            if storage.data_ptr() not in known and storage not in self.followed:  # a view makes nothing new
                self.followed.add(storage)
                size = storage.nbytes()
                self.change(size)
                weakref.finalize(storage, self.change, -size)
        return result

    def change(self, size: int) -> None:
        self.live += size
        self.peak = max(self.peak, self.live)
        self.history.append(self.live)

    def mark(self, peaks: dict[str, int], stage: str, begin: bool) -> None:
        if begin:
            self.peak = self.live
        else:
            peaks[stage] = self.peak


def checkpointed(layers: Iterable[nn.Module], x: torch.Tensor) -> torch.Tensor:
    """x through all layers, of which only the inputs are kept: the backward pass computes the rest again."""
    from torch.utils.checkpoint import checkpoint

    for layer in layers:
        x = checkpoint(layer, x, use_reentrant=False)
    return x


def is_tensor(leaf: object) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided  # oneDNN's own show no storage
