"""The same model, faster: what the readable stages leave undone, each step one switch.

    fast = optimize(load_pretrained())
    fill_mask(fast, text)  # the same call, the same answer

Three steps are exact up to rounding and always taken: padding at the end is cut off, arrays that do not
depend on the input are computed once, and projections of the same array are joined into one matrix product.
The switches choose the library that runs the rest, and its precision.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import skip_init

from perceiver_edu.attention import CrossAttend, MultiHeadAttention, SelfAttend
from perceiver_edu.errors import InputError, choose
from perceiver_edu.model import PerceiverIOForMaskedLM, check_has_numbers, check_inputs
from perceiver_edu.weights.pretrained import converted, usable_dtype

if TYPE_CHECKING:
    from perceiver_edu.openvino_engine import OpenVINOPerceiverIO

ENGINES = ("torch", "openvino")


def optimize(
    model: PerceiverIOForMaskedLM,
    *,
    engine: str | None = None,
    dtype: torch.dtype | None = None,
    int8: bool = False,
    compile: bool = False,
) -> "FastPerceiverIO | OpenVINOPerceiverIO":
    """A model of the same interface, for inference, with weights of its own: the original is not changed.

    Args:
        engine: "openvino" = OpenVINO's CPU kernels, usually the fastest; the conversion takes ten seconds to
            a minute, so save the result (`fast.save(folder)`, `load_optimized(folder)`). "torch" = torch's
            own kernels, ready at once. None = OpenVINO on a CPU where it is installed, otherwise torch.
        dtype: of weights and arithmetic; None = the model's. torch.bfloat16 pays off on a processor that has
            instructions for it.
        int8: matrix products in 8-bit integers, with OpenVINO only. The scales of the activations are
            calibrated on texts that come with the package; `fast.int8_error` is the error on other texts.
        compile: `torch.compile`, with torch only; on CUDA replayed as CUDA graphs. The first call with new
            sizes takes long.

    Hooks of the original are not copied, nor is what they change: record or intervene on the original.

    Raises: InputError for another class of model, for an engine that is not installed or cannot run this
    model, for weights that are too large for `dtype`, and for options that do not go together.
    """
    if not hasattr(model, "mlm_head"):
        raise InputError(f"optimize takes a PerceiverIOForMaskedLM, got {type(model).__name__}")
    check_has_numbers(model)
    if dtype is not None:
        usable_dtype(dtype)
    fast = FastPerceiverIO(model).eval().requires_grad_(False)
    if dtype is not None:
        fast = converted(fast, type(model).__name__, fast.device, dtype)
    on_cpu = fast.device.type == "cpu"
    if engine is None:
        suits = on_cpu and not compile and fast.bias.dtype in (torch.float32, torch.bfloat16)
        engine = "openvino" if int8 or (suits and find_spec("openvino")) else "torch"
    choose("engine", engine, ENGINES)
    if engine == "openvino":
        if compile:
            raise InputError('compile=True belongs to engine="torch"; OpenVINO compiles by itself')
        from perceiver_edu.openvino_engine import convert

        return convert(fast, int8)
    if int8:
        raise InputError('int8 needs engine="openvino": pip install "perceiver-edu[fast]"')
    if compile:
        # "reduce-overhead" records a CUDA graph for every combination of sizes. It also pays for guards and
        # its own bookkeeping, 300 of 417 µs in the example of PyTorch #150488. An explicit
        # `torch.cuda.CUDAGraph` for each size would not. Only a card can tell whether that gains anything
        # for this model and how many graphs fit into memory, so nothing is built before
        # `perceiver-edu profile --record`, which times every way, has recorded one.
        on_cuda = fast.device.type == "cuda"
        fast.compiled = torch.compile(fast.run, mode="reduce-overhead" if on_cuda else None)
    return fast


class Arrays(NamedTuple):
    """What the last three stages return."""

    latents: torch.Tensor  # (B, N, D)
    outputs: torch.Tensor  # (B, O, E)
    logits: torch.Tensor  # (B, O, V)


class FastPerceiverIO(nn.Module):
    """`PerceiverIOForMaskedLM`, for inference, in plain torch. See `optimize`."""

    engine = "torch"

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

    def forward(self, input_ids, mask=None, positions=None):
        """As `PerceiverIOForMaskedLM.forward`: (B, M), (B, M) bool, (O,) or (B, O) -> logits (B, O, V)."""
        return self.arrays(input_ids, mask, positions).logits

    @torch.no_grad()
    def arrays(
        self,
        input_ids: torch.Tensor,
        mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> Arrays:
        """As `forward`, with the latents and outputs that the logits are made of."""
        check_inputs(self.config, input_ids, mask, positions)
        input_ids, mask = without_padding(input_ids, mask)
        if self.compiled is None:
            return self.run(input_ids, mask, positions)
        found = self.compiled(input_ids, mask, positions)
        if self.device.type != "cuda":
            return found
        return Arrays(*(x.clone() for x in found))  # the next replay of a CUDA graph overwrites its results

    def run(
        self, input_ids: torch.Tensor, mask: torch.Tensor | None, positions: torch.Tensor | None
    ) -> Arrays:
        positions_read = self.position_embedding[: input_ids.shape[1]]  # (M, C)
        inputs = F.embedding(input_ids, self.byte_embedding) + positions_read  # (B, M, C)
        latents = self.encoder(inputs, mask)  # (B, N, D)
        for _ in range(self.num_blocks):
            for layer in self.processor:
                latents = layer(latents)
        outputs = self.decoder(latents, rows=positions)  # (B, O, E)
        return Arrays(latents, outputs, F.linear(outputs, self.byte_embedding, self.bias))


def without_padding(
    input_ids: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Ids (B, M) and mask (B, M) or None, up to the last real id; no mask where everything is real.

    A row of padding alone is read as the mean of all of it, so beside one nothing is cut.
    """
    if mask is None or not mask.numel():
        return input_ids, None
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    last = (mask.any(0) * places).max()
    each, last, real = torch.stack([mask.any(1).all(), last, mask.sum()]).tolist()  # a GPU waits here, once
    if each:
        input_ids, mask = input_ids[:, :last], mask[:, :last]
    return input_ids, None if real == mask.numel() else mask


