"""Exercise 07.fast: a slow and correct way to score hidden bytes, made fast."""

import time
from copy import deepcopy

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import SMALL
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.passages import PASSAGES
from perceiver_edu.course.place import translated
from perceiver_edu.course.slow import slow_scores, slownesses, watched
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer

AT_LEAST = 5  # times as fast as the slow one
TURNS = 2


def small_model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return PerceiverIOForMaskedLM(SMALL).eval().requires_grad_(False)


def given(model, lengths, O, seed):
    """Random ids (B, M), padded, and O different positions of each text."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    ids = torch.randint(6, 262, (len(lengths), longest), generator=generator)
    places = torch.stack([torch.randperm(length, generator=generator)[:O] for length in lengths])
    real = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ids = ids.where(real, ByteTokenizer.PAD)
    return dict(model=model, ids=ids, lengths=torch.tensor(lengths), positions=places)


def fast_cases():
    model = small_model()
    return {
        "one text": given(model, [11], 4, seed=1),
        "four texts of different lengths": given(model, [31, 17, 40, 23], 7, seed=2),
    }


def fast_variant(model, ids, lengths, positions, mask="", hide="", score="", byte="true"):
    """(B, O) log-probabilities of the hidden bytes, in one call."""
    real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
    real = {"": real, "none": None, "inverted": ~real}[mask]
    hidden = ids if hide == "nothing" else ids.scatter(1, positions, ByteTokenizer.MASK)
    logits = model(hidden, real, positions)  # (B, O, V)
    scores = {"": lambda x: x.log_softmax(-1), "probability": lambda x: x.softmax(-1), "logit": lambda x: x}
    scores = scores[score](logits)
    if byte == "best":
        return scores.amax(-1)
    return scores.gather(-1, (hidden if byte == "mask" else ids).gather(1, positions)[..., None])[..., 0]


def fast_properties(arguments):
    """What a look at a run tells, of each planted slowness."""

    def watch(call):
        words = arguments["model"].config.vocab_size
        with watched(words) as alone:
            deepcopy(arguments)  # as the check does before each call
        with watched(words) as watch:
            call(**arguments)
        watch.copies -= alone.copies
        return watch

    looks = slownesses(len(arguments["ids"]))
    return [(says, lambda call, look=look: look(watch(call))) for says, look in looks.items()]


def real_texts(model):
    tokenizer = ByteTokenizer()
    longest = min(64, model.config.max_position_embeddings)
    texts = [passage[: longest - 2 - 9 * row] for row, passage in enumerate(PASSAGES[:3])]
    ids, real = tokenizer.batch(texts)
    lengths = real.sum(1)
    positions = torch.stack([torch.arange(1, 5) * int(length - 2) // 5 for length in lengths])
    arrays = dict(ids=ids, lengths=lengths, positions=positions)
    return dict(model=model) | {name: array.to(model.device) for name, array in arrays.items()}


def fast_in_model(function, report):
    """The pretrained model: both in turns in one run, and the fastest turn of each counts."""
    arguments = real_texts(pretrained())
    wanted, yours, times = slow_scores(**arguments), call(function, arguments), {}
    for name, scores in (("slow", slow_scores), ("yours", lambda **a: call(function, a))) * TURNS:
        begin = time.perf_counter()
        scores(**arguments).sum().item()  # waits for a GPU
        times[name] = min(times.get(name, 1e9), time.perf_counter() - begin)
    difference, ratio = float((yours - wanted).abs().max()), times["slow"] / times["yours"]
    report.table(
        (translated("pretrained model, 12 hidden bytes"), translated("the slow one"), translated("yours")),
        [
            (translated("milliseconds"), *(f"{1e3 * times[name]:.0f}" for name in ("slow", "yours"))),
            (translated("times as fast"), "1", f"{ratio:.1f}"),
            (translated("largest difference"), "", f"{difference:.0e}"),
        ],
    )
    if ratio < AT_LEAST:
        raise Misfit(
            translated(
                "your function is {ratio:.1f} times as fast. It should be at least {least} times as fast.",
                ratio=ratio,
                least=AT_LEAST,
            )
        )
    return difference < 1e-3


EXERCISE = Exercise(
    title="make it fast",
    about="20 minutes · hard · section 3.2",
    name="fast_scores",
    cases=fast_cases,
    variant=fast_variant,
    mistakes={
        "mask": {
            "none": "The padding is not masked. Pass a mask (B, M) that is True for the real ids.",
            "inverted": "The mask is inverted. True means a real id.",
        },
        "hide": {
            "nothing": "The bytes are not hidden. Put `[MASK]` at their positions before you call the model."
        },
        "score": {
            "probability": "These are probabilities. Return their logarithms.",
            "logit": "These are logits. Return `log_softmax` over the vocabulary.",
        },
        "byte": {
            "best": "This is the score of the most probable byte. Return that of the byte that was hidden.",
            "mask": "This is the score of `[MASK]` itself. Take the byte from `ids` before you hide it.",
        },
    },
    properties=fast_properties,
    sizes=lambda ids, positions, **_: dict(B=ids.shape[0], M=ids.shape[1], O=positions.shape[1]),
    in_model=fast_in_model,
)
