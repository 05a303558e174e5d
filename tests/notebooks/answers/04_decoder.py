# What learners hand in for 04.decoder; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | repeat in place of expand, one line
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(q_norm(queries.repeat(len(latents) // len(queries), 1, 1)), kv_norm(latents))
    return torch.add(x, mlp(mlp_norm(x)))


# %% correct | a loop over texts and queries, other argument names
def decode(q, z, n1, n2, att, n3, ff):
    rows = []
    for b in range(z.shape[0]):
        own = q[b] if len(q) > 1 else q[0]
        row = torch.cat([att(n1(own[i : i + 1])[None], n2(z[b : b + 1])) for i in range(len(own))], 1)
        rows.append(row[0] + ff(n3(row[0])))
    return torch.stack(rows)


# %% correct | norms by hand, attention by einsum from its four layers
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    def norm(x, layer):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + layer.eps) ** 0.5
        return x * layer.weight + layer.bias

    B, h = len(latents), attention.num_heads
    q = attention.query(norm(queries, q_norm)).expand(B, -1, -1)
    z = norm(latents, kv_norm)
    k, v = attention.key(z), attention.value(z)
    q, k, v = (t.reshape(B, t.shape[1], h, -1) for t in (q, k, v))
    w = (torch.einsum("bohd,bnhd->bhon", q, k) / q.shape[-1] ** 0.5).softmax(-1)
    x = attention.output(torch.einsum("bhon,bnhd->bohd", w, v).flatten(2))
    y = mlp.contract(torch.nn.functional.gelu(mlp.expand(norm(x, mlp_norm))))
    return x + y


# %% correct | a module
from torch import nn

from perceiver_edu.attention import MLP, MultiHeadAttention


class decode(nn.Module):
    def __init__(self, d_queries, d_latents, qk_channels, v_channels, num_heads, widening_factor):
        super().__init__()
        self.q_norm, self.kv_norm = nn.LayerNorm(d_queries), nn.LayerNorm(d_latents)
        self.mlp_norm = nn.LayerNorm(d_queries)
        self.attention = MultiHeadAttention(
            d_queries, d_latents, qk_channels, v_channels, d_queries, num_heads
        )
        self.mlp = MLP(d_queries, widening_factor)

    def forward(self, queries, latents):
        asked = self.q_norm(queries).expand(len(latents), -1, -1)
        read = self.attention(asked, self.kv_norm(latents))
        return read + self.mlp(self.mlp_norm(read))


# %% mistake: query residual: the encoder has it | copied from the encoder
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    queries = queries.expand(len(latents), -1, -1)
    x = queries + attention(q_norm(queries), kv_norm(latents))
    return x + mlp(mlp_norm(x))


# %% mistake: query residual: the encoder has it | a module with the residual
from torch import nn

from perceiver_edu.attention import MLP, MultiHeadAttention


class decode(nn.Module):
    def __init__(self, d_queries, d_latents, qk_channels, v_channels, num_heads, widening_factor):
        super().__init__()
        self.q_norm, self.kv_norm = nn.LayerNorm(d_queries), nn.LayerNorm(d_latents)
        self.mlp_norm = nn.LayerNorm(d_queries)
        self.attention = MultiHeadAttention(
            d_queries, d_latents, qk_channels, v_channels, d_queries, num_heads
        )
        self.mlp = MLP(d_queries, widening_factor)

    def forward(self, queries, latents):
        queries = queries.repeat(len(latents) // len(queries), 1, 1)
        queries = queries + self.attention(self.q_norm(queries), self.kv_norm(latents))
        return queries + self.mlp(self.mlp_norm(queries))


# %% mistake: The normalised queries are added | the norm reassigns the name
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    queries = q_norm(queries.expand(len(latents), -1, -1))
    latents = kv_norm(latents)
    queries = queries + attention(queries, latents)
    return queries + mlp(mlp_norm(queries))


# %% mistake: without `q_norm` | forgotten
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(queries.expand(len(latents), -1, -1), kv_norm(latents))
    return x + mlp(mlp_norm(x))


# %% mistake: normalised with `mlp_norm` | the wrong norm
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    queries = mlp_norm(queries).expand(len(latents), -1, -1)
    x = attention(queries, kv_norm(latents))
    return x + mlp(mlp_norm(x))


# %% mistake: normalised with `mlp_norm` & normalised with `q_norm` | the two norms swapped
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    a, b = mlp_norm, q_norm
    out = []
    for i, z in enumerate(latents):
        x = attention(a(queries[i % len(queries)])[None], kv_norm(z)[None])
        out.append(x + mlp(b(x)))
    return torch.cat(out)


# %% mistake: without `kv_norm` | only the queries are normed
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(q_norm(queries).expand(len(latents), -1, -1), latents)
    return x + mlp(mlp_norm(x))


# %% mistake: softmax runs over the queries | attention rewritten with einsum
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    B, h = len(latents), attention.num_heads
    q = attention.query(q_norm(queries)).expand(B, -1, -1)
    k, v = attention.key(kv_norm(latents)), attention.value(kv_norm(latents))
    q, k, v = (t.reshape(B, t.shape[1], h, -1) for t in (q, k, v))
    w = (torch.einsum("bohd,bnhd->bhon", q, k) / q.shape[-1] ** 0.5).softmax(2)
    x = attention.output(torch.einsum("bhon,bnhd->bohd", w, v).flatten(2))
    return x + mlp(mlp_norm(x))


# %% mistake: The MLP gets its input without `mlp_norm` | forgotten
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(latents))
    return x + mlp(x)


# %% mistake: The MLP's input is normalised with `q_norm` | one norm for both
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(latents))
    return x + mlp(q_norm(x))


# %% mistake: Only what the MLP gives is returned | all residuals dropped
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    return mlp(mlp_norm(attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(latents))))


# %% mistake: The MLP is added to its own normalised input | in place of x
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(latents))
    x = mlp_norm(x)
    x = x + mlp(x)
    return x


# %% mistake: What the MLP gives is added to the queries | the residual around everything
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(latents))
    return queries + mlp(mlp_norm(x))


# %% mistake: The MLP is missing | attention only
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    return attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(latents))


# %% mistake: The latents of the first text answer | latents[0]
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    z = latents[0].unsqueeze(0).repeat(len(latents), 1, 1)
    x = attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(z))
    return x + mlp(mlp_norm(x))


# %% unknown | the latents ask the queries
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    return attention(kv_norm(latents), q_norm(queries))


# %% unknown | keys from the queries
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    q = q_norm(queries.expand(len(latents), -1, -1))
    return attention(q, q)


# %% unknown | the latents averaged first
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    z = kv_norm(latents).mean(1, keepdim=True)
    x = attention(q_norm(queries).expand(len(latents), -1, -1), z)
    return x + mlp(mlp_norm(x))


# %% unknown | a GELU too much
def decode(queries, latents, q_norm, kv_norm, attention, mlp_norm, mlp):
    x = attention(q_norm(queries).expand(len(latents), -1, -1), kv_norm(latents))
    return x + torch.nn.functional.gelu(mlp(mlp_norm(x)))
