"""Evaluation: right numbers for guessers whose score is known, the baselines, the control, the cloze."""

from dataclasses import astuple

import pytest
import torch
from torch import nn

from perceiver_edu import ByteTokenizer, PerceiverIOConfig, PerceiverIOForMaskedLM
from perceiver_edu.data import HELD_OUT
from perceiver_edu.errors import InputError
from perceiver_edu.training.baselines import Baselines, count_holes
from perceiver_edu.training.configs import sized
from perceiver_edu.training.corpus import crop_pack, load_crops
from perceiver_edu.training.evaluate import SHUFFLED, evaluate, reading_entropy, shuffle_context, tally
from perceiver_edu.training.masking import IGNORE, is_white_space, mask_each_word, mask_words, word_units

MASK, OFFSET, V = ByteTokenizer.MASK, ByteTokenizer.BYTE_OFFSET, ByteTokenizer.VOCAB_SIZE


@pytest.fixture(scope="module")
def crops():
    return load_crops(HELD_OUT, 256, progress=False)


@pytest.fixture(scope="module")
def baselines():
    return Baselines(count_holes(load_crops(HELD_OUT, 256, progress=False)))


class Knows(nn.Module):
    """Gives probability `p` to the true byte of the text it knows, and the rest evenly to the others.

    A row is found by its visible bytes, so shuffling them leaves it without a clue.
    """

    def __init__(self, crops, p, spaces_only=False):
        super().__init__()
        self.rows, self.p, self.spaces_only = crops.long(), p, spaces_only
        self.device = torch.device("cpu")
        self.seen = []

    def forward(self, input_ids, mask, positions):
        assert (mask == (input_ids != ByteTokenizer.PAD)).all()
        assert positions.shape[0] == input_ids.shape[0] and not self.training
        self.seen.append(input_ids)
        wrong = (self.rows != input_ids[:, None]) & (input_ids[:, None] != MASK)  # (B, num_crops, M)
        best = wrong.sum(2).min(1)
        truth = self.rows[best.indices].gather(1, positions)  # (B, O)
        truth = torch.where((best.values == 0)[:, None], truth, MASK)
        if self.spaces_only:
            truth = torch.where(is_white_space(truth), truth, MASK)
        probs = torch.full((*positions.shape, V), (1 - self.p) / (V - 1))
        return probs.scatter(2, truth[..., None], self.p).log()


def test_a_model_that_answers_nan_has_no_score(crops, baselines):
    with pytest.raises(InputError, match="the model returns NaN or infinity"):
        evaluate(Knows(crops[:4], float("nan")), crops[:4], baselines=baselines)


def test_a_model_that_knows_everything_scores_everything(crops, baselines):
    result = evaluate(Knows(crops[:40], 0.5), crops[:40], baselines=baselines, batch_size=16)
    assert astuple(result.scores["model"]) == pytest.approx((1.0, 1.0, 1.0, 1.0, 1.0, 1.0), abs=1e-5)
    assert result.scores[SHUFFLED].accuracy == 0 and result.gain_over(SHUFFLED) > 5
    hidden = mask_each_word(crops[:40].long(), 0.15, torch.Generator().manual_seed(0), True)[1] != IGNORE
    assert result.num_bytes == hidden.sum() and (result.num_crops, result.crop_length) == (40, 256)
    units = word_units(crops[:40].long()) + 256 * torch.arange(40)[:, None]
    assert result.num_words == len(units[hidden].unique())


def test_a_model_that_knows_only_the_spaces(crops, baselines):
    result = evaluate(
        Knows(crops[:40], 0.9, spaces_only=True),
        crops[:40],
        baselines=baselines,
        shuffle=False,
        batch_size=16,
    )
    score = result.scores["model"]
    assert 0.1 < score.accuracy < 0.25 and score.letter_accuracy == 0
    assert score.exact_words == score.letter_exact_words == 0
    assert score.letter_bits > score.bits and SHUFFLED not in result.scores


def test_tally_of_an_example():
    a, b, c, space = (OFFSET + ord(letter) for letter in "abc ")
    targets = torch.tensor([space, a, b, space, c, a])  # the words " ab", " c" and "a"
    words = torch.tensor([7, 7, 7, 9, 9, 12])
    first_guess = torch.tensor([space, a, b, a, c, b])  # right, right, right; space wrong, right; wrong
    log_probs = torch.full((6, V), 0.25 / (V - 1)).scatter(1, first_guess[:, None], 0.75).log()
    bits, right, exact, letter_bits, letters_right, letter_exact = tally(log_probs, targets, words).tolist()
    hit, miss = 0.4150374993, 2 + 8.0279059966  # -log2 of 0.75 and of 0.25 / 261
    assert bits == pytest.approx(4 * hit + 2 * miss) and letter_bits == pytest.approx(3 * hit + miss)
    assert (right, exact) == (4, 1) and (letters_right, letter_exact) == (3, 2)


def test_the_holes_do_not_depend_on_the_batch_size(crops, baselines):
    one, other = (
        evaluate(Knows(crops[:20], 0.5), crops[:20], seed=3, baselines=baselines, batch_size=size)
        for size in (3, 20)
    )
    for name, score in one.scores.items():
        assert astuple(score) == pytest.approx(astuple(other.scores[name]), rel=1e-6)
    assert str(one) == str(other)
    third = evaluate(Knows(crops[:20], 0.5), crops[:20], seed=4, baselines=baselines)
    assert third.scores["geometry"].bits != one.scores["geometry"].bits


