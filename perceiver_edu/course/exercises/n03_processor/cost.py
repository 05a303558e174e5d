"""Exercise 03.cost: the parameters and the multiply-adds of the stack."""

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import beside
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
    blocks="run", each=False, values="D", mlp=2,
):  # fmt: skip
    """{"parameters": int, "multiply_adds": int}, with a switch for each mistake; untouched, it is right."""
    v = D if values == "D" else qk_channels
    hidden = (widening if wide else 1) * D
    linear = [*[(D, qk_channels)] * 2, (D, v), *[(v, D)] * output, *[(D, hidden), (hidden, D)][:mlp]]
    weights = sum(a * b for a, b in linear)
    parameters = weights + biases * sum(b for _, b in linear) + norms * 2 * 2 * D
    entries = M * M if rows == "M, and M keys" else N * (M if keys == "M" else N)
    macs = (N if rows == "N" else M) * weights + entries * (qk_channels + v if products == 2 else qk_channels)
    times = L if layers else 1
    return {
        "parameters": parameters * times * (num_blocks if blocks == "owned" else 1) * (N if each else 1),
        "multiply_adds": macs * times * (1 if blocks == "ignored" else num_blocks) * (2 if flop else 1),
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
        counted = {"parameters": parameters, "multiply_adds": count_multiply_adds(c, M, 1)["processor"]}
        rows += [(f"M = {M}: {key.replace('_', '-')}", real, yours[key]) for key, real in counted.items()]
    return beside(report, ("the pretrained model's processor", "counted by torch", "your formula"), rows)


EXERCISE = Exercise(
    title="what the processor has, and what it does",
    about="6 minutes · medium · section 3.1, table 1",
    name="processor_cost",
    cases=cost_cases,
    variant=cost_variant,
    mistakes={
        "flop": {True: "These are FLOPs, twice as many: a multiply-add counts once here."},
        "keys": {
            "M": "The map has N × M entries. That was the encoder: here the latents are the keys too, N × N."
        },
        "rows": {
            "M": "The layers are counted for M rows. The processor has N: no byte passes through it.",
            "M, and M keys": "This is a Transformer on the bytes: M rows, M × M maps. The processor never "
            "sees the bytes; it has N rows.",
        },
        "biases": {False: "The parameters lack the biases: each nn.Linear has one for each output."},
        "norms": {False: "The parameters lack the norms: two a layer, each with D weights and D biases."},
        "output": {False: "The output layer of attention is missing, D × D."},
        "wide": {False: "The MLP's hidden width is widening · D."},
        "mlp": {1: "The MLP has two layers, expand and contract. One is missing."},
        "products": {
            1: "The map has two products: queries with keys, and weights with values. The second is missing."
        },
        "layers": {False: "This is one layer. There are L."},
        "blocks": {
            "owned": "The parameters are multiplied by num_blocks. Blocks share their weights: they cost "
            "time, not parameters.",
            "ignored": "The multiply-adds do not count the blocks. The weights are shared, but the work is "
            "done again in each block.",
        },
        "each": {True: "The parameters are multiplied by N. All latents share the layers' weights."},
        "values": {"qk": "The values are taken to be qk_channels wide. In the processor they are D wide."},
    },
    in_model=cost_in_model,
)
