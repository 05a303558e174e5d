"""Exercises that a learner may also solve with an `nn.Module`: it runs with the right weights."""

import inspect

import torch
from torch import nn
from torch.func import functional_call

from perceiver_edu.course.guard import Misfit, as_function, bind
from perceiver_edu.course.place import translated


def module_or_function(sizes_of):
    """An `accept` for exercises whose arguments include layers: these are the weights of the module.

    Args:
        sizes_of: (**arguments) -> what the module's `__init__` gets. Arguments that are neither layers nor
            among these sizes go to `forward`.

    The module is built anew for each case, in its sizes and with its weights.
    """

    def accept(learner, exercise):
        is_class = inspect.isclass(learner)
        module = learner if is_class else type(learner)
        if not issubclass(module, nn.Module):
            return as_function(learner, exercise)
        if not is_class and len(inspect.signature(learner.forward).parameters) == len(exercise.arguments):
            return learner.forward  # a module without weights of its own, called like the function
        layers = {}  # found where all sizes differ, and kept: real layers may have equal shapes

        def call(**arguments):
            sizes, given = sizes_of(**arguments), arguments.items()
            parts = {name: part for name, part in given if isinstance(part, nn.Module)}
            inputs = {name: value for name, value in given if name not in parts.keys() | sizes.keys()}
            built, weights = build(module, sizes).eval(), dict(nn.ModuleDict(parts).named_parameters())
            layers.update(fitting(built, weights, layers))
            given_weights = {}
            for name, _ in built.named_parameters():
                layer, _, part = name.rpartition(".")
                given_weights[name] = weights[f"{layers[layer]}.{part}"]
            bound = bind(built.forward, inputs)
            return functional_call(built, given_weights, bound.args, bound.keywords)

        names = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in exercise.arguments]
        call.__signature__ = inspect.Signature(names)
        return call

    return accept


def build(module: type[nn.Module], sizes: dict[str, int]) -> nn.Module:
    try:
        make = bind(module, sizes)
    except Misfit:
        raise Misfit(
            translated(
                "the check builds your module in several sizes, as `{name}({sizes})`. Yours takes "
                "{module}: give `__init__` these arguments.",
                name=module.__name__,
                sizes=", ".join(sizes),
                module=inspect.signature(module),
            )
        ) from None
    return make()


def fitting(module: nn.Module, weights: dict[str, torch.Tensor], known: dict[str, str]) -> dict[str, str]:
    """Which of the reference's weights fit the learner's layers: by name, or by shape where only one fits.

    -> {their layer: the reference's}; `known` is what an earlier call found. The module's other numbers get
    the dtype of the weights.

    Raises: Misfit, with both lists side by side.
    """
    own = dict(module.named_parameters())
    shapes, fits = layer_shapes(own), layer_shapes(weights)
    chosen = {}  # layer of theirs -> layer of the reference
    for layer, shape in shapes.items():
        if fits.get(known.get(layer)) == shape:
            chosen[layer] = known[layer]
            continue
        same_name = [layer] if fits.get(layer) == shape else []
        same_shape = [name for name in fits if fits[name] == shape]
        for name in same_name or same_shape[: len(same_shape) == 1]:
            chosen[layer] = name
    if len(shapes) != len(fits) or len(set(chosen.values())) != len(fits):

        def listed(tensors):
            return ", ".join(
                f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items()
            ) or translated("none")

        raise Misfit(
            translated(
                "the weights do not fit your module. Make the layers of the stub, with the same names. "
                "Expected: {weights}. Got: {own}.",
                weights=listed(weights),
                own=listed(own),
            )
        )
    frozen = [name for name, parameter in module.named_parameters() if not parameter.requires_grad]
    if frozen:
        raise Misfit(
            translated(
                "your module has frozen weights, {frozen}: no optimiser could train them.",
                frozen=", ".join(frozen),
            )
        )
    reference = next(iter(weights.values()))
    module.to(device=reference.device, dtype=reference.dtype)
    return chosen


def layer_shapes(parameters) -> dict[str, dict[str, torch.Size]]:
    """{"query": {"weight": (12, 10), "bias": (12,)}, …}"""
    layers = {}
    for name, tensor in parameters.items():
        layer, _, part = name.rpartition(".")
        layers.setdefault(layer, {})[part] = tensor.shape
    return layers
