"""The lab of notebook 07: each planted slowness is found where it is, and only there."""

from copy import deepcopy

import pytest
import torch

from perceiver_edu.course.exercises import find
from perceiver_edu.course.slow import slow_scores, slownesses, watched
from perceiver_edu.tokenizer import ByteTokenizer


def parts(model, ids, lengths, positions):
    real = torch.arange(ids.shape[1]) < lengths[:, None]
    return real, ids.scatter(1, positions, ByteTokenizer.MASK), ids.gather(1, positions)


def scored(logits, truth):
    return logits.log_softmax(-1).gather(-1, truth[..., None])[..., 0]


def fast(model, ids, lengths, positions):
    real, hidden, truth = parts(model, ids, lengths, positions)
    return scored(model(hidden, real, positions), truth)


def a_text_at_a_time(model, ids, lengths, positions):
    real, hidden, truth = parts(model, ids, lengths, positions)
    rows = [slice(row, row + 1) for row in range(len(ids))]
    return torch.cat([scored(model(hidden[r], real[r], positions[r]), truth[r]) for r in rows])


def a_query_at_a_time(model, ids, lengths, positions):
    real, hidden, truth = parts(model, ids, lengths, positions)
    columns = [slice(c, c + 1) for c in range(positions.shape[1])]
    return torch.cat([scored(model(hidden, real, positions[:, c]), truth[:, c]) for c in columns], 1)


def float64(model, ids, lengths, positions):
    real, hidden, truth = parts(model, ids, lengths, positions)
    return scored(model(hidden, real, positions) * torch.ones(1, 1, 2, dtype=torch.float64)[..., :1], truth)


def waits(model, ids, lengths, positions):
    scores = fast(model, ids, lengths, positions)
    return torch.tensor([[score.item() for score in row] for row in scores])


def masks(model, ids, lengths, positions):
    real, hidden, truth = parts(model, ids, lengths, positions)
    mask = torch.zeros_like(real)
    for row, length in enumerate(lengths.tolist()):
        for place in range(length):
            mask[row, place] = True
    return scored(model(hidden, mask, positions), truth)


def copies(model, ids, lengths, positions):
    real, hidden, truth = parts(model, ids, lengths, positions)
    return scored(model(hidden, real, positions).clone(), truth)


LEFT = [None, a_text_at_a_time, a_query_at_a_time, float64, waits, masks, copies]


@pytest.mark.parametrize("number", range(7))
def test_one_slowness_is_found_and_no_other(number):
    """In the order of `slownesses`; the first is the fast one."""
    exercise, function = find("07.fast"), LEFT[number] or fast
    given = list(exercise.cases().values())[-1]
    torch.testing.assert_close(
        function(**given), slow_scores(**given), rtol=1e-4, atol=1e-4, check_dtype=False
    )
    with watched(given["model"].config.vocab_size) as watch:
        function(**given)
    found = [look(watch)[0] for look in slownesses(len(given["ids"])).values()]
    assert [i for i, fine in enumerate(found, 1) if not fine] == ([number] if number else [])


def test_the_slow_one_has_all_six():
    given = list(find("07.fast").cases().values())[-1]
    before = deepcopy(given["model"].state_dict())
    with watched(given["model"].config.vocab_size) as watch:
        slow_scores(**given)
    assert not any(look(watch)[0] for look in slownesses(len(given["ids"])).values())
    after = given["model"].state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
