"""Change what happens inside a model while a block runs: the way to learn what a part is there for.

    with without_layers(model, {3}):
        fill_mask(model, text)

Each function is for a `with` block, and blocks may be nested. At the end of a block, also after an error, the
model is what it was; its weights are never touched.

`after=k` and `stop_after` count the layers that the latents have passed, from 0 (what the encoder wrote) to
`depth(model)` (what the decoder reads). A layer that runs again in a later block counts again.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from operator import index
from reprlib import repr as shown
from typing import Any, cast

import torch
from torch import nn

from perceiver_edu.attention import SelfAttend
from perceiver_edu.borrow import changes_model
from perceiver_edu.errors import InputError, choose
from perceiver_edu.instruments.latents import depth
from perceiver_edu.language import gettext, to_translate
from perceiver_edu.model import PerceiverIOForMaskedLM


@changes_model
def stop_after(model: PerceiverIOForMaskedLM, k: int) -> Iterator[None]:
    """Run only the first k processor layers while the `with` block runs; the decoder gets their latents.

    0 ≤ k ≤ depth; k = 0 leaves the processor out, and k = depth changes nothing.

    Raises: InputError for another k.
    """
    k = _depth(model, "k", k)
    processor = model.processor

    def first_layers(latents: torch.Tensor) -> torch.Tensor:
        for self_attend in ([*processor.self_attends] * processor.num_blocks)[:k]:
            latents = self_attend(latents)
        return latents

    with _forward(processor, first_layers):
        yield


@changes_model
def without_layers(model: PerceiverIOForMaskedLM, layers: int | Iterable[int]) -> Iterator[None]:
    """Skip these processor layers while the `with` block runs: they pass the latents on unchanged.

    With shared weights, they are skipped in every repetition of the stack.

    layers: numbers from 0 to L - 1, or one such number.

    Raises: InputError for a layer that does not exist.
    """
    self_attends = model.processor.self_attends
    with ExitStack() as stack:
        for i in _indices(to_translate("layer"), layers, len(self_attends)):
            stack.enter_context(_forward(self_attends[i], lambda latents: latents))
        yield


@changes_model
def change_latents(
    model: PerceiverIOForMaskedLM, change: Callable[[torch.Tensor], torch.Tensor], after: int = 0
) -> Iterator[None]:
    """Replace the latents (B, N, D) after so many layers by `change(latents)`, which has the same shape.

    after: 0 (between encoder and processor) to depth.

    Raises: InputError for a depth that does not exist, and for a change that is not a tensor (B, N, D).
    """

    def checked(latents: torch.Tensor) -> torch.Tensor:
        changed = change(latents)
        if not isinstance(changed, torch.Tensor) or changed.shape != latents.shape:
            got = tuple(changed.shape) if isinstance(changed, torch.Tensor) else type(changed).__name__
            raise InputError(f"the change must return latents {tuple(latents.shape)}, got {got}")
        return changed.to(latents)

    with _change_after(model, after, checked):
        yield


@changes_model
def ablate_latents(
    model: PerceiverIOForMaskedLM,
    indices: int | Iterable[int],
    after: int = 0,
    how: str = "zero",
    others: torch.Tensor | None = None,
) -> Iterator[None]:
    """Ablate these latents after so many layers, so that their content is lost to all others.

    indices: numbers from 0 to N - 1, or one; after: 0 (between encoder and processor) to depth; how, others:
    the replacement, as in `ablated`.

    The layers that follow still write to these latents, and attend to them.

    Raises: InputError for a latent or a depth that does not exist, and as `ablated` does.
    """
    rows = _indices(to_translate("latent"), indices, len(model.encoder.latents))
    with change_latents(model, lambda latents: ablated(latents, rows, how, others), after):
        yield


def ablated(
    latents: torch.Tensor, rows: list[int], how: str = "zero", others: torch.Tensor | None = None
) -> torch.Tensor:
    """Return a copy of the latents (B, N, D) in which these rows no longer depend on their text.

    how: "zero"; "mean", the mean over other texts; or "resample", the latents of another text. others
    (B, N, D): the latents of other texts at the same depth, for "mean" and "resample".

    Raises: InputError for another `how`, and for `others` that are missing or do not fit.
    """
    choose("how", how, ("zero", "mean", "resample"))
    latents = latents.clone()
    if how == "zero":
        latents[:, rows] = 0
        return latents
    if others is None or others.shape != latents.shape:
        got = "none" if others is None else tuple(others.shape)
        raise InputError(f"{how!r} needs the latents of other texts, {tuple(latents.shape)}, got {got}")
    latents[:, rows] = (others.mean(0) if how == "mean" else others)[..., rows, :].to(latents)
    return latents


@changes_model
def patch_latents(
    model: PerceiverIOForMaskedLM,
    latents: torch.Tensor,
    after: int = 0,
    indices: int | Iterable[int] | None = None,
) -> Iterator[None]:
    """Replace latents by those of another run, for example `residual_stream(model, ids)[after]`.

    latents: (N, D), the same for each text of a batch, or (B, N, D); after: 0 to depth; indices: which of the
    N rows to replace, None = all of them.

    Raises: InputError for latents of another shape, and for a latent or a depth that does not exist.
    """
    N, D = model.encoder.latents.shape
    if not isinstance(latents, torch.Tensor) or latents.dim() not in (2, 3) or latents.shape[-2:] != (N, D):
        got = tuple(latents.shape) if isinstance(latents, torch.Tensor) else type(latents).__name__
        raise InputError(f"latents to put in must be a tensor ({N}, {D}) or (B, {N}, {D}), got {got}")
    rows = list(range(N)) if indices is None else _indices(to_translate("latent"), indices, N)

    def patched(own: torch.Tensor) -> torch.Tensor:
        if latents.dim() == 3 and len(latents) not in (1, len(own)):
            raise InputError(f"latents of {len(latents)} texts do not match a batch of {len(own)}")
        own = own.clone()
        own[:, rows] = latents[..., rows, :].to(own)
        return own

    with _change_after(model, after, patched):
        yield


@changes_model
def ablate_heads(model: PerceiverIOForMaskedLM, layer: int, heads: int | Iterable[int]) -> Iterator[None]:
    """Set the output of these heads of one processor layer to zero, before the layer's output projection.

    layer: 0 to L - 1; heads: numbers from 0 to heads - 1, or one.

    Raises: InputError for a layer or a head that does not exist.
    """
    self_attends = model.processor.self_attends
    [layer] = _indices(to_translate("layer"), [layer], len(self_attends))
    attention = cast(SelfAttend, self_attends[layer]).attention
    rows = _indices(to_translate("head"), heads, attention.num_heads, f" in layer {layer}")

    def silence(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        mixed = args[0].unflatten(-1, (attention.num_heads, -1)).clone()  # (B, N, heads, v/heads)
        mixed[..., rows, :] = 0
        return (mixed.flatten(-2),)

    handle = attention.output.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _forward(module: nn.Module, forward: Callable) -> Iterator[None]:
    """The module computes `forward` while the block runs; its hooks still see what goes in and comes out."""
    before = vars(module).get("forward")  # of an enclosing block, if there is one
    module.forward = forward
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before


@contextmanager
def _change_after(
    model: PerceiverIOForMaskedLM, k: int, change: Callable[[torch.Tensor], torch.Tensor]
) -> Iterator[None]:
    """latents -> change(latents), once in each run of the model: after k layers."""
    k = _depth(model, "after", k)
    L = len(model.processor.self_attends)
    source: nn.Module = model.encoder
    block = 0
    if k > 0:
        block, layer = divmod(k - 1, L)
        source = model.processor.self_attends[layer]
    calls = 0  # of `source` in this run: a layer with shared weights is called once in each block

    def start(module: nn.Module, args: tuple) -> None:
        nonlocal calls
        calls = 0

    def hook(module: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return change(output) if calls == block + 1 else output

    handles = [model.encoder.register_forward_pre_hook(start), source.register_forward_hook(hook)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _depth(model: PerceiverIOForMaskedLM, name: str, k: Any) -> int:
    deepest = depth(model)
    try:
        number = index(k)
    except TypeError:
        number = -1
    if isinstance(k, bool) or not 0 <= number <= deepest:
        raise InputError(
            f"{name} counts layers of the processor, from 0 to {deepest} in this model; got {shown(k)}"
        )
    return number


def _indices(what: str, given: Any, size: int, where: str = "") -> list[int]:
    """One number or several -> a sorted list, each of them once and in 0 … size - 1."""
    try:
        numbers = [index(given)]
    except TypeError:
        try:
            numbers = [index(i) for i in given]
        except TypeError:
            raise InputError(f"{gettext(what)}: give a whole number or several, got {shown(given)}") from None
    wrong = [i for i in numbers if not 0 <= i < size]
    if wrong:
        there = f"0 to {size - 1}" if size else "none"
        raise InputError(
            f"there is no {gettext(what)} {', '.join(map(str, wrong))}{where}: this model has {there}"
        )
    return sorted(set(numbers))
