# What learners hand in for 02.cross_attention. Each block is put in the stub's place.
# "# %% correct", "# %% mistake: words of the diagnosis" or "# %% unknown", and after a | how it is written.
# ruff: noqa

# %% correct | einsum
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    B, Q, _ = x_q.shape
    K = x_kv.shape[1]
    q = query(x_q).reshape(B, Q, num_heads, -1)
    k = key(x_kv).reshape(B, K, num_heads, -1)
    v = value(x_kv).reshape(B, K, num_heads, -1)
    s = torch.einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5
    if kv_mask is not None:
        s = torch.where(kv_mask[:, None, None, :], s, torch.finfo(s.dtype).min)
    return output(torch.einsum("bhqk,bkhd->bqhd", torch.softmax(s, 3), v).reshape(B, Q, -1))


# %% correct | loops over texts, heads and queries, softmax by hand
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = query(x_q), key(x_kv), value(x_kv)
    d, w = q.shape[-1] // num_heads, v.shape[-1] // num_heads
    result = torch.zeros(len(x_q), x_q.shape[1], v.shape[-1], dtype=x_q.dtype)
    for b in range(len(x_q)):
        for h in range(num_heads):
            keys, values = k[b, :, h * d : (h + 1) * d], v[b, :, h * w : (h + 1) * w]
            for i in range(x_q.shape[1]):
                score = (keys * q[b, i, h * d : (h + 1) * d]).sum(1) / d**0.5
                if kv_mask is not None:
                    score[~kv_mask[b]] = -1e30
                share = (score - score.max()).exp()
                result[b, i, h * w : (h + 1) * w] = (share / share.sum()) @ values
    return output(result)


# %% correct | torch's fused kernel
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    bias = None
    if kv_mask is not None:
        bias = torch.zeros(kv_mask.shape, dtype=q.dtype).masked_fill(~kv_mask, torch.finfo(q.dtype).min)[
            :, None, None
        ]
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return output(mixed.transpose(1, 2).flatten(2))


# %% correct | chunk and cat, weights by hand, scaled queries
def cross_attention(latents, inputs, wq, wk, wv, wo, h, mask=None):
    q, k, v = latents @ wq.weight.T + wq.bias, inputs @ wk.weight.T + wk.bias, inputs @ wv.weight.T + wv.bias
    out = []
    for a, b, c in zip(q.chunk(h, -1), k.chunk(h, -1), v.chunk(h, -1)):
        s = (a / a.shape[-1] ** 0.5) @ b.mT
        if mask is not None:
            s = s - 1e9 * (1 - mask[:, None].to(s.dtype))
        out.append(s.softmax(2) @ c)
    return torch.cat(out, -1) @ wo.weight.T + wo.bias


# %% correct | a module
from torch import nn


class CrossAttention(nn.Module):
    def __init__(self, q_dim, kv_dim, qk_channels, v_channels, num_heads):
        super().__init__()
        self.h = num_heads
        self.query, self.key = nn.Linear(q_dim, qk_channels), nn.Linear(kv_dim, qk_channels)
        self.value, self.output = nn.Linear(kv_dim, v_channels), nn.Linear(v_channels, q_dim)

    def forward(self, x_q, x_kv, kv_mask=None):
        q, k, v = self.query(x_q), self.key(x_kv), self.value(x_kv)
        q, k, v = [x.view(*x.shape[:2], self.h, -1).permute(0, 2, 1, 3) for x in (q, k, v)]
        s = q @ k.permute(0, 1, 3, 2) / q.size(-1) ** 0.5
        if kv_mask is not None:
            s.masked_fill_(~kv_mask.view(len(s), 1, 1, -1), -1e20)
        return self.output((s.softmax(-1) @ v).permute(0, 2, 1, 3).reshape(*x_q.shape[:2], -1))


cross_attention = CrossAttention


# %% mistake: not divided by √d | einsum
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    B, Q, _ = x_q.shape
    q, k, v = (x.reshape(B, x.shape[1], num_heads, -1) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = torch.einsum("bqhd,bkhd->bhqk", q, k)
    if kv_mask is not None:
        s = torch.where(kv_mask[:, None, None, :], s, torch.finfo(s.dtype).min)
    return output(torch.einsum("bhqk,bkhd->bqhd", s.softmax(3), v).reshape(B, Q, -1))


# %% mistake: root of all qk_channels | chunks
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    out = []
    for a, b, c in zip(*(x.chunk(num_heads, -1) for x in (query(x_q), key(x_kv), value(x_kv)))):
        s = a @ b.mT / query.out_features**0.5
        if kv_mask is not None:
            s = s - 1e9 * (~kv_mask[:, None]).to(s.dtype)
        out.append(s.softmax(-1) @ c)
    return output(torch.cat(out, -1))


# %% mistake: Divide by its square root | chunks
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    out = []
    for a, b, c in zip(*(x.chunk(num_heads, -1) for x in (query(x_q), key(x_kv), value(x_kv)))):
        s = a @ b.mT / a.shape[-1]
        if kv_mask is not None:
            s = s - 1e9 * (~kv_mask[:, None]).to(s.dtype)
        out.append(s.softmax(-1) @ c)
    return output(torch.cat(out, -1))


# %% mistake: multiplied by √d | the scale at the wrong side
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    out = []
    for a, b, c in zip(*(x.chunk(num_heads, -1) for x in (query(x_q), key(x_kv), value(x_kv)))):
        s = (a * a.shape[-1] ** 0.5) @ b.mT
        if kv_mask is not None:
            s = s.masked_fill(~kv_mask[:, None], -1e30)
        out.append(s.softmax(-1) @ c)
    return output(torch.cat(out, -1))


# %% mistake: softmax runs over the queries | dim=2 of (B, heads, Q, K)
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = torch.matmul(q, k.transpose(2, 3)) / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], torch.finfo(s.dtype).min)
    return output((torch.softmax(s, dim=2) @ v).transpose(1, 2).flatten(2))


