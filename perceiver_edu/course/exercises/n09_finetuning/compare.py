"""Exercise 09.compare: is one method better than another, or was it luck?"""

import math
import statistics

from perceiver_edu.course.exercise import Exercise


def compare_cases():
    five = dict(ours=[0.52, 0.71, 0.90, 0.61, 0.80], baseline=[0.50, 0.70, 0.88, 0.60, 0.78], limit=4.6)
    return {
        "clearly better": dict(ours=[0.80, 0.84, 0.79, 0.85], baseline=[0.70, 0.75, 0.68, 0.74], limit=3.2),
        "clearly worse": dict(ours=[0.61, 0.64, 0.60], baseline=[0.72, 0.74, 0.73], limit=4.3),
        "one lucky seed": dict(ours=[0.70, 0.71, 0.90], baseline=[0.72, 0.70, 0.69], limit=4.3),
        "twice its error": dict(ours=[0.75, 0.70, 0.78], baseline=[0.70, 0.69, 0.71], limit=4.3),
        "small, but up on every seed": five,
        "exactly the same gain on every seed": dict(
            ours=[0.75, 0.5, 0.625], baseline=[0.625, 0.375, 0.5], limit=4.3
        ),
        "the same method twice": dict(ours=[0.61, 0.64, 0.60], baseline=[0.61, 0.64, 0.60], limit=4.3),
    }


def compare_variant(ours, baseline, limit, wrong=""):
    """-> {"difference", "spread", "error", "decided"}."""
    pairs = [a - b for a, b in zip(ours, baseline, strict=True)]
    n, difference = len(pairs), statistics.fmean(pairs)
    if wrong == "best":
        difference = max(ours) - max(baseline)
    if wrong == "sign":
        difference = -difference
    spread = statistics.pstdev(pairs) if wrong == "n" else statistics.stdev(pairs)
    if wrong == "unpaired":
        spread = math.sqrt(statistics.variance(ours) + statistics.variance(baseline))
    if wrong == "variance":
        spread = statistics.variance(pairs)
    if wrong == "ours":
        spread = statistics.stdev(ours)
    error = {"over n": spread / n, "no root": spread}.get(wrong, spread / math.sqrt(n))
    decided = abs(difference) > limit * error
    if wrong == "no sign":
        decided = difference > limit * error
    if wrong == "no limit":
        decided = abs(difference) > error
    if wrong == "spreads":
        decided = abs(difference) > limit * spread
    if wrong == "no spread":
        decided = decided and error > 0
    if wrong == "positive":
        decided = difference > 0
    return {"difference": difference, "spread": spread, "error": error, "decided": decided}


EXERCISE = Exercise(
    title="better, or lucky?",
    about="8 minutes · medium · section 4.1",
    name="compare",
    cases=compare_cases,
    variant=compare_variant,
    mistakes={
        "wrong": {
            "best": "`difference` compares the best seeds. The best of several runs depends on luck, so "
            "compare means.",
            "sign": "The difference has the wrong sign. It is ours minus baseline.",
            "n": "The spread divides by n. The standard deviation of a sample divides by n - 1.",
            "variance": "This is the variance. The spread is its square root.",
            "unpaired": "The two spreads are combined as if the seeds had nothing in common. Take the "
            "difference seed by seed first, so that an effect of the seed on both methods cancels.",
            "ours": "This is the spread of `ours` alone. Return the spread of the differences.",
            "over n": "The standard error of a mean is the spread / √n, not / n.",
            "no root": "This is the spread of one seed. The mean of n seeds varies less, so divide by √n.",
            "no sign": "A baseline that is clearly better counts as decided, too. Compare |difference|.",
            "no limit": "`limit` is not used. The difference must be more than `limit` standard errors.",
            "spreads": "`decided` compares the difference with `limit` spreads. Compare it with `limit` "
            "*standard errors*.",
            "no spread": "You call the same gain on every seed undecided. Its standard error is 0, so it is "
            "more than `limit` standard errors.",
            "positive": "You count any difference above 0 as decided. Is it larger than chance would make "
            "it?",
        }
    },
)
