"""Masking: whole units, nothing but units, the right share of them, and labels that say what was there."""

import zlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses import FakeTensorMode

from perceiver_edu import ByteTokenizer
from perceiver_edu.data import HELD_OUT
from perceiver_edu.errors import InputError
from perceiver_edu.training.corpus import crop_pack, load_crops
from perceiver_edu.training.masking import (
    IGNORE,
    byte_units,
    hide,
    hole_positions,
    mask_bytes,
    mask_each_word,
    mask_mixture,
    mask_words,
    span_units,
    warn_of_large_units,
    word_units,
)

MASK, OFFSET = ByteTokenizer.MASK, ByteTokenizer.BYTE_OFFSET
MASKINGS = [mask_words, mask_each_word, mask_bytes, mask_mixture]
PROSE = b"It was, by far, the longest of all roads\nthat a man could walk in one day, or so we used to say. "

one_id = st.one_of(  # letters and spaces mostly, and whatever else a row can hold
    st.sampled_from([OFFSET + byte for byte in b"abcde,"]),
    st.sampled_from([OFFSET + byte for byte in b"   \n\t\r"]),
    st.integers(0, 5),
    st.integers(OFFSET, 261),
)
batches = st.integers(1, 40).flatmap(
    lambda M: st.lists(st.lists(one_id, min_size=M, max_size=M), min_size=1, max_size=4)
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def prose(rows, length=256):
    """Running text, the same in each row: (rows, length)."""
    text = (PROSE * (length // len(PROSE) + 1))[: length - 2]
    row = [ByteTokenizer.CLS, *(OFFSET + byte for byte in text), ByteTokenizer.SEP]
    return torch.tensor(row).repeat(rows, 1)


def words_by_loop(row):
    """Byte by byte, the way one would explain it: the places of each word, its leading space included."""
    is_space = [i >= OFFSET and bytes([i - OFFSET]).isspace() for i in row]
    words, place = [], 0
    while place < len(row):
        if row[place] < OFFSET or is_space[place]:
            place += 1
            continue
        start = place
        while place < len(row) and row[place] >= OFFSET and not is_space[place]:
            place += 1
        if start > 0 and is_space[start - 1]:
            start -= 1
        words.append(list(range(start, place)))
    return words


@given(batches)
@settings(deadline=None)  # a busy machine is no failure
def test_word_units_are_the_words(rows):
    for row, units in zip(rows, word_units(torch.tensor(rows)).tolist(), strict=True):
        expected = [0] * len(row)
        for number, places in enumerate(words_by_loop(row), start=1):
            for place in places:
                expected[place] = number
        assert units == expected


def test_word_units_of_an_example():
    ids = torch.tensor([ByteTokenizer().encode("one  two,\nx ")])
    assert word_units(ids).tolist() == [[0, 1, 1, 1, 0, 2, 2, 2, 2, 2, 3, 3, 0, 0]]


def test_long_runs_without_spaces_fall_back_to_characters():
    text = "ordinary words, then 我们今天去公园散步看见很多人在那里 and " + "ACGT" * 13
    units = word_units(torch.tensor([ByteTokenizer().encode(text, add_special_tokens=False)]))[0]
    sizes = torch.bincount(units)[1:].tolist()
    assert sizes == [8, 7, 5, 4, *[3] * 16, 4, 2, *[1] * 51]  # each with the space before it
    fifty = torch.full((1, 50), OFFSET + ord("x"))
    assert word_units(fifty).max() == 1 and word_units(torch.cat([fifty, fifty[:, :1]], 1)).max() == 51


def test_the_held_out_english_is_masked_as_before_there_was_a_bound(monkeypatch):
    crops = load_crops(HELD_OUT, 256, progress=False).long()
    bounded = mask_mixture(crops, generator=seeded())
    monkeypatch.setattr("perceiver_edu.training.masking.LONGEST_WORD", 10**9)
    assert all(map(torch.equal, bounded, mask_mixture(crops, generator=seeded())))


@pytest.mark.parametrize(
    ("mask", "sums"),
    [
        (mask_words, (453338356, 898081228)),
        (mask_bytes, (1810051606, 3636101982)),
        (mask_mixture, (678250521, 3048409666)),
    ],
)
def test_what_old_runs_hid_is_hidden_still(mask, sums):
    """Recorded before there was a coin per word: the embedded checkpoint was trained and measured so."""
    crops = load_crops(HELD_OUT, 256, progress=False).long()
    assert tuple(zlib.crc32(part.numpy().data) for part in mask(crops, generator=seeded())) == sums


@pytest.mark.parametrize("mask", [mask_words, mask_each_word])
def test_in_chinese_hardly_a_crop_is_hidden_wholly_or_not_at_all(mask, recwarn):
    """Sentences of 10 to 60 characters, a line each and no space in them: 200 crops."""
    generator = seeded(1)
    lengths = torch.randint(10, 60, (500,), generator=generator).tolist()
    draw = [torch.randint(0x4E00, 0x9000, (size,), generator=generator).tolist() for size in lengths]
    text = "。\n".join("".join(map(chr, letters)) for letters in draw)
    ids = crop_pack([text], 256)[:200].long()
    assert len(ids) == 200
    share = (mask(ids, generator=seeded())[1] != IGNORE).sum(1) / (ids >= OFFSET).sum(1)  # (200,)
    assert share.max() < 0.8 and (share == 0).sum() <= 10
    warn_of_large_units(ids)
    assert not recwarn


def test_rows_that_are_hidden_wholly_or_not_at_all_are_named(recwarn):
    text = "".join(chr(0x4E00 + i) + " " * (i % 15 == 0) for i in range(900))  # words of 46 bytes
    ids = crop_pack([text], 96).long()
    warn_of_large_units(ids)
    [warning] = recwarn
    assert "rows are hidden wholly or not at all: this text has few spaces" in str(warning.message)
    recwarn.clear()
    for ids in (crop_pack([text.replace(" ", "")], 96).long(), prose(99), prose(99, 20)):
        warn_of_large_units(ids)
    assert not recwarn


@given(batches, st.integers(0, 99))
@settings(deadline=None)  # a busy machine is no failure
def test_span_units_cover_every_byte_in_runs(rows, seed):
    ids = torch.tensor(rows)
    units = span_units(ids, 3, seeded(seed))
    assert ((units > 0) == (ids >= OFFSET)).all()
    for row in units:
        runs = row.unique_consecutive()
        runs = runs[runs > 0]
        assert (runs == torch.arange(1, len(runs) + 1)).all()  # every number in one piece, in order


@pytest.mark.parametrize("mask", MASKINGS)
@given(batches, st.floats(0, 1), st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_labels_tell_what_was_hidden_and_the_rest_is_untouched(mask, rows, fraction, always_mask, seed):
    ids = torch.tensor(rows)
    before = ids.clone()
    inputs, labels = mask(ids, fraction, seeded(seed), always_mask)
    hidden = labels != IGNORE
    assert (ids == before).all()
    assert (labels[hidden] == ids[hidden]).all()
    assert (inputs[~hidden] == ids[~hidden]).all()
    assert (ids[hidden] >= OFFSET).all(), "special ids are never hidden"
    assert ((inputs[hidden] >= OFFSET) | (inputs[hidden] == MASK)).all()
    if always_mask:
        assert (inputs[hidden] == MASK).all()


@pytest.mark.parametrize("mask", [mask_words, mask_each_word])
@given(batches, st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=60, deadline=None)  # a busy machine is no failure
def test_words_are_hidden_whole_with_their_leading_space(mask, rows, fraction, seed):
    ids = torch.tensor(rows)
    inputs, labels = mask(ids, fraction, seeded(seed))
    for row, row_inputs, row_labels in zip(rows, inputs.tolist(), labels.tolist(), strict=True):
        inside = set()
        for places in words_by_loop(row):
            inside.update(places)
            assert len({row_labels[place] == IGNORE for place in places}) == 1, "all of a word or nothing"
            assert len({row_inputs[place] == MASK for place in places}) == 1, "one fate for a word"
        assert all(row_labels[place] == IGNORE for place in range(len(row)) if place not in inside)


@pytest.mark.parametrize("mask", MASKINGS)
@pytest.mark.parametrize("fraction", [0.05, 0.15, 0.4])
def test_the_expected_share_is_hidden(mask, fraction):
    ids = prose(2000)
    _, labels = mask(ids, fraction, seeded())
    shares = (labels != IGNORE).sum(1) / (ids >= OFFSET).sum(1)  # (2000,)
    standard_error = shares.double().std() / len(shares) ** 0.5
    assert abs(shares.double().mean() - fraction) < 4 * standard_error + 1e-9
    if mask is not mask_each_word:
        longest = max(map(len, words_by_loop(ids[0].tolist()))) if mask is not mask_mixture else 40
        assert (shares - fraction).abs().max() < longest / 254, "no row is more than one unit off"


def test_all_and_nothing():
    ids = prose(3)
    assert (mask_words(ids, 0.0)[1] == IGNORE).all()
    assert ((mask_bytes(ids, 1.0)[1] != IGNORE) == (ids >= OFFSET)).all()
    for mask in (mask_words, mask_each_word):
        assert ((mask(ids, 1.0)[1] != IGNORE) == (word_units(ids) > 0)).all()
    assert (mask_each_word(ids, 0.0)[1] == IGNORE).all()


@pytest.mark.parametrize("length", [24, 256])
def test_a_coin_makes_every_word_as_likely_as_another_whatever_its_length_and_the_rows(length):
    """The control is the older rule: in a short row its chance is larger for short words."""

    def chances(mask):
        _, labels = mask(ids, 0.15, seeded())
        return (labels[:, first] != IGNORE).double().mean(0)  # (number of words,)

    row = ByteTokenizer().encode("by a roundabout way, it's" * 11, add_special_tokens=False)[:length]
    ids = torch.tensor(row).repeat(8000, 1)
    words = words_by_loop(row)
    first, size = [places[0] for places in words], torch.tensor([len(places) for places in words])
    assert size.min() == 2 and size.max() >= 11
    standard_error = (0.15 * 0.85 / 8000) ** 0.5
    assert (chances(mask_each_word) - 0.15).abs().max() < 4.5 * standard_error
    older = chances(mask_words)
    apart = older[size == 2].mean() - older[size >= 11].mean()
    assert apart > 0.1 if length == 24 else abs(apart) < 0.03


def test_coins_are_independent():
    """The number of hidden words is binomial; by the older rule it hardly varies."""
    ids = prose(4000)
    first = [places[0] for places in words_by_loop(ids[0].tolist())]
    spread = {
        mask: (mask(ids, 0.15, seeded())[1][:, first] != IGNORE).sum(1).double().var()
        for mask in (mask_each_word, mask_words)
    }
    binomial = len(first) * 0.15 * 0.85
    assert spread[mask_each_word] == pytest.approx(binomial, rel=0.1) and spread[mask_words] < binomial / 2


@pytest.mark.parametrize("mask", [mask_words, mask_each_word, mask_bytes])
def test_eighty_ten_ten(mask):
    ids = prose(3000)
    inputs, labels = mask(ids, 0.15, seeded())
    units = byte_units(ids) if mask is mask_bytes else word_units(ids)
    number = units + ids.shape[1] * torch.arange(len(ids))[:, None]
    hidden = labels != IGNORE
    _, unit = number[hidden].unique(return_inverse=True)
    masked = torch.bincount(unit, weights=(inputs == MASK)[hidden].double()) > 0
    same = torch.bincount(unit, weights=(inputs != ids)[hidden].double()) == 0
    n = len(masked)
    for share, expected in [(masked, 0.8), (same, 0.1), (~masked & ~same, 0.1)]:
        # a random replacement of a single byte is the same byte once in 256
        tolerance = 4 * (expected * (1 - expected) / n) ** 0.5 + 0.1 / 256
        assert abs(share.double().mean() - expected) < tolerance, (share.double().mean(), expected)


def test_random_replacements_are_all_bytes_alike():
    ids = prose(3000)
    inputs, labels = mask_bytes(ids, 0.5, seeded())
    replaced = inputs[(labels != IGNORE) & (inputs != MASK) & (inputs != ids)]
    counts = torch.bincount(replaced, minlength=262)
    assert counts[:OFFSET].sum() == 0
    expected = len(replaced) / 256
    assert (counts[OFFSET:] - expected).abs().max() < 6 * expected**0.5


def test_a_mixture_has_its_kinds_in_proportion():
    """Told apart in text of one long word: words hide all of it or nothing, bytes leave no long holes."""
    ids = torch.full((4000, 40), OFFSET + ord("x"))
    hidden = mask_mixture(ids, 0.5, seeded(), words=0.6, spans=0.3, mean_span=200)[1] != IGNORE
    changes = (hidden[:, 1:] != hidden[:, :-1]).sum(1)
    words_or_one_span = (changes == 0).double().mean()
    many_holes = (changes > 8).double().mean()
    assert abs(many_holes - 0.1) < 4 * (0.1 * 0.9 / 4000) ** 0.5
    assert 0.6 < words_or_one_span < 0.9
    for words, spans, units in [(1.0, 0.0, word_units), (0.0, 0.0, byte_units)]:
        hidden = mask_mixture(prose(50), 0.15, seeded(), words=words, spans=spans)[1] != IGNORE
        number = units(prose(50))
        for row, row_units in zip(hidden, number, strict=True):
            assert all(len(row[row_units == unit].unique()) == 1 for unit in row_units.unique() if unit > 0)


def test_spans_have_the_mean_length_asked_for():
    units = span_units(torch.full((2000, 200), OFFSET), 4, seeded())
    assert abs(200 / units.amax(1).double().mean() - 4) < 0.1


@pytest.mark.parametrize("mask", MASKINGS)
def test_the_generator_decides_everything(mask):
    ids = prose(20)
    first, again, other = (mask(ids, generator=seeded(seed)) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[1] != other[1]).any()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    mask(ids, generator=seeded())
    assert (torch.rand(3) == expected).all(), "the global generator is left alone"


def test_rows_are_independent():
    hidden = mask_words(prose(50), generator=seeded())[1] != IGNORE
    assert len({tuple(row.tolist()) for row in hidden}) > 45


def test_a_short_row_is_hidden_now_and_then_not_always():
    """One word of five bytes: hidden in 15 % of the cases, so that the share stays right."""
    ids = torch.tensor([[OFFSET + byte for byte in b" word"]]).repeat(4000, 1)
    share = (mask_words(ids, 0.15, seeded())[1][:, 0] != IGNORE).double().mean()
    assert abs(share - 0.15) < 4 * (0.15 * 0.85 / 4000) ** 0.5


@pytest.mark.parametrize("mask", [mask_words, mask_each_word])
@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_a_wrong_fraction_is_refused(mask, fraction):
    with pytest.raises(InputError, match="fraction must be between 0 and 1"):
        mask(prose(1), fraction)


def test_wrong_proportions_are_refused():
    with pytest.raises(InputError, match="at most 1"):
        mask_mixture(prose(1), words=0.8, spans=0.3)


@given(batches, st.integers(0, 99))
@settings(deadline=None)  # a busy machine is no failure
def test_hole_positions_list_every_label_once(rows, seed):
    ids = torch.tensor(rows)
    _, labels = mask_bytes(ids, 0.4, seeded(seed))
    positions, targets = hole_positions(labels)
    assert positions.shape == targets.shape
    for row_labels, row_positions, row_targets in zip(labels, positions, targets, strict=True):
        asked = row_targets != IGNORE
        assert (row_positions[asked] == (row_labels != IGNORE).nonzero()[:, 0]).all()
        assert (row_targets == row_labels[row_positions]).all()


def test_hole_positions_of_a_fixed_size():
    labels = torch.tensor([[IGNORE, 9, IGNORE, 8, 7], [IGNORE, IGNORE, 6, IGNORE, IGNORE]])
    positions, targets = hole_positions(labels, size=2)
    assert positions[0].tolist() == [1, 3] and targets[0].tolist() == [9, 8]
    assert positions[1, 0] == 2 and targets[1].tolist() == [6, IGNORE]
    assert hole_positions(labels, size=4)[0].shape == (2, 4)


def test_hide_takes_units_of_any_shape():
    """Units need not be neighbours: here every other byte belongs to one unit."""
    ids = torch.full((500, 8), OFFSET)
    units = torch.tensor([1, 2] * 4).repeat(500, 1)
    hidden = hide(ids, units, 0.5, seeded())[1] != IGNORE
    assert (hidden.sum(1) == 4).all()
    assert (hidden[:, 0] == hidden[:, 2]).all() and (hidden[:, 0] != hidden[:, 1]).all()


@pytest.mark.parametrize("mask", MASKINGS)
def test_no_step_leaves_the_device_of_the_ids(mask):
    """Fake tensors compute devices and shapes only, and refuse a mixture of devices, as a GPU would."""
    with FakeTensorMode():
        ids = torch.empty(4, 16, dtype=torch.int64, device="meta")
        inputs, labels = mask(ids)
        positions, targets = hole_positions(labels, size=5)
    assert {tensor.device.type for tensor in (inputs, labels, positions, targets)} == {"meta"}
    assert inputs.dtype == labels.dtype == torch.int64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("mask", MASKINGS)
def test_on_the_gpu(mask):
    ids = prose(64).cuda()
    inputs, labels = mask(ids, 0.15, torch.Generator("cuda").manual_seed(0), True)
    hidden = labels != IGNORE
    assert inputs.is_cuda and labels.is_cuda
    assert (inputs[hidden] == MASK).all() and (inputs[~hidden] == ids[~hidden]).all()
    assert 0.1 < hidden.float().mean() < 0.2
