# What learners hand in for 09.image_adapter; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | unfold twice
def image_inputs(images, positions, patch):
    blocks = images.unfold(2, patch, patch).unfold(3, patch, patch)  # (B, C, h, w, p, p)
    features = blocks.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
    return torch.cat([features, positions.repeat(len(images), 1, 1)], -1)


# %% correct | loops
def image_inputs(images, positions, patch):
    B, C, H, W = images.shape
    rows = []
    for y in range(0, H, patch):
        for x in range(0, W, patch):
            block = images[:, :, y : y + patch, x : x + patch]
            rows.append(
                torch.stack([block[:, :, i, j] for i in range(patch) for j in range(patch)], 1).reshape(B, -1)
            )
    features = torch.stack(rows, 1)
    return torch.cat((features, positions.unsqueeze(0).expand(B, -1, -1)), dim=2)


# %% correct | torch's own unfold, then the channels moved
def image_inputs(images, positions, patch):
    C = images.shape[1]
    cols = torch.nn.functional.unfold(images, patch, stride=patch)  # (B, C * p * p, M)
    features = cols.transpose(1, 2).unflatten(-1, (C, -1)).transpose(-1, -2).flatten(2)
    return torch.cat([features, positions.expand(len(images), *positions.shape)], dim=-1)


# %% mistake: does not move axes | view
def image_inputs(images, positions, patch):
    features = images.contiguous().view(len(images), len(positions), -1)
    return torch.cat([features, positions.expand(len(images), -1, -1)], dim=-1)


# %% mistake: run down the columns. They must run along the rows | x outside, y inside
def image_inputs(images, positions, patch):
    B, C, H, W = images.shape
    rows = []
    for x in range(0, W, patch):
        for y in range(0, H, patch):
            rows.append(images[:, :, y : y + patch, x : x + patch].permute(0, 2, 3, 1).reshape(B, -1))
    return torch.cat([torch.stack(rows, 1), positions.expand(B, -1, -1)], dim=-1)


# %% mistake: Within a patch the channels come first | plain unfold
def image_inputs(images, positions, patch):
    features = torch.nn.functional.unfold(images, patch, stride=patch).transpose(1, 2)
    return torch.cat([features, positions.expand(len(images), -1, -1)], dim=-1)


# %% mistake: Within a patch the pixels run down the columns | transposed block
def image_inputs(images, positions, patch):
    blocks = images.unfold(2, patch, patch).unfold(3, patch, patch)
    features = blocks.permute(0, 2, 3, 5, 4, 1).flatten(3).flatten(1, 2)
    return torch.cat([features, positions.expand(len(images), -1, -1)], dim=-1)


# %% mistake: neighbours in one row only | channels last, then a reshape
def image_inputs(images, positions, patch):
    features = images.movedim(1, -1).reshape(len(images), len(positions), -1)
    return torch.cat([features, positions.expand(len(images), -1, -1)], dim=-1)


# %% mistake: The positions stand before the features | the other way round
def image_inputs(images, positions, patch):
    blocks = images.unfold(2, patch, patch).unfold(3, patch, patch)
    features = blocks.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
    return torch.cat([positions.expand(len(images), -1, -1), features], dim=-1)


# %% unknown | no positions
def image_inputs(images, positions, patch):
    blocks = images.unfold(2, patch, patch).unfold(3, patch, patch)
    return blocks.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


# %% unknown | upside down
def image_inputs(images, positions, patch):
    blocks = images.flip(2).unfold(2, patch, patch).unfold(3, patch, patch)
    features = blocks.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
    return torch.cat([features, positions.expand(len(images), -1, -1)], dim=-1)


# %% unknown | the mean of a patch, repeated
def image_inputs(images, positions, patch):
    mean = torch.nn.functional.avg_pool2d(images, patch).flatten(2).transpose(1, 2)
    features = mean.repeat(1, 1, patch * patch) + 0.5
    return torch.cat([features, positions.expand(len(images), -1, -1)], dim=-1)