@pytest.mark.parametrize(("masks", "mask"), [("coin", mask_each_word), ("words", mask_words)])
def test_the_model_sees_no_hidden_byte(crops, baselines, masks, mask):
    model = Knows(crops[:10], 0.5)
    evaluate(model, crops[:10], masks=masks, baselines=baselines, batch_size=10)
    inputs, labels = mask(crops[:10].long(), 0.15, torch.Generator().manual_seed(0), always_mask=True)
    true_context, shuffled = model.seen
    assert (true_context == inputs).all()
    assert (shuffled[labels != IGNORE] == MASK).all() and (shuffled[labels == IGNORE] != MASK).all()


def test_evaluation_leaves_the_model_as_it_was(crops, baselines):
    sizes = dict(d_model=16, d_latents=16, num_latents=4, qk_channels=None, v_channels=None)
    config = PerceiverIOConfig(max_position_embeddings=256, num_self_attends_per_block=1, **sizes)
    model = PerceiverIOForMaskedLM(config).train()
    result = evaluate(model, crops[:8], baselines=baselines, batch_size=4)
    assert model.training and 7.5 < result.scores["model"].bits < 8.6  # nothing learned: log2(262) = 8.03
    assert abs(result.gain_over(SHUFFLED)) < 0.05, "and nothing read"


def test_text_without_words_is_refused(baselines):
    with pytest.raises(InputError, match="no word of these crops"):
        evaluate(Knows(torch.zeros(1, 8), 0.5), crop_pack(["  \n "], 8), baselines=baselines)


def test_the_table_states_what_was_measured(crops):
    text = str(evaluate(Knows(crops[:10], 0.5), crops[:10], seed=5, batch_size=10))
    for part in (
        "10 crops of 256 ids",
        "seed 5",
        "a coin per word, 15%;",
        "geometry",
        "sides",
        "below hole geometry",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 110
    older = evaluate(Knows(crops[:10], 0.5), crops[:10], masks="words", shuffle=False, batch_size=10)
    assert "words up to a fraction of the bytes, 15%; 10 crops" in str(older) and older.masks == "words"
    with pytest.raises(InputError, match="no rule 'mixture'; choose from coin, words"):
        evaluate(Knows(crops[:10], 0.5), crops[:10], masks="mixture")


def test_the_baselines_in_the_package_on_the_heldout_text(crops):
    """Their figures on 5.5 MB of held-out books are 4.43, 3.60, 4.17, 3.50 and 3.36 bits."""
    result = evaluate(Knows(crops[:1], 0.5), crops, shuffle=False)
    bits = {name: score.bits for name, score in result.scores.items()}
    expected = dict(unigram=4.43, left=3.60, right=4.17, geometry=3.50, sides=3.36)
    for name, figure in expected.items():
        assert bits[name] == pytest.approx(figure, abs=0.08), name
    assert result.scores["unigram"].letter_accuracy == 0, "the most frequent byte is the space"
    assert 0.25 < result.scores["geometry"].accuracy < 0.31


def test_baselines_of_another_script_are_said_to_be_of_no_use(crops):
    foreign = crop_pack(["我们今天去公园散步" * 60], 256)
    said = "the baselines were counted on a different kind of text"
    assert said in str(evaluate(Knows(foreign, 0.5), foreign, shuffle=False))
    assert said not in str(evaluate(Knows(crops[:4], 0.5), crops[:4], shuffle=False))


# ---------------------------------------------------------------- the shuffled control


def test_shuffling_keeps_holes_layout_and_the_words_themselves(crops):
    inputs, labels = mask_words(crops.long(), generator=torch.Generator().manual_seed(0), always_mask=True)
    shuffled = shuffle_context(inputs, labels, torch.Generator().manual_seed(1))
    text = torch.where(labels == IGNORE, inputs, labels)
    hidden, units = labels != IGNORE, word_units(text)
    outside = hidden | (units == 0)
    assert (shuffled[outside] == inputs[outside]).all(), "holes, special ids and lone white space stay"
    assert (word_units(torch.where(hidden, labels, shuffled)) == units).all(), "the layout stays"

    def visible_words(ids):
        rows = zip(ids.tolist(), units.masked_fill(hidden, 0).tolist(), strict=True)
        words = {}
        for number, (row, row_units) in enumerate(rows):
            for i, unit in zip(row, row_units, strict=True):
                if unit:
                    words.setdefault((number, unit), []).append(i)
        return words

    before, after = visible_words(inputs), visible_words(shuffled)
    assert sorted(before.values()) == sorted(after.values()), "the same words"
    changed = sum(after[place] != word for place, word in before.items())
    assert changed > 0.85 * len(before), "elsewhere"


# ---------------------------------------------------------------- how spread out the latents read


def test_reading_entropy_knows_uniform_and_narrow_attention(crops):
    model = PerceiverIOForMaskedLM(sized("small")).eval()
    model.encoder.cross_attend.attention.query.weight.data.zero_()
    uniform = reading_entropy(model, crops)
    assert uniform.bits == pytest.approx(8.0, abs=1e-4) and uniform.uniform == 8.0 and uniform.narrow == 0
    model.encoder.cross_attend.attention.query.weight.data.normal_(std=300)
    narrow = reading_entropy(model, crops)
    assert narrow.bits < 1 and narrow.narrow > 0.9
    assert f"{narrow.bits:.2f} bits" in str(narrow) and "uniform over 256 bytes, it would be 8.00" in str(
        narrow
    )


def test_reading_entropy_wants_a_full_crop():
    with pytest.raises(InputError, match="none of these crops is full"):
        reading_entropy(PerceiverIOForMaskedLM(sized("small")), crop_pack(["short"], 256))
