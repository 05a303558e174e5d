"""Baselines: what they see, how they count, and exact predictions where a person can work them out."""

import math

import numpy as np
import pytest
import torch

from perceiver_edu import ByteTokenizer
from perceiver_edu.errors import InputError
from perceiver_edu.training.baselines import (
    BASELINES,
    FAR,
    SHAPES,
    Baselines,
    V,
    contexts,
    count_holes,
    load_counts,
    save_counts,
)
from perceiver_edu.training.corpus import crop_pack
from perceiver_edu.training.masking import IGNORE, mask_bytes

MASK, CLS, SEP, OFFSET = ByteTokenizer.MASK, ByteTokenizer.CLS, ByteTokenizer.SEP, ByteTokenizer.BYTE_OFFSET


def masked(text, hidden):
    """ "[CLS]text[SEP]" with the characters marked "_" in `hidden` masked -> inputs, labels (1, M)."""
    ids = torch.tensor([[CLS, *(OFFSET + byte for byte in text.encode()), SEP]])
    holes = torch.tensor([[False, *(mark == "_" for mark in hidden), False]])
    return ids.masked_fill(holes, MASK), ids.masked_fill(~holes, IGNORE)


def empty():
    return {name: torch.zeros((*shape, V), dtype=torch.int64) for name, shape in SHAPES.items()}


def test_contexts_see_both_ends_of_a_merged_hole():
    inputs, labels = masked("I see two dogs.", "I see__________")
    left, right, geometry = (contexts(inputs, labels)[name] for name in ("left", "right", "geometry"))
    distances = [(i, 11 - i) for i in range(1, 11)]  # " two dogs." is one hole of ten bytes
    assert [divmod(c, FAR + 1) for c in geometry.tolist()] == distances
    assert [divmod(c, FAR + 1) for c in left.tolist()] == [(OFFSET + ord("e"), i) for i, _ in distances]
    assert [divmod(c, FAR + 1) for c in right.tolist()] == [(SEP, i) for _, i in distances]


def test_contexts_of_separate_holes_and_of_far_ends():
    inputs, labels = masked("ab" + "x" * 40 + "c", "_b" + "_" * 40 + "c")
    seen = contexts(inputs, labels)
    assert seen["left"][0] == CLS * (FAR + 1) + 1 and seen["right"][0] == (OFFSET + ord("b")) * (FAR + 1) + 1
    assert divmod(seen["geometry"][-1].item(), FAR + 1) == (FAR, 1), "40 bytes away counts as FAR"
    assert (seen["unigram"] == 0).all() and len(seen["unigram"]) == 41


