"""The k-best search against brute force: same strings, same scores, and never anything but whole text."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perceiver_edu.errors import InputError
from perceiver_edu.utf8_search import UTF8, best_byte_strings

# Both ends of every byte range that UTF-8 treats differently, and bytes that never occur in it.
CORNERS = sorted({0x00, 0x41, 0x7F, 0xC0, 0xC1, 0xF5, 0xFF, *range(0x80, 0xC0, 8), 0x8F, 0x9F, 0xBF}
                 | {byte for _, low, high, _ in UTF8 for byte in (low, high)})  # fmt: skip


def is_text(raw):
    """Whether Python's strict decoder takes it: an opinion on UTF-8 that is not ours."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def score_of(raw, log_probs):
    return sum(row[byte] for row, byte in zip(log_probs, raw, strict=True))


def brute_force(log_probs, top_k, alphabet=range(256)):
    """Score every byte string over the alphabet that is text; the best `top_k` possible ones."""
    scored = [
        (score_of(raw, log_probs), raw)
        for raw in map(bytes, product(alphabet, repeat=len(log_probs)))
        if is_text(raw)
    ]
    return sorted((pair for pair in scored if pair[0] > -np.inf), reverse=True)[:top_k]


def random_log_probs(length, seed, concentration=1.0):
    """(length, 256), each row a distribution."""
    rng = np.random.default_rng(seed)
    return np.log(rng.dirichlet(np.full(256, concentration), size=length) + 1e-300)


def only(alphabet, log_probs):
    """The same with all bytes outside the alphabet impossible."""
    allowed = np.isin(np.arange(256), list(alphabet))
    return np.where(allowed, log_probs, -np.inf)


def assert_best(found, log_probs, expected):
    """The scores of brute force, in order; each belongs to its string; all strings are text and different."""
    assert [score for _, score in found] == pytest.approx([score for score, _ in expected], abs=1e-9)
    for raw, score in found:
        assert len(raw) == len(log_probs)
        assert is_text(raw), raw
        assert score == pytest.approx(score_of(raw, log_probs), abs=1e-9)
    assert len({raw for raw, _ in found}) == len(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("top_k", [1, 5, 128, 200])
def test_one_byte_is_ranked_as_brute_force_does(seed, top_k):
    log_probs = random_log_probs(1, seed)
    found = best_byte_strings(log_probs, top_k)
    expected = brute_force(log_probs, top_k)
    assert_best(found, log_probs, expected)
    assert [raw for raw, _ in found] == [raw for _, raw in expected]
    assert len(found) == min(top_k, 128)  # there are 128 characters of one byte


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("top_k", [1, 7, 1000, 30000])
def test_two_bytes_are_ranked_as_brute_force_does(seed, top_k):
    log_probs = random_log_probs(2, seed)
    found = best_byte_strings(log_probs, top_k)
    assert_best(found, log_probs, brute_force(log_probs, top_k))
    assert len(found) == min(top_k, 128 * 128 + 30 * 64)  # two of one byte, or one of two


@pytest.mark.parametrize("seed", range(3))
def test_three_bytes_over_the_corners_of_utf8(seed):
    log_probs = only(CORNERS, random_log_probs(3, seed))
    for top_k in (1, 10, 10**6):
        assert_best(best_byte_strings(log_probs, top_k), log_probs, brute_force(log_probs, top_k, CORNERS))


def test_four_bytes_over_the_corners_of_utf8():
    alphabet = bytes.fromhex("41 80 8F 90 9F A0 BF C1 C2 DF E0 ED EF F0 F3 F4 F5")
    log_probs = only(alphabet, random_log_probs(4, 0))
    for top_k in (1, 10, 10**6):
        assert_best(best_byte_strings(log_probs, top_k), log_probs, brute_force(log_probs, top_k, alphabet))


@pytest.mark.parametrize(("length", "low"), [(1, 0), (2, 0x80), (3, 0xE0), (4, 0xF0)])
def test_every_character_of_unicode_is_found_and_nothing_else(length, low):
    """One character of each length, told by its first byte: together all 1,112,064 that Python can encode."""
    scalars = (chr(code).encode() for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF)
    expected = {raw for raw in scalars if len(raw) == length}
    log_probs = np.zeros((length, 256))
    log_probs[0, :low] = -np.inf
    assert {raw for raw, _ in best_byte_strings(log_probs, 1_200_000)} == expected


@settings(max_examples=60, deadline=None)
@given(
    log_probs=hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.just(256)), elements=st.floats(-30, 0)),
    alphabet=st.sets(st.sampled_from(CORNERS), min_size=1, max_size=12),
    top_k=st.integers(1, 60),
)
def test_any_distribution_over_any_alphabet(log_probs, alphabet, top_k):
    """Flat rows and ties among them: equal scores may come in either order."""
    log_probs = only(alphabet, log_probs)
    assert_best(best_byte_strings(log_probs, top_k), log_probs, brute_force(log_probs, top_k, alphabet))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), length=st.integers(1, 40), concentration=st.sampled_from([0.01, 0.3, 10])
)
def test_long_strings_are_whole_text_in_order(seed, length, concentration):
    log_probs = random_log_probs(length, seed, concentration)
    found = best_byte_strings(log_probs, 20)
    assert len(found) == 20
    assert all(is_text(raw) and len(raw) == length for raw, _ in found)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert found[:5] == best_byte_strings(log_probs, 5)


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=12), seed=st.integers(0, 1000))
def test_the_text_that_the_model_is_sure_of_comes_first(text, seed):
    raw = text.encode()
    log_probs = random_log_probs(len(raw), seed)
    log_probs[np.arange(len(raw)), list(raw)] = 0.0
    assert best_byte_strings(log_probs, 3)[0][0] == raw


def test_the_best_bytes_that_are_no_text_lose_to_the_best_text():
    log_probs = np.full((2, 256), -9.0)
    log_probs[0, 0xE2], log_probs[0, 0xC3] = -0.1, -2.0  # E2 wants two more bytes, there is only one
    log_probs[1, 0xA9] = -0.1
    assert best_byte_strings(log_probs, 1) == [("é".encode(), pytest.approx(-2.1))]


def test_impossible_strings_are_left_out():
    log_probs = only(b"ab", np.zeros((2, 256)))
    assert {raw for raw, _ in best_byte_strings(log_probs, 10)} == {b"aa", b"ab", b"ba", b"bb"}
    assert best_byte_strings(np.full((3, 256), -np.inf), 10) == []
    assert best_byte_strings(only([0x80], np.zeros((2, 256))), 10) == []


def test_a_hole_of_no_bytes_has_one_filling():
    assert best_byte_strings(np.zeros((0, 256)), 5) == [(b"", 0.0)]


@pytest.mark.parametrize(
    ("log_probs", "top_k", "message"),
    [
        (np.zeros((2, 262)), 5, r"shape \(L, 256\), got \(2, 262\)"),
        (np.zeros(256), 5, r"shape \(L, 256\)"),
        (np.full((1, 256), np.nan), 5, "NaN"),
        (np.full((1, 256), np.inf), 5, "inf"),
        (np.zeros((1, 256)), 0, "top_k must be a whole number ≥ 1, got 0"),
        (np.zeros((1, 256)), 2.5, "top_k must be a whole number ≥ 1, got 2.5"),
    ],
)
def test_bad_input_is_refused(log_probs, top_k, message):
    with pytest.raises(InputError, match=message):
        best_byte_strings(log_probs, top_k)
