"""What a coarser number format does to a model, on any device."""

from copy import deepcopy

import torch
from torch import nn

from perceiver_edu.model import PerceiverIOForMaskedLM

TF32_BITS = 10  # of the mantissa, which has 23 in float32
FLOAT32_BITS = 23


def rounded(x: torch.Tensor, bits: int) -> torch.Tensor:
    """A float32 tensor whose numbers keep `bits` bits of the mantissa: the nearest, and on a tie the larger.

    So does the GPU's own instruction `cvt.rna.tf32.f32`. Kernels that drop the lower bits instead have up to
    twice the error.
    """
    dropped = FLOAT32_BITS - bits
    whole = x.contiguous().view(torch.int32)
    return (((whole + (1 << (dropped - 1))) >> dropped) << dropped).view(torch.float32)


def with_rounded_products(model: PerceiverIOForMaskedLM, bits: int = TF32_BITS) -> PerceiverIOForMaskedLM:
    """A copy in which weights and inputs of every linear layer are rounded; sums are still float32.

    With ten bits that is what TF32 does on a tensor core. The products inside attention stay in float32.
    """
    copy = deepcopy(model)
    for layer in copy.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = rounded(layer.weight.data, bits)
            layer.register_forward_pre_hook(lambda _, args: (rounded(args[0], bits),))
    return copy
