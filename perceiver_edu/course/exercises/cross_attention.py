"""Exercise 02.cross_attention: the reference, the mistakes that many make, and what any right answer does."""

import torch
from torch import nn

from perceiver_edu.attention import MultiHeadAttention
from perceiver_edu.course.exercise import Exercise, Mistake
from perceiver_edu.course.plug import call, into_model, pretrained

SIZES = {"B": 2, "heads": 3, "Q": 5, "K": 7, "q_dim": 10, "kv_dim": 11, "qk_channels": 12, "v_channels": 18}
LAYERS = ("query", "key", "value", "output")


def make_layers(num_heads, seed=0) -> tuple[MultiHeadAttention, torch.Generator]:
    """The library's attention with every number redrawn, large enough that no mistake hides in rounding."""
    generator = torch.Generator().manual_seed(seed)
    s = SIZES
    attention = MultiHeadAttention(
        s["q_dim"], s["kv_dim"], s["qk_channels"], s["v_channels"], s["q_dim"], num_heads
    ).double()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return attention, generator


def attention_arguments(num_heads, masked, seed=0) -> dict:
    attention, generator = make_layers(num_heads, seed)
    s = SIZES
    x_q = torch.randn(s["B"], s["Q"], s["q_dim"], generator=generator, dtype=torch.float64)
    x_kv = torch.randn(s["B"], s["K"], s["kv_dim"], generator=generator, dtype=torch.float64)
    mask = torch.arange(s["K"]) < torch.tensor([[4], [7]]) if masked else None  # the first text has padding
    layers = {name: getattr(attention, name) for name in LAYERS}
    return {"x_q": x_q, "x_kv": x_kv, **layers, "num_heads": num_heads, "kv_mask": mask}


def attention_cases():
    return {
        "one head, no mask": attention_arguments(1, masked=False, seed=1),
        "three heads, no mask": attention_arguments(3, masked=False, seed=2),
        "three heads, the first text padded": attention_arguments(3, masked=True, seed=3),
    }


@torch.no_grad()
def library_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
    """x_q (B, Q, q_dim), x_kv (B, K, kv_dim), kv_mask (B, K) bool -> (B, Q, q_dim), by our class."""
    attention = MultiHeadAttention(
        query.in_features,
        key.in_features,
        query.out_features,
        value.out_features,
        output.out_features,
        num_heads,
    )
    attention.query, attention.key, attention.value, attention.output = query, key, value, output
    return attention(x_q, x_kv, kv_mask)


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


def attention_properties(arguments):
    """What any masked attention does, seen from outside with inputs made for it."""
    masked = attention_arguments(3, masked=True, seed=4)
    few = masked if arguments["kv_mask"] is not None else masked | {"kv_mask": None}

    def sums(call):
        value, output = nn.Linear(11, 18).double(), nn.Linear(18, 10).double()
        with torch.no_grad():
            for layer, weight, bias in ((value, 0.0, 1.0), (output, 1 / 18, 0.0)):
                layer.weight.fill_(weight)
                layer.bias.fill_(bias)
        seen = call(**few | {"value": value, "output": output})
        far = seen.flatten()[(seen - 1).abs().argmax()]
        return bool((seen - 1).abs().max() < 1e-6), f"{float(far):.4g}"

    def blind_to_padding(call):
        other = masked["x_kv"].clone()
        other[~masked["kv_mask"]] += 3.0
        moved = float((call(**masked | {"x_kv": other}) - call(**masked)).abs().max())
        return moved < 1e-6, f"other numbers in the padding change the result by {moved:.2g}"

    def order(call):
        turned = few["kv_mask"] if few["kv_mask"] is None else few["kv_mask"].flip(1)
        moved = call(**few | {"x_kv": few["x_kv"].flip(1), "kv_mask": turned}) - call(**few)
        return float(moved.abs().max()) < 1e-6, f"changes by {float(moved.abs().max()):.2g}"

    def alone(call):
        moved = call(**few | {"x_q": few["x_q"][:, :2]}) - call(**few)[:, :2]
        return float(moved.abs().max()) < 1e-6, f"changes by {float(moved.abs().max()):.2g}"

    def nothing_real(call):
        empty = masked["kv_mask"] & torch.tensor([[True], [False]])
        bad = int((~call(**masked | {"kv_mask": empty}).isfinite()).sum())
        return bad == 0, "all are" if bad == 0 else f"{bad} are not: use the smallest finite number, not -inf"

    yield "rows of the attention sum to 1", sums
    yield "each query reads on its own, without the others", alone
    yield "the order of keys and values makes no difference", order
    if arguments["kv_mask"] is not None:
        yield "padding is not read", blind_to_padding
        yield "a text of padding alone gives finite numbers", nothing_real


def attention_module(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
    sizes = {
        "q_dim": query.in_features,
        "kv_dim": key.in_features,
        "qk_channels": query.out_features,
        "v_channels": value.out_features,
        "num_heads": num_heads,
    }
    layers = dict(zip(LAYERS, (query, key, value, output), strict=True))
    weights = {f"{name}.{part}": p for name, layer in layers.items() for part, p in layer.named_parameters()}
    return sizes, weights, {"x_q": x_q, "x_kv": x_kv, "kv_mask": kv_mask}


def attention_in_model(function, report):
    attention = pretrained().encoder.cross_attend.attention
    layers = {name: getattr(attention, name) for name in LAYERS}

    def replacement(x_q, x_kv, kv_mask=None):
        arguments = {"x_q": x_q, "x_kv": x_kv, **layers, "num_heads": attention.num_heads, "kv_mask": kv_mask}
        return call(function, arguments)

    return into_model("encoder.cross_attend.attention", replacement, report)


CROSS_ATTENTION = Exercise(
    id="02.cross_attention",
    title="cross-attention with heads and a mask",
    minutes=20,
    difficulty=2,
    paper="section 3.1 and appendix E",
    name="cross_attention",
    cases=attention_cases,
    reference=library_attention,
    variant=attention_variant,
    mistakes=ATTENTION_MISTAKES,
    properties=attention_properties,
    sizes=lambda num_heads, **_: SIZES | {"v_channels / heads": 6, "qk_channels / heads": 4},
    module=attention_module,
    in_model=attention_in_model,
)
