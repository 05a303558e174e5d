"""Exercise 02.cross_attention: cross-attention with heads and a mask."""

import torch
from torch import nn

from perceiver_edu.attention import MultiHeadAttention
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import agree, distance, numbers, redrawn, split_heads
from perceiver_edu.course.exercises.modules import module_or_function
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, into_model, pretrained

SIZES = {"B": 2, "heads": 3, "Q": 5, "K": 7, "q_dim": 10, "kv_dim": 11, "qk_channels": 12, "v_channels": 18}
LAYERS = ("query", "key", "value", "output")


def attention_arguments(num_heads, masked, seed=0) -> dict:
    s, draw = SIZES, numbers(seed)
    widths = s["q_dim"], s["kv_dim"], s["qk_channels"], s["v_channels"], s["q_dim"]
    attention = redrawn(MultiHeadAttention(*widths, num_heads), draw)
    x_q, x_kv = draw(s["B"], s["Q"], s["q_dim"]), draw(s["B"], s["K"], s["kv_dim"])
    mask = torch.arange(s["K"]) < torch.tensor([[4], [7]]) if masked else None  # the first text has padding,
    if masked:
        mask[1, 2] = False  # and the second has a gap
    layers = {name: getattr(attention, name) for name in LAYERS}
    return {"x_q": x_q, "x_kv": x_kv, **layers, "num_heads": num_heads, "kv_mask": mask}


def attention_cases():
    return {
        "one head, no mask": attention_arguments(1, masked=False, seed=1),
        "three heads, no mask": attention_arguments(3, masked=False, seed=2),
        "three heads, the first text padded": attention_arguments(3, masked=True, seed=3),
    }


