# What learners hand in for 03.stack; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | nn.Sequential
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.block = nn.Sequential(*[make_layer() for _ in range(num_layers)])
        self.n = num_blocks

    def forward(self, x):
        for _ in range(self.n):
            x = self.block(x)
        return x


# %% correct | one loop, the same modules registered once
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        layers = [make_layer() for _ in range(num_layers)]
        self.all = nn.ModuleList(layers * num_blocks)

    def forward(self, latents):
        for i in range(len(self.all)):
            latents = self.all[i](latents)
        return latents


# %% correct | add_module and modulo, another name
class Processor(nn.Module):
    def __init__(self, L, blocks, new):
        super().__init__()
        self.L, self.total = L, L * blocks
        for i in range(L):
            self.add_module(f"layer{i}", new())

    def forward(self, z):
        for i in range(self.total):
            z = getattr(self, f"layer{i % self.L}")(z)
        return z


Stack = Processor


# %% mistake: num_blocks is not used | Sequential
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.block = nn.Sequential(*[make_layer() for _ in range(num_layers)])

    def forward(self, x):
        return self.block(x)


# %% mistake: once too often | one run before the loop
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.block, self.n = nn.Sequential(*[make_layer() for _ in range(num_layers)]), num_blocks

    def forward(self, x):
        x = self.block(x)
        for _ in range(self.n):
            x = self.block(x)
        return x


# %% mistake: The last layer of the stack is not run | off by one
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers)])
        self.num_blocks = num_blocks

    def forward(self, x):
        for _ in range(self.num_blocks):
            for i in range(len(self.layers) - 1):
                x = self.layers[i](x)
        return x


# %% mistake: Each block has new layers | all made at once
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers * num_blocks)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# %% mistake: All layers are one and the same | the list times a number
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer()] * num_layers)
        self.num_blocks = num_blocks

    def forward(self, x):
        for _ in range(self.num_blocks):
            for layer in self.layers:
                x = layer(x)
        return x


# %% mistake: Each layer is repeated num_blocks times | the loops the wrong way round
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers)])
        self.num_blocks = num_blocks

    def forward(self, x):
        for layer in self.layers:
            for _ in range(self.num_blocks):
                x = layer(x)
        return x


# %% mistake: in reverse order | popped from the end
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers)])
        self.num_blocks = num_blocks

    def forward(self, x):
        for _ in range(self.num_blocks):
            todo = list(self.layers)
            while todo:
                x = todo.pop()(x)
        return x


# %% mistake: Every layer reads the latents from the beginning | two names
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers)])
        self.num_blocks = num_blocks

    def forward(self, latents):
        for _ in range(self.num_blocks):
            for layer in self.layers:
                out = layer(latents)
        return out


# %% mistake: both residuals are inside it | one residual too many
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers)])
        self.num_blocks = num_blocks

    def forward(self, x):
        for _ in range(self.num_blocks):
            for layer in self.layers:
                x = x + layer(x)
        return x


# %% unknown | a plain list: the weights are not found
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = [make_layer() for _ in range(num_layers)]
        self.num_blocks = num_blocks

    def forward(self, x):
        for _ in range(self.num_blocks):
            for layer in self.layers:
                x = layer(x)
        return x


# %% unknown | a norm at the end
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.block, self.n = nn.Sequential(*[make_layer() for _ in range(num_layers)]), num_blocks

    def forward(self, x):
        for _ in range(self.n):
            x = self.block(x)
        return F.layer_norm(x, x.shape[-1:])


# %% unknown | forward is forgotten
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        super().__init__()
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers)])

    def forward(self, latents):
        raise NotImplementedError


# %% unknown | not an nn.Module
class Stack:
    def __init__(self, num_layers, num_blocks, make_layer):
        self.layers = [make_layer() for _ in range(num_layers)] * num_blocks

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# %% unknown | super().__init__() is forgotten
class Stack(nn.Module):
    def __init__(self, num_layers, num_blocks, make_layer):
        self.layers = nn.ModuleList([make_layer() for _ in range(num_layers)])
