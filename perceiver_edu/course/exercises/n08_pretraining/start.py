"""Exercise 08.start: initial weights with which every latent attends to a position of its own."""

import math
from dataclasses import replace

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import distance, numbers
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call
from perceiver_edu.language import to_translate
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.training.configs import sized
from perceiver_edu.training.initialization import sinusoids

SIZES = {"N": 4, "D": 13, "C": 8, "K": 10, "M": 43}


def waves(channels, longest, dtype=torch.float64):
    """-> wave: positions (P,) -> (P, channels), the sine waves that the input positions carry."""

    def wave(positions):
        positions = torch.as_tensor(positions, dtype=dtype)
        return sinusoids(positions, channels, longest).to(dtype)

    return wave


def start_cases():
    """latents (N, D), query (K, D) and key (K, C) as usual, small and random; wave; M; scale."""

    def usual(N, M):
        (D, C, K), draw = (SIZES[name] for name in "DCK"), numbers(N)
        small = {"latents": draw(N, D) / 50, "query": draw(K, D) / 50, "key": draw(K, C) / 50}
        return small | {"wave": waves(C, M), "M": M}

    return {
        "a latent for every position": usual(6, 6) | {"scale": 1.0},
        "43 positions for four latents": usual(SIZES["N"], SIZES["M"]) | {"scale": 1.5},
    }


def start_variant(latents, query, key, wave, M, scale, centres="", scaled="both", rest="", picks=""):
    """-> {"latents" (N, D), "query" (K, D), "key" (K, C)}, with a switch for each mistake."""
    N, C = len(latents), key.shape[1]
    n = torch.arange(N, dtype=latents.dtype)
    places = {"left": n * M / N, "ends": n * (M - 1) / max(1, N - 1), "index": n}
    places |= {"numbers": (n + 0.5) * M / N - 0.5, "whole": (n + 0.5) * (M // N)}
    at = places.get(centres, (n + 0.5) * M / N)
    new = {"latents": latents.clone(), "query": torch.zeros_like(query), "key": torch.zeros_like(key)}
    if rest == "kept":
        new |= {"query": query.clone(), "key": key.clone()}
    if rest == "cleared":
        new["latents"].zero_()
    new["latents"][:, :C] = wave(at) + (latents[:, :C] if rest == "added" else 0)
    i = torch.arange(C)
    columns = i.flip(0) if picks else i
    new["query"][i, i] = scale if scaled in ("both", "query") else 1.0
    new["key"][i, columns] = scale if scaled in ("both", "key") else 1.0
    return new


def reading(new, wave, M):
    """The attention map of such an initialisation, without norms: (N, M). Its tensors may differ in dtype."""
    waves = wave(torch.arange(M))
    new = {
        name: tensor.to(waves.dtype) for name, tensor in new.items() if name in ("latents", "query", "key")
    }
    keys = waves @ new["key"].T  # (M, K)
    queries = new["latents"] @ new["query"].T  # (N, K)
    return (queries @ keys.T / math.sqrt(keys.shape[1])).softmax(-1)


def start_properties(arguments):
    def peaks(call):
        weights = reading(call(**arguments), arguments["wave"], arguments["M"])
        N, M = weights.shape
        centres = (torch.arange(N) + 0.5) * M / N
        away = (weights.argmax(1) - centres).abs().max()
        return bool(away <= 1), translated(
            "latent {latent} attends most to position {position} of {M}",
            latent=N // 2,
            position=int(weights[N // 2].argmax()),
            M=M,
        )

    yield "each latent attends most to its own position", peaks


@torch.no_grad()
def start_in_model(function, report):
    """The encoder of a small new model: how widely its latents attend, with three initialisations."""
    config = replace(sized("tiny"), max_position_embeddings=48, d_latents=96, num_cross_attention_heads=1)
    M, C = config.max_position_embeddings, config.d_model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = PerceiverIOForMaskedLM(config).encoder
    attention = encoder.cross_attend.attention
    wave = waves(C, M, torch.float32)
    given = {"latents": encoder.latents.detach(), "query": attention.query.weight.detach()}
    given |= {"key": attention.key.weight.detach(), "wave": wave, "M": M, "scale": 1.6}
    maps = {
        to_translate("the usual initialisation"): reading(given, wave, M),
        to_translate("yours"): reading(call(function, given), wave, M),
        to_translate("the library's"): reading(start_variant(**given), wave, M),
    }
    rows = []
    for name, weights in maps.items():
        bits = float(-torch.xlogy(weights, weights).sum(-1).mean()) / math.log(2)
        rows.append((translated(name), f"{bits:.2f}", f"{float(weights.max(-1).values.mean()):.0%}"))
    uniform = translated("uniform over {M} bytes: {bits:.2f}", M=M, bits=math.log2(M))
    report.table(
        (
            translated("a new model, N = {N}", N=config.num_latents),
            translated("bits ({uniform})", uniform=uniform),
            translated("largest attention weight"),
        ),
        rows,
    )
    return distance(maps["yours"], maps["the library's"]) < 1e-4


EXERCISE = Exercise(
    title="an initialisation that escapes the plateau",
    about="10 minutes · hard · section 3.2",
    name="aligned_start",
    cases=start_cases,
    variant=start_variant,
    mistakes={
        "centres": {
            "left": "The latents are at the left edges of their stretches, n · M / N. The middle is half a "
            "stretch further, (n + 0.5) · M / N.",
            "ends": "The first latent is at position 0 and the last at M - 1, so half of what they attend to "
            "is outside the text. Divide the text into N stretches, and use their middles.",
            "index": "Latent n is at position n, so all of them crowd at the beginning of the text. Spread "
            "them over M.",
            "numbers": "You averaged the numbers of the positions, which is half a position too far left. "
            "Cut the line from 0 to M instead: (n + 0.5) · M / N.",
            "whole": "The stretches are M // N long, so no latent is at the end of the text. Divide without "
            "rounding, M / N.",
        },
        "scaled": {
            "query": "Only W_q has the scale. Both W_q and W_k need it.",
            "key": "Only W_k has the scale. Both W_q and W_k need it.",
            "none": "The scale is missing in W_q and W_k. Without it the bump is wide, and all latents "
            "attend to nearly the same bytes.",
        },
        "rest": {
            "kept": "The small random numbers of W_q and W_k are still there. Set all other entries to 0.",
            "cleared": "The channels of the latents after the first C are set to 0. Leave them as they were, "
            "because they let the latents differ in what they keep.",
            "added": "The waves are added to the latents' first C channels. They should replace them.",
        },
        "picks": {
            "reversed": "W_q and W_k pick the channels in different orders, so no channel is compared with "
            "itself. The same row must pick the same channel in both."
        },
    },
    properties=start_properties,
    sizes=lambda latents, M, **_: {"M": M} | SIZES | {"M": M, "N": len(latents)},
    in_model=start_in_model,
)
