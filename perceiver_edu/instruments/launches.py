"""How many kernels a run launches, and what that costs beside arithmetic and memory."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.instruments.costs import Cost
from perceiver_edu.instruments.machine import measure
from perceiver_edu.model import PerceiverIOForMaskedLM

QUIET = {
    "empty", "empty_like", "empty_strided", "new_empty", "_unsafe_view", "_reshape_alias", "lift_fresh",
    "_local_scalar_dense",  # a copy to the CPU
}  # fmt: skip
SHORTEST = 2e-6  # seconds that even the smallest kernel takes on a GPU, by assumption
CALLS = 2000  # operations on one number, timed together


def launches(operation: Any) -> bool:
    """Does this ATen operation launch a kernel? Views, fresh memory and copies to the CPU need none."""
    return not operation.is_view and operation.overloadpacket.__name__ not in QUIET


class LaunchCounter(TorchDispatchMode):
    """Counts the operations in the block that launch a kernel, on any device.

        with LaunchCounter() as counter:
            model(ids)
        counter.total, counter.calls["addmm"]

    An operation counts as one kernel. On a GPU a few operations launch two, such as a product whose sum is
    split, and a device may choose another kernel for attention. No trace has confirmed the count yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if launches(function):
            self.calls[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))

    @property
    def total(self) -> int:
        return sum(self.calls.values())


class Kernel(NamedTuple):
    """One operation that launches a kernel, with what it computes and moves."""

    name: str
    flops: int
    numbers_moved: int  # of its arguments and its result, each once

    def seconds(self, flops_per_second: float, bytes_per_second: float, bytes_per_number: int) -> float:
        """On a GPU with these peaks, which no kernel reaches. We assume that none is below SHORTEST."""
        moving = self.numbers_moved * bytes_per_number / bytes_per_second
        return max(self.flops / flops_per_second, moving, SHORTEST)


class KernelLog(LaunchCounter):
    """Counts kernels and keeps what each computes and moves, in order. Works on the device `meta`, too."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[Kernel] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = super().__torch_dispatch__(function, types, args, kwargs)
        if launches(function):
            count = flop_registry.get(function.overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=result) if count else 0
            moved = sum(x.numel() for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor))
            self.kernels.append(Kernel(function.overloadpacket.__name__, flops, moved))
        return result


class FusedAttention(TorchFunctionMode):
    """Attention on the device `meta` as one kernel, as a GPU runs it, and not as its products."""

    def __init__(self, log: KernelLog) -> None:
        super().__init__()
        self.log = log

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is not F.scaled_dot_product_attention:
            return function(*args, **(kwargs or {}))
        q, k, v = args[:3]
        B, heads, rows, _ = q.shape
        result = q.new_empty(B, rows, heads, v.shape[-1]).transpose(1, 2)  # as the fused kernels lay it out
        moved = sum(x.numel() for x in (q, k, v, result))
        self.log.calls["attention"] += 1
        self.log.kernels.append(Kernel("attention", sdpa_flop_count(q.shape, k.shape, v.shape), moved))
        return result


def kernels_of(config: PerceiverIOConfig, M: int, B: int = 1) -> KernelLog:
    """What a forward pass of B texts of M ids launches on a GPU, with all outputs: from the sizes alone."""
    with torch.device("meta"):
        model = PerceiverIOForMaskedLM(config).eval().requires_grad_(False)
        ids = torch.zeros(B, M, dtype=torch.int64)
    with torch.no_grad(), KernelLog() as log, FusedAttention(log):
        model(ids)
    return log


def count_launches(run: Callable[[], object]) -> Counter[str]:
    """{operation: kernels} of one run, without gradients."""
    with torch.no_grad(), LaunchCounter() as counter:
        run()
    return counter.calls


def seconds_per_call(device: str | torch.device) -> float:
    """What one operation costs the CPU: an addition to one number, which has next to nothing to compute."""
    number = torch.zeros(1, device=device)

    def many() -> None:
        for _ in range(CALLS):
            number.add_(1)

    return measure(many, device, repeats=3, warmup=1, of=min) / CALLS


class Bounds(NamedTuple):
    """Seconds that a run needs for each of three things, which go on at the same time, at the peaks."""

    launches: float
    arithmetic: float
    memory: float

    @property
    def seconds(self) -> float:
        return max(self)

    @property
    def word(self) -> str:
        """ "launches", "arithmetic" or "memory"."""
        return max(zip(self, self._fields, strict=True))[1]


def bounds(
    kernels: int,
    cost: Cost,
    *,
    seconds_per_launch: float,
    flops_per_second: float,
    bytes_per_second: float,
    bytes_per_number: int,
) -> Bounds:
    """What bounds a run: the CPU that launches its kernels, their arithmetic, or their traffic."""
    return Bounds(
        kernels * seconds_per_launch,
        cost.flops / flops_per_second,
        cost.numbers_moved * bytes_per_number / bytes_per_second,
    )
