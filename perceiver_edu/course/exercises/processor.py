"""Exercises of notebook 03: one layer, the stack, what it costs, and decoding before the end."""

from functools import lru_cache

import torch

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.exercise import Exercise, Mistake, same
from perceiver_edu.course.exercises.self_attend import SELF_ATTEND
from perceiver_edu.course.exercises.stack import STACK
from perceiver_edu.course.guard import run
from perceiver_edu.course.plug import call, pretrained
from perceiver_edu.instruments import count_multiply_adds, depth, stop_after
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.utf8_search import best_byte_strings

# ---------------------------------------------------------------- what the processor has and does


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
    blocks="run", each=False, values="D", mlp=2, layer_rows="",
):  # fmt: skip
    """{"parameters": int, "multiply_adds": int}, with a switch for each mistake; untouched, it is right."""
    v = D if values == "D" else qk_channels
    hidden = (widening if wide else 1) * D
    linear = [
        (D, qk_channels),
        (D, qk_channels),
        (D, v),
        *[(v, D)] * output,
        *[(D, hidden), (hidden, D)][:mlp],
    ]
    weights = sum(a * b for a, b in linear)
    parameters = weights + biases * sum(b for _, b in linear) + norms * 2 * 2 * D
    asked = {"N": N, "M": M}[rows]
    seen = {"N": N, "M": M}[keys]
    attention_map = asked * seen * (qk_channels + v if products == 2 else qk_channels)
    macs = (M if layer_rows == "M" else asked) * weights + attention_map
    times = L if layers else 1
    return {
        "parameters": parameters * times * (num_blocks if blocks == "owned" else 1) * (N if each else 1),
        "multiply_adds": macs * times * (1 if blocks == "ignored" else num_blocks) * (2 if flop else 1),
    }


@lru_cache
def counted_by_torch(config, M) -> int:
    """Multiply-adds of the processor, for a text of M bytes."""
    return count_multiply_adds(config, M, 1)["processor"]


def cost_in_model(function, report):
    """The learner's formula beside what torch counts in the pretrained model, for two lengths."""
    model = pretrained()
    c, rows, ok = model.config, [], True
    parameters = sum(p.numel() for p in model.processor.parameters())
    for M in (min(100, c.max_position_embeddings), c.max_position_embeddings):
        sizes = dict(M=M, N=c.num_latents, D=c.d_latents, L=c.num_self_attends_per_block)
        sizes |= dict(num_blocks=c.num_blocks, qk_channels=c.processor_qk)
        yours = run(function, sizes | {"widening": c.self_attention_widening_factor}, quiet=True).value
        counted = {"parameters": parameters, "multiply_adds": counted_by_torch(c, M)}
        ok = ok and yours == counted
        for key, says in (("parameters", "parameters"), ("multiply_adds", "multiply-adds")):
            rows.append((f"M = {M}: {says}", f"{counted[key]:,}", f"{yours[key]:,}"))
    report.table(("the pretrained model's processor", "counted by torch", "your formula"), rows)
    return ok


COST = Exercise(
    id="03.cost",
    title="what the processor has, and what it does",
    minutes=6,
    difficulty=2,
    paper="section 3.1 and table 1",
    name="processor_cost",
    cases=cost_cases,
    reference=cost_variant,
    variant=cost_variant,
    mistakes={
        "flop": Mistake("These are FLOPs, twice as many: a multiply-add counts once here.", {"flop": True}),
        "N × M": Mistake(
            "The map has N × M entries. That was the encoder: here the latents are the keys too, N × N.",
            {"keys": "M"},
        ),
        "M rows": Mistake(
            "The layers are counted for M rows. The processor has N: no byte passes through it.",
            {"layer_rows": "M"},
        ),
        "M × M": Mistake(
            "This is a Transformer on the bytes: M rows, M × M maps. The processor never sees the bytes; it "
            "has N rows.",
            {"keys": "M", "rows": "M"},
        ),
        "no biases": Mistake("The parameters lack the biases: each nn.Linear has one for each output.",
                             {"biases": False}),
        "no norms": Mistake(
            "The parameters lack the norms: two a layer, each with D weights and D biases.", {"norms": False}
        ),
        "no output": Mistake("The output layer of attention is missing, D × D.", {"output": False}),
        "no widening": Mistake("The MLP's hidden width is widening · D.", {"wide": False}),
        "half the mlp": Mistake("The MLP has two layers, expand and contract. One is missing.", {"mlp": 1}),
        "scores only": Mistake(
            "The map has two products: queries with keys, and weights with values. The second is missing.",
            {"products": 1},
        ),
        "one layer": Mistake("This is one layer. There are L.", {"layers": False}),
        "blocks own": Mistake(
            "The parameters are multiplied by num_blocks. Blocks share their weights: they cost time, "
            "not parameters.",
            {"blocks": "owned"},
        ),
        "blocks ignored": Mistake(
            "The multiply-adds do not count the blocks. The weights are shared, but the work is done again "
            "in each block.",
            {"blocks": "ignored"},
        ),
        "per latent": Mistake(
            "The parameters are multiplied by N. All latents share the layers' weights.", {"each": True}
        ),
        "narrow values": Mistake(
            "The values are taken to be qk_channels wide. In the processor they are D wide.", {"values": "qk"}
        ),
    },
    in_model=cost_in_model,
)  # fmt: skip

# ---------------------------------------------------------------- decoding before the end


