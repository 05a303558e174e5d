"""Easy-first filling: bytes that depend on each other, whole text only, one run of the model a byte."""

import itertools
import math

import numpy as np
import pytest
import torch
from tiny import SMALL
from torch import nn

from perceiver_edu import ByteTokenizer, PerceiverIOConfig, PerceiverIOForMaskedLM, optimize
from perceiver_edu.easy_first import BEAM, OPEN, allowed_bytes, filling_path
from perceiver_edu.errors import InputError
from perceiver_edu.filling import fill_mask

CLS, SEP, MASK = ByteTokenizer.CLS, ByteTokenizer.SEP, ByteTokenizer.MASK
OFFSET = ByteTokenizer.BYTE_OFFSET


class Words(nn.Module):
    """Knows the distribution of a hole's fillings, and answers with each byte's marginal given the others."""

    def __init__(self, words: dict[str, float], special: float = 0.0):
        super().__init__()
        self.config = PerceiverIOConfig(max_position_embeddings=64)
        self.anchor = nn.Parameter(torch.zeros(1))
        self.words = {word.encode(): share for word, share in words.items()}
        self.special = special  # probability of [PAD] at each place
        self.batches = []

    def forward(self, input_ids, mask=None, positions=None):
        self.batches.append(len(input_ids))
        answers = torch.full((*input_ids.shape[:1], len(positions), 262), 1e-12, dtype=torch.float64)
        for row, ids in enumerate(input_ids[:, positions].tolist()):
            for word, share in self.words.items():
                if all(i in (MASK, byte + OFFSET) for i, byte in zip(ids, word, strict=True)):
                    for place, byte in enumerate(word):
                        answers[row, place, byte + OFFSET] += share
        answers = answers / answers.sum(-1, keepdim=True) * (1 - self.special)
        answers[..., ByteTokenizer.PAD] += self.special
        return answers.log()


def fillings(model, hole, top_k=5, joint=True):
    return fill_mask(model, f"a {hole} b", hole, top_k, joint)[0]


def test_words_are_not_mixed_and_their_probabilities_are_the_models():
    model = Words({"head": 0.4, "hand": 0.31, "hind": 0.29})
    found = fillings(model, "xxxx", 3)
    assert [f.text for f in found] == ["head", "hand", "hind"]
    assert [f.probability for f in found] == pytest.approx([0.4, 0.31, 0.29], abs=1e-9)
    assert fillings(model, "xxxx", 1, joint=False)[0].text == "hend"  # letter by letter


def test_the_path_of_a_filling_has_its_probability():
    model = Words({"head": 0.4, "hand": 0.31, "hind": 0.29})
    ids = [CLS, *[MASK] * 4, SEP]
    steps = filling_path(model, ids, range(1, 5), "hand")
    assert [chr(step.byte) for step in sorted(steps)] == list("hand")
    assert {step.position for step in steps[:2]} == {0, 3}, "h and d are certain"
    assert math.prod(step.probability for step in steps) == pytest.approx(0.31)


def test_special_ids_keep_their_share_at_every_byte():
    found = fillings(Words({"hi": 1.0}, special=0.25), "xx", 1)
    assert found[0].text == "hi" and found[0].probability == pytest.approx(0.75**2)


def test_the_surest_byte_is_filled_first():
    """Left to right, the first byte would be a guess between four; the last byte decides them all."""
    model = Words({"ax": 0.26, "bx": 0.25, "cy": 0.25, "dy": 0.24})
    asked = []
    forward = model.forward
    model.forward = lambda ids, **k: (asked.append(ids[:, k["positions"]].tolist()), forward(ids, **k))[1]
    fillings(model, "zz", 4)
    assert asked[0] == [[MASK, MASK]]
    assert sorted(row[1] - OFFSET for row in asked[1])[-2:] == [ord("x"), ord("y")]
    assert {row[0] for row in asked[1]} == {MASK}


def test_one_run_for_each_byte_on_a_batch_of_at_most_the_beam():
    letters = {"".join(word): 1 / 3**5 for word in itertools.product("abc", repeat=5)}
    model = Words(letters)
    assert len(fillings(model, "xxxxx", 5)) == 5
    assert model.batches[0] == 1 and len(model.batches) == 5 and max(model.batches) <= BEAM
    model.batches.clear()
    assert len(fillings(model, "xxxxx", 40)) == 40
    assert len(model.batches) == 5 and max(model.batches) == 40


def test_several_holes_are_filled_separately_in_the_order_given():
    model = Words({"ab": 0.7, "cd": 0.3})
    both = fill_mask(model, "xy z vw", ["vw", (0, 2)], 2, joint=True)
    assert [[f.text for f in hole] for hole in both] == [["ab", "cd"]] * 2
    assert len(model.batches) == 4


def test_only_whole_text_comes_back():
    model = Words({"é": 0.4, "an": 0.3, "on": 0.3})
    assert fillings(model, "xx", 3)[0].text == "é"
    for hidden in ("é!", "世", "🙂", "a\U0010ffff"):  # where nothing is known, any text may come
        for filling in fillings(Words({}), hidden, 64):
            assert len(filling.text.encode()) == len(hidden.encode())


def test_allowed_bytes_are_those_of_some_whole_text():
    whole = np.zeros((256, 256), dtype=bool)
    for pair in itertools.product(range(256), repeat=2):
        try:
            bytes(pair).decode()
            whole[pair] = True
        except UnicodeDecodeError:
            pass
    assert (allowed_bytes(np.array([[OPEN, OPEN]]))[0] == [whole.any(1), whole.any(0)]).all()
    first = np.stack([np.arange(256), np.full(256, OPEN)], 1)  # each first byte, then what may follow
    assert (allowed_bytes(first)[:, 1] == whole).all()
    assert (allowed_bytes(first[:, ::-1])[:, 0] == whole.T).all()  # the same from the other end


def test_whatever_allowed_bytes_are_taken_in_whatever_order_the_end_is_text():
    draw = np.random.default_rng(0)
    strings = np.full((200, 7), OPEN)
    for _ in range(7):
        allowed = allowed_bytes(strings)
        for row in range(len(strings)):
            place = draw.choice(np.flatnonzero(strings[row] == OPEN))
            strings[row, place] = draw.choice(np.flatnonzero(allowed[row, place]))
    texts = [bytes(string.tolist()).decode() for string in strings]
    assert {len(character.encode()) for text in texts for character in text} == {1, 2, 3, 4}


def test_the_optimized_model_finds_the_same():
    torch.manual_seed(0)
    model = PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    slow, fast = (fill_mask(m, "the naïve café", "ïve", 4, joint=True)[0] for m in (model, optimize(model)))
    assert [f.text for f in slow] == [f.text for f in fast]
    assert [math.log(f.probability) for f in slow] == pytest.approx(
        [math.log(f.probability) for f in fast], 1e-3
    )


def test_what_cannot_be_searched_is_refused():
    model = Words({"ab": 1.0})
    with pytest.raises(InputError, match="with joint=True, top_k must be a whole number from 1 to 64"):
        fill_mask(model, "a[MASK]", top_k=65, joint=True)
    model.special = float("nan")
    with pytest.raises(InputError, match="NaN"):
        fill_mask(model, "a[MASK][MASK]", joint=True)
