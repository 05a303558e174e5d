"""The same model, faster: what the readable stages leave undone, each step one switch.

    fast = optimize(load_pretrained())
    fill_mask(fast, text)  # the same call, the same answer

Four steps are always taken and exact up to rounding: padding at the end is cut off, what does not depend on
the input is computed once, projections that read the same array are one matrix product, and on a CPU weights
lie in the order that oneDNN's kernels read. The switches trade precision, or the time to compile.
"""

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import nn

from perceiver_edu.attention import MLP
from perceiver_edu.errors import InputError
from perceiver_edu.model import PerceiverIOForMaskedLM

ONE_DNN = torch.backends.mkldnn.is_available()


def optimize(
    model: PerceiverIOForMaskedLM, *, dtype=None, int8: bool = False, compile: bool = False
) -> "FastPerceiverIO":
    """A model of the same interface, for inference, with weights of its own: the original stays as it was.

    Args:
        dtype: of weights and arithmetic; None = the model's. torch.bfloat16 pays where the processor has
            instructions for it.
        int8: products with weight matrices in 8-bit integers, on the CPU. Each matrix is scaled by its
            largest number once, each batch of activations while running.
        compile: `torch.compile`; on a CPU with the weights frozen in, on a GPU replayed as CUDA graphs. The
            first call with new sizes takes long.

    Raises: InputError for int8 on another device than the CPU, or together with `dtype`.
    """
    if int8 and (dtype is not None or model.device.type != "cpu"):
        raise InputError("int8 runs on the CPU, from float32: leave `dtype` out, move the model to the CPU")
    fast = FastPerceiverIO(model).eval().requires_grad_(False)
    if dtype is not None:
        fast = fast.to(dtype)
    if int8:
        quantize(fast)
    on_gpu = fast.device.type == "cuda"
    if not (int8 or compile):
        pack(fast)
    if compile:
        options = {"mode": "reduce-overhead"} if on_gpu else {"options": {"freezing": True}}
        fast.run = torch.compile(fast.run, **options)
    return fast


class FastPerceiverIO(nn.Module):
    """`PerceiverIOForMaskedLM`, for inference. See `optimize`."""

    @torch.no_grad()
    def __init__(self, model: PerceiverIOForMaskedLM):
        super().__init__()
        self.config = model.config
        self.check = model._check
        self.byte_embedding = copied(model.embedding.byte_embedding.weight)  # (V, C)
        self.position_embedding = copied(model.embedding.position_embedding.weight)  # (M, C)
        self.encoder = FastCrossAttend(model.encoder.cross_attend, model.encoder.latents)
        self.processor = nn.ModuleList(FastSelfAttend(layer) for layer in model.processor.self_attends)
        self.num_blocks = model.processor.num_blocks
        self.decoder = FastCrossAttend(model.decoder.cross_attend, model.queries.positions)
        self.bias = copied(model.mlm_head.bias)

    @property
    def device(self) -> torch.device:
        return self.bias.device

    @torch.no_grad()
    def forward(self, input_ids, mask=None, positions=None):
        """As `PerceiverIOForMaskedLM.forward`: (B, M), (B, M) bool, (O,) or (B, O) -> logits (B, O, V)."""
        self.check(input_ids, mask, positions)
        if mask is not None:
            longest = int(mask.any(0).nonzero().max()) + 1 if mask.any() else 1
            input_ids, mask = input_ids[:, :longest], mask[:, :longest]
            mask = None if mask.all() else mask
        return self.run(input_ids, mask, positions)

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

    def __init__(self, cross_attend, x_q):
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
        query = query.expand(len(x_kv), -1, -1)  # (B, O, qk_channels)
        key, value = self.key_value(self.kv_norm(x_kv)).to(query.dtype).split(self.widths, dim=-1)
        x = self.output(attend(query, key, value, self.num_heads, kv_mask).to(x_kv.dtype))
        if self.residual is not None:
            x = x + (self.residual if rows is None else self.residual[rows])
        return x + self.mlp(self.mlp_norm(x))


class FastSelfAttend(nn.Module):
    """A `SelfAttend` with one matrix product for queries, keys and values."""

    def __init__(self, self_attend):
        super().__init__()
        attention = self_attend.attention
        self.num_heads, self.attention_dtype = attention.num_heads, None  # None = x's own
        self.widths = [attention.query.out_features, attention.key.out_features, attention.value.out_features]
        self.q_norm = deepcopy(self_attend.q_norm)
        self.query_key_value = joined(scaled_query(attention), attention.key, attention.value)
        self.output = deepcopy(attention.output)
        self.mlp_norm, self.mlp = deepcopy(self_attend.mlp_norm), deepcopy(self_attend.mlp)

    def forward(self, x):
        """x (B, N, dim) -> (B, N, dim)."""
        projected = self.query_key_value(self.q_norm(x)).to(self.attention_dtype or x.dtype)
        read = attend(*projected.split(self.widths, dim=-1), self.num_heads)
        x = x + self.output(read.to(x.dtype))
        return x + self.mlp(self.mlp_norm(x))


class PackedLinear(nn.Module):
    """A Linear on a CPU, with the GELU that may follow it: one oneDNN kernel, which reads reordered weights.

    For float32 torch calls MKL, which uses half of what a CPU can do where Intel has not made it (measured:
    benchmarks/). oneDNN asks the CPU what it can do, and needs no second pass for the GELU.
    """

    def __init__(self, linear: nn.Linear, gelu: str | None = None):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = linear.bias.detach()
        self.after = ("none", [], "") if gelu is None else ("gelu", [], gelu)

    def forward(self, x):
        """(…, in) -> (…, out)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, *self.after)


def pack(model: nn.Module) -> None:
    """Put a `PackedLinear` in the place of every Linear, where device and dtype allow it."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if not isinstance(layer, nn.Linear) or layer.weight.device.type != "cpu":
                continue
            if layer.weight.dtype not in (torch.float32, torch.bfloat16) or not ONE_DNN:
                continue
            activated = isinstance(parent, MLP) and name == "expand"
            setattr(parent, name, PackedLinear(layer, parent.activation.approximate if activated else None))
            if activated:
                parent.activation = nn.Identity()  # the kernel has done it


def attend(query, key, value, num_heads, kv_mask=None):
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


def quantize(model: nn.Module) -> None:
    """Put 8-bit products in the place of every Linear; attention, which has no weights, becomes bf16."""
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    engines, engine = torch.backends.quantized.supported_engines, torch.backends.quantized.engine
    torch.backends.quantized.engine = "onednn" if "onednn" in engines else engine  # the faster one
    try:
        quantize_dynamic(model, {nn.Linear: per_channel_dynamic_qconfig}, inplace=True)
    finally:
        torch.backends.quantized.engine = engine
    if torch.cpu._is_avx512_bf16_supported():
        for layer in model.processor:
            layer.attention_dtype = torch.bfloat16
        for stage in (model.encoder, model.decoder):
            stage.query.data = stage.query.bfloat16()


def scaled_query(attention) -> nn.Linear:
    """A `MultiHeadAttention`'s query projection with the 1/√d of the scores in its weights."""
    layer = deepcopy(attention.query)
    for parameter in layer.parameters():
        parameter.mul_((layer.out_features // attention.num_heads) ** -0.5)
    return layer


def joined(*linears) -> nn.Linear:
    """Layers that read the same array, as one: its outputs are theirs, side by side."""
    weight = torch.cat([linear.weight for linear in linears])
    layer = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device, dtype=weight.dtype)
    layer.weight.copy_(weight)
    layer.bias.copy_(torch.cat([linear.bias for linear in linears]))
    return layer


def copied(tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)
