"""Do gradients pass through a learner's function, as they do through the library's?"""

from copy import deepcopy

import torch
from torch import nn

from perceiver_edu.course.comparison import same
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import bind
from perceiver_edu.course.place import translated


def lost_gradients(exercise: Exercise, function, arguments) -> str:
    """A sentence about what could not be trained through the learner's function, or ""."""
    right = gradients(exercise, exercise.reference or exercise.variant, arguments)
    yours = gradients(exercise, function, arguments)
    wrong = [name for name in right if not same(yours[name], right[name])]
    if not wrong:
        return ""
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(name.partition(".")[0] for name in wrong))
    none = not any(yours[name].any() for name in wrong)
    says = (
        translated("no gradient reaches {names}", names=names)
        if none
        else translated("a part of the gradient of {names} is lost", names=names)
    )
    return translated(
        "The numbers are right, but {says}, so a model could not be trained with this. Is there a "
        "`.detach()`, `.data`, `.item()`, `float()`, `tolist()` or `no_grad` on the way?",
        says=says,
    )


@torch.enable_grad()
def gradients(exercise: Exercise, function, arguments) -> dict[str, torch.Tensor]:
    """The gradient of the result's weighted sum, for each argument and each weight that can have one."""
    given, leaves = deepcopy(arguments), {}
    for name, value in given.items():
        if isinstance(value, nn.Module):
            leaves |= {f"{name}.{part}": weight for part, weight in value.named_parameters()}
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            leaves[name] = value.requires_grad_()
    result = exercise.view(bind(function, given)(), given)
    total = (result * torch.linspace(1, 2, result.numel()).reshape(result.shape)).sum()
    if not total.requires_grad:
        return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {name: gradient.to(result.dtype) for name, gradient in zip(leaves, found, strict=True)}
