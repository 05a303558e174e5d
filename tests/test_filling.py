"""Fill-mask: which holes, the right question to the model, whole text as the answer, and clear errors."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import SMALL
from torch import nn

from perceiver_edu import ByteTokenizer, PerceiverIOConfig, PerceiverIOForMaskedLM
from perceiver_edu.errors import InputError
from perceiver_edu.filling import Filling, fill_in, fill_mask, fill_masks, find_holes, hole_length

MASK, CLS, SEP = ByteTokenizer.MASK, ByteTokenizer.CLS, ByteTokenizer.SEP

ODD_TEXTS = [  # (text, what to hide in it)
    ("plain English text", " text"),
    ("naïve café", "é"),
    ("你好，世界！", "世界"),
    ("こんにちは世界", "は"),
    ("שלום עולם", " עולם"),
    ("السلام عليكم", "السلام"),
    ("a \U0001f469\u200d\U0001f680 in space \U0001f680!", "\U0001f469\u200d\U0001f680"),
    ("typed [CLS] and [SEP] inside", " inside"),
    ("e\u0301 as two characters, \u0000 and \t and \n too", "\u0301"),
    ("\ufeff\u202eright to left\u202c \U0010ffff", "\U0010ffff"),
]


class FakeModel(nn.Module):
    """Keeps what it was asked, and answers with logits that depend on the position only."""

    def __init__(self, longest=64, seed=0):
        super().__init__()
        self.config = PerceiverIOConfig(max_position_embeddings=longest)
        generator = torch.Generator().manual_seed(seed)
        self.logits = nn.Parameter(3 * torch.randn(longest, 262, generator=generator))
        self.dropout = nn.Dropout(0.5)
        self.calls = []

    def forward(self, input_ids, mask=None, positions=None):
        self.calls.append((input_ids.tolist(), mask, positions.tolist(), torch.is_grad_enabled()))
        return self.dropout(self.logits[positions])[None]


class SureModel(FakeModel):
    """Is sure of one string in one place: `raw` from position `start` on."""

    def __init__(self, raw, start):
        super().__init__()
        ids = torch.tensor(list(raw)) + ByteTokenizer.BYTE_OFFSET
        with torch.no_grad():
            self.logits[torch.arange(start, start + len(raw)), ids] = 50.0


@pytest.fixture(scope="module")
def tiny():
    """A real model, tiny and random, all parameters large enough that every position answers differently."""
    torch.manual_seed(0)
    model = PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model


# What the model is asked


def test_the_model_runs_once_on_the_real_ids_and_decodes_the_holes_only():
    model = FakeModel()
    fill_mask(model, "abcdef", spans="cd")
    b = ByteTokenizer.BYTE_OFFSET
    ids = [CLS, b + ord("a"), b + ord("b"), MASK, MASK, b + ord("e"), b + ord("f"), SEP]
    assert model.calls == [([ids], None, [3, 4], False)]


def test_several_holes_are_one_run_in_the_order_given():
    model = FakeModel()
    several = fill_mask(model, "abcdef", spans=["ef", (0, 1)], top_k=4)
    assert len(model.calls) == 1
    assert model.calls[0][2] == [5, 6, 1]
    assert several == [*fill_mask(model, "abcdef", "ef", 4), *fill_mask(model, "abcdef", "a", 4)]
    assert [len(filling.text.encode()) for hole in several for filling in hole] == [2] * 4 + [1] * 4


def test_each_mask_in_the_text_is_one_byte_and_neighbours_are_one_hole():
    model = FakeModel()
    holes = fill_mask(model, "é[MASK][MASK] b[MASK]", top_k=3)
    b = ByteTokenizer.BYTE_OFFSET
    ids = [CLS, b + 0xC3, b + 0xA9, MASK, MASK, b + ord(" "), b + ord("b"), MASK, SEP]
    assert model.calls == [([ids], None, [3, 4, 7], False)]
    assert [{len(f.text.encode()) for f in hole} for hole in holes] == [{2}, {1}]


def test_holes_that_touch_are_asked_separately():
    model = FakeModel()
    apart = fill_mask(model, "abcd", spans=[(0, 2), (2, 4)])
    assert len(apart) == 2
    assert model.calls[0][2] == [1, 2, 3, 4]
    together = fill_mask(model, "abcd", spans=(0, 4))
    best = apart[0][0], apart[1][0]
    product = best[0].probability * best[1].probability
    assert together[0][0].probability >= product * (1 - 1e-6)  # rounding


def test_a_hole_has_the_bytes_of_what_it_hides():
    for text, hidden in ODD_TEXTS:
        fillings = fill_mask(FakeModel(), text, hidden)[0]
        assert {len(filling.text.encode()) for filling in fillings} == {len(hidden.encode())}


def test_special_tokens_typed_in_the_text_are_one_id_each():
    model = FakeModel()
    fill_mask(model, "[CLS]x[MASK]y", spans="y")
    assert model.calls[0][0] == [[CLS, CLS, ord("x") + 6, MASK, MASK, SEP]]
    assert model.calls[0][2] == [4]  # the [MASK] outside the span stays masked, unasked


def test_a_hole_over_special_tokens():
    assert hole_length("[CLS]") == 5  # typed text that the user hides
    assert hole_length("[MASK]") == 1  # hides one byte already
    assert hole_length("a[MASK][MASK]é") == 5
    model = FakeModel()
    assert fill_mask(model, "x [MASK]", spans="[MASK]") == fill_mask(model, "x [MASK]")


def test_what_a_hole_leaves_of_a_special_token_is_ordinary_text():
    model = FakeModel()
    fill_mask(model, "a[CLS]", spans=(2, 4))
    b = ByteTokenizer.BYTE_OFFSET
    before, after = [b + ord("a"), b + ord("[")], [b + ord("S"), b + ord("]")]
    assert model.calls[0][0] == [[CLS, *before, MASK, MASK, *after, SEP]]


def test_the_whole_text_can_be_a_hole():
    assert len(fill_mask(FakeModel(), "abc", "abc")[0]) == 5


# What comes back


def test_probability_is_the_product_of_softmaxes_over_all_262_ids():
    model = FakeModel()
    probabilities = model.logits.detach().double().softmax(-1).numpy()[1:3, 6:]  # positions 1 and 2
    expected = sorted(
        (
            (probabilities[0, a] * probabilities[1, b], bytes([a, b]))
            for a, b in itertools.product(range(128), repeat=2)
        ),
        reverse=True,
    )
    two_byte_characters = (
        (probabilities[0, a] * probabilities[1, b], bytes([a, b]))
        for a, b in itertools.product(range(0xC2, 0xE0), range(0x80, 0xC0))
    )
    expected = sorted([*expected, *two_byte_characters], reverse=True)[:50]
    fillings = fill_mask(model, "ab", "ab", top_k=50)[0]
    assert [filling.text.encode() for filling in fillings] == [raw for _, raw in expected]
    assert [filling.probability for filling in fillings] == pytest.approx([p for p, _ in expected])


def test_fillings_are_ranked_distinct_text_and_plain_types():
    for text, hidden in ODD_TEXTS:
        fillings = fill_mask(FakeModel(), text, hidden, top_k=40)[0]
        assert len({filling.text for filling in fillings}) == 40
        assert {(type(f), type(f.text), type(f.probability)) for f in fillings} == {(Filling, str, float)}
        probabilities = [filling.probability for filling in fillings]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1


def test_special_tokens_keep_their_share_but_are_never_a_filling():
    model = FakeModel()
    with torch.no_grad():
        model.logits[1, :6] = 100.0
    fillings = fill_mask(model, "a", "a", top_k=200)[0]
    assert len(fillings) == 128
    assert sum(filling.probability for filling in fillings) < 1e-30


def test_fewer_fillings_where_fewer_exist():
    assert len(fill_mask(FakeModel(), "a", "a", top_k=10**6)[0]) == 128


@settings(deadline=None, max_examples=50)
@given(hidden=st.text(min_size=1, max_size=8), before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_sure_model_gets_its_text_back(hidden, before, after):
    text = before + hidden + after
    if "[" in text:  # special tokens have their own tests
        return
    model = SureModel(hidden.encode(), start=1 + len(before.encode()))
    best = fill_mask(model, text, (len(before), len(before) + len(hidden)), top_k=2)[0][0]
    assert best.text == hidden
    assert best.probability > 0.99


@pytest.mark.parametrize(("text", "hidden"), ODD_TEXTS)
def test_same_answer_as_the_padded_full_run(tiny, text, hidden):
    """Crop and decode the holes only; or pad, decode everywhere and look at the holes: the same."""
    start = text.index(hidden)
    fillings = fill_mask(tiny, text, hidden, top_k=3)[0]

    tokenizer = ByteTokenizer()
    ids, mask = tokenizer.batch([text], pad_to=96)
    first = len(tokenizer.encode(text[:start])) - 1  # [CLS] counted, [SEP] not
    positions = range(first, first + len(hidden.encode()))
    ids[0, list(positions)] = MASK
    with torch.no_grad():
        log_probs = tiny(ids, mask)[0].log_softmax(-1)[list(positions), 6:]  # (O, 256)
    for filling in fillings:
        raw = list(filling.text.encode())
        expected = log_probs[range(len(raw)), raw].sum().item()
        assert math.log(filling.probability) == pytest.approx(expected, abs=1e-9)
    greedy = bytes(log_probs.argmax(-1).tolist())
    if greedy.isascii():
        assert fillings[0].text.encode() == greedy


def test_the_answer_depends_on_the_text_around_the_hole(tiny):
    one, other = (fill_mask(tiny, text, " x")[0][0] for text in ("left x right", "wrong x right"))
    assert one != other


@pytest.mark.parametrize("training", [True, False])
def test_no_dropout_while_it_answers_and_the_model_is_left_as_it_was(training):
    model = FakeModel().train(training)
    model.dropout.train(not training)  # a caller may have set a part by hand
    assert fill_mask(model, "abc", "b") == fill_mask(model, "abc", "b")
    assert model.training is training
    assert model.dropout.training is not training


def test_the_model_is_left_as_it_was_after_an_error():
    model = FakeModel().train()
    model.logits = nn.Parameter(model.logits[:1])  # positions out of range
    with pytest.raises(IndexError):
        fill_mask(model, "abc", "b")
    assert model.training


def test_half_precision_models_answer(tiny):
    model = PerceiverIOForMaskedLM(tiny.config).bfloat16()
    assert len(fill_mask(model, "half a text", " text")[0]) == 5


def test_a_broken_model_is_reported():
    model = FakeModel()
    with torch.no_grad():
        model.logits.fill_(torch.nan)
    with pytest.raises(InputError, match="NaN"):
        fill_mask(model, "abc", "b")


# Which holes


@pytest.mark.parametrize(
    ("text", "spans", "holes"),
    [
        ("a[MASK]b", None, [(1, 7)]),
        ("[MASK][MASK] [MASK]", None, [(0, 12), (13, 19)]),
        ("[mask][MASK]", None, [(6, 12)]),
        ("hello world", " world", [(5, 11)]),
        ("hello world", (0, 5), [(0, 5)]),
        ("hello world", [0, 5], [(0, 5)]),
        ("hello world", [(0, 5)], [(0, 5)]),
        ("hello world", ("world", "hello"), [(6, 11), (0, 5)]),
        ("hello world", ["world", (0, 5)], [(6, 11), (0, 5)]),
        ("hello world", np.array([[6, 11], [0, 5]]), [(6, 11), (0, 5)]),
        ("a[MASK]b", (0, 7), [(0, 7)]),
        ("a[MASK]b", ["a", "[MASK]"], [(0, 1), (1, 7)]),
    ],
)
def test_find_holes(text, spans, holes):
    assert find_holes(text, spans) == holes


def test_fill_in_puts_each_filling_in_its_hole():
    assert fill_in("one two three", [(8, 13), (0, 3)], ["drei", "eins"]) == "eins two drei"
    assert fill_in("one two three", [(0, 3), (8, 13)], ["eins", "drei"]) == "eins two drei"
    assert fill_in("a[MASK]b", [(1, 7)], ["-"]) == "a-b"


@pytest.mark.parametrize(
    ("text", "spans", "message"),
    [
        ("", None, "the text is empty"),
        ("", "a", "the text is empty"),
        (b"bytes", None, "must be a str, got bytes"),
        (None, None, "must be a str, got NoneType"),
        ("no hole", None, r"nothing to fill: write \[MASK\] once for each missing byte, or name a part"),
        ("ab\udc80", "ab", "no UTF-8 form: character 2 is a lone surrogate"),
        ("hello", "bye", "'bye' does not occur in the text"),
        ("hello", "\udc80", "does not occur"),
        ("hello", "", "empty"),
        ("hello", [], "empty list"),
        ("hello", {"ell": 1}, "spans must be a list, not a dict"),
        ("hello", {"h", "ell"}, "spans must be a list, not a set"),
        ("hello", "l", r"'l' occurs 2 times: .*\(start, stop\).* here \(2, 3\), \(3, 4\)$"),
        ("aaa", "aa", r"occurs 2 times: .* \(0, 2\), \(1, 3\)$"),
        ("z" * 20, "z", r"occurs 20 times: .* \(7, 8\), …$"),
        ("hello", (3, 3), r"\(3, 3\) is empty"),
        ("hello", (2, 6), r"\(2, 6\) is not within the text, which has characters 0 to 5"),
        ("hello", (-2, 3), r"\(-2, 3\) is not within the text"),
        ("hello", (4, 2), r"\(4, 2\) .* start must come before stop"),
        ("hello", [(0, 3), (2, 5)], r"\(0, 3\) and \(2, 5\) overlap"),
        ("hello", ["ell", (0, 5)], r"\(0, 5\) and \(1, 4\) overlap"),
        ("hello", ["ell", "ell"], "overlap"),
        ("hello", 3, "got 3"),
        ("hello", [3], "got 3"),
        ("hello", (1.0, 2.0), "got 1.0"),
        ("hello", [(1, 2, 3)], r"got \(1, 2, 3\)"),
        ("hello", [None], "got None"),
        ("a[MASK]b", (0, 3), r"\(0, 3\) cuts through the \[MASK\] at \(1, 7\)"),
        ("a[MASK]b", "MASK", "cuts through"),
    ],
)
def test_texts_and_spans_that_cannot_be_used(text, spans, message):
    model = FakeModel()
    with pytest.raises(InputError, match=message) as caught:
        fill_mask(model, text, spans)
    assert "\n" not in str(caught.value)
    assert not model.calls


def test_a_vocabulary_that_is_padded_changes_nothing():
    config = PerceiverIOConfig(**SMALL | {"vocab_size": 264})
    torch.manual_seed(0)
    model = PerceiverIOForMaskedLM(config).eval()
    model.mlm_head.bias.data[262:] = 9  # what no text contains is the model's first guess
    [fillings] = fill_mask(model, "a c[MASK][MASK]t", top_k=3)
    assert [len(filling.text.encode()) for filling in fillings] == [2, 2, 2]
    assert all(0 < filling.probability < 0.01 for filling in fillings)


@pytest.mark.parametrize(
    ("top_k", "message"),
    [
        (0, "whole number ≥ 1"),
        (-3, "got -3"),
        ("5", "got '5'"),
        (10**6, "at most 333,333 for a hole of 3"),
    ],
)
def test_top_k_that_cannot_be_used(top_k, message):
    with pytest.raises(InputError, match=message):
        fill_mask(FakeModel(), "abcde", "bcd", top_k=top_k)


def test_a_text_may_fill_the_model_to_its_last_position_but_not_more(tiny):
    assert fill_mask(tiny, "x" * 93 + "y", "y")  # 94 bytes + [CLS] + [SEP] = 96
    message = r"text is 95 bytes long, but this model reads at most 94 \(96 positions"
    with pytest.raises(InputError, match=message):
        fill_mask(tiny, "é" * 47 + "y", "y")


def test_an_iterator_loses_no_span_and_may_have_no_end():
    assert find_holes("one two", iter(["one", "two"])) == [(0, 3), (4, 7)]
    with pytest.raises(InputError, match="overlap"):
        find_holes("one two", itertools.repeat("one"))


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_a_list_of_texts_is_filled_as_each_of_them_alone(batch_size):
    torch.manual_seed(0)
    model = PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL)).double().train()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.3)
    texts = ["a[MASK]", "one [MASK][MASK] two, and [MASK] three", "日[MASK][MASK][MASK]", "x[MASK]y[MASK]z"]
    found = fill_masks(model, texts, top_k=3, batch_size=batch_size)
    assert model.training and fill_masks(model, []) == []
    for text, holes in zip(texts, found, strict=True):
        expected = fill_mask(model, text, top_k=3)
        assert [[one.text for one in hole] for hole in holes] == [
            [one.text for one in hole] for hole in expected
        ]
        for hole, wanted in zip(holes, expected, strict=True):
            assert [one.probability for one in hole] == pytest.approx([one.probability for one in wanted])


def test_of_a_list_the_text_that_cannot_be_filled_is_named():
    model = PerceiverIOForMaskedLM(PerceiverIOConfig(**SMALL))
    for texts, message in (
        (["a[MASK]", "none"], "text 1: nothing to fill"),
        (["a[MASK]" + "x" * 99], "text 0: 103 ids, a hole of 1 bytes; this takes 96 ids at most"),
        ("a[MASK]", "texts must be a list, not one str"),
    ):
        with pytest.raises(InputError, match=message):
            fill_masks(model, texts)
