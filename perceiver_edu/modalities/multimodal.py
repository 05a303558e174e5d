"""Several modalities in one input array: padded to one width, told apart, laid end to end."""

from collections.abc import Mapping

import torch
from torch import nn

from perceiver_edu.errors import InputError, brief


class ModalityPadding(nn.Module):
    """Widens arrays to one common width. A learned vector per modality fills the gap: its name tag."""

    def __init__(self, widths, min_padding):
        """widths: {modality: channels}. The widest modality gets `min_padding` channels of name tag."""
        super().__init__()
        self.num_channels = max(widths.values()) + min_padding
        tags = {name: torch.randn(1, self.num_channels - width) for name, width in widths.items()}
        self.tags = nn.ParameterDict(tags)

    def forward(self, name, x):
        """x (B, M, width of that modality) -> (B, M, num_channels)."""
        return torch.cat([x, self.tags[name].expand(*x.shape[:2], -1)], dim=-1)


class MultimodalInputs(nn.Module):
    """An adapter for each modality, and one array for all of them: inputs (B, M_1 + M_2 + ..., C).

    The order is alphabetical. A modality that is not given is absent and the array is shorter, because the
    encoder takes any number of inputs. For those in `always_masked`, a learned vector replaces every input.
    """

    def __init__(self, adapters, min_padding=4, always_masked=()):
        super().__init__()
        self.adapters = nn.ModuleDict(adapters)
        widths = {name: adapter.num_channels for name, adapter in adapters.items()}
        self.padding = ModalityPadding(widths, min_padding)
        self.num_channels = self.padding.num_channels
        self.always_masked = frozenset(always_masked)
        tokens = {name: 0.02 * torch.randn(1, self.num_channels) for name in adapters}
        self.mask_tokens = nn.ParameterDict(tokens)

    def parts(self, x):
        """{modality: raw data} -> {modality: (B, M_k, C)}, in alphabetical order.

        Raises: InputError for a modality without an adapter, or for none at all; for anything but a
        dictionary, and for modalities of different batch sizes.
        """
        if not isinstance(x, Mapping):
            raise InputError(
                f"raw data must be a dictionary with a key for each modality, got {type(x).__name__}"
            )
        unknown = sorted(x.keys() - self.adapters.keys())
        if unknown or not x:
            raise InputError(
                f"give one or more of {', '.join(self.adapters)}; got {unknown or 'none of them'}"
            )
        parts = {}
        for name in sorted(x):
            part = self.padding(name, self.adapters[name](x[name]))  # (B, M_k, C)
            if name in self.always_masked:
                part = self.mask_tokens[name].expand_as(part)
            parts[name] = part
        sizes = {name: len(part) for name, part in parts.items()}
        if len(set(sizes.values())) > 1:
            raise InputError(f"all modalities must have the same batch size, got {sizes}")
        return parts

    def forward(self, x):
        """{modality: raw data} -> inputs (B, M, C)."""
        return torch.cat(list(self.parts(x).values()), dim=1)


def modality_mask(sizes, present):
    """Return the mask for a batch that mixes examples with and without a modality.

    sizes: {modality: M_k}; present: {modality: (B,) bool}, True = present. A modality that is not named is
    present. Returns: (B, M) bool, True = real, in the alphabetical order of `MultimodalInputs`.

    Raises: InputError for a modality without a size, or an example that has none of them.
    """
    unknown = sorted(present.keys() - sizes.keys())
    if unknown or not present:
        raise InputError(f"present names {unknown or 'nothing'}; choose from {', '.join(sizes)}")
    everywhere = torch.ones_like(next(iter(present.values())))  # (B,)
    parts = [present.get(name, everywhere)[:, None].expand(-1, sizes[name]) for name in sorted(sizes)]
    mask = torch.cat(parts, dim=1)  # (B, M)
    if not mask.any(dim=1).all():
        raise InputError("an example has no modality at all: there is nothing to read")
    return mask


def check_mask(mask, inputs):
    """Raises: InputError for a mask that is neither None nor (B, M) bool, for inputs (B, M, C)."""
    if mask is None:
        return
    if not isinstance(mask, torch.Tensor):
        raise InputError(f"mask must be a tensor, got {brief(mask)}")
    if mask.dtype != torch.bool or mask.shape != inputs.shape[:2]:
        raise InputError(
            f"mask must be bool of shape (B, M) = {tuple(inputs.shape[:2])}, True = real; "
            f"got {mask.dtype} of shape {tuple(mask.shape)}"
        )
