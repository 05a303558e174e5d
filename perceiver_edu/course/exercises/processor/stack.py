"""Exercise 03.stack: the layers one after another, and the same layers again in each block."""

from copy import deepcopy
from dataclasses import dataclass, field

import torch

from perceiver_edu.attention import SelfAttend
from perceiver_edu.course.exercise import Exercise, Mistake
from perceiver_edu.course.guard import Misfit, run
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, into_model, pretrained
from perceiver_edu.processor import Processor

SIZES = dict(dim=6, qk_channels=4, v_channels=10, num_heads=2)


@dataclass
class LayerMaker:
    """Called without arguments: a new layer with weights of its own, the first, the second, …"""

    made: int = field(default=0, compare=False)

    def __call__(self):
        self.made += 1
        generator = torch.Generator().manual_seed(self.made)
        layer = SelfAttend(**SIZES).double()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
        return layer


def stack_cases():
    return {
        "three layers, one block": dict(num_layers=3, num_blocks=1, make_layer=LayerMaker()),
        "three layers, two blocks": dict(num_layers=3, num_blocks=2, make_layer=LayerMaker()),
        "two layers, four blocks": dict(num_layers=2, num_blocks=4, make_layer=LayerMaker()),
    }


def through(result, arguments):
    """What the stack makes of some latents (3, 5, 6). Raises: Misfit where it cannot be called."""
    if not callable(result):
        raise Misfit(f"the check builds your stack and calls it with latents; it got {shown(result)}.")
    latents = torch.randn(3, 5, SIZES["dim"], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outcome = run(getattr(result, "forward", result), {"latents": latents}, quiet=True)
    if outcome.not_done:
        raise Misfit("your `forward` still raises NotImplementedError.")
    if outcome.problem:
        raise Misfit(f"{outcome.problem}\n{outcome.code}".strip())
    return outcome.value


@torch.no_grad()
def library_stack(num_layers, num_blocks, make_layer):
    """The latents after the library's own stack of these layers."""
    make_layer = deepcopy(make_layer)
    processor = Processor(0, SIZES["dim"], num_blocks)
    processor.self_attends.extend(make_layer() for _ in range(num_layers))
    return through(processor, {})


def stack_variant(
    num_layers, num_blocks, make_layer, weights="shared", order="blocks", feed="chain", count="all"
):
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


def stack_properties(arguments):
    def parameters(call):
        expected = arguments["num_layers"] * sum(p.numel() for p in LayerMaker()().parameters())
        built = call(**arguments)
        got = sum(p.numel() for p in built.parameters()) if hasattr(built, "parameters") else 0
        hint = ": a plain Python list hides layers, use nn.ModuleList" if got < expected else ""
        hint = ": more layers than num_layers" if got > expected else hint
        return got == expected, f"expected {expected:,}, got {got:,}{hint}"

    yield "an optimiser finds the weights of num_layers layers: `.parameters()`", parameters


def stack_in_model(function, report):
    model = pretrained()
    layers = list(model.processor.self_attends)
    own = iter(layers)
    arguments = dict(num_layers=len(layers), num_blocks=model.processor.num_blocks)
    arguments["make_layer"] = lambda: next(own, None) or deepcopy(layers[0])
    unchanged = into_model("processor", call(function, arguments), report)
    if model.processor.num_blocks == 1:
        report.say("This model has one block: of a mistake in the blocks it shows nothing. The cases do.")
    return unchanged


STACK = Exercise(
    id="03.stack",
    title="the stack, and the stack again",
    minutes=5,
    difficulty=1,
    paper="section 3.1",
    name="Stack",
    cases=stack_cases,
    reference=library_stack,
    variant=stack_variant,
    mistakes={
        "one block": Mistake("The stack is run once: num_blocks is not used.", {"count": "one block"}),
        "one block more": Mistake("The stack is run once too often.", {"count": "one block more"}),
        "one layer less": Mistake("The last layer of the stack is not run.", {"count": "one layer less"}),
        "fresh": Mistake(
            "Each block has new layers. Blocks share their weights: make num_layers layers once, and run "
            "the same ones again.",
            {"weights": "fresh"},
        ),
        "one layer": Mistake(
            "All layers are one and the same: `[make_layer()] * num_layers` calls make_layer once and "
            "repeats the result. Call it once for each layer.",
            {"weights": "one layer"},
        ),
        "layers": Mistake(
            "Each layer is repeated num_blocks times before the next comes. A block is the whole stack: "
            "first layer to last, then again from the first.",
            {"order": "layers"},
        ),
        "reversed": Mistake("The layers run in reverse order.", {"order": "reversed"}),
        "last": Mistake(
            "Every layer reads the latents from the beginning, so only the last one counts. Each layer reads "
            "what the one before it has made.",
            {"feed": "last"},
        ),
        "residual": Mistake(
            "The stack adds the latents to each layer's result. The layer has done that: both residuals are "
            "inside it.",
            {"feed": "sum"},
        ),
    },
    properties=stack_properties,
    observe=through,
    sizes=lambda num_layers, **_: {"B": 3, "N": 5, "dim": 6},
    builds=True,
    in_model=stack_in_model,
)  # fmt: skip