def library_attention(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
    """x_q (B, Q, q_dim), x_kv (B, K, kv_dim), kv_mask (B, K) bool -> (B, Q, q_dim), by our class."""
    widths = query.in_features, key.in_features, query.out_features, value.out_features, output.out_features
    attention = MultiHeadAttention(*widths, num_heads)
    attention.query, attention.key, attention.value, attention.output = query, key, value, output
    return attention(x_q, x_kv, kv_mask)


@torch.no_grad()
def attention_variant(
    x_q, x_kv, query, key, value, output, num_heads, kv_mask,
    scale="head", axis=-1, mask="before", split="blocks", merge="heads last", project=True, residual=False,
):  # fmt: skip
    """Cross-attention with a switch for each mistake that many make; untouched, it is right."""
    heads = 1 if split == "none" else num_heads
    q, k, v = (split_heads(x, heads, split) for x in (query(x_q), key(x_kv), value(x_kv)))
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
    scores = q @ k.transpose(-2, -1) * factor  # (B, heads, Q, K)
    real = None if kv_mask is None else kv_mask[:, None, None, :]
    smallest = torch.finfo(scores.dtype).min
    if real is not None:
        scores = {
            "before": lambda: scores.masked_fill(~real, smallest),
            "inverted": lambda: scores.masked_fill(real, smallest),
            "times": lambda: scores * real,
            "plus": lambda: scores + real,
            "first": lambda: scores.masked_fill(~real[:1], smallest),
        }.get(mask, lambda: scores)()
    weights = scores.softmax(axis)
    if real is not None and mask == "after":
        weights = weights * real
    mixed = weights @ v  # (B, heads, Q, v/heads)
    if merge == "no transpose":
        joined = mixed.reshape(len(x_q), x_q.shape[1], -1)
    else:
        joined = mixed.permute((0, 2, 3, 1) if merge == "interleaved" else (0, 2, 1, 3)).flatten(2)
    result = output(joined) if project else joined
    return x_q + result if residual else result


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
        moved = distance(call(**masked | {"x_kv": other}), call(**masked))
        return moved < 1e-6, translated("changing the padding changes the result by {moved:.2g}", moved=moved)

    def order(call):
        turned = few["kv_mask"] if few["kv_mask"] is None else few["kv_mask"].flip(1)
        return agree(call(**few | {"x_kv": few["x_kv"].flip(1), "kv_mask": turned}), call(**few))

    def alone(call):
        return agree(call(**few | {"x_q": few["x_q"][:, :2]}), call(**few)[:, :2])

    def nothing_real(call):
        empty = masked["kv_mask"] & torch.tensor([[True], [False]])
        bad = int((~call(**masked | {"kv_mask": empty}).isfinite()).sum())
        return (
            bad == 0,
            translated("all do")
            if bad == 0
            else translated("{bad} do not: use the most negative finite number, not -inf", bad=bad),
        )

    yield "rows of the attention sum to 1", sums
    yield "the queries do not affect each other", alone
    yield "the order of keys and values makes no difference", order
    if arguments["kv_mask"] is not None:
        yield "padding has no effect", blind_to_padding
        yield "a text of padding alone gives finite numbers", nothing_real


def attention_sizes(query, key, value, num_heads, **_):
    """What a learner's module is built with."""
    return {
        "q_dim": query.in_features,
        "kv_dim": key.in_features,
        "qk_channels": query.out_features,
        "v_channels": value.out_features,
        "num_heads": num_heads,
    }


def attention_in_model(function, report):
    attention = pretrained().encoder.cross_attend.attention
    layers = {name: getattr(attention, name) for name in LAYERS}

    def replacement(x_q, x_kv, kv_mask=None):
        arguments = {"x_q": x_q, "x_kv": x_kv, **layers, "num_heads": attention.num_heads, "kv_mask": kv_mask}
        return call(function, arguments)

    return into_model("encoder.cross_attend.attention", replacement, report)


EXERCISE = Exercise(
    title="cross-attention with heads and a mask",
    about="20 minutes · medium · appendix E",
    name="cross_attention",
    cases=attention_cases,
    reference=library_attention,
    variant=attention_variant,
    mistakes={
        "scale": {
            "none": "The scores are not divided by √d. Without this they grow with the width, and the "
            "softmax becomes too sharp.",
            "all": "The scores are divided by the square root of all qk_channels. The d of one head is "
            "qk_channels / num_heads.",
            "not rooted": "The scores are divided by d. Divide by its square root, √d.",
            "multiplied": "The scores are multiplied by √d. Divide by it instead.",
            "values": "The scores are divided by the square root of the values' width. Here d is the width "
            "of queries and keys, per head.",
            "keys": "The scores are divided by the square root of the number of keys. Here d is a width, the "
            "number of channels per head.",
        },
        "axis": {
            -2: "The softmax runs over the queries. It should run over the keys, the last axis, so that each "
            "query's attention weights sum to 1.",
            1: "The softmax runs over the heads. It should run over the keys, the last axis, so that each "
            "query's attention weights sum to 1.",
        },
        "mask": {
            "inverted": "The mask is inverted, so padding is attended to and the real bytes are not. True "
            "means a real byte.",
            "none": "The mask is not used, so padding is attended to like text.",
            "after": "The mask is applied after the softmax. By then padding has taken some of the attention "
            "weight, so the rows no longer sum to 1.",
            "times": "The scores are multiplied by the mask. A score of 0 still gets attention, because "
            "exp(0) is 1.",
            "plus": "The mask is added to the scores as a number, 1 for real bytes and 0 for padding. A "
            "difference of 1 is not enough, because a padded score must fall below all others. Add a very "
            "large negative number there.",
            "first": "The mask of the first text is used for every text. Keep the batch axis: kv_mask[:, "
            "None, None, :].",
        },
        "split": {
            "interleaved": "The heads are split wrongly, with the channels dealt out in turn. A head is a "
            "block of neighbouring channels: reshape to (num_heads, channels / num_heads), in this order.",
            "no transpose": "The heads are split wrongly: a reshape to (B, heads, T, d) mixes positions "
            "with heads. Reshape to (B, T, heads, d) first, then transpose.",
            "none": "All channels form one head: num_heads is not used.",
        },
        "merge": {
            "no transpose": "The heads are joined wrongly: transpose back to (B, Q, heads, d) before you "
            "flatten.",
            "interleaved": "The heads are joined wrongly, with their channels interleaved. Put the heads' "
            "blocks one after another.",
        },
        "project": {False: "The last layer is missing: pass the joined heads through `output`."},
        "residual": {
            True: "The queries are added to the result. That residual belongs to the layer around attention."
        },
    },
    properties=attention_properties,
    sizes=lambda num_heads, **_: SIZES | {"v_channels / heads": 6, "qk_channels / heads": 4},
    accept=module_or_function(attention_sizes),
    trains=True,
    in_model=attention_in_model,
)
