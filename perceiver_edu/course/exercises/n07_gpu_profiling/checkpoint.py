"""Exercise 07.checkpoint: keep the input of a layer instead of all that it computes."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from perceiver_edu.attention import SelfAttend
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.place import translated
from perceiver_edu.instruments.memory import LiveBytes


def new_layers(dim, number):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(dim)
        return nn.ModuleList(SelfAttend(dim, dim, dim, 2) for _ in range(number)).double()


def cases():
    generator = torch.Generator().manual_seed(0)

    def given(B, N, dim, number):
        x = torch.randn(B, N, dim, generator=generator, dtype=torch.float64)
        return {"x": x, "layers": new_layers(dim, number)}

    return {"two layers": given(2, 5, 8, 2), "five layers": given(3, 11, 16, 5)}


def variant(x, layers, wrong=""):
    """x through all layers, each recomputed in the backward pass."""
    start = x
    for layer in list(layers)[: -1 if wrong == "one missing" else None]:
        kept = start if wrong == "all from x" else x
        x = checkpoint(layer, kept, use_reentrant=False)
        x = x + kept if wrong == "added" else x
    return x


def held(function, layers, x):
    """Bytes that are still held after the forward pass, when a gradient is to be computed."""
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        with LiveBytes() as memory:
            result = function(x=x, layers=layers)
        number = memory.live
        del result
    return number


def properties(arguments):
    def less(call):
        layers, x = arguments["layers"], arguments["x"]
        plain = held(lambda layers, x: nn.Sequential(*layers)(x), layers, x)
        yours = held(call, layers, x)
        return yours < 0.5 * plain, translated(
            "{yours:.0f} kB held; without checkpoints {plain:.0f}", yours=yours / 1e3, plain=plain / 1e3
        )

    return [("holds less than half of the activations until the backward pass", less)]


EXERCISE = Exercise(
    title="activation checkpointing",
    about="6 minutes · easy · appendix E",
    name="run_layers",
    cases=cases,
    variant=variant,
    mistakes={
        "wrong": {
            "one missing": "One layer is missing.",
            "all from x": "Every layer gets the first input. Give each layer the output of the one before "
            "it.",
            "added": "The input is added once more. The layers already contain their residual connections.",
        }
    },
    properties=properties,
    sizes=lambda x, layers: dict(zip(("B", "N", "D"), x.shape, strict=True)),
    trains=True,
)
