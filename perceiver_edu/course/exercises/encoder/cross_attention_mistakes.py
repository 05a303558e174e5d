"""Exercise 02.cross_attention: the mistakes that many make, and the function that makes them."""

import torch

from perceiver_edu.course.exercise import Mistake


@torch.no_grad()
def attention_variant(
    x_q, x_kv, query, key, value, output, num_heads, kv_mask,
    scale="head", axis=-1, mask="before", split="blocks", merge="heads last", project=True, residual=False,
):  # fmt: skip
    """Cross-attention with a switch for each mistake that many make; untouched, it is right."""
    heads = 1 if split == "none" else num_heads
    q, k, v = query(x_q), key(x_kv), value(x_kv)

    def split_heads(x):  # (B, T, channels) -> (B, heads, T, channels/heads)
        if split == "interleaved":
            return x.unflatten(-1, (-1, heads)).movedim(-1, 1)
        if split == "no transpose":
            return x.reshape(len(x), heads, x.shape[1], -1)
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    width = query.out_features
    factor = {
        "head": (width / heads) ** -0.5,
        "none": 1.0,
        "all": width**-0.5,
        "not rooted": heads / width,
        "multiplied": (width / heads) ** 0.5,
        "values": (value.out_features / heads) ** -0.5,
        "keys": x_kv.shape[1] ** -0.5,
    }[scale]
    scores = split_heads(q) @ split_heads(k).transpose(-2, -1) * factor  # (B, heads, Q, K)
    real = None if kv_mask is None else kv_mask[:, None, None, :]
    smallest = torch.finfo(scores.dtype).min
    if real is not None:
        if mask == "before":
            scores = scores.masked_fill(~real, smallest)
        elif mask == "inverted":
            scores = scores.masked_fill(real, smallest)
        elif mask == "times":
            scores = scores * real
        elif mask == "plus":
            scores = scores + real
        elif mask == "first":
            scores = scores.masked_fill(~real[:1], smallest)
    weights = scores.softmax(axis)
    if real is not None and mask == "after":
        weights = weights * real
    mixed = weights @ split_heads(v)  # (B, heads, Q, v/heads)
    joined = mixed.flatten(0, 1).reshape(len(x_q), x_q.shape[1], -1) if merge == "no transpose" else None
    if joined is None:
        joined = (
            mixed.permute(0, 2, 3, 1).flatten(2)
            if merge == "interleaved"
            else mixed.transpose(1, 2).flatten(2)
        )
    result = output(joined) if project else joined
    return x_q + result if residual else result


ATTENTION_MISTAKES = {
    "no scale": Mistake(
        "The scores are not divided by √d. Without it they grow with the width, and softmax gets too sharp.",
        {"scale": "none"},
    ),
    "scale of all heads": Mistake(
        "The scores are divided by the root of all qk_channels. A head's d is qk_channels / num_heads.",
        {"scale": "all"},
    ),
    "not rooted": Mistake(
        "The scores are divided by d. Divide by its square root, √d.", {"scale": "not rooted"}
    ),
    "multiplied": Mistake("The scores are multiplied by √d. Divide by it.", {"scale": "multiplied"}),
    "scale of values": Mistake(
        "The scores are divided by the root of the values' width. d is that of queries and keys, per head.",
        {"scale": "values"},
    ),
    "scale of keys": Mistake(
        "The scores are divided by the root of the number of keys. d is a width: channels per head.",
        {"scale": "keys"},
    ),
    "softmax over queries": Mistake(
        "The softmax runs over the queries. Each query shares its attention among the keys: the last axis.",
        {"axis": -2},
    ),
    "softmax over heads": Mistake(
        "The softmax runs over the heads. Each query shares its attention among the keys: the last axis.",
        {"axis": 1},
    ),
    "mask inverted": Mistake(
        "The mask is inverted: padding is read, and the real bytes are not. True means a real byte.",
        {"mask": "inverted"},
    ),
    "mask ignored": Mistake("The mask is not used: padding is read like text.", {"mask": "none"}),
    "mask after softmax": Mistake(
        "The mask is applied after the softmax. Padding has had its share, so the rows no longer sum to 1.",
        {"mask": "after"},
    ),
    "mask multiplied": Mistake(
        "The scores are multiplied by the mask. A score of 0 still gets attention: exp(0) is 1.",
        {"mask": "times"},
    ),
    "mask added": Mistake(
        "The mask is added to the scores as a number, 1 for real and 0 for padding. One is not enough: a "
        "padded score must fall below all others. Add a very large negative number there.",
        {"mask": "plus"},
    ),
    "mask of the first text": Mistake(
        "The mask of the first text is used for every text: keep the batch axis, kv_mask[:, None, None, :].",
        {"mask": "first"},
    ),
    "heads interleaved": Mistake(
        "The heads are split wrongly: channel by channel in turn. A head is a block of neighbouring "
        "channels: (num_heads, channels / num_heads), in this order.",
        {"split": "interleaved"},
    ),
    "split without transpose": Mistake(
        "The heads are split wrongly: a reshape to (B, heads, T, d) mixes positions with heads. "
        "Reshape to (B, T, heads, d) first, then transpose.",
        {"split": "no transpose"},
    ),
    "one head only": Mistake("All channels are one head: num_heads is not used.", {"split": "none"}),
    "merge without transpose": Mistake(
        "The heads are joined wrongly: transpose back to (B, Q, heads, d) before you flatten.",
        {"merge": "no transpose"},
    ),
    "merge interleaved": Mistake(
        "The heads are joined wrongly: channel by channel in turn. Put each head's block behind the other.",
        {"merge": "interleaved"},
    ),
    "no output projection": Mistake(
        "The last layer is missing: pass the joined heads through `output`.", {"project": False}
    ),
    "residual added": Mistake(
        "The queries are added to the result. That residual belongs to the layer around attention.",
        {"residual": True},
    ),
}  # fmt: skip