def early_cases():
    sizes = PerceiverIOConfig(
        max_position_embeddings=11, d_model=16, num_latents=5, d_latents=12, num_self_attends_per_block=4,
        num_self_attention_heads=3, num_cross_attention_heads=2, qk_channels=6, v_channels=12,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    model = PerceiverIOForMaskedLM(sizes).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    ids = torch.randint(6, 262, (2, 9), generator=generator)
    mask = torch.arange(9) < torch.tensor([[9], [7]])  # the second text has padding
    given = dict(model=model, ids=ids, mask=mask, positions=torch.tensor([6, 1, 3]))
    depths = {"all four layers": 4, "two layers": 2, "one layer": 1, "no layer": 0}
    return {label: given | {"k": k} for label, k in depths.items()}


@torch.no_grad()
def library_early(model, ids, mask, positions, k):
    with stop_after(model, k):
        return model(ids, mask, positions)


@torch.no_grad()
def early_variant(
    model, ids, mask, positions, k,
    layers="first", masked=True, asked=True, head="logits", encode=True, residual=False,
):  # fmt: skip
    """Early decoding with a switch for each mistake that many make; untouched, it is right."""
    inputs = model.embedding(ids)
    latents = model.encoder(inputs, mask if masked else None)
    if not encode:
        latents = model.encoder.latents.expand(len(ids), -1, -1)
    stack = model.processor.self_attends
    chosen = {
        "first": stack[:k], "one more": stack[: k + 1], "one less": stack[: max(k - 1, 0)], "all": stack,
        "last": stack[len(stack) - k :], "rest": stack[k:], "only one": stack[max(k - 1, 0) : k],
    }[layers]  # fmt: skip
    for layer in chosen:
        latents = layer(latents)
    queries = model.queries(positions if asked else None)
    outputs = model.decoder(queries, latents)
    if residual:
        outputs = outputs + queries
    logits = model.mlm_head(outputs, model.embedding.byte_embedding.weight)
    return {
        "logits": logits,
        "no bias": logits - model.mlm_head.bias,
        "softmax": logits.softmax(-1),
        "log": logits.log_softmax(-1),
    }[head]


@torch.no_grad()
def early_in_model(function, report):
    """A hole in a sentence, decoded at a few depths by the learner's code and by the library's."""
    model, tokenizer = pretrained(), ByteTokenizer()
    before, hidden, after = "She opened the door and went", " into", " the house."
    ids = torch.tensor([tokenizer.encode(before + "[MASK]" * len(hidden) + after)], device=model.device)
    positions = (ids[0] == tokenizer.MASK).nonzero().squeeze(1)
    mask, rows, ok = torch.ones_like(ids, dtype=torch.bool), [], True

    def first_filling(logits):
        scores = logits[0].cpu().double().log_softmax(-1)[:, tokenizer.BYTE_OFFSET :].nan_to_num(-1e9)
        return best_byte_strings(scores.numpy(), 1)[0][0].decode()

    deepest = depth(model)
    for k in sorted({0, deepest // 2, deepest}):
        yours = call(function, dict(model=model, ids=ids, mask=mask, positions=positions, k=k))
        library = library_early(model, ids, mask, positions, k)
        ok = ok and same(yours, library)
        rows.append((f"{k} layers", repr(first_filling(library)), repr(first_filling(yours))))
    report.table((f"“{before}_____{after}”, decoded after", "by the library", "by your code"), rows)
    return ok


EARLY_DECODE = Exercise(
    id="03.early_decode",
    title="decode before the end",
    minutes=5,
    difficulty=1,
    paper="sections 3.1 and 3.2",
    name="early_decode",
    cases=early_cases,
    reference=library_early,
    variant=early_variant,
    mistakes={
        "one more": Mistake("One layer too many is run: k + 1.", {"layers": "one more"}),
        "one less": Mistake("One layer too few is run: k - 1.", {"layers": "one less"}),
        "all": Mistake("All layers are run: k is not used.", {"layers": "all"}),
        "last": Mistake("The last k layers are run. The first k are asked for.", {"layers": "last"}),
        "rest": Mistake(
            "The first k layers are left out and the others run. It is the other way round.",
            {"layers": "rest"},
        ),
        "only one": Mistake(
            "Only the k-th layer is run, on what the encoder wrote. All of the first k are asked for, "
            "one after another.",
            {"layers": "only one"},
        ),
        "no mask": Mistake("The encoder does not get the mask: padding is read.", {"masked": False}),
        "all positions": Mistake(
            "Every position is decoded. Ask only for `positions`: `model.queries(positions)`.",
            {"asked": False},
        ),
        "no encoder": Mistake(
            "The encoder is left out: these are the learned latents, before they have read anything.",
            {"encode": False},
        ),
        "residual": Mistake(
            "The queries are added to the outputs. The decoder has no query residual.", {"residual": True}
        ),
        "no bias": Mistake("The head's bias is missing: use `model.mlm_head`.", {"head": "no bias"}),
        "softmax": Mistake("These are probabilities. The logits are asked for.", {"head": "softmax"}),
        "log": Mistake("These are log-probabilities. The logits are asked for.", {"head": "log"}),
    },
    sizes=lambda **_: {"B": 2, "O": 3, "V": 262, "N": 5, "D": 12, "E": 16, "M": 9, "all positions": 11},
    in_model=early_in_model,
)  # fmt: skip

EXERCISES = [SELF_ATTEND, STACK, COST, EARLY_DECODE]
