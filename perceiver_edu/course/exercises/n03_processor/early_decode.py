"""Exercise 03.early_decode: decoding after layer k, before the end."""

import torch

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.comparison import same
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import numbers, redrawn
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments import depth, stop_after
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.utf8_search import best_byte_strings


def early_cases():
    sizes = PerceiverIOConfig(
        max_position_embeddings=11, d_model=16, num_latents=5, d_latents=12, num_self_attends_per_block=4,
        num_self_attention_heads=3, num_cross_attention_heads=2, qk_channels=6, v_channels=12,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    model = redrawn(PerceiverIOForMaskedLM(sizes), numbers(generator))
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
        "all for 0": stack[: k or None],
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
        scores = logits[0].cpu().double().log_softmax(-1).nan_to_num(-1e9)
        scores = scores[:, tokenizer.BYTE_OFFSET : tokenizer.VOCAB_SIZE]
        return best_byte_strings(scores.numpy(), 1)[0][0].decode()

    deepest = depth(model)
    for k in sorted({0, deepest // 2, deepest}):
        yours = call(function, dict(model=model, ids=ids, mask=mask, positions=positions, k=k))
        library = library_early(model, ids, mask, positions, k)
        ok = ok and same(yours, library)
        rows.append(
            (
                translated("{number} layers", number=k),
                repr(first_filling(library)),
                repr(first_filling(yours)),
            )
        )
    report.table(
        (
            translated("“{before}_____{after}”, decoded after", before=before, after=after),
            translated("by the library"),
            translated("by your code"),
        ),
        rows,
    )
    return ok


EXERCISE = Exercise(
    title="decode before the end",
    about="5 minutes · easy",
    name="early_decode",
    cases=early_cases,
    reference=library_early,
    variant=early_variant,
    mistakes={
        "layers": {
            "one more": "You run one layer too many, k + 1.",
            "one less": "You run one layer too few, k - 1.",
            "all": "You run all layers: k is not used.",
            "last": "You run the last k layers. Run the first k.",
            "rest": "You skip the first k layers and run the others. Run the first k and skip the others.",
            "all for 0": "With k = 0 you run all layers. Run none of them.",
            "only one": "You run only the k-th layer, on the encoder's latents. Run all of the first k, one "
            "after another.",
        },
        "masked": {False: "The encoder does not get the mask, so padding is attended to."},
        "asked": {False: "You decode every position. Decode only `positions`: `model.queries(positions)`."},
        "encode": {
            False: "The encoder is left out. These are the initial latents, before they have attended to any "
            "byte."
        },
        "residual": {True: "The queries are added to the outputs. The decoder has no query residual."},
        "head": {
            "no bias": "The head's bias is missing: use `model.mlm_head`.",
            "softmax": "These are probabilities. Return the logits.",
            "log": "These are log-probabilities. Return the logits.",
        },
    },
    sizes=lambda **_: {"B": 2, "O": 3, "V": 262, "N": 5, "D": 12, "E": 16, "M": 9, "all positions": 11},
    in_model=early_in_model,
)