def test_contexts_of_a_row_that_is_nothing_but_hole():
    labels = torch.full((1, 3), OFFSET)
    seen = contexts(torch.full((1, 3), MASK), labels)
    assert [divmod(c, FAR + 1) for c in seen["geometry"].tolist()] == [(1, 3), (2, 2), (3, 1)]
    assert (seen["left"] // (FAR + 1) == ByteTokenizer.PAD).all()


def test_rows_do_not_see_each_other():
    one, other = masked("a cat", "a____"), masked("the c", "___ c")
    inputs, labels = (torch.cat(pair) for pair in zip(one, other, strict=True))
    for name, seen in contexts(inputs, labels).items():
        assert seen.tolist() == contexts(*one)[name].tolist() + contexts(*other)[name].tolist()


def test_counting_is_counting():
    crops = crop_pack([" ab"] * 50, 5)  # 50 documents " ab", their [SEP] between: every word is " ab"
    counts = count_holes(crops, seed=0, fraction=1.0)
    a, b, space = (OFFSET + ord(letter) for letter in "ab ")
    total = counts["unigram"].sum().item()
    last_spaces = (crops[:, -2] == space).sum()  # a space before [SEP] is in no word
    assert total == (crops >= OFFSET).sum() - last_spaces
    assert counts["unigram"][0].nonzero().flatten().tolist() == [space, a, b]
    for name, table in counts.items():
        assert table.shape == (*SHAPES[name], V) and table.sum() == total
    whole = (crops[:, 1:4] == torch.tensor([space, a, b])).all(1).sum()
    assert counts["left"][CLS, 1, space] == whole
    assert counts["geometry"][2, 2, a] == whole


def test_predictions_are_the_smoothed_counts():
    a, b = OFFSET + ord("a"), OFFSET + ord("b")
    counts = empty()
    counts["unigram"][0, a], counts["unigram"][0, b] = 30, 10
    counts["geometry"][1, 1, b] = 6
    inputs, labels = masked("a", "_")  # distances 1 and 1
    guess = Baselines(counts, strength=2)(inputs, labels)
    unigram = {a: (30 + 2 / V) / 42, b: (10 + 2 / V) / 42}
    for letter, p in unigram.items():
        assert guess["unigram"][0, letter].exp().item() == pytest.approx(p, rel=1e-5)
        assert guess["left"][0, letter].exp().item() == pytest.approx(p, rel=1e-5), "nothing was seen there"
    assert guess["geometry"][0, b].exp().item() == pytest.approx((6 + 2 * unigram[b]) / 8, rel=1e-5)
    for name, log_probs in guess.items():
        assert log_probs.shape == (1, V), name
        assert log_probs.exp().sum().item() == pytest.approx(1, abs=1e-4), name


def test_sides_multiply_what_the_neighbours_tell():
    """Where both neighbours are known, their evidence multiplies: 3 : 1 from each side makes 9 : 1."""
    a, b, x, y = (OFFSET + ord(letter) for letter in "abxy")
    counts = empty()
    counts["unigram"][0, a] = counts["unigram"][0, b] = 400_000
    counts["geometry"][1, 1, a] = counts["geometry"][1, 1, b] = 400_000
    for side in ("left", "right"):
        counts[side][x, 1, a], counts[side][x, 1, b] = 300_000, 100_000
        counts[side][y, 1, a], counts[side][y, 1, b] = 100_000, 300_000
    guess = Baselines(counts)(*masked("xax", "x_x"))
    assert guess["left"][0, a].exp().item() == pytest.approx(0.75, abs=1e-3)
    assert guess["sides"][0, a].exp().item() == pytest.approx(0.9, abs=1e-3)
    assert Baselines(counts)(*masked("xay", "x_y"))["sides"][0, a].exp().item() == pytest.approx(
        0.5, abs=1e-3
    )


def test_a_neighbour_that_tells_nothing_new_changes_nothing():
    """At this distance "a" comes four times in five, whatever stands beside it: so it does beside "x"."""
    a, b, x, y = (OFFSET + ord(letter) for letter in "abxy")
    counts = empty()
    counts["unigram"][0, a] = counts["unigram"][0, b] = 500_000
    counts["geometry"][1, 1, a], counts["geometry"][1, 1, b] = 400_000, 100_000
    for side in ("left", "right"):
        for neighbour in (x, y):
            counts[side][neighbour, 1, a], counts[side][neighbour, 1, b] = 400_000, 100_000
    guess = Baselines(counts)(*masked("xax", "x_x"))
    for name in ("geometry", "left", "right", "sides"):
        assert guess[name][0, a].exp().item() == pytest.approx(0.8, abs=1e-3), name


def test_no_guess_is_impossible():
    guess = Baselines(empty())(*masked("\u00ff", "__"))
    assert all(torch.isfinite(log_probs).all() for log_probs in guess.values())
    assert guess["unigram"][0, 5].item() == pytest.approx(-math.log(V), rel=1e-5)


def test_counts_come_back_without_the_rare_ones(tmp_path):
    counts = count_holes(crop_pack(["one two three two one two " * 9], 40))
    for at_least in (1, 2, 5):
        save_counts(counts, tmp_path / "counts.npz", at_least)
        for name, table in load_counts(tmp_path / "counts.npz").items():
            assert (table == counts[name] * (counts[name] >= at_least)).all()


def test_files_of_something_else_are_refused(tmp_path):
    file = tmp_path / "counts.npz"
    with pytest.raises(InputError, match=r"counts\.npz: not a file of baseline counts"):
        load_counts(file)
    for content in (b"", b"garbage", BASELINES.read_bytes()[:5000]):
        file.write_bytes(content)
        with pytest.raises(InputError, match="not a file of baseline counts"):
            load_counts(file)
    content = bytearray(BASELINES.read_bytes())
    content[2000:2004] = b"\xff" * 4
    file.write_bytes(content)
    with pytest.raises(InputError, match="not a file of baseline counts"):
        load_counts(file)
    np.savez(file, unigram_cells=np.array([10**6]), unigram_counts=np.array([1]))
    with pytest.raises(InputError, match="not a file of baseline counts"):
        load_counts(file)


def test_the_counts_in_the_package_are_small():
    assert BASELINES.stat().st_size < 200_000
    assert load_counts()["unigram"].sum() > 2_000_000  # bytes


def test_single_hidden_bytes_are_counted_too():
    crops = crop_pack(["abcdefgh " * 60], 200)
    words, singles = count_holes(crops), count_holes(crops, mask=mask_bytes)
    longest = [int(counts["geometry"].sum(-1).nonzero().max()) for counts in (words, singles)]
    assert longest[0] >= 9 > longest[1]  # " abcdefgh" is one hole, and single bytes seldom touch
    assert abs(int(singles["unigram"].sum()) / (crops >= OFFSET).sum() - 0.15) < 0.05
