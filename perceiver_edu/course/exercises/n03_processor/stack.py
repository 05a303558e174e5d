"""Exercise 03.stack: the layers one after another, and the same layers again in each block."""

import inspect
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import nn

from perceiver_edu.attention import SelfAttend
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import numbers, redrawn
from perceiver_edu.course.guard import Misfit, as_function, run
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, into_model, pretrained
from perceiver_edu.processor import Processor

SIZES = dict(dim=6, qk_channels=4, v_channels=10, num_heads=2)


@dataclass
class LayerMaker:
    """Called without arguments: a new layer with weights of its own, the first, the second, …

    Raises: Misfit where a learner takes it for a layer.
    """

    made: int = field(default=0, compare=False)

    def __call__(self, *latents):
        if latents:
            raise Misfit(
                translated(
                    "You passed latents to `make_layer`, which makes layers. Call it without arguments, "
                    "`make_layer()`, once for each layer, and keep what it returns."
                )
            )
        self.made += 1
        return redrawn(SelfAttend(**SIZES), numbers(self.made))


def stack_cases():
    return {
        "three layers, one block": dict(num_layers=3, num_blocks=1, make_layer=LayerMaker()),
        "three layers, two blocks": dict(num_layers=3, num_blocks=2, make_layer=LayerMaker()),
        "two layers, four blocks": dict(num_layers=2, num_blocks=4, make_layer=LayerMaker()),
    }


def through(result, arguments):
    """What the stack makes of some latents (3, 5, 6). Raises: Misfit where it cannot be called."""
    if not callable(result):
        raise Misfit(
            translated(
                "the check builds your stack and calls it with latents; it got {result}.",
                result=shown(result),
            )
        )
    latents = {"latents": numbers(0)(3, 5, SIZES["dim"])}
    outcome = run(getattr(result, "forward", result), latents, quiet=True)
    if outcome.not_done:
        raise Misfit(translated("your `forward` still raises NotImplementedError."))
    if outcome.problem:
        raise Misfit(f"{outcome.problem}\n{outcome.code}".strip())
    return outcome.value


@torch.no_grad()
def library_stack(num_layers, num_blocks, make_layer):
    """The library's own stack of these layers."""
    make_layer = deepcopy(make_layer)
    processor = Processor(0, SIZES["dim"], num_blocks)
    processor.self_attends.extend(make_layer() for _ in range(num_layers))
    return processor


def stack_variant(num_layers, num_blocks, make_layer, weights="shared", order="", feed="chain", count=""):
    """A stack with a switch for each mistake that many make -> a function of the latents."""
    make_layer = deepcopy(make_layer)
    layers = [make_layer() for _ in range(num_layers)]
    if weights == "one layer":
        layers = [layers[0]] * num_layers
    blocks = [layers] * num_blocks
    if weights == "fresh":
        blocks = [layers, *([make_layer() for _ in layers] for _ in range(num_blocks - 1))]
    if count == "one block":
        blocks = blocks[:1]
    elif count == "one block more":
        blocks = [*blocks, layers]
    elif count == "one layer less":
        blocks = [block[:-1] for block in blocks]
    if order == "reversed":
        blocks = [block[::-1] for block in blocks]
    sequence = [layer for block in blocks for layer in block]
    if order == "layers":
        sequence = [layer for turn in zip(*blocks, strict=True) for layer in turn]

    def forward(latents):
        x = latents
        for layer in sequence:
            if feed == "chain":
                x = layer(x)
            elif feed == "last":
                x = layer(latents)
            else:
                x = x + layer(x)
        return x

    return forward


def class_or_function(learner, exercise):
    """A class is asked for: what it builds is the result, and `through` runs it."""
    is_class = inspect.isclass(learner)
    if is_class and issubclass(learner, nn.Module):
        return learner
    if is_class or isinstance(learner, nn.Module):
        what = translated("a class that is not an nn.Module") if is_class else translated("an instance")
        raise Misfit(
            translated(
                "the check takes the class itself, `class {name}(nn.Module)`, and got {what}. Write "
                "`check({id!r}, {name})`.",
                name=exercise.name,
                what=what,
                id=exercise.id,
            )
        )
    return as_function(learner, exercise)


def stack_properties(arguments):
    def parameters(call):
        expected = arguments["num_layers"] * sum(p.numel() for p in LayerMaker()().parameters())
        built = call(**arguments)
        got = sum(p.numel() for p in built.parameters()) if hasattr(built, "parameters") else 0
        hint = (
            ""
            if got
            else translated(
                ": are the layers in a plain Python list? PyTorch does not find them there, so use "
                "nn.ModuleList"
            )
        )
        hint = translated(": more layers than num_layers") if got > expected else hint
        return got == expected, translated(
            "expected {expected:,}, got {got:,}", expected=expected, got=got
        ) + hint

    @torch.enable_grad()
    def trained(call):
        built = call(**arguments)
        result = getattr(built, "forward", built)(numbers(0)(3, 5, SIZES["dim"]))
        weights = list(built.parameters()) if hasattr(built, "parameters") else []
        if not weights:
            return False, translated("`.parameters()` lists none")
        if not result.requires_grad:
            return False, translated("no gradient reaches any weight")
        found = torch.autograd.grad(result.square().sum(), weights, allow_unused=True)
        reached = sum(gradient is not None for gradient in found)
        return reached == len(weights), translated(
            "a gradient reaches {reached} of {weights} weights", reached=reached, weights=len(weights)
        )

    yield "an optimiser finds the weights of num_layers layers: `.parameters()`", parameters
    yield "gradients reach all of them", trained


def stack_in_model(function, report):
    model = pretrained()
    layers = list(model.processor.self_attends)
    own = iter(layers)
    arguments = dict(num_layers=len(layers), num_blocks=model.processor.num_blocks)
    arguments["make_layer"] = lambda: next(own, None) or deepcopy(layers[0])
    unchanged = into_model("processor", call(function, arguments), report)
    if model.processor.num_blocks == 1:
        report.say(
            translated(
                "This model has only one block, so it cannot show a mistake in the blocks. The cases above "
                "do."
            )
        )
    return unchanged


EXERCISE = Exercise(
    title="the stack, and the stack again",
    about="5 minutes · easy · appendix A.1",
    name="Stack",
    cases=stack_cases,
    reference=library_stack,
    variant=stack_variant,
    mistakes={
        "count": {
            "one block": "The stack is run only once: num_blocks is not used.",
            "one block more": "The stack is run once too often.",
            "one layer less": "The last layer of the stack is not run.",
        },
        "weights": {
            "fresh": "Each block has new layers. Blocks share their weights, so make num_layers layers once "
            "and run the same ones again.",
            "one layer": "All layers start with the same weights, either because they are one layer, as in "
            "`[make_layer()] * num_layers`, or because they are copies of one. Call make_layer once for each "
            "layer.",
        },
        "order": {
            "layers": "Each layer is repeated num_blocks times before the next one runs. A block is the "
            "whole stack, so run it from first layer to last, then again from the first.",
            "reversed": "The layers run in reverse order.",
        },
        "feed": {
            "last": "Every layer gets the initial latents, so only the last layer has an effect. Give each "
            "layer the result of the one before it.",
            "sum": "The stack adds the latents to each layer's result. The layer has already done that, "
            "because it contains both residuals.",
        },
    },
    properties=stack_properties,
    view=through,
    sizes=lambda num_layers, **_: {"B": 3, "N": 5, "dim": 6},
    accept=class_or_function,
    in_model=stack_in_model,
)
