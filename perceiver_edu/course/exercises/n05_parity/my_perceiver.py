"""Exercise 05.my_perceiver: the whole model, assembled from the learner's parts, with a checkpoint in it."""

import inspect
from contextlib import redirect_stdout
from io import StringIO

import torch
from torch import nn

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.capstone import Assembled, collect, compare_assembled, renamed
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import numbers
from perceiver_edu.course.guard import Misfit, as_function, run
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.parity import BOUNDARIES, ledger
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.weights.huggingface import huggingface_name

POSITIONS = torch.tensor([5, 1, 8])
SIZES = dict(
    vocab_size=23, max_position_embeddings=11, d_model=16, num_latents=5, d_latents=12, qk_channels=6,
    v_channels=12, num_self_attends_per_block=3, num_self_attention_heads=3, num_cross_attention_heads=2,
    cross_attention_widening_factor=2, self_attention_widening_factor=3,
)  # fmt: skip


def model_cases():
    """Each with the parts that `collect` gives the learner, so that one table of names fits them all."""
    given = {"mine": collect()}
    return {
        "two texts, the first of them padded": {"config": PerceiverIOConfig(**SIZES)} | given,
        "the same stack in two blocks": {"config": PerceiverIOConfig(**SIZES | {"num_blocks": 2})} | given,
    }


def checkpoint(config: PerceiverIOConfig) -> dict[str, torch.Tensor]:
    """Weights by Hugging Face's names, every one of them drawn, in float64."""
    from perceiver_edu.model import PerceiverIOForMaskedLM

    draw = numbers(7)
    tensors = PerceiverIOForMaskedLM(config).state_dict()
    return {huggingface_name(name): 0.5 * draw(*tensor.shape) for name, tensor in tensors.items()}


def with_weights(model: nn.Module, state: dict[str, torch.Tensor]) -> nn.Module:
    """The checkpoint in the learner's model, by the learner's table. Raises: Misfit where it does not fit."""
    table = getattr(model, "renames", None)
    if not isinstance(table, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        for pair in table
    ):
        raise Misfit(
            translated(
                'your model needs `self.renames`, a list of pairs (old, new), such as ("layernorm", "norm").'
            )
        )
    own = model.state_dict()
    state = renamed(state, table)
    missing, left = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or left:
        raise Misfit(
            translated(
                "the checkpoint does not fit yet: {missing} weights of your model get nothing "
                "({unfilled}), and {left} of the checkpoint go nowhere ({unused}). Pairs are used in the "
                "order of the table, on every name in which the old part occurs.",
                missing=len(missing),
                unfilled=some(missing),
                left=len(left),
                unused=some(left),
            )
        )
    wrong = [f"{name} {tuple(own[name].shape)}" for name in own if own[name].shape != state[name].shape]
    if wrong:
        raise Misfit(
            translated(
                "these weights of your model would receive a tensor of a different shape: {wrong}.",
                wrong=some(wrong),
            )
        )
    model.to(next(iter(state.values())).dtype).load_state_dict(state)
    return model.eval()


def some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "") if names else translated("none")


def five_arrays(result, arguments):
    """What the learner's model makes of two texts, with the checkpoint in it; at last, at some positions.

    Raises: Misfit where it cannot be run.
    """
    if not isinstance(result, nn.Module):
        raise Misfit(
            translated(
                "the check builds an instance of your class, but it got {result}.", result=shown(result)
            )
        )
    config = arguments["config"]
    with redirect_stdout(StringIO()):
        model = with_weights(result, checkpoint(config))
    ids = torch.arange(18).reshape(2, 9) % (config.vocab_size - 6) + 6
    mask = torch.arange(9) < torch.tensor([[6], [9]])
    arrays = forward(model, ids=ids, mask=mask, positions=None)
    asked = forward(model, ids=ids, mask=mask, positions=POSITIONS)
    return arrays | {"logits at 3 positions": asked["logits"]}


def forward(model: nn.Module, **arguments) -> dict:
    outcome = run(model.forward, arguments, quiet=True)
    if outcome.not_done:
        raise Misfit(translated("your `forward` still raises NotImplementedError."))
    if outcome.problem:
        raise Misfit(f"{outcome.problem}\n{outcome.code}".strip())
    arrays = outcome.value
    if not isinstance(arrays, dict) or list(arrays) != list(BOUNDARIES):
        got = (
            translated("the keys {keys}", keys=", ".join(map(str, arrays)))
            if isinstance(arrays, dict)
            else shown(arrays)
        )
        raise Misfit(
            translated(
                "`forward` should return a dict with the keys {keys}, in this order; got {got}.",
                keys=", ".join(BOUNDARIES),
                got=got,
            )
        )
    return arrays