class FastCrossAttend(nn.Module):
    """A `CrossAttend` whose asking array is known beforehand: its queries are computed here, once."""

    def __init__(self, cross_attend: CrossAttend, x_q: torch.Tensor):
        super().__init__()
        attention = cross_attend.attention
        self.num_heads = attention.num_heads
        self.widths = [attention.key.out_features, attention.value.out_features]
        queries = copied_norm(cross_attend.q_norm)(x_q)  # (Q, q_dim)
        self.query = copied(scaled_query(attention)(queries))  # (Q, qk_channels)
        self.residual = copied(x_q) if cross_attend.query_residual else None
        self.kv_norm = copied_norm(cross_attend.kv_norm)
        self.key_value = joined(attention.key, attention.value)
        self.output = joined(attention.output)
        self.mlp = copied_mlp(cross_attend)

    def forward(self, x_kv, kv_mask=None, rows=None):
        """x_kv (B, K, kv_dim), kv_mask (B, K) bool, rows (O,) or (B, O) that ask -> (B, O, q_dim)."""
        query = self.query if rows is None else self.query[rows]
        batch_size = x_kv.shape[0]  # not len(x_kv), which torch.export would take for a constant
        query = query.expand(batch_size, -1, -1).contiguous()  # (B, O, qk_channels), without a stride of 0
        key, value = self.key_value(self.kv_norm(x_kv)).split(self.widths, dim=-1)
        x = self.output(attend(query, key, value, self.num_heads, kv_mask))
        if self.residual is not None:
            x = x + (self.residual if rows is None else self.residual[rows])
        return x + self.mlp(x)


class FastSelfAttend(nn.Module):
    """A `SelfAttend` with one matrix product for queries, keys and values."""

    def __init__(self, self_attend: SelfAttend):
        super().__init__()
        attention = self_attend.attention
        self.num_heads = attention.num_heads
        self.widths = [attention.query.out_features, attention.key.out_features, attention.value.out_features]
        self.q_norm = copied_norm(self_attend.q_norm)
        self.query_key_value = joined(scaled_query(attention), attention.key, attention.value)
        self.output = joined(attention.output)
        self.mlp = copied_mlp(self_attend)

    def forward(self, x):
        """x (B, N, dim) -> (B, N, dim)."""
        query, key, value = self.query_key_value(self.q_norm(x)).split(self.widths, dim=-1)
        x = x + self.output(attend(query, key, value, self.num_heads))
        return x + self.mlp(x)


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

    On CUDA torch chooses. On Hopper with a recent cuDNN it tries cuDNN's kernel first, which makes a plan
    for every new combination of sizes. The environment variable TORCH_CUDNN_SDPA_DEPRIORITIZED=1, which a
    process reads once, puts the others before it. It is the user's to set: `perceiver-edu profile --record`
    times each kernel on a card.
    """
    arrays = (query, key, value)
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in arrays)  # (B, heads, T, d)
    bias = None
    if kv_mask is not None:
        low = torch.finfo(q.dtype).min / 2  # as in `MultiHeadAttention`
        bias = torch.zeros_like(kv_mask, dtype=q.dtype).masked_fill(~kv_mask, low)
        bias = bias[:, None, None, :]  # (B, 1, 1, K)
    if q.device.type == "cpu" and (q.shape[-1] != v.shape[-1] or q.dtype == torch.bfloat16):
        scores = q @ k.transpose(-2, -1)  # (B, heads, Q, K)
        read = (scores if bias is None else scores + bias).softmax(-1) @ v
    else:
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
    return read.transpose(1, 2).flatten(2)


def scaled_query(attention: MultiHeadAttention) -> nn.Linear:
    """The query projection with the 1/√d of the scores in its weights."""
    layer = joined(attention.query)
    for parameter in layer.parameters():
        parameter.mul_((layer.out_features // attention.num_heads) ** -0.5)
    return layer


def joined(*linears: nn.Linear) -> nn.Linear:
    """A copy of layers that read the same array, as one: its outputs are theirs, side by side.

    Like `copied_norm` and `copied_mlp` it copies numbers only, because deepcopy would copy hooks.
    """
    weight = torch.cat([linear.weight for linear in linears])
    sizes = weight.shape[1], weight.shape[0]
    layer = skip_init(nn.Linear, *sizes, device=weight.device, dtype=weight.dtype)  # draws no random numbers
    layer.weight.copy_(weight)
    layer.bias.copy_(torch.cat([linear.bias for linear in linears]))
    return layer


def copied_norm(norm: nn.LayerNorm) -> nn.LayerNorm:
    like = norm.weight
    layer = nn.LayerNorm(norm.normalized_shape, norm.eps, device=like.device, dtype=like.dtype)
    layer.load_state_dict(norm.state_dict())
    return layer


def copied_mlp(attend: CrossAttend | SelfAttend) -> nn.Sequential:
    """The norm before an MLP and the MLP."""
    norm, mlp = attend.mlp_norm, attend.mlp
    gelu = nn.GELU(approximate=mlp.activation.approximate)
    return nn.Sequential(copied_norm(norm), joined(mlp.expand), gelu, joined(mlp.contract))


def copied(tensor: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)
