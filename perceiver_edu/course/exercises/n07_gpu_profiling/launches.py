"""Exercise 07.launches: count the kernels of a run with a dispatch mode."""

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.launches import LaunchCounter

ALLOCATIONS = ("empty", "empty_like", "empty_strided", "new_empty")


def products():
    """A layer by hand: one product with its bias, one activation, one sum."""
    x, w, b = torch.ones(3, 5), torch.ones(7, 5), torch.ones(7)
    return torch.relu(F.linear(x, w, b)) + 1


def views():
    """Three new looks at one array, and one sum."""
    x = torch.ones(4, 6)
    return x.view(2, 12).transpose(0, 1)[3:] + 1


def in_place():
    """Memory is taken, filled, and changed twice in place."""
    x = torch.empty(5, 3)
    x.fill_(2)
    x.mul_(3).add_(1)
    return x


def cases():
    return {
        "products and sums": {"run": products},
        "views": {"run": views},
        "in place": {"run": in_place},
    }


class Counter(TorchDispatchMode):
    def __init__(self, counts):
        super().__init__()
        self.counts, self.seen = counts, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if self.counts(function):
            self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


def variant(run, counts="kernels", number="calls"):
    """The operations that launch a kernel."""

    def kernel(function):
        name = function.overloadpacket.__name__
        return {
            "kernels": not function.is_view and name not in ALLOCATIONS,
            "all": True,
            "views too": name not in ALLOCATIONS,
            "memory too": not function.is_view,
            "no in place": not function.is_view and name not in ALLOCATIONS and not name.endswith("_"),
        }[counts]

    with torch.no_grad(), Counter(kernel) as counter:
        run()
    return len(counter.seen if number == "calls" else set(counter.seen))


def in_model(function, report):
    """The learner's count for the pretrained model, beside the library's."""
    model, ids = pretrained(), torch.full((1, 20), 100)
    with torch.no_grad(), LaunchCounter() as counter:
        model(ids)
    yours = call(function, {"run": lambda: model(ids)})
    near = abs(yours - counter.total) <= 0.05 * counter.total  # views that torch makes by other names
    beside(
        report,
        (translated("pretrained model, one text"), translated("the library's count"), translated("yours")),
        [(translated("kernels"), counter.total, yours)],
    )
    return near


EXERCISE = Exercise(
    title="count the kernels of a run",
    about="10 minutes · medium · section 4.1",
    name="count_kernels",
    cases=cases,
    variant=variant,
    mistakes={
        "counts": {
            "all": "You count every operation. Views (`function.is_view`) and new memory (`torch.empty`) "
            "launch no kernel.",
            "views too": "You count views. A view describes memory that already exists and launches no "
            "kernel; `function.is_view` tells you.",
            "memory too": "You count `torch.empty`. It takes memory without writing to it, so it launches no "
            "kernel.",
            "no in place": "In-place operations are missing. `add_` writes, so it launches a kernel, just as "
            "`add` does.",
        },
        "number": {"names": "You count each kind of operation once. Count every call."},
    },
    terse=True,
    in_model=in_model,
)
