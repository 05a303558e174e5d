"""The cloze: forty sentences, asked for with their space, counted by rank."""

import json

import pytest
import torch
from torch import nn

from perceiver_edu import ByteTokenizer, PerceiverIOConfig
from perceiver_edu.errors import InputError
from perceiver_edu.training.cloze import (
    CLOZE,
    ClozeResult,
    Comparison,
    Guess,
    evaluate_cloze,
    hidden_words,
)

OFFSET, V = ByteTokenizer.BYTE_OFFSET, ByteTokenizer.VOCAB_SIZE


def test_the_cloze_sentences_are_forty_with_one_word_each():
    items = json.loads(CLOZE.read_text(encoding="utf-8"))
    assert len(items) == 40 == len({item["before"] for item in items})
    for item in items:
        assert item["answer"][0] == " " and item["answer"][1:].isalpha(), item
        assert len(item["before"] + item["answer"] + item["after"]) < 100
        assert item["answer"] not in item["before"] + item["after"] or item["answer"] == " time"


def test_the_cloze_asks_for_the_word_with_its_space():
    class Oracle(nn.Module):
        """Fills each hole with the answer that fits its sentence."""

        def __init__(self):
            super().__init__()
            self.config = PerceiverIOConfig(max_position_embeddings=256)
            self.anchor = nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, mask=None, positions=None):
            text = ByteTokenizer().decode(input_ids[0].tolist())
            [item] = [i for i in items if text.startswith("[CLS]" + i["before"] + "[MASK]")]
            ids = [OFFSET + byte for byte in item["answer"].encode()]
            assert positions.flatten().tolist() == [1 + len(item["before"]) + n for n in range(len(ids))]
            if item is items[0]:
                ids[-1] = OFFSET + ord("?")
            return torch.zeros(1, len(ids), V).scatter(2, torch.tensor(ids)[None, :, None], 9.0)

    items = json.loads(CLOZE.read_text(encoding="utf-8"))
    result = evaluate_cloze(Oracle())
    assert result.right(1) == 39 and len(result.guesses) == 40
    first = result.guesses[0]
    assert first.answer == items[0]["answer"] and len(first.guesses) == 5 and "____" in first.sentence
    assert str(result).count("\n") == 1 and first.sentence in str(result), "only the wrong one is listed"


def test_the_cloze_counts_ranks():
    result = ClozeResult(
        [
            Guess("Snow is ____.", " white", [" white", " black", " green", " heavy", " light"]),
            Guess("Grass is ____.", " green", [" white", " black", " green", " heavy", " light"]),
            Guess("Coal is ____.", " black", [" heavy", " light", " clean", " white", " solid"]),
        ]
    )
    assert [result.right(k) for k in (1, 2, 3, 5)] == [1, 1, 2, 2]
    assert (
        "first guess right 1 of 3, among five 2 of 3" in str(result)
        and "Grass" in str(result)
        and "Snow" not in str(result)
    )


@pytest.mark.parametrize(
    "content",
    ["", "{}", '[{"before": "a"}]', "[1]", '[{"before": "a", "answer": 2, "after": "b"}]'],
)
def test_another_kind_of_cloze_file_is_refused(tmp_path, content):
    (tmp_path / "cloze.json").write_text(content)
    with pytest.raises(InputError, match="not a list of cloze sentences"):
        evaluate_cloze(None, tmp_path / "cloze.json")


def test_hidden_words_are_words_of_the_text_with_their_context():
    text = "Él café, über alles. The 1st of May; don't." * 3
    crops, _ = ByteTokenizer().batch([text, "one two", "123 456"])
    items = hidden_words(crops, 5, seed=1)
    assert len(items) == 2, "a crop without a word gives none"
    assert hidden_words(crops, 5, seed=1) == items != hidden_words(crops, 5, seed=2)
    for before, answer, after in items:
        assert answer[0] == " " and answer[1:].isalpha()
        assert before + answer + after in text or before + answer + after == "one two"
    assert hidden_words(crops, 1) == hidden_words(crops, 5)[:1]


def test_a_comparison_counts_the_words_that_rank_higher_and_lower():
    def result(*lists):
        return ClozeResult([Guess("____", "a", list(guesses)) for guesses in lists])

    both = Comparison(result("ab", "ba", "bcdef", "a"), result("ba", "ab", "ca", "a"))
    assert both.moved() == (2, 1)
    assert "independently: first guess right 2 of 4, among five 3 of 4" in str(both)
    assert "jointly:       first guess right 2 of 4, among five 4 of 4" in str(both)
    assert "ranks higher jointly for 2, lower for 1" in str(both)
