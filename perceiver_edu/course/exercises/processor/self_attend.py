"""Exercise 03.self_attend: the reference, the mistakes that many make, and what any right layer does."""

import torch
import torch.nn.functional as F
from torch import nn

from perceiver_edu.attention import SelfAttend
from perceiver_edu.course.exercise import Exercise, Mistake
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
    """A layer with every number redrawn, norms and biases too, so that no mistake hides in rounding."""
    generator = torch.Generator().manual_seed(seed)
    s = SIZES
    layer = SelfAttend(s["dim"], s["qk_channels"], s["v_channels"], num_heads, widening_factor=2).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    x = torch.randn(s["B"], s["N"], s["dim"], generator=generator, dtype=torch.float64)
    return {"x": x, **parts(layer), "num_heads": num_heads}


def parts(layer) -> dict[str, nn.Module]:
    return {name: layer.get_submodule(path) for name, path in WHERE.items()}


def layer_cases():
    return {"one head": layer_arguments(1, seed=1), "three heads": layer_arguments(3, seed=2)}


@torch.no_grad()
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
    heads = 1 if split == "none" else num_heads

    def split_heads(x):  # (B, N, channels) -> (B, heads, N, channels/heads)
        if split == "interleaved":
            return x.unflatten(-1, (-1, heads)).movedim(-1, 1)
        if split == "no transpose":
            return x.reshape(len(x), heads, x.shape[1], -1)
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    def attention(q_from, kv_from, v_from):
        q, k, v = split_heads(query(q_from)), split_heads(key(kv_from)), split_heads(value(v_from))
        width = {"head": q.shape[-1], "all": query.out_features, "none": 1}[scale]
        weights = (q @ k.transpose(-2, -1) / width**0.5).softmax(-1)
        mixed = weights @ v
        if split == "merge":
            return output(mixed.reshape(len(x), x.shape[1], -1))
        return output(mixed.transpose(1, 2).flatten(2))

    def mlp(x):
        return contract(
            x if gelu == "linear" else F.relu(x) if gelu == "relu" else F.gelu(x, approximate=gelu)
        )

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


LAYER_MISTAKES = {
    "post-norm": Mistake(
        "The norms come after the sums: post-norm, as in the first Transformer. Here a norm stands before "
        "attention and before the MLP, and nothing normalises the stream itself.",
        {"norm": "post"},
    ),
    "no norms": Mistake("Both norms are missing: `q_norm` and `mlp_norm`.", {"norm": "none at all"}),
    "no first norm": Mistake("Attention reads x itself: `q_norm` is missing.", {"norm": "no first"}),
    "no second norm": Mistake("The MLP reads x itself: `mlp_norm` is missing.", {"norm": "no second"}),
    "values not normed": Mistake(
        "The values come from x itself. In self-attention queries, keys and values all come from q_norm(x).",
        {"norm": "values"},
    ),
    "only queries normed": Mistake(
        "Keys and values come from x itself. In self-attention all three come from q_norm(x).",
        {"norm": "queries only"},
    ),
    "one norm twice": Mistake(
        "`q_norm` is used before the MLP too. Each half has a norm of its own, `mlp_norm` is the MLP's.",
        {"norm": "shared"},
    ),
    "no first residual": Mistake(
        "The first residual is missing: x + attention(…). Without it all that was in x is lost.",
        {"first": "none"},
    ),
    "no second residual": Mistake(
        "The second residual is missing: x + mlp(…), where x is what attention has left.", {"second": "none"}
    ),
    "first residual normed": Mistake(
        "The first residual adds q_norm(x). What is carried on is x, as it came; only the branch is normed.",
        {"first": "normed"},
    ),
    "second residual normed": Mistake(
        "The second residual adds mlp_norm(x). What is carried on is x itself; only the branch is normed.",
        {"second": "normed"},
    ),
    "second residual from the start": Mistake(
        "The second residual adds the x from the beginning of the layer: what attention brought is lost "
        "from the stream.",
        {"second": "start"},
    ),
    "tanh": Mistake(
        "GELU is in its tanh form. The exact one is asked for: `F.gelu(x)`, without `approximate`.",
        {"gelu": "tanh"},
    ),
    "relu": Mistake("The MLP has a ReLU. Its activation is GELU.", {"gelu": "relu"}),
    "no activation": Mistake(
        "The MLP has no activation: `expand` and `contract` alone are one linear layer. GELU goes between.",
        {"gelu": "linear"},
    ),
    "mlp first": Mistake("The MLP comes before attention. Attention is first.", {"order": "mlp first"}),
    "side by side": Mistake(
        "Attention and MLP both read the x from the beginning. The MLP reads what attention has left.",
        {"order": "side by side"},
    ),
    "scale of all heads": Mistake(
        "The scores are divided by the root of all qk_channels. A head's d is qk_channels / num_heads.",
        {"scale": "all"},
    ),
    "no scale": Mistake("The scores are not divided by √d, d = qk_channels / num_heads.", {"scale": "none"}),
    "heads interleaved": Mistake(
        "The heads are split wrongly: channel by channel in turn. A head is a block of neighbours.",
        {"split": "interleaved"},
    ),
    "split without transpose": Mistake(
        "The heads are split wrongly: a reshape to (B, heads, N, d) mixes latents with heads. "
        "Reshape to (B, N, heads, d) first, then transpose.",
        {"split": "no transpose"},
    ),
    "merge without transpose": Mistake(
        "The heads are joined wrongly: transpose back to (B, N, heads, d) before you flatten.",
        {"split": "merge"},
    ),
    "one head only": Mistake("All channels are one head: num_heads is not used.", {"split": "none"}),
}  # fmt: skip


