"""LAMB, the optimizer of the paper's two recipes, which torch does not have."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class Lamb(Optimizer):
    """Adam's step, plus weight decay, scaled to the size of what it changes (You et al. 2019).

    Of each tensor w the step is `lr · ‖w‖ / ‖u‖ · u`, where u is Adam's step plus `weight_decay` · w: the
    learning rate is the fraction of its own norm by which a tensor may change, which allows large batches. A
    tensor of zeros, or a step of zeros, is not scaled.
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
    ):
        super().__init__(parameters, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Change every parameter that has a gradient. -> what `closure` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            (mean_decay, square_decay), decay = group["betas"], group["weight_decay"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                if not state:
                    state["step"] = torch.zeros(())
                    state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(w), torch.zeros_like(w)
                state["step"] += 1
                mean = state["exp_avg"].lerp_(w.grad, 1 - mean_decay)
                square = (
                    state["exp_avg_sq"].mul_(square_decay).addcmul_(w.grad, w.grad, value=1 - square_decay)
                )
                mean = mean / (1 - mean_decay ** float(state["step"]))
                square = square / (1 - square_decay ** float(state["step"]))
                update = mean / (square.sqrt() + group["eps"]) + decay * w
                w_norm, update_norm = w.norm(), update.norm()
                trust = torch.where((w_norm > 0) & (update_norm > 0), w_norm / update_norm, 1.0)
                w -= group["lr"] * trust * update
        return loss
