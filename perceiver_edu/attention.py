"""The one building block. Every stage of Perceiver IO that computes is a `CrossAttend` or a `SelfAttend`."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class MultiHeadAttention(nn.Module):
    """Softmax attention whose queries and keys/values may come from different arrays, of different widths.

        Attention(q, kv) = softmax(QKᵀ / √d) V,   Q = W_q q,  K = W_k kv,  V = W_v kv,   per head

    Torch's fused kernel computes this without ever holding the map softmax(QKᵀ/√d). With `fused = False` the
    map is computed step by step and passes through `self.attention_map`, an identity, where a hook sees it:
    `perceiver_edu.instruments.record` does both.
    """

    def __init__(self, q_dim, kv_dim, qk_channels, v_channels, output_dim, num_heads, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(q_dim, qk_channels)
        self.key = nn.Linear(kv_dim, qk_channels)
        self.value = nn.Linear(kv_dim, v_channels)
        self.output = nn.Linear(v_channels, output_dim)
        self.fused = True
        self.attention_map = nn.Identity()

    def forward(self, x_q, x_kv, kv_mask=None):
        """x_q (B, Q, q_dim), x_kv (B, K, kv_dim), kv_mask (B, K) bool -> (B, Q, output_dim)."""
        q = self.split_heads(self.query(x_q))  # (B, heads, Q, qk/heads)
        k = self.split_heads(self.key(x_kv))  # (B, heads, K, qk/heads)
        v = self.split_heads(self.value(x_kv))  # (B, heads, K, v/heads)
        bias = None
        if kv_mask is not None:  # not -inf: a row of padding alone must not give NaN
            low = torch.finfo(q.dtype).min / 2  # half of it: in float16 a score added to all of it is -inf
            bias = torch.zeros_like(kv_mask, dtype=q.dtype).masked_fill(~kv_mask, low)
            bias = bias[:, None, None, :]  # (B, 1, 1, K), added to the scores of every head and query
        dropout = self.dropout if self.training else 0.0

        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, heads, Q, K)
            if bias is not None:
                scores = scores + bias
            weights = self.attention_map(scores.softmax(dim=-1))  # (B, heads, Q, K); each row sums to 1
            mixed = F.dropout(weights, dropout) @ v  # (B, heads, Q, v/heads)
        return self.output(mixed.transpose(1, 2).flatten(2))  # (B, Q, v) -> (B, Q, output_dim)

    def split_heads(self, x):
        """(B, T, channels) -> (B, heads, T, channels/heads)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class MLP(nn.Module):
    """Expand, GELU, contract: the same two layers at every position."""

    def __init__(self, dim, widening_factor=1, gelu="none"):
        super().__init__()
        self.expand = nn.Linear(dim, widening_factor * dim)
        self.activation = nn.GELU(approximate=gelu)
        self.contract = nn.Linear(widening_factor * dim, dim)

    def forward(self, x):
        """(B, T, dim) -> (B, T, dim)."""
        return self.contract(self.activation(self.expand(x)))


class CrossAttend(nn.Module):
    """One array reads from another (paper, appendix E).

        x = x_q + Attention(LayerNorm(x_q), LayerNorm(x_kv))
        x = x   + MLP(LayerNorm(x))

    ``query_residual=False`` drops the first ``x_q +``: decoder queries say where, not what.
    """

    def __init__(
        self,
        q_dim,
        kv_dim,
        qk_channels,
        v_channels,
        num_heads,
        widening_factor=1,
        gelu="none",
        query_residual=True,
        dropout=0.0,
    ):
        super().__init__()
        self.query_residual = query_residual
        self.q_norm = nn.LayerNorm(q_dim)
        self.kv_norm = nn.LayerNorm(kv_dim)
        self.attention = MultiHeadAttention(q_dim, kv_dim, qk_channels, v_channels, q_dim, num_heads, dropout)
        self.mlp_norm = nn.LayerNorm(q_dim)
        self.mlp = MLP(q_dim, widening_factor, gelu)

    def forward(self, x_q, x_kv, kv_mask=None):
        """x_q (B, Q, q_dim), x_kv (B, K, kv_dim), kv_mask (B, K) bool -> (B, Q, q_dim)."""
        x = self.attention(self.q_norm(x_q), self.kv_norm(x_kv), kv_mask)
        if self.query_residual:
            x = x_q + x
        return x + self.mlp(self.mlp_norm(x))


class SelfAttend(nn.Module):
    """One array reads itself: a pre-norm Transformer layer (paper, appendix E).

    x = x + Attention(LayerNorm(x), LayerNorm(x))
    x = x + MLP(LayerNorm(x))
    """

    def __init__(self, dim, qk_channels, v_channels, num_heads, widening_factor=1, gelu="none", dropout=0.0):
        super().__init__()
        self.q_norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, dim, qk_channels, v_channels, dim, num_heads, dropout)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = MLP(dim, widening_factor, gelu)

    def forward(self, x):
        """x (B, N, dim) -> (B, N, dim)."""
        normed = self.q_norm(x)
        x = x + self.attention(normed, normed)
        return x + self.mlp(self.mlp_norm(x))
