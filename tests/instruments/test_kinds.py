"""Patterns made to be of one kind are found to be of that kind, and the maps are those of the model."""

import pytest
import torch
from tiny import tiny_models

from perceiver_edu.instruments import attention_kind, count_kinds, maps_over_texts, record
from perceiver_edu.instruments.tracing import ENCODER_MAP
from perceiver_edu.tokenizer import ByteTokenizer


def pattern(*positions, M=60):
    weights = torch.zeros(M)
    weights[list(positions)] = 1 / len(positions)
    return weights


def test_each_kind_is_found():
    same = pattern(20, 21, 24).expand(3, -1)
    assert attention_kind(same) == "position"
    assert attention_kind(pattern(*range(4, 60, 9)).expand(3, -1)) == "periodic"
    assert attention_kind(torch.stack([pattern(10), pattern(40), pattern(41)])) == "content"
    assert attention_kind(torch.full((3, 60), 1 / 60)) == "other"
    assert (
        attention_kind(pattern(3, 20, 45, 58).expand(3, -1)) == "other"
    )  # sharp, and at no regular distance
    uneven = (torch.arange(60) % 6 == 0).float() * 0.1
    assert attention_kind(uneven.softmax(0).expand(3, -1)) == "other"  # regular, but next to nothing


def test_maps_are_the_models_own_without_the_special_ids():
    model = tiny_models()[0].float()
    weights, special = maps_over_texts(model, ["a house", "the tree"])
    ids, _ = ByteTokenizer().batch(["a house", "the tre"])
    with torch.no_grad(), record(model, ENCODER_MAP) as seen:
        model(ids)
    whole = seen[ENCODER_MAP][0]
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    torch.testing.assert_close(weights * (1 - special_of(whole))[..., None], whole[..., 1:-1])
    torch.testing.assert_close(special, special_of(whole).mean(0))


@pytest.mark.parametrize("texts", [["a houße", "the tr"], ["the [MASK]", "the trees "]])
def test_every_row_has_as_many_bytes_where_a_character_is_cut_or_a_special_id_is_typed(texts):
    model = tiny_models()[0].float()
    length = min(len(text.encode()) for text in texts)
    rows = [[4, *(byte + 6 for byte in text.encode()[:length]), 5] for text in texts]
    with torch.no_grad(), record(model, ENCODER_MAP) as seen:
        model.encoder(model.embedding(torch.tensor(rows)))
    weights, special = maps_over_texts(model, texts)
    assert weights.shape[-1] == length
    torch.testing.assert_close(special, special_of(seen[ENCODER_MAP][0]).mean(0))
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def special_of(whole):
    return whole[..., 0] + whole[..., -1]


def test_a_row_on_special_ids_is_called_so():
    weights = pattern(5).expand(2, 1, 3, -1)
    special = torch.tensor([[0.2, 0.9, 0.4]])
    assert count_kinds(weights, special) == [["position", "special", "position"]]
