import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PerceiverTokenizer

from perceiver_edu import ByteTokenizer, InputError

ours, theirs = ByteTokenizer(), PerceiverTokenizer()

# Every Unicode character that has a UTF-8 form, and special tokens typed inside a sentence.
characters = st.text(st.characters(exclude_categories=["Cs"]))
texts = st.lists(st.one_of(characters, st.sampled_from(ours.SPECIAL_TOKENS), st.just("🙂𐍈"))).map("".join)


@given(texts, st.booleans())
def test_ids_equal_hugging_face(text, special):
    assert ours.encode(text, add_special_tokens=special) == theirs(text, add_special_tokens=special).input_ids


@pytest.mark.parametrize(
    "text", ["", " ", "[MASK]", "a [CLS] b", "[MA[MASK]SK]", "[PAD][PAD]", "\x00\x7f\u0080", "[mask]"]
)
def test_ids_of_odd_texts_equal_hugging_face(text):
    assert ours.encode(text) == theirs(text).input_ids


@given(texts)
def test_decoding_gives_the_text_back(text):
    assert ours.decode(ours.encode(text, add_special_tokens=False)) == text


@given(st.lists(st.integers(0, 261)), st.booleans())
def test_decoding_any_ids_equals_hugging_face(ids, skip):
    assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(ids, skip_special_tokens=skip)


@given(texts, st.integers(2, 40))
def test_truncation_equals_hugging_face(text, length):
    expected = theirs(text, truncation=True, max_length=length).input_ids
    assert ours.encode(text, max_length=length, truncation=True) == expected


@given(st.lists(texts, min_size=1, max_size=4))
def test_a_batch_equals_hugging_face(many):
    ids, mask = ours.batch(many)
    expected = theirs(many, padding=True, return_tensors="pt")
    assert ids.dtype == torch.int64 and mask.dtype == torch.bool
    assert torch.equal(ids, expected.input_ids)
    assert torch.equal(mask, expected.attention_mask.bool())


@given(st.lists(texts, min_size=1, max_size=3), st.integers(2, 30))
def test_a_padded_and_cut_batch_equals_hugging_face(many, length):
    ids, mask = ours.batch(many, pad_to=length, truncation=True)
    expected = theirs(many, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    assert torch.equal(ids, expected.input_ids)
    assert torch.equal(mask, expected.attention_mask.bool())


def test_half_a_character_reads_as_the_replacement_character():
    ids = ours.encode("é", add_special_tokens=False)
    assert len(ids) == 2 and ours.decode(ids[:1]) == "\ufffd"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.encode("hello", max_length=6), "7 ids long.* more than 6.*truncation=True"),
        (lambda: ours.batch(["hello"], pad_to=6), "more than 6"),
        (lambda: ours.encode("hello", max_length=1, truncation=True), "no room"),
        (lambda: ours.encode("hello", max_length="5"), "max_length must be a whole number ≥ 0, got '5'"),
        (lambda: ours.encode("a", False, max_length=-1, truncation=True), "max_length must be .* got -1"),
        (lambda: ours.encode("a\ud800b"), r"\\ud800.* surrogate"),
        (lambda: ours.encode(b"hello"), "got bytes"),
        (lambda: ours.batch("hello"), "wrap it as"),
        (lambda: ours.batch([]), "at least one"),
        (lambda: ours.decode([262]), "id 262"),
        (lambda: ours.decode([-1]), "id -1"),
        (lambda: ours.decode([70.5]), "an id must be a whole number, got 70.5"),
        (
            lambda: ours.decode(torch.zeros(2, 3, dtype=torch.int64)),
            "an id must be a whole number, got tensor",
        ),
        (lambda: ours.batch(["hello"], pad_to=10**15), "pad_to must be a whole number from 1 to"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
