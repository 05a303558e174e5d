"""The same model, faster: what the readable stages leave undone, each step one switch.

    fast = optimize(load_pretrained())
    fill_mask(fast, text)  # the same call, the same answer

Four steps are always taken and exact up to rounding: padding at the end is cut off, what does not depend on
the input is computed once, projections that read the same array are one matrix product, and on a CPU weights
lie in the order that oneDNN's kernels read. The switches trade precision, or the time to compile.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import skip_init

from perceiver_edu.attention import MLP, CrossAttend, MultiHeadAttention, SelfAttend
from perceiver_edu.errors import InputError
from perceiver_edu.model import PerceiverIOForMaskedLM, check_has_numbers, check_inputs
from perceiver_edu.weights.pretrained import usable_dtype

ONE_DNN = torch.backends.mkldnn.is_available()
STEPS = 127 if torch.cpu._is_vnni_supported() else 63  # int8's largest input; sums overflow without VNNI
ATTENTION = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32  # its dtype in int8


def optimize(
    model: PerceiverIOForMaskedLM,
    *,
    dtype: torch.dtype | None = None,
    int8: bool = False,
    compile: bool = False,
) -> "FastPerceiverIO":
    """A model of the same interface, for inference, with weights of its own: the original stays as it was.

    Args:
        dtype: of weights and arithmetic; None = the model's. torch.bfloat16 pays where the processor has
            instructions for it.
        int8: products with weight matrices in 8-bit integers, on the CPU; attention, which has no weights, in
            bf16 where the processor knows it. See `Int8Linear`.
        compile: `torch.compile`; on a GPU replayed as CUDA graphs. The first call with new sizes takes long.
            On a CPU it stands in place of oneDNN's order of weights, and gains less; freezing the weights in
            (torch 2.13, an AMD EPYC) made it slower by 3 %, and three times as long to compile.

    Hooks of the original are not copied, nor is what they change: record or intervene on the original.

    Raises: InputError for another class of model, for int8 with anything but float32 weights on the CPU, or
        where torch lacks oneDNN.
    """
    if not hasattr(model, "mlm_head"):
        raise InputError(f"optimize takes a PerceiverIOForMaskedLM, got {type(model).__name__}")
    check_has_numbers(model)
    if dtype is not None:
        usable_dtype(dtype)
    fast = FastPerceiverIO(model).eval().requires_grad_(False)
    on_cpu = fast.device.type == "cpu"
    if int8 and (compile or dtype is not None or not on_cpu or fast.bias.dtype != torch.float32):
        raise InputError(
            "int8 runs on the CPU, from float32 weights, not compiled: leave `dtype` and `compile` out, load "
            'the model with dtype=torch.float32, device="cpu"'
        )
    if int8 and not ONE_DNN:
        raise InputError("int8 needs a torch with oneDNN, and this one has none: leave `int8` out")
    if dtype is not None:
        fast = fast.to(dtype)
    if int8 or (on_cpu and ONE_DNN and not compile and fast.bias.dtype in (torch.float32, torch.bfloat16)):
        pack(fast, int8)
    if compile:
        fast.compiled = torch.compile(fast.run, mode=None if on_cpu else "reduce-overhead")
    return fast


class FastPerceiverIO(nn.Module):
    """`PerceiverIOForMaskedLM`, for inference. See `optimize`."""

    @torch.no_grad()
    def __init__(self, model: PerceiverIOForMaskedLM):
        super().__init__()
        self.config = model.config
        self.compiled: Callable | None = None  # `run`, by torch.compile
        self.byte_embedding = copied(model.embedding.byte_embedding.weight)  # (V, C)
        self.position_embedding = copied(model.embedding.position_embedding.weight)  # (M, C)
        self.encoder = FastCrossAttend(model.encoder.cross_attend, model.encoder.latents)
        layers = [cast(SelfAttend, layer) for layer in model.processor.self_attends]
        self.processor = nn.ModuleList(FastSelfAttend(layer) for layer in layers)
        self.num_blocks = model.processor.num_blocks
        self.decoder = FastCrossAttend(model.decoder.cross_attend, model.queries.positions)
        self.bias = copied(model.mlm_head.bias)

    @property
    def device(self) -> torch.device:
        return self.bias.device

    @torch.no_grad()
    def forward(self, input_ids, mask=None, positions=None):
        """As `PerceiverIOForMaskedLM.forward`: (B, M), (B, M) bool, (O,) or (B, O) -> logits (B, O, V)."""
        check_inputs(self.config, input_ids, mask, positions)
        if mask is not None:
            places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
            last = (mask.any(0) * places).max()
            last, real = torch.stack([last, mask.sum()]).tolist()  # a GPU waits here, once
            longest = max(1, last)
            input_ids, mask = input_ids[:, :longest], mask[:, :longest]
            mask = None if real == mask.numel() else mask
        return (self.compiled or self.run)(input_ids, mask, positions)

    def run(self, input_ids, mask, positions):
        positions_read = self.position_embedding[: input_ids.shape[1]]  # (M, C)
        inputs = F.embedding(input_ids, self.byte_embedding) + positions_read  # (B, M, C)
        latents = self.encoder(inputs, mask)  # (B, N, D)
        for _ in range(self.num_blocks):
            for layer in self.processor:
                latents = layer(latents)
        outputs = self.decoder(latents, rows=positions)  # (B, O, E)
        return F.linear(outputs, self.byte_embedding, self.bias)  # (B, O, V)


class FastCrossAttend(nn.Module):
    """A `CrossAttend` whose asking array is known beforehand: its queries are computed here, once."""

    def __init__(self, cross_attend: CrossAttend, x_q: torch.Tensor):
        super().__init__()
        attention = cross_attend.attention
        self.num_heads = attention.num_heads
        self.widths = [attention.key.out_features, attention.value.out_features]
        self.query = copied(scaled_query(attention)(cross_attend.q_norm(x_q)))  # (Q, qk_channels)
        self.residual = copied(x_q) if cross_attend.query_residual else None
        self.kv_norm = deepcopy(cross_attend.kv_norm)
        self.key_value = joined(attention.key, attention.value)
        self.output = deepcopy(attention.output)
        self.mlp_norm, self.mlp = deepcopy(cross_attend.mlp_norm), deepcopy(cross_attend.mlp)

    def forward(self, x_kv, kv_mask=None, rows=None):
        """x_kv (B, K, kv_dim), kv_mask (B, K) bool, rows (O,) or (B, O) that ask -> (B, O, q_dim)."""
        query = self.query if rows is None else self.query[rows]
        query = query.expand(len(x_kv), -1, -1).contiguous()  # (B, O, qk_channels), without a stride of 0
        key, value = self.key_value(self.kv_norm(x_kv)).split(self.widths, dim=-1)
        x = self.output(attend(query, key, value, self.num_heads, kv_mask).to(x_kv.dtype))
        if self.residual is not None:
            x = x + (self.residual if rows is None else self.residual[rows])
        return x + self.mlp(self.mlp_norm(x))


class FastSelfAttend(nn.Module):
    """A `SelfAttend` with one matrix product for queries, keys and values."""

    def __init__(self, self_attend: SelfAttend):
        super().__init__()
        attention = self_attend.attention
        self.num_heads = attention.num_heads
        self.widths = [attention.query.out_features, attention.key.out_features, attention.value.out_features]
        self.q_norm = deepcopy(self_attend.q_norm)
        self.query_key_value = joined(scaled_query(attention), attention.key, attention.value)
        self.output = deepcopy(attention.output)
        self.mlp_norm, self.mlp = deepcopy(self_attend.mlp_norm), deepcopy(self_attend.mlp)

    def forward(self, x):
        """x (B, N, dim) -> (B, N, dim)."""
        query, key, value = self.query_key_value(self.q_norm(x)).split(self.widths, dim=-1)
        read = attend(query, key, value, self.num_heads)
        x = x + self.output(read.to(x.dtype))
        return x + self.mlp(self.mlp_norm(x))


class PackedLinear(nn.Module):
    """A Linear on a CPU, with the GELU that may follow it: one oneDNN kernel, which reads reordered weights.

    For float32 torch calls MKL, which is slower where Intel has not made the processor (on an AMD EPYC 190
    GFLOP/s against 222: benchmarks/results/bounds-…). oneDNN needs no second pass for the GELU, either.
    """

    def __init__(self, linear: nn.Linear, gelu: str | None = None):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = linear.bias.detach()
        self.after = after(gelu)

    def forward(self, x):
        """(…, in) -> (…, out)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, *self.after)


