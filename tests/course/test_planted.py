"""The bugs are where they are said to be, and all of them are seen in float64."""

import pytest
import torch

from perceiver_edu import InputError
from perceiver_edu.course.exercises.n05_parity.planted_bugs import ANSWERS, ROWS
from perceiver_edu.course.planted import MUTATIONS, PLANTED, TINY, planted_bug, tiny_batch, tiny_pair
from perceiver_edu.instruments import compare_parts, compare_stages

PARTS = {
    1: ("decoder.cross_attend", "mlp.contract"),
    2: ("encoder.cross_attend", "attention.output"),
    3: ("processor.self_attends.3", "attention.output"),
    5: ("processor.self_attends.1", "mlp_norm"),
}


def first(rows):
    return next((row.stage for row in rows if not row.ok), None)


@pytest.mark.parametrize("number", PLANTED)
def test_each_bug_is_found_where_the_exercise_says(number):
    pair = planted_bug(number, torch.float64)
    rows = compare_stages(*pair, *tiny_batch(), layers=True)
    assert first(rows) == ANSWERS[f"bug {number}"][0]
    assert [row.stage for row in rows] == ROWS  # which the check knows, so that it need not run the models
    agree = [row.ok for row in rows]
    assert agree == sorted(agree, reverse=True)
    if number in PARTS:
        stage, part = PARTS[number]
        assert first(compare_parts(*pair, stage, *tiny_batch())) == part


def test_only_the_mask_needs_a_mask():
    ids, _ = tiny_batch()
    assert [number for number in PLANTED if not first(compare_stages(*planted_bug(number), ids))] == [2, 5]
    assert [n for n in PLANTED if not first(compare_stages(*planted_bug(n, torch.float64), ids))] == [2]


def test_the_fifth_hides_in_float32():
    assert [n for n in PLANTED if not first(compare_stages(*planted_bug(n), *tiny_batch()))] == [5]


def test_a_bug_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="1 to 5"):
        planted_bug(6)


def test_the_pair_agrees_until_it_is_broken():
    state = torch.random.get_rng_state()
    for std, dtype in ((0.5, torch.float64), (None, torch.float32)):
        pair = tiny_pair(std, dtype, num_blocks=2)
        assert not first(compare_stages(*pair, *tiny_batch(), layers=True))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_is_seen(name):
    model, hf_model = tiny_pair(num_blocks=2)
    MUTATIONS[name](model)
    assert first(compare_stages(model, hf_model, *tiny_batch()))


def test_no_two_sizes_are_equal_unless_they_must_be():
    sizes = [size for name, size in TINY.items() if name not in ("num_blocks", "v_channels")]
    free = [size for size in sizes if sizes.count(size) > 1]
    assert set(free) <= {2, 5}  # heads, layers and widening factors are no axes of one array
    assert tiny_batch()[0].shape == (2, 25) and not tiny_batch()[1].all()
