"""Chance is counted exactly, and comparisons are corrected for their number."""

import torch

from perceiver_edu.instruments import compare_pairs, sign_flip_p


def test_the_probability_counts_all_choices_of_signs():
    assert sign_flip_p(torch.tensor([1.0, 2.0, 3.0])) == 2 / 8  # all signs alike, plus or minus
    assert sign_flip_p(torch.tensor([1.0, -1.0, 1.0, -1.0])) == 1.0
    assert sign_flip_p(torch.tensor([3.0, 1.0, -1.0])) == 6 / 8  # |3|: ±3±1∓1 and ±3±1±1
    assert sign_flip_p(torch.ones(12)) == 2 / 2**12


def test_the_correction_divides_the_level_by_the_number_of_pairs():
    rows = torch.stack([torch.zeros(8), torch.ones(8), torch.tensor([1.0, -1] * 4)])
    assert compare_pairs(rows) == (3, 1, 1)  # 2 / 256 is below 5 % / 3; the others are 1, and far from it
    assert compare_pairs(rows[:, :6]) == (3, 1, 0)  # 2 / 64 is below 5 %, not below 5 % / 3
