"""Exercise 10.first_perceiver: the first Perceiver, which reads its inputs again before each block."""

import torch
from torch import nn

from perceiver_edu.attention import CrossAttend
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import agree, numbers, redrawn
from perceiver_edu.processor import Processor

HEADS = dict(qk_channels=4, v_channels=8, num_heads=2)


def first_cases():
    draw = numbers(0)

    def layers(reads, blocks):
        own = [redrawn(CrossAttend(6, 5, **HEADS), draw) for _ in range(reads)]
        stacks = [redrawn(Processor(2, 6, **HEADS), draw) for _ in range(blocks)]
        return {"cross_attends": nn.ModuleList(own), "blocks": nn.ModuleList(stacks)}

    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    sizes = dict(latents=draw(3, 6), inputs=draw(2, 7, 5))
    return {
        "one cross-attend: Perceiver IO's encoder and processor": sizes | dict(mask=None) | layers(1, 1),
        "three cross-attends": dict(latents=draw(3, 6), inputs=draw(2, 7, 5), mask=None) | layers(3, 3),
        "two cross-attends, padded inputs": dict(latents=draw(3, 6), inputs=draw(2, 7, 5), mask=mask)
        | layers(2, 2),
    }


def first_variant(latents, inputs, mask, cross_attends, blocks, order="", reads="", masked="", fresh=""):
    """latents (N, D), inputs (B, M, C), mask (B, M) bool or None -> (B, N, D)."""
    x = start = latents.expand(len(inputs), -1, -1)  # (B, N, D)
    for number, (cross_attend, block) in enumerate(zip(cross_attends, blocks, strict=True)):
        if reads == "shared":
            cross_attend = cross_attends[0]
        if fresh:
            x = start
        of_text = mask if not masked or (masked == "first" and number == 0) else None
        if order == "block first":
            x = block(x)
        if reads != "once" or number == 0:
            x = cross_attend(x, inputs, of_text)
        if order != "block first":
            x = block(x)
    if order == "read last":
        x = cross_attends[-1](x, inputs, mask)
    return x


def first_properties(arguments):
    def order_of_inputs(call):
        mixed = torch.randperm(arguments["inputs"].shape[1], generator=torch.Generator().manual_seed(0))
        mask = arguments["mask"]
        moved = {"inputs": arguments["inputs"][:, mixed], "mask": None if mask is None else mask[:, mixed]}
        return agree(call(**arguments), call(**arguments | moved))

    yield "permuting the inputs has no effect", order_of_inputs


EXERCISE = Exercise(
    title="the first Perceiver",
    about="8 minutes · medium · section 3.1, appendix A.1",
    name="read_again",
    cases=first_cases,
    variant=first_variant,
    mistakes={
        "order": {
            "block first": "Each block runs before its cross-attend. The latents should read first, because "
            "the block works on what they have read.",
            "read last": "The last cross-attend runs once more after the last block.",
        },
        "reads": {
            "once": "Only the first cross-attend is used, so the inputs are read once, as in Perceiver IO. "
            "Run a cross-attend before each block.",
            "shared": "The first cross-attend is used every time. Use cross_attends[i] before blocks[i].",
        },
        "masked": {
            "first": "The mask is used only for the first cross-attend. The padding is there every time.",
            "never": "The mask is not used.",
        },
        "fresh": {
            True: "Every cross-attend starts from the initial latents, so only the last one has an effect. "
            "Continue with the output of the block before."
        },
    },
    properties=first_properties,
    sizes=lambda latents, inputs, **_: {
        "N": len(latents), "D": latents.shape[1], "B": len(inputs), "M": inputs.shape[1], "C": inputs.shape[2]
    },
    trains=True,
)  # fmt: skip
