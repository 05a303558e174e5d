"""Slips of the keyboard, and the training of a model's last layers."""

import random

import pytest
import torch

from perceiver_edu import ByteTokenizer, load_classifier
from perceiver_edu.training.classify import save_classifier
from perceiver_edu.training.last_layers import Tuner, lower_latents
from perceiver_edu.training.misspelling import LABELS, misspell, spelling_texts


@pytest.mark.parametrize("seed", range(20))
def test_a_slip_exchanges_two_neighbours_inside_a_long_word(seed):
    text = "It was a short stroll, naïvely begun on 12345 and zzzzz."
    slipped = misspell(text, random.Random(seed))
    [first, second] = [i for i in range(len(text)) if text[i] != slipped[i]]
    assert second == first + 1 and slipped[first] == text[second] and slipped[second] == text[first]
    inside = [(10, 13), (16, 20), (30, 33)]  # sho-rt, str-oll; "vely" behind the ï is too short a word
    assert any(start <= first and second <= stop for start, stop in inside), slipped


def test_a_text_without_a_long_word_has_no_slip():
    assert misspell("It was so, 2 by 2. zzzzz", random.Random(0)) is None


def test_every_second_text_is_misspelled_and_none_is_in_twice():
    data = spelling_texts(60, 40)
    for (texts, labels), number in zip(data.values(), (60, 40), strict=True):
        assert len(texts) == number and labels == [0, 1] * (number // 2)
        assert max(len(text.encode()) for text in texts) <= 120
    texts = [text for texts, _ in data.values() for text in texts]
    assert len({"".join(sorted(text)) for text in texts}) == len(texts)
    assert data == spelling_texts(60, 40) and data != spelling_texts(60, 40, seed=1)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_the_tuned_end_is_a_whole_classifier_with_the_lower_layers_untouched(model, tmp_path, layers):
    model = model.float()
    texts, labels = ["Aaa b.", "Bbb c d.", "é", "Ccc"], torch.tensor([0, 1, 0, 1])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = lower_latents(model, texts, 3 - layers)
    tuner = Tuner(model, layers, seed=0, labels=LABELS)
    losses = tuner.train_on(kept, labels, seed=0, epochs=60, rate=3e-3, batch=4)
    assert len(losses) == 60 and losses[-1] < losses[0] / 2
    save_classifier(tuner.classifier(), tmp_path)
    loaded = load_classifier(tmp_path)
    assert loaded.tasks[0].labels == LABELS
    for number, text in enumerate(texts):
        ids = torch.tensor([ByteTokenizer().encode(text)])
        with torch.no_grad():
            [scores] = loaded(ids).values()
        torch.testing.assert_close(scores[0], tuner.scores(kept)[number], rtol=1e-4, atol=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for i in range(3):
        name = f"processor.self_attends.{i}.attention.query.weight"
        assert torch.equal(loaded.state_dict()[name], before[name]) == (i < 3 - layers)
