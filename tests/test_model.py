import pytest
import torch
from tiny import TINY

from perceiver_edu import ByteTokenizer, InputError, PerceiverIOConfig, PerceiverIOForMaskedLM
from perceiver_edu.instruments import record


def test_all_queries_are_decoded_by_default(model, batch):
    assert model(*batch).shape == (2, 29, 262)


def test_asked_positions_give_the_same_rows(model, batch):
    every = model(*batch)
    asked = torch.tensor([7, 3, 3, 28])  # out of order, one twice, one beyond the text
    torch.testing.assert_close(model(*batch, asked), every[:, asked], rtol=1e-12, atol=1e-12)


def test_each_text_may_ask_its_own_positions(model, batch):
    every = model(*batch)
    asked = torch.tensor([[7, 3, 0], [1, 1, 28]])
    expected = torch.stack([every[0, asked[0]], every[1, asked[1]]])
    torch.testing.assert_close(model(*batch, asked), expected, rtol=1e-12, atol=1e-12)


def test_padding_changes_nothing(model):
    tokenizer = ByteTokenizer()
    ids, mask = tokenizer.batch(["A b."])
    padded_ids, padded_mask = tokenizer.batch(["A b."], pad_to=20)
    torch.testing.assert_close(model(ids, mask), model(padded_ids, padded_mask), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model(ids), model(ids, mask), rtol=1e-12, atol=1e-12)


def test_a_row_of_padding_alone_is_finite(model):
    ids = torch.zeros(2, 6, dtype=torch.int64)
    mask = torch.tensor([[True] * 6, [False] * 6])
    assert model(ids, mask).isfinite().all()


def test_attention_is_the_same_with_and_without_somebody_looking(model, batch):
    maps = [name for name, _ in model.named_modules() if name.endswith("attention_map")]
    assert len(maps) == 5  # encoder, three layers, decoder
    fused = model(*batch)
    with record(model, maps) as seen:
        explicit = model(*batch)
    torch.testing.assert_close(explicit, fused, rtol=1e-12, atol=1e-12)
    for (weights,) in seen.values():
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    encoder_map = seen["encoder.cross_attend.attention.attention_map"][0]
    assert encoder_map.shape == (2, 2, 5, 25)
    assert (encoder_map[1, :, :, 6:] == 0).all()  # the second text has 6 ids, the rest is padding


def test_dropout_acts_in_training_only(batch):
    config = PerceiverIOConfig(**TINY, attention_probs_dropout_prob=0.5, initializer_range=0.5)
    model = PerceiverIOForMaskedLM(config)
    assert not torch.equal(model.train()(*batch), model(*batch))
    assert torch.equal(model.eval()(*batch), model(*batch))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(5, dtype=torch.int64),), r"shape \(B, M\)"),
        ((torch.zeros(1, 5),), "int64"),
        ((torch.zeros(1, 30, dtype=torch.int64),), "30 positions.*at most 29"),
        ((torch.zeros(1, 5, dtype=torch.int64), torch.ones(1, 5)), "mask must be bool"),
        ((torch.zeros(1, 5, dtype=torch.int64), torch.ones(1, 4, dtype=torch.bool)), "mask must be bool"),
        ((torch.zeros(1, 5, dtype=torch.int64), None, torch.zeros(2, 3, dtype=torch.int64)), "positions"),
        ((torch.zeros(1, 5, dtype=torch.int64), None, torch.zeros(3)), "positions"),
    ],
)
def test_bad_arguments_are_named(model, arguments, message):
    with pytest.raises(InputError, match=message):
        model(*arguments)
