"""Exercise 03.self_attend: one layer of the processor."""

import torch
import torch.nn.functional as F
from torch import nn

from perceiver_edu.attention import SelfAttend
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import agree, distance, numbers, redrawn, split_heads
from perceiver_edu.course.exercises.modules import module_or_function
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, into_model, pretrained

SIZES = {"B": 2, "heads": 3, "N": 5, "dim": 14, "qk_channels": 12, "v_channels": 18, "hidden": 28}
WHERE = {  # the learner's name of a layer: where it is in the library's
    "q_norm": "q_norm",
    "query": "attention.query",
    "key": "attention.key",
    "value": "attention.value",
    "output": "attention.output",
    "mlp_norm": "mlp_norm",
    "expand": "mlp.expand",
    "contract": "mlp.contract",
}


def layer_arguments(num_heads, seed) -> dict:
    s, draw = SIZES, numbers(seed)
    layer = SelfAttend(s["dim"], s["qk_channels"], s["v_channels"], num_heads, widening_factor=2)
    layer, x = redrawn(layer, draw), draw(s["B"], s["N"], s["dim"])
    return {"x": x, **parts(layer), "num_heads": num_heads}


def parts(layer) -> dict[str, nn.Module]:
    return {name: layer.get_submodule(path) for name, path in WHERE.items()}


def layer_cases():
    return {"one head": layer_arguments(1, seed=1), "three heads": layer_arguments(3, seed=2)}


def library_layer(x, num_heads, **layers):
    """x (B, N, dim) -> (B, N, dim), by our class."""
    query, value, expand = layers["query"], layers["value"], layers["expand"]
    widening = expand.out_features // expand.in_features
    layer = SelfAttend(x.shape[-1], query.out_features, value.out_features, num_heads, widening)
    for name, path in WHERE.items():
        parent, _, last = path.rpartition(".")
        setattr(layer.get_submodule(parent), last, layers[name])
    return layer(x)


@torch.no_grad()
def layer_variant(
    x, q_norm, query, key, value, output, mlp_norm, expand, contract, num_heads,
    norm="pre", first="x", second="x", gelu="none", order="attention first", scale="head", split="blocks",
):  # fmt: skip
    """One layer with a switch for each mistake that many make; untouched, it is right."""

    def attention(q_from, kv_from, v_from):
        given = query(q_from), key(kv_from), value(v_from)
        q, k, v = (split_heads(part, num_heads, split) for part in given)
        width = {"head": q.shape[-1], "all": query.out_features, "none": 1}[scale]
        weights = (q @ k.transpose(-2, -1) / width**0.5).softmax(-1)
        mixed = weights @ v
        if split == "merge":
            return output(mixed.reshape(len(x), x.shape[1], -1))
        return output(mixed.transpose(1, 2).flatten(2))

    def mlp(x):
        if gelu in ("linear", "relu"):
            return contract(x if gelu == "linear" else F.relu(x))
        return contract(F.gelu(x, approximate=gelu))

    def attend(x):
        if norm == "post":
            return q_norm(x + attention(x, x, x))
        normed = x if norm in ("no first", "none at all") else q_norm(x)
        read = {"values": (normed, normed, x), "queries only": (normed, x, x)}.get(norm, (normed,) * 3)
        return {"x": x, "normed": normed, "none": 0}[first] + attention(*read)

    def think(x, start):
        if norm == "post":
            return mlp_norm(x + mlp(expand(x)))
        normed = q_norm(x) if norm == "shared" else x if norm in ("no second", "none at all") else mlp_norm(x)
        base = {"x": x, "normed": normed, "none": 0, "start": start}[second]
        return base + mlp(expand(normed))

    if order == "mlp first":
        return attend(think(x, x))
    if order == "side by side":
        return attend(x) + think(x, x) - x
    return think(attend(x), x)


def layer_properties(arguments):
    """What any pre-norm layer with residuals does, seen with layers made for it."""

    def silent(call):
        off = {}
        for name in ("output", "contract"):
            off[name] = nn.Linear(arguments[name].in_features, arguments[name].out_features).double()
            with torch.no_grad():
                off[name].weight.zero_()
                off[name].bias.zero_()
        moved = distance(call(**arguments | off), arguments["x"])
        return moved < 1e-5, translated("x changes by {moved:.2g}", moved=moved)

    def order(call):
        x = arguments["x"]
        return agree(call(**arguments | {"x": x.flip(1)}), call(**arguments).flip(1))

    def together(call):
        x = arguments["x"].clone()
        x[:, 0] = x[:, 0].flip(-1)
        moved = distance(call(**arguments | {"x": x})[:, 1:], call(**arguments)[:, 1:])
        return moved > 1e-6, translated(
            "the other latents change by {moved:.2g} when one is changed", moved=moved
        )

    yield "if output and contract are 0, x passes unchanged", silent
    yield "permuting the latents permutes the result in the same way", order
    yield "the latents attend to each other", together