class Slipped(Assembled):
    """The library's answer with a switch for each mistake that many make."""

    def __init__(self, config, mine, table="", **slips):
        super().__init__(config, mine)
        self.slips = slips
        exchanged = {
            "norms": ("q_norm", "mlp_norm"),
            "positions and queries": ("queries", "embedding.position_embedding.weight"),
        }
        one, other = exchanged.get(table, ("-", "-"))
        self.renames += [(one, "-"), (other, one), ("-", other)]

    def forward(self, ids, mask=None, positions=None):
        slips, r, w = self.slips, self.reader, self.writer
        inputs = self.embedding(ids)
        start = self.latents.expand(len(ids), -1, -1)
        given = {"dropped": None, "inverted": ~mask}.get(slips.get("mask"), mask)
        asking = start if slips.get("norm") == "reader" else r.q_norm(start)
        read = r.attention(asking, r.kv_norm(inputs), given)
        read = read if slips.get("encoder") == "no residual" else start + read
        thought = r.mlp(r.mlp_norm(read))
        encoded = {"no mlp": read, "mlp alone": thought}.get(slips.get("encoder"), read + thought)
        processed = encoded if slips.get("stack") == "left out" else self.stack(encoded)
        queries = (
            self.queries if positions is None or slips.get("asked") == "all" else self.queries[positions]
        )
        if slips.get("asked") == "first" and positions is not None:
            queries = self.queries[: len(positions)]
        outputs = self.mine.decode(
            queries[None], encoded if slips.get("stack") == "ignored" else processed,
            w.q_norm, w.kv_norm, w.attention, w.mlp_norm, w.mlp,
        )  # fmt: skip
        outputs = outputs + queries if slips.get("residual") else outputs
        logits = self.mine.tied_head(outputs, self.embedding, self.bias)
        if slips.get("end"):
            logits = logits.softmax(-1)
        return dict(zip(BOUNDARIES, (inputs, encoded, processed, outputs, logits), strict=True))


def model_variant(config, mine, **slips):
    return Slipped(config, mine, **slips)


def class_only(learner, exercise):
    if inspect.isclass(learner) and issubclass(learner, nn.Module):
        return learner
    if inspect.isclass(learner) or isinstance(learner, nn.Module):
        raise Misfit(
            translated(
                "the check takes the class itself: `check({id!r}, {name})`.",
                id=exercise.id,
                name=exercise.name,
            )
        )
    return as_function(learner, exercise)


def model_in_model(function, report):
    """The learner's class, of the learner's own parts, with the pretrained weights: the ledger."""
    model, tokenizer = pretrained(), ByteTokenizer()
    mine = collect()
    own = call(function, {"config": model.config, "mine": mine}).to(model.device)
    state = {huggingface_name(name): tensor for name, tensor in model.state_dict().items()}
    texts = ["She opened the door and went[MASK][MASK][MASK][MASK][MASK] the house.", "So."]
    ids, mask = (tensor.to(model.device) for tensor in tokenizer.batch(texts))
    rows = compare_assembled(with_weights(own, state), model, ids, mask)
    report.say(
        translated(
            "Your model with the pretrained weights, in which {yours} of 6 parts are your own, next to "
            "the library's:",
            yours=len(mine.yours),
        )
    )
    report.pre(ledger(rows))
    return all(row.ok for row in rows)


EXERCISE = Exercise(
    title="your own Perceiver IO",
    about="30 minutes · hard · sections 3.1, 3.2, appendix E",
    name="MyPerceiver",
    cases=model_cases,
    variant=model_variant,
    mistakes={
        "encoder": {
            "no residual": "The encoder's first residual is missing: latents + attention(…).",
            "no mlp": "The encoder's second half is missing: x + mlp(mlp_norm(x)).",
            "mlp alone": "The encoder's second residual is missing: x + mlp(mlp_norm(x)).",
        },
        "mask": {
            "dropped": "The mask does not reach the encoder's attention, so padding is attended to.",
            "inverted": "The mask is inverted. True means a real id.",
        },
        "norm": {"reader": "The latents enter the encoder's attention without their norm, `q_norm`."},
        "stack": {
            "left out": "The stack is left out: `processed` is the output of the encoder.",
            "ignored": "The decoder attends to the encoded latents. It should attend to the processed ones.",
        },
        "asked": {
            "all": "`positions` is not used, so each call decodes all positions.",
            "first": "These are the first queries, not those at `positions`.",
        },
        "residual": {True: "The queries are added to the outputs. The decoder has no query residual."},
        "end": {True: "These are probabilities. Return the logits, without a softmax."},
        "table": {
            "norms": "Your table swaps `q_norm` and `mlp_norm`. Inside `attention`, layernorm1 is the norm "
            "of the queries and layernorm2 that of keys and values; the plain `layernorm` is the MLP's.",
            "positions and queries": "Your table swaps two arrays of the same shape: the position embedding "
            "of the inputs, and the output queries of the decoder.",
        },
    },
    sizes=lambda **_: {"B": 2, "M": 9, "C": 16, "N": 5, "D": 12, "V": 23, "O": 3},
    view=five_arrays,
    compared="the five arrays",
    accept=class_only,
    in_model=model_in_model,
)
