"""Exercise 02.kinds: a criterion for the three kinds of attention pattern of the paper's Figure 7."""

import math
from collections import Counter
from itertools import chain

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.passages import PASSAGES
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.instruments.kinds import KINDS, attention_kind, count_kinds, maps_over_texts

T, M = 8, 96
IRREGULAR = [2, 9, 25, 43, 67, 88]  # the criterion finds no period: _rise is 0.34


def kind_cases():
    generator = torch.Generator().manual_seed(7)
    m = torch.arange(M)

    def noisy(scores):
        """scores (M,) or (T, M) -> attention weights (T, M), a little different in each text."""
        return (scores + 0.15 * torch.randn(T, M, generator=generator)).softmax(-1).double()

    def peaks(positions):
        """Scores that are high at these positions, (T, how many)."""
        return torch.zeros(T, M).scatter(1, positions, 6.0)

    somewhere = torch.rand(T, M, generator=generator).argsort(1)  # (T, M), each row in an order of its own
    cases = {
        "one position": noisy(8.0 * (m == 41)),
        "a stretch of a few positions": noisy(7 - (m - 66.0).square() / 4),
        "every eighth position": noisy(4 * torch.cos(2 * math.pi * m / 8)),
        "every twentieth position, sharply": noisy(7.0 * (m % 20 == 3)),
        "six sharp peaks at irregular distances": noisy(7.0 * torch.isin(m, torch.tensor(IRREGULAR))),
        "one letter, elsewhere in each text": noisy(peaks(somewhere[:, :1]) * 1.5),
        "four letters, elsewhere in each text": noisy(peaks(somewhere[:, :4])),
        "the spaces of each text": noisy(peaks(somewhere[:, :16])),
        "a uniform pattern": noisy(torch.zeros(M)),
    }
    return {label: {"weights": weights} for label, weights in cases.items()}


def kind_variant(weights, wrong=""):
    if wrong == "one text":
        weights = weights[:1]
    kind = attention_kind(weights)
    sharp = bool((weights.amax(-1) > 0.5).all())
    agree = weights.argmax(-1).unique().numel() == 1
    return {
        "": kind,
        "one text": kind,
        "sharp first": "position" if sharp else kind,
        "no periodic": "other" if kind == "periodic" else kind,
        "no other": "periodic" if kind == "other" else kind,
        "any peaks": "periodic" if kind == "other" and weights.mean(0).max() > 2 / M else kind,
        "argmax": ("position" if agree else "content"),
        "spread is content": "content" if kind == "other" else kind,
        "single": "other" if kind == "position" and not sharp else kind,
    }[wrong]


@torch.no_grad()
def kinds_in_model(function, report):
    """How many heads and latents of the pretrained encoder are of each kind, by both criteria."""
    weights, special = maps_over_texts(pretrained(), PASSAGES)
    criteria = (attention_kind, lambda weights: call(function, {"weights": weights}))
    library, yours = ([*chain(*count_kinds(weights, special, kind))] for kind in criteria)
    counts = [Counter(found) for found in (library, yours)]
    names = [name for name in (*KINDS, "special") if any(count[name] for count in counts)]
    report.table(
        (
            translated("heads × latents of the pretrained encoder"),
            translated("library's criterion"),
            translated("yours"),
        ),
        [(name, *(count[name] for count in counts)) for name in names],
    )
    alike = sum(a == b for a, b in zip(library, yours, strict=True))
    report.say(
        translated(
            "The criteria agree on {alike} of {all}. Where they differ, a pattern is between two "
            "kinds. “special” means that [CLS] and [SEP] get more than half of the attention weight.",
            alike=alike,
            all=len(library),
        )
    )
    return True


EXERCISE = Exercise(
    title="a criterion for three kinds of attention",
    about="20 minutes · hard · appendix F.3, Figure 7",
    name="kind",
    cases=kind_cases,
    variant=kind_variant,
    mistakes={
        "wrong": {
            "one text": "Your function decides by the first text alone. A pattern is “content” if it changes "
            "from text to text, so compare several texts.",
            "sharp first": "Your function calls a sharp peak “position” even if the peak is elsewhere in "
            "each text. First test whether the pattern changes with the text.",
            "no periodic": "Your function calls periodic patterns “other”. They are the same in every text "
            "and repeat at a regular distance.",
            "no other": "Your function calls a pattern without any peak “periodic”. Is there a distance "
            "after which it repeats?",
            "any peaks": "Your function calls sharp peaks “periodic” at whatever distances they are. Test "
            "whether the distances are regular.",
            "argmax": "Your function looks only at the position of the largest weight. With that alone it "
            "cannot tell one peak from several, or from none.",
            "spread is content": "Your function calls a uniform pattern “content”, although it is the same "
            "in every text.",
            "single": "Your function accepts only a single position as “position”. A few neighbouring "
            "positions count as well.",
        }
    },
    terse=True,
    in_model=kinds_in_model,
)
