# What learners hand in for 03.self_attend; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | einsum
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).reshape(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k).mul(q.shape[-1] ** -0.5).softmax(-1)
    x = x + output(torch.einsum("bhij,bjhd->bihd", w, v).reshape(B, N, -1))
    h = expand(mlp_norm(x))
    return x + contract(0.5 * h * (1 + torch.erf(h / 2**0.5)))


# %% correct | loops over texts and heads, other names
def self_attend(latents, ln1, wq, wk, wv, wo, ln2, up, down, heads):
    result = []
    for text in latents:
        normed = ln1(text)
        parts = []
        for a, b, c in zip(
            wq(normed).chunk(heads, -1), wk(normed).chunk(heads, -1), wv(normed).chunk(heads, -1)
        ):
            scores = a @ b.T / a.shape[-1] ** 0.5
            share = (scores - scores.max(1, keepdim=True).values).exp()
            parts.append((share / share.sum(1, keepdim=True)) @ c)
        text = text + wo(torch.cat(parts, -1))
        result.append(text + down(F.gelu(up(ln2(text)))))
    return torch.stack(result)


# %% correct | the fused kernel
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    y = q_norm(x)
    q, k, v = (f(y).unflatten(-1, (num_heads, -1)).transpose(1, 2) for f in (query, key, value))
    a = F.scaled_dot_product_attention(q, k, v)
    x = x + output(a.transpose(1, 2).flatten(2))
    return x + contract(nn.GELU()(expand(mlp_norm(x))))


# %% correct | a module
class Layer(nn.Module):
    def __init__(self, dim, qk_channels, v_channels, num_heads, widening_factor):
        super().__init__()
        self.h = num_heads
        self.q_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key = nn.Linear(dim, qk_channels), nn.Linear(dim, qk_channels)
        self.value, self.output = nn.Linear(dim, v_channels), nn.Linear(v_channels, dim)
        self.expand = nn.Linear(dim, widening_factor * dim)
        self.contract = nn.Linear(widening_factor * dim, dim)

    def forward(self, x):
        y = self.q_norm(x)
        q, k, v = (
            f(y).view(*x.shape[:2], self.h, -1).transpose(1, 2) for f in (self.query, self.key, self.value)
        )
        s = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        x = x + self.output((s @ v).transpose(1, 2).reshape(*x.shape[:2], -1))
        return x + self.contract(F.gelu(self.expand(self.mlp_norm(x))))


self_attend = Layer


# %% mistake: post-norm | the norms after the sums, as in the first Transformer
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    q, k, v = heads(query(x)), heads(key(x)), heads(value(x))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = q_norm(x + output(mixed))
    return mlp_norm(x + contract(F.gelu(expand(x))))


# %% mistake: Both norms are missing | no norms
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    q, k, v = heads(query(x)), heads(key(x)), heads(value(x))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(x)))


# %% mistake: `q_norm` is missing | attention reads the stream
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    q, k, v = heads(query(x)), heads(key(x)), heads(value(x))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: `mlp_norm` is missing | einsum, the MLP reads the stream
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(x)))


# %% mistake: The values come from x itself | only queries and keys are normed
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(x))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: Keys and values come from x itself | as if it were cross-attention without kv_norm
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    q, k, v = heads(query(q_norm(x))), heads(key(x)), heads(value(x))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: `q_norm` is used before the MLP too | one norm twice
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(q_norm(x))))


# %% mistake: The first residual is missing | x is overwritten
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    x = q_norm(x)
    q, k, v = heads(query(x)), heads(key(x)), heads(value(x))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: The second residual is missing | einsum, returns the MLP
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = x + output(mixed)
    return contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: The first residual is missing & The second residual is missing | no residuals
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = output(mixed)
    return contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: The first residual adds q_norm(x) | x = norm(x) comes first
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    x = q_norm(x)
    q, k, v = heads(query(x)), heads(key(x)), heads(value(x))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: The second residual adds mlp_norm(x) | x = norm(x) before the MLP
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = mlp_norm(x + output(mixed))
    return x + contract(F.gelu(expand(x)))


# %% mistake: the x from the beginning of the layer | the old x is kept under its name
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    z = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(z))))


# %% mistake: GELU is in its tanh form | approximate
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x)), approximate="tanh"))


# %% mistake: The MLP has a ReLU | clamp
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = x + output(mixed)
    return x + contract(expand(mlp_norm(x)).clamp(min=0))


# %% mistake: The MLP has no activation | forgotten
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(expand(mlp_norm(x)))


# %% mistake: The MLP comes before attention | the halves swapped
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    x = x + contract(F.gelu(expand(mlp_norm(x))))
    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    return x + output(mixed)


# %% mistake: The MLP reads what attention has left | both in parallel
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    return x + output(mixed) + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: root of all qk_channels | the full width
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / query.out_features**0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: not divided by √d | no scale
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: channel by channel in turn | the axes of the split in the wrong order
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.reshape(*t.shape[:2], -1, num_heads).permute(0, 3, 1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: mixes latents with heads | a view without a transpose
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.view(len(t), num_heads, t.shape[1], -1)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: joined wrongly | no transpose back
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = ((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v).reshape(*x.shape[:2], -1)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: num_heads is not used | one head
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    y = q_norm(x)
    q, k, v = query(y), key(y), value(y)
    x = x + output((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% mistake: post-norm | a module
class self_attend(nn.Module):
    def __init__(self, dim, qk_channels, v_channels, num_heads, widening_factor):
        super().__init__()
        self.h = num_heads
        self.q_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key = nn.Linear(dim, qk_channels), nn.Linear(dim, qk_channels)
        self.value, self.output = nn.Linear(dim, v_channels), nn.Linear(v_channels, dim)
        self.expand = nn.Linear(dim, widening_factor * dim)
        self.contract = nn.Linear(widening_factor * dim, dim)

    def forward(self, x):
        q, k, v = (
            f(x).view(*x.shape[:2], self.h, -1).transpose(1, 2) for f in (self.query, self.key, self.value)
        )
        s = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        x = self.q_norm(x + self.output((s @ v).transpose(1, 2).reshape(*x.shape[:2], -1)))
        return self.mlp_norm(x + self.contract(F.gelu(self.expand(x))))


# %% unknown | a causal mask
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    def heads(t):
        return t.unflatten(-1, (num_heads, -1)).transpose(1, 2)

    y = q_norm(x)
    q, k, v = heads(query(y)), heads(key(y)), heads(value(y))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% unknown | softmax over the wrong axis
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-2), v).reshape(B, N, -1)
    x = x + output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% unknown | a third norm at the end
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = x + output(mixed)
    return mlp_norm(x + contract(F.gelu(expand(mlp_norm(x)))))


# %% unknown | the residual halved
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x = (x + output(mixed)) / 2
    return x + contract(F.gelu(expand(mlp_norm(x))))


# %% unknown | changes x in place
def self_attend(x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads):
    B, N, _ = x.shape
    y = q_norm(x)
    q, k, v = (f(y).view(B, N, num_heads, -1) for f in (query, key, value))
    w = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("bhij,bjhd->bihd", w.softmax(-1), v).reshape(B, N, -1)
    x += output(mixed)
    return x + contract(F.gelu(expand(mlp_norm(x))))
