"""Is one thing better than another on the same texts, or may it be luck?"""

from itertools import combinations

import torch


def sign_flip_p(differences: torch.Tensor) -> float:
    """Return the p-value of a sign-flip test: differences (B,) of pairs, B ≤ 16.

    It is how often chance alone gives a mean at least as far from 0. If both sides of a pair are equally
    good, its difference may as well have the other sign, so all 2^B signs are tried. No distribution is
    assumed.
    """
    differences = differences.double().cpu()
    bits = torch.arange(2 ** len(differences))[:, None] >> torch.arange(len(differences))
    sums = (1 - 2 * (bits & 1)).double() @ differences  # (2^B,)
    return float((sums.abs() >= differences.sum().abs() * (1 - 1e-9)).double().mean())


def compare_pairs(results: torch.Tensor, level: float = 0.05) -> tuple[int, int, int]:
    """Every two rows of results (K, B), paired by text -> how many pairs of rows there are; how many differ
    at this level, each taken for itself; and how many still do when the level is divided by their number.
    """
    found = [sign_flip_p(a - b) for a, b in combinations(results, 2)]
    return len(found), sum(p < level for p in found), sum(p < level / len(found) for p in found)