class Int8Linear(nn.Module):
    """A Linear in 8-bit integers, with the GELU that may follow it: one oneDNN kernel.

        x Wᵀ + b ≈ s_x s_w x̂ ŵᵀ + b,   ŵ = round(W / s_w),   x̂ = round(x / s_x)

    s_w is one number for each output, fixed here; s_x is one for all of x, taken anew at each call.
    """

    def __init__(self, linear: nn.Linear, gelu: str | None = None, dtype: torch.dtype = torch.float32):
        super().__init__()
        weight = linear.weight.detach()
        self.scale = (weight.abs().amax(1) / 127).clamp(min=1e-12)  # s_w (out,)
        rounded = (weight / self.scale[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.zero = torch.zeros_like(self.scale, dtype=torch.int32)  # weights are rounded about 0
        self.bias, self.dtype, self.after = linear.bias.detach(), dtype, after(gelu)

    def forward(self, x):
        """(…, in) -> (…, out), of the dtype given at the start."""
        low, high = x.aminmax()
        scale = max(-float(low), float(high), 1e-12) / STEPS
        rounded = (x * (1 / scale)).round_().to(torch.int8)
        zero = STEPS + 1  # oneDNN is fast for bytes without a sign: this one stands for 0
        whole = rounded.view(torch.uint8).add_(zero)
        weight = self.weight, self.scale, self.zero, self.bias
        out = 1.0, 0, self.dtype, *self.after
        return torch.ops.onednn.qlinear_pointwise(whole, scale, zero, *weight, *out)


def after(gelu: str | None) -> tuple[str, list, str]:
    """What a oneDNN kernel does with its products before it writes them."""
    return ("none", [], "") if gelu is None else ("gelu", [], gelu)


def pack(model: "FastPerceiverIO", int8: bool) -> None:
    """Put an `Int8Linear` or a `PackedLinear` in the place of every Linear."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if not isinstance(layer, nn.Linear):
                continue
            gelu = parent.activation.approximate if isinstance(parent, MLP) and name == "expand" else None
            if int8:
                read_by_attention = name in ("key_value", "query_key_value")
                packed: nn.Module = Int8Linear(layer, gelu, ATTENTION if read_by_attention else torch.float32)
            else:
                try:
                    packed = PackedLinear(layer, gelu)
                except RuntimeError:  # bf16, and a processor that has no instructions for it
                    continue
            setattr(parent, name, packed)
            if gelu is not None:
                parent.activation = nn.Identity()  # the kernel has done it
    if int8:  # attention has no weights to round
        for stage in (model.encoder, model.decoder):
            stage.query.data = stage.query.data.to(ATTENTION)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    num_heads: int,
    kv_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention between projected arrays (B, Q, qk), (B, K, qk), (B, K, v), kv_mask (B, K) -> (B, Q, v).

    The query is already divided by √d, see `scaled_query`.
    On a CPU torch has no fused kernel for heads of keys and values that differ in width, and what it does
    instead takes longer than these three lines; so does its fused kernel in bf16.
    """
    arrays = (query, key, value)
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in arrays)  # (B, heads, T, d)
    bias = None
    if kv_mask is not None:
        bias = torch.zeros_like(kv_mask, dtype=q.dtype).masked_fill(~kv_mask, torch.finfo(q.dtype).min)
        bias = bias[:, None, None, :]  # (B, 1, 1, K)
    if q.device.type == "cpu" and (q.shape[-1] != v.shape[-1] or q.dtype == torch.bfloat16):
        scores = q @ k.transpose(-2, -1)  # (B, heads, Q, K)
        read = (scores if bias is None else scores + bias).softmax(-1) @ v
    else:
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
    return read.transpose(1, 2).flatten(2)


def scaled_query(attention: MultiHeadAttention) -> nn.Linear:
    """The query projection with the 1/√d of the scores in its weights."""
    layer = deepcopy(attention.query)
    for parameter in layer.parameters():
        parameter.mul_((layer.out_features // attention.num_heads) ** -0.5)
    return layer


def joined(*linears: nn.Linear) -> nn.Linear:
    """Layers that read the same array, as one: its outputs are theirs, side by side."""
    weight = torch.cat([linear.weight for linear in linears])
    sizes = weight.shape[1], weight.shape[0]
    layer = skip_init(nn.Linear, *sizes, device=weight.device, dtype=weight.dtype)  # draws no random numbers
    layer.weight.copy_(weight)
    layer.bias.copy_(torch.cat([linear.bias for linear in linears]))
    return layer


def copied(tensor: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)
