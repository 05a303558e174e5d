"""Exercise 03.ablation: take latents out in three ways, and see whether the way matters."""

import math

import torch
import torch.nn.functional as F

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import agree, distance, numbers
from perceiver_edu.course.exercises.predictions import beside
from perceiver_edu.course.passages import PASSAGES
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments import ablated, change_latents, record, residual_stream
from perceiver_edu.instruments.tracing import ENCODER_MAP
from perceiver_edu.tokenizer import ByteTokenizer

SIZES = {"B": 3, "N": 5, "D": 4, "rows": 2}
WAYS = ("zero", "mean", "resample")


def ablation_cases():
    draw = numbers(3)
    given = dict(latents=draw(3, 5, 4), others=draw(3, 5, 4) + 1)
    cases = {how: given | dict(rows=[3, 0], how=how) for how in WAYS}
    return cases | {"resample, no latent at all": given | dict(rows=[], how="resample")}


def ablation_reference(latents, others, rows, how):
    return ablated(latents, rows, how, others)


def ablation_variant(
    latents, others, rows, how, mean="texts", other="same number", where="rows", how_used=True
):
    """Ablation with a switch for each mistake; untouched, it is right."""
    how = how if how_used else "zero"
    source = {
        "texts": others.mean(0, keepdim=True),
        "latents": others.mean(1, keepdim=True),
        "channels": others.mean(2, keepdim=True),
        "all": others.mean(),
        "own": latents.mean(0, keepdim=True),
    }[mean]
    drawn = {
        "same number": others,
        "first text": others[:1],
        "own": latents.roll(1, 0),
        "other latents": others.roll(1, 1),
    }[other]
    new = {"zero": torch.zeros_like(latents), "mean": source, "resample": drawn}[how].expand_as(latents)
    chosen = torch.zeros_like(latents, dtype=torch.bool)
    if where == "texts":
        chosen[[row for row in rows if row < len(latents)]] = True
    elif where == "channels":
        chosen[..., [row for row in rows if row < latents.shape[2]]] = True
    else:
        chosen[:, rows] = True
    if where == "the others":
        chosen = ~chosen
    if where == "all":
        chosen = torch.ones_like(chosen)
    return torch.where(chosen, new, latents)


def ablation_properties(arguments):
    given = ablation_cases()["mean"]

    def rest(call):
        kept = [row for row in range(5) if row not in given["rows"]]
        moved = max(
            distance(call(**given | {"how": how})[:, kept], given["latents"][:, kept]) for how in WAYS
        )
        return moved < 1e-6, translated("they change by {moved:.2g}", moved=moved)

    def silent(call):
        spoilt = given["latents"].clone()
        spoilt[:, given["rows"]] += 7
        return agree(call(**given | {"latents": spoilt}), call(**given))

    yield "the latents that are not ablated stay as they are", rest
    yield "an ablated latent has no effect on the result", silent


@torch.no_grad()
def ablation_in_model(function, report):
    """Damage to a hole of the pretrained model, by the learner's ablation and by the library's."""
    model, tokenizer = pretrained(), ByteTokenizer()
    longest = model.config.max_position_embeddings - 2
    passages = [text[:longest] for text in PASSAGES[:4]]
    ids, mask = (tensor.to(model.device) for tensor in tokenizer.batch(passages))
    hole = torch.arange(ids.shape[1] // 3, ids.shape[1] // 3 + 5, device=model.device)
    right = ids[:, hole]
    ids[:, hole] = tokenizer.MASK

    def bits() -> float:
        logits = model(ids, mask, hole)
        return float(F.cross_entropy(logits.flatten(0, 1), right.flatten())) / math.log(2)

    with record(model, ENCODER_MAP) as seen:
        intact = bits()
    rows = seen[ENCODER_MAP][0].mean((0, 1))[:, hole].sum(1).topk(2).indices.tolist()
    others = residual_stream(model, ids, mask)[0].roll(1, 0)  # (B, N, D)
    table = []
    for how in WAYS:
        given = dict(others=others, rows=rows, how=how)
        with change_latents(model, lambda latents, given=given: ablated(latents, rows, given["how"], others)):
            library = bits() - intact
        with change_latents(model, lambda latents, given=given: call(function, {"latents": latents} | given)):
            yours = bits() - intact
        table.append((how, round(library, 3), round(yours, 3)))
    header = (
        translated("latents {rows} ablated: extra bits per byte of a hole", rows=rows),
        translated("library"),
        translated("yours"),
    )
    return beside(report, header, table)


EXERCISE = Exercise(
    title="take latents out, in three ways",
    about="12 minutes · medium",
    name="ablate",
    cases=ablation_cases,
    reference=ablation_reference,
    variant=ablation_variant,
    mistakes={
        "how_used": {False: "The latents are set to zero whatever `how` says."},
        "mean": {
            "latents": "The mean is taken over the latents. Take it over the texts, the first axis, so that "
            "each latent is replaced by its own mean.",
            "channels": "The mean is taken over the channels. Take it over the texts, the first axis.",
            "all": "The mean is taken over everything, which leaves a single number. Take it over the texts "
            "alone, so that each latent keeps a vector of its own.",
            "own": "The mean is taken over `latents`, which includes the text itself. Take it over `others`.",
        },
        "other": {
            "first text": "Every text gets the latents of the first other text. Text b should get those of "
            "`others[b]`.",
            "own": "The replacement comes from another row of `latents`. Take it from `others`.",
            "other latents": "The replacement is a different latent of the other text. Replace latent n by "
            "latent n.",
        },
        "where": {
            "texts": "`rows` is used as an index on the first axis, the texts. It refers to latents, the "
            "second axis.",
            "channels": "`rows` is used as an index on the last axis, the channels. It refers to latents, "
            "the second axis.",
            "the others": "You kept the latents in `rows` and replaced all the others. Replace those in "
            "`rows`.",
            "all": "All latents are replaced. Replace only those in `rows`.",
        },
    },
    properties=ablation_properties,
    sizes=lambda **_: SIZES,
    in_model=ablation_in_model,
)
