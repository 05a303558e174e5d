"""Exercise 02.cross_attention: the cases, the reference, and what any right answer does."""

import torch
from torch import nn

from perceiver_edu.attention import MultiHeadAttention
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.encoder.cross_attention_mistakes import (
    ATTENTION_MISTAKES,
    attention_variant,
)
from perceiver_edu.course.swap import call, into_model, pretrained

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
