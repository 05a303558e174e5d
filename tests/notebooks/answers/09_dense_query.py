# What learners hand in for 09.dense_query; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | row and column
def pixel_queries(points, features, positions):
    W = features.shape[2]
    what = features[:, points // W, points % W]
    return torch.cat([what, positions[points].expand(len(features), -1, -1)], dim=-1)


# %% correct | everything first, then the asked rows
def pixel_queries(points, features, positions):
    flat = features.reshape(len(features), -1, features.shape[-1])
    everything = torch.cat([flat, positions.unsqueeze(0).repeat(len(features), 1, 1)], dim=2)
    return everything.index_select(1, points)


# %% correct | one-hot
def pixel_queries(points, features, positions):
    hot = torch.nn.functional.one_hot(points, len(positions)).to(positions.dtype)
    flat = features.flatten(1, 2)
    return torch.cat([hot @ flat, (hot @ positions).expand(len(flat), -1, -1)], -1)


# %% mistake: taken column by column | x first
def pixel_queries(points, features, positions):
    H = features.shape[1]
    what = features[:, points % H, points // H]
    return torch.cat([what, positions[points].expand(len(features), -1, -1)], dim=-1)


# %% mistake: not `points // H` | the wrong size
def pixel_queries(points, features, positions):
    H, W = features.shape[1:3]
    rows = torch.clamp(points // H, max=H - 1)
    what = features[:, rows, points % W]
    return torch.cat([what, positions[points].expand(len(features), -1, -1)], dim=-1)


# %% mistake: features of the first O pixels | a slice
def pixel_queries(points, features, positions):
    what = features.flatten(1, 2)[:, : len(points)]
    return torch.cat([what, positions[points].expand(len(features), -1, -1)], dim=-1)


# %% mistake: positions are those of the first O pixels | a slice of the positions
def pixel_queries(points, features, positions):
    what = features.flatten(1, 2)[:, points]
    return torch.cat([what, positions[: len(points)].expand(len(features), -1, -1)], dim=-1)


# %% mistake: the features of the first image | features[0]
def pixel_queries(points, features, positions):
    one = torch.cat([features[0].flatten(0, 1)[points], positions[points]], dim=-1)
    return one.repeat(len(features), 1, 1)


# %% mistake: the mean of the image | pooled
def pixel_queries(points, features, positions):
    pooled = features.mean((1, 2))[:, None].repeat(1, len(points), 1)
    return torch.cat([pooled, positions[points].expand(len(features), -1, -1)], dim=-1)


# %% mistake: The points are sorted | sorted
def pixel_queries(points, features, positions):
    asked = torch.tensor(sorted(points.tolist()))
    what = features.flatten(1, 2)[:, asked]
    return torch.cat([what, positions[asked].expand(len(features), -1, -1)], dim=-1)


# %% mistake: The positions stand before the features | the other way round
def pixel_queries(points, features, positions):
    what = features.flatten(1, 2)[:, points]
    return torch.cat([positions[points].expand(len(features), -1, -1), what], dim=-1)


# %% unknown | where, not what
def pixel_queries(points, features, positions):
    return positions[points].expand(len(features), -1, -1)


# %% unknown | features and positions of different pixels
def pixel_queries(points, features, positions):
    what = features.flatten(1, 2)[:, points]
    return torch.cat([what, positions.flip(0)[points].expand(len(features), -1, -1)], dim=-1)


# %% unknown | one too far
def pixel_queries(points, features, positions):
    after = (points + 1) % len(positions)
    what = features.flatten(1, 2)[:, after]
    return torch.cat([what, positions[after].expand(len(features), -1, -1)], dim=-1)