# %% mistake: softmax runs over the heads | softmax with a wrong dim in einsum
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    B, Q, _ = x_q.shape
    q, k, v = (x.reshape(B, x.shape[1], num_heads, -1) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], torch.finfo(s.dtype).min)
    return output(torch.einsum("bhqk,bkhd->bqhd", s.softmax(1), v).reshape(B, Q, -1))


# %% mistake: mask is inverted | Hugging Face's word order
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(kv_mask[:, None, None], -1e9)
    return output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% mistake: mask is not used | forgotten
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    return output(torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


# %% mistake: applied after the softmax | loops
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    out = []
    for a, b, c in zip(*(x.chunk(num_heads, -1) for x in (query(x_q), key(x_kv), value(x_kv)))):
        w = (a @ b.mT / a.shape[-1] ** 0.5).softmax(-1)
        if kv_mask is not None:
            w = w.masked_fill(~kv_mask[:, None], 0)
        out.append(w @ c)
    return output(torch.cat(out, -1))


# %% mistake: scores are multiplied by the mask | masked to 0
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], 0)
    return output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% mistake: mask is added to the scores as a number | a bool handed to attn_mask as a float
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    bias = None if kv_mask is None else kv_mask[:, None, None].to(q.dtype)
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return output(mixed.transpose(1, 2).flatten(2))


# %% mistake: mask of the first text | kv_mask[0]
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s[..., ~kv_mask[0]] = torch.finfo(s.dtype).min
    return output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% mistake: split wrongly: channel by channel | unflatten the wrong way round
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (
        x.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2) for x in (query(x_q), key(x_kv), value(x_kv))
    )
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -1e9)
    return output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% mistake: mixes positions with heads | a module that views without a transpose
from torch import nn


class cross_attention(nn.Module):
    def __init__(self, q_dim, kv_dim, qk_channels, v_channels, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key = nn.Linear(q_dim, qk_channels), nn.Linear(kv_dim, qk_channels)
        self.value, self.output = nn.Linear(kv_dim, v_channels), nn.Linear(v_channels, q_dim)

    def forward(self, x_q, x_kv, kv_mask=None):
        q, k, v = self.query(x_q), self.key(x_kv), self.value(x_kv)
        q, k, v = (x.view(len(x), self.num_heads, x.shape[1], -1) for x in (q, k, v))
        s = q @ k.mT / q.shape[-1] ** 0.5
        if kv_mask is not None:
            s = s.masked_fill(~kv_mask[:, None, None], -1e9)
        return self.output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% mistake: num_heads is not used | one head
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = query(x_q), key(x_kv), value(x_kv)
    s = torch.bmm(q, k.transpose(1, 2)) / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None], -1e9)
    return output(s.softmax(-1) @ v)


# %% mistake: joined wrongly: transpose back | reshape without transpose
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -1e9)
    return output((s.softmax(-1) @ v).contiguous().view(x_q.shape[0], x_q.shape[1], -1))


# %% mistake: joined wrongly: channel by channel | stack on the last axis
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    out = []
    for a, b, c in zip(*(x.chunk(num_heads, -1) for x in (query(x_q), key(x_kv), value(x_kv)))):
        s = a @ b.mT / a.shape[-1] ** 0.5
        if kv_mask is not None:
            s = s - 1e9 * (~kv_mask[:, None]).to(s.dtype)
        out.append(s.softmax(-1) @ c)
    return output(torch.stack(out, -1).flatten(2))


# %% mistake: pass the joined heads through `output` | without the last layer
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -1e9)
    return (s.softmax(-1) @ v).transpose(1, 2).flatten(2)


# %% mistake: queries are added to the result | residual inside
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -1e9)
    x = x_q.clone()
    x += output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))
    return x


# %% mistake: mask is inverted & not divided by √d | two at once
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT
    if kv_mask is not None:
        s = s.masked_fill(kv_mask[:, None, None], -1e9)
    return output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% unknown | a sigmoid in the place of the softmax
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -1e9)
    return output((s.sigmoid() @ v).transpose(1, 2).flatten(2))


# %% unknown | the heads in reverse order
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -1e9)
    return output((s.softmax(-1) @ v).flip(1).transpose(1, 2).flatten(2))


# %% unknown | the bias of the values forgotten
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    v = x_kv @ value.weight.T
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), v))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -1e9)
    return output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% unknown | -inf: a text of padding alone gives NaN
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query(x_q), key(x_kv), value(x_kv)))
    s = q @ k.mT / q.shape[-1] ** 0.5
    if kv_mask is not None:
        s = s.masked_fill(~kv_mask[:, None, None], -torch.inf)
    return output((s.softmax(-1) @ v).transpose(1, 2).flatten(2))


# %% unknown | stops with an error
def cross_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    return output(query(x_q) @ key(x_kv))
