"""The paper's recipes by name: their numbers, LAMB, and that they train, go on and are saved."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from runs import CONFIG, assert_same_run, cut_off, log_rows

from perceiver_edu import PerceiverIOForMaskedLM, load_classifier, save_pretrained
from perceiver_edu.data import HELD_OUT
from perceiver_edu.errors import InputError
from perceiver_edu.training.batches import holes_of_row, spread
from perceiver_edu.training.configs import (
    FINETUNING_GRID,
    finetuning_preset,
    pretraining_preset,
    sized,
)
from perceiver_edu.training.corpus import load_crops
from perceiver_edu.training.finetune import finetune
from perceiver_edu.training.labelled import Column, read_labelled
from perceiver_edu.training.lamb import Lamb
from perceiver_edu.training.pretrain import pretrain

OFTEN = {"log_every": 2, "evaluate_every": 4, "save_every": 3, "progress": False}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def crops():
    return spread(load_crops(HELD_OUT, 40, progress=False), 50)


def test_the_presets_are_tables_12_and_13():
    paper = pretraining_preset("paper")
    assert (paper.steps, paper.batch_size, paper.warmup) == (500_000, 2048, 1000)
    assert (paper.optimizer, paper.learning_rate, paper.weight_decay) == ("lamb", 0.00125, 0.01)
    assert (paper.masks, paper.fraction, paper.config) == ("coin", 0.15, sized("full"))
    tuned = finetuning_preset("paper", learning_rate=1e-4)
    assert (tuned.epochs, tuned.warmup, tuned.weight_decay, tuned.head) == (10, 200, 0.01, "tanh")
    assert tuned.optimizer == "lamb" and tuned.learning_rate == 1e-4
    assert tuned.batch_size in FINETUNING_GRID["batch_size"] and len(FINETUNING_GRID["learning_rate"]) == 4
    for preset in (pretraining_preset, finetuning_preset):
        with pytest.raises(InputError, match="no preset 'bert'; choose from paper"):
            preset("bert")
    assert 307 + 200 < holes_of_row(paper) < 2048 / 3, "room for a row in which many coins said hide"


def test_lamb_is_the_published_rule():
    """You et al. 2019, algorithm 2, with the bias of the moments corrected, in numpy."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 3))
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    optimizer = Lamb([parameter], lr=0.02, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)
    m = v = np.zeros_like(w)
    for t in (1, 2, 3):
        g = rng.normal(size=w.shape)
        parameter.grad = torch.from_numpy(g)
        optimizer.step()
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        r = m / (1 - 0.8**t) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3) + 0.1 * w
        w = w - 0.02 * np.linalg.norm(w) / np.linalg.norm(r) * r
        np.testing.assert_allclose(parameter.detach().numpy(), w, rtol=1e-12)


def test_lamb_changes_a_tensor_by_a_share_of_its_norm_and_a_tensor_of_zeros_too():
    large, zeros = torch.nn.Parameter(torch.full((5,), 100.0)), torch.nn.Parameter(torch.zeros(5))
    untouched = torch.nn.Parameter(torch.ones(2))
    optimizer = Lamb([large, zeros, untouched], lr=0.01, weight_decay=0)
    for parameter, size in ((large, 1e-3), (zeros, 1e3)):
        parameter.grad = torch.full((5,), size)
    optimizer.step()
    torch.testing.assert_close(large.data, torch.full((5,), 99.0), rtol=1e-4, atol=0)
    torch.testing.assert_close(zeros.data, torch.full((5,), -0.01), rtol=1e-4, atol=0)
    assert (untouched == 1).all()


def test_pre_training_by_the_papers_recipe_learns_and_goes_on_exactly(crops, tmp_path, monkeypatch):
    settings = pretraining_preset(
        "paper", steps=10, batch_size=4, warmup=2, learning_rate=0.05, config=CONFIG
    )
    pretrain(crops, tmp_path / "unbroken", settings, held_out=crops[:8], **OFTEN)
    written = json.loads((tmp_path / "unbroken" / "settings.json").read_text())
    assert (written["optimizer"], written["masks"], written["start"]) == ("lamb", "coin", "usual")
    with cut_off(monkeypatch, 5):
        pretrain(crops, tmp_path / "cut", settings, held_out=crops[:8], **OFTEN)
    pretrain(crops, tmp_path / "cut", settings, held_out=crops[:8], resume=True, **OFTEN)
    assert_same_run(tmp_path / "cut", tmp_path / "unbroken", "samples.txt")
    with pytest.raises(InputError, match="optimizer was 'lamb', now 'adamw'"):
        pretrain(crops, tmp_path / "cut", replace(settings, optimizer="adamw"), resume=True, **OFTEN)
    bits = [float(row["bits"]) for row in log_rows(tmp_path / "unbroken") if row["bits"]]
    assert bits[-1] < bits[0] - 0.005


def test_fine_tuning_by_the_papers_recipe_has_a_head_of_two_layers(tmp_path):
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    config = replace(CONFIG, attention_probs_dropout_prob=0.0, initializer_range=0.3)
    save_pretrained(PerceiverIOForMaskedLM(config), tmp_path / "weights")
    lines = ["text,mood", *(f"{'xo'[i % 2] * (4 + i % 17)},{['up', 'down'][i % 2]}" for i in range(48))]
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    data = read_labelled(tmp_path / "data.csv", ["text"], [Column("mood")])
    weights = str(tmp_path / "weights")
    settings = finetuning_preset("paper", weights=weights, batch_size=8, warmup=4, learning_rate=0.02)
    results = finetune(
        data.take(range(32)), data.take(range(32, 48)), tmp_path / "run", settings, progress=False
    )
    assert results["score"] > 0.9
    model = load_classifier(tmp_path / "run" / "model")
    assert [type(layer).__name__ for layer in model.heads[0]] == ["Linear", "Tanh", "Linear"]
    with pytest.raises(ValueError, match="perceiver_edu"):  # better than a head of random numbers
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "model")