def layer_sizes(x, query, value, expand, num_heads, **_):
    """What a learner's module is built with."""
    return {
        "dim": x.shape[-1],
        "qk_channels": query.out_features,
        "v_channels": value.out_features,
        "num_heads": num_heads,
        "widening_factor": expand.out_features // expand.in_features,
    }


def layer_in_model(function, report):
    """In the place of a layer in the middle of the pretrained processor."""
    model = pretrained()
    number = len(model.processor.self_attends) // 2
    if model.config.gelu != "none":
        report.say(
            translated(
                "These weights were made for the tanh form of GELU, and the exercise asks for the exact one: "
                "your layer is right, and is not put into this model."
            )
        )
        return True
    layer = model.processor.self_attends[number]

    def replacement(x):
        return call(function, {"x": x, **parts(layer), "num_heads": layer.attention.num_heads})

    return into_model(f"processor.self_attends.{number}", replacement, report)


EXERCISE = Exercise(
    title="one layer of the processor",
    about="10 minutes · medium · appendix E",
    name="self_attend",
    cases=layer_cases,
    reference=library_layer,
    variant=layer_variant,
    mistakes={
        "norm": {
            "post": "The norms come after the sums, as in the original Transformer (post-norm). Here a norm "
            "comes before attention and another before the MLP, and the residual stream itself is never "
            "normalised.",
            "none at all": "Both norms are missing: `q_norm` and `mlp_norm`.",
            "no first": "Attention gets x without its norm: `q_norm` is missing.",
            "no second": "The MLP gets x without its norm: `mlp_norm` is missing.",
            "values": "The values are computed from x. In self-attention queries, keys and values all come "
            "from q_norm(x).",
            "queries only": "Keys and values are computed from x. In self-attention queries, keys and values "
            "all come from q_norm(x).",
            "shared": "`q_norm` is used before the MLP as well. The MLP has a norm of its own, `mlp_norm`.",
        },
        "first": {
            "none": "The first residual is missing: x + attention(…). Without it everything that was in x is "
            "lost.",
            "normed": "The first residual adds q_norm(x). It should add x itself, because only the input of "
            "attention is normalised.",
        },
        "second": {
            "none": "The second residual is missing: x + mlp(…), where x is the sum after attention.",
            "normed": "The second residual adds mlp_norm(x). It should add x itself, because only the input "
            "of the MLP is normalised.",
            "start": "The second residual adds the layer's input, so attention's contribution is lost from "
            "the residual stream. Add the sum after attention.",
        },
        "gelu": {
            "tanh": "GELU uses its tanh approximation. Use the exact form, `F.gelu(x)`, without "
            "`approximate`.",
            "relu": "The MLP uses ReLU. Its activation is GELU.",
            "linear": "The MLP has no activation, so `expand` and `contract` together are one linear layer. "
            "GELU goes between them.",
        },
        "order": {
            "mlp first": "The MLP comes before attention. Attention should come first.",
            "side by side": "Attention and the MLP both get the layer's input. The MLP should get the sum "
            "after attention.",
        },
        "scale": {
            "all": "The scores are divided by the square root of all qk_channels. The d of one head is "
            "qk_channels / num_heads.",
            "none": "The scores are not divided by √d, where d = qk_channels / num_heads.",
        },
        "split": {
            "interleaved": "The heads are split wrongly, with the channels dealt out in turn. A head is a "
            "block of neighbouring channels.",
            "no transpose": "The heads are split wrongly: a reshape to (B, heads, N, d) mixes latents with "
            "heads. Reshape to (B, N, heads, d) first, then transpose.",
            "merge": "The heads are joined wrongly: transpose back to (B, N, heads, d) before you flatten.",
            "none": "All channels form one head: num_heads is not used.",
        },
    },
    properties=layer_properties,
    sizes=lambda **_: SIZES | {"v_channels / heads": 6, "qk_channels / heads": 4},
    accept=module_or_function(layer_sizes),
    trains=True,
    in_model=layer_in_model,
)
