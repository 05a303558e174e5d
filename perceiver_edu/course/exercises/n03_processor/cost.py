"""Exercise 03.cost: what depth costs on latents, and what the same price buys on bytes."""

from dataclasses import replace

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments import count_multiply_adds


def cost_cases():
    real = dict(N=256, D=1280, L=26, num_blocks=1, qk_channels=256, widening=1)
    return {
        "small": dict(M=19, N=5, D=14, L=3, num_blocks=2, qk_channels=6, widening=4),
        "the real model, 2048 bytes": dict(M=2048, **real),
        "the real model, 512 bytes": dict(M=512, **real),
    }


def cost_variant(
    M, N, D, L, num_blocks, qk_channels, widening,
    flop=False, keys="N", rows="N", biases=True, norms=True, output=True, wide=True, products=2, layers=True,
    blocks="run", each=False, values="D", mlp=2, depth="",
):  # fmt: skip
    """{"parameters", "multiply_adds", "byte_layers"}, with a switch for each mistake."""
    v = D if values == "D" else qk_channels
    hidden = (widening if wide else 1) * D
    linear = [*[(D, qk_channels)] * 2, (D, v), *[(v, D)] * output, *[(D, hidden), (hidden, D)][:mlp]]
    weights = sum(a * b for a, b in linear)
    parameters = weights + biases * sum(b for _, b in linear) + norms * 2 * 2 * D
    map_width = qk_channels + v if products == 2 else qk_channels
    entries = M * M if rows == "M, and M keys" else N * (M if keys == "M" else N)
    macs = (N if rows == "N" else M) * weights + entries * map_width
    times = L if layers else 1
    stack = macs * times * (1 if blocks == "ignored" else num_blocks)
    on_bytes = M * weights + M * M * map_width
    return {
        "parameters": parameters * times * (num_blocks if blocks == "owned" else 1) * (N if each else 1),
        "multiply_adds": stack * (2 if flop else 1),
        "byte_layers": {
            "": stack / on_bytes,
            "rows": num_blocks * L * N / M,
            "entries": num_blocks * L * N * N / M**2,
            "inverse": on_bytes / stack,
            "one layer": macs / on_bytes,
        }[depth],
    }


def cost_in_model(function, report):
    """The learner's formula beside what torch counts in the pretrained model, for two lengths."""
    model = pretrained()
    c, rows = model.config, []
    parameters = sum(p.numel() for p in model.processor.parameters())
    for M in (min(100, c.max_position_embeddings), c.max_position_embeddings):
        sizes = dict(M=M, N=c.num_latents, D=c.d_latents, L=c.num_self_attends_per_block)
        sizes |= dict(num_blocks=c.num_blocks, qk_channels=c.processor_qk)
        yours = call(function, sizes | {"widening": c.self_attention_widening_factor})
        one_on_bytes = replace(c, num_latents=M, num_self_attends_per_block=1, num_blocks=1)
        counted = {"parameters": parameters, "multiply_adds": count_multiply_adds(c, M, 1)["processor"]}
        on_bytes = count_multiply_adds(one_on_bytes, M, 1)["processor"]
        counted["byte_layers"] = counted["multiply_adds"] / on_bytes
        rows += [(f"M = {M}: {key.replace('_', '-')}", real, yours[key]) for key, real in counted.items()]
    return beside(
        report,
        (
            translated("the pretrained model's processor"),
            translated("counted by torch"),
            translated("your formula"),
        ),
        rows,
    )


EXERCISE = Exercise(
    title="what depth costs, on latents and on bytes",
    about="15 minutes · hard · appendix E.2, Table 1",
    name="processor_cost",
    cases=cost_cases,
    variant=cost_variant,
    mistakes={
        "flop": {True: "These are FLOPs, which are twice as many. Count a multiply-add once here."},
        "keys": {
            "M": "You counted a map of N × M entries, as in the encoder. Here the latents are the keys, too, "
            "so the map is N × N."
        },
        "rows": {
            "M": "The stack is counted for M rows. The processor has N rows, because no byte passes through "
            "it.",
            "M, and M keys": "This is a Transformer on the bytes, with M rows and M × M maps. The processor "
            "never sees the bytes; it has N rows.",
        },
        "biases": {
            False: "The biases are missing from the parameters. Each nn.Linear has one for each output "
            "channel."
        },
        "norms": {
            False: "The norms are missing from the parameters. Each layer has two, with D weights and D "
            "biases each."
        },
        "output": {False: "The output layer of attention is missing, D × D."},
        "wide": {False: "The MLP's hidden width should be widening · D."},
        "mlp": {1: "The MLP has two layers, expand and contract. One is missing."},
        "products": {
            1: "The map takes two products, queries with keys and weights with values. The second is missing."
        },
        "layers": {False: "This is the cost of one layer. There are L layers."},
        "blocks": {
            "owned": "The parameters are multiplied by num_blocks. Blocks share their weights, so they cost "
            "time but no parameters.",
            "ignored": "The multiply-adds do not include the repeated blocks. The weights are shared, but "
            "each block does the work again.",
        },
        "each": {True: "The parameters are multiplied by N. All latents share the weights of the layers."},
        "depth": {
            "rows": "`byte_layers` is N / M times the layers, as if only the number of rows mattered. In a "
            "layer on bytes every byte attends to every byte, so its map is M × M.",
            "entries": "`byte_layers` compares only the maps, N² and M². Compare the multiply-adds of whole "
            "layers.",
            "inverse": "`byte_layers` is upside down. It should be the cost of all layers on latents, "
            "divided by the cost of one layer on bytes.",
            "one layer": "`byte_layers` is based on one layer on latents. Divide the cost of all of them.",
        },
        "values": {"qk": "The values have qk_channels in your count. In the processor they have D channels."},
    },
    in_model=cost_in_model,
)