def layer_properties(arguments):
    """What any pre-norm layer with residuals does, seen with layers made for it."""

    def silent(call):
        off = {}
        for name in ("output", "contract"):
            off[name] = nn.Linear(arguments[name].in_features, arguments[name].out_features).double()
            with torch.no_grad():
                off[name].weight.zero_()
                off[name].bias.zero_()
        moved = float((call(**arguments | off) - arguments["x"]).abs().max())
        return moved < 1e-9, f"x changes by {moved:.2g}"

    def order(call):
        x = arguments["x"]
        moved = float((call(**arguments | {"x": x.flip(1)}) - call(**arguments).flip(1)).abs().max())
        return moved < 1e-9, f"changes by {moved:.2g}"

    def together(call):
        x = arguments["x"].clone()
        x[:, 0] = x[:, 0].flip(-1)
        moved = float((call(**arguments | {"x": x}) - call(**arguments))[:, 1:].abs().max())
        return moved > 1e-6, f"other latents move by {moved:.2g} when one is changed"

    yield "with silent branches (output and contract are 0) x passes unchanged", silent
    yield "latents in another order give the same latents in that order", order
    yield "the latents read each other", together


def layer_module(x, num_heads, **layers):
    sizes = {
        "dim": x.shape[-1],
        "qk_channels": layers["query"].out_features,
        "v_channels": layers["value"].out_features,
        "num_heads": num_heads,
        "widening_factor": layers["expand"].out_features // layers["expand"].in_features,
    }
    weights = {f"{name}.{part}": p for name, layer in layers.items() for part, p in layer.named_parameters()}
    return sizes, weights, {"x": x}


def layer_in_model(function, report):
    """In the place of a layer in the middle of the pretrained processor."""
    model = pretrained()
    number = len(model.processor.self_attends) // 2
    if model.config.gelu != "none":
        report.say("These weights were made for the tanh form of GELU, and the exercise asks for the exact "
                   "one: your layer is right, and is not put into this model.")  # fmt: skip
        return True
    layer = model.processor.self_attends[number]

    def replacement(x):
        return call(function, {"x": x, **parts(layer), "num_heads": layer.attention.num_heads})

    return into_model(f"processor.self_attends.{number}", replacement, report)


SELF_ATTEND = Exercise(
    id="03.self_attend",
    title="one layer of the processor",
    minutes=10,
    difficulty=2,
    paper="section 3.1 and appendix E",
    name="self_attend",
    cases=layer_cases,
    reference=library_layer,
    variant=layer_variant,
    mistakes=LAYER_MISTAKES,
    properties=layer_properties,
    sizes=lambda **_: SIZES | {"v_channels / heads": 6, "qk_channels / heads": 4},
    module=layer_module,
    in_model=layer_in_model,
)
