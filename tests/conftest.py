"""What many tests share: tiny models whose every size is different, and Hugging Face's model beside each."""

import os

import pytest
import torch

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
os.environ.pop("PERCEIVER_EDU_WEIGHTS", None)  # the tests choose their weights themselves

from perceiver_edu import ByteTokenizer, from_huggingface

TEXTS = ["Read é, 中 and 🙂.", "A b."]  # 21 and 4 bytes: the second row of a batch is padded

TINY = dict(  # no two sizes are equal unless they must be, so a transposed axis fails
    max_position_embeddings=29,
    d_model=16,
    num_latents=5,
    d_latents=12,
    num_blocks=1,
    num_self_attends_per_block=3,
    num_self_attention_heads=3,
    num_cross_attention_heads=2,
    qk_channels=6,
    v_channels=12,
    cross_attention_widening_factor=2,
    self_attention_widening_factor=4,
)


def tiny_hf_model(seed=0, dtype=torch.float64, **changes):
    """Hugging Face's model with every parameter, norms and biases too, redrawn from N(0, 0.5)."""
    from transformers import PerceiverConfig, PerceiverForMaskedLM

    torch.manual_seed(seed)
    hf_model = PerceiverForMaskedLM(PerceiverConfig(**(TINY | changes))).to(dtype).eval()
    with torch.no_grad():
        for parameter in hf_model.parameters():
            parameter.normal_(std=0.5)
    return hf_model


@pytest.fixture
def hf_model():
    return tiny_hf_model()


@pytest.fixture
def model(hf_model):
    return from_huggingface(hf_model)


@pytest.fixture
def batch():
    """ids (2, 25) and mask (2, 25): a padded batch."""
    return ByteTokenizer().batch(TEXTS, pad_to=25)


TALLY = pytest.StashKey[dict]()


@pytest.fixture
def tally(request):
    """tally(what, number): counts of what was tried, for the table at the end of the run."""
    counts = request.config.stash.setdefault(TALLY, {})

    def add(what, number):
        counts[what] = counts.get(what, 0) + number

    return add


def pytest_terminal_summary(terminalreporter, config):
    counts = config.stash.get(TALLY, {})
    if counts:
        terminalreporter.section("what was tried")
        for what, number in counts.items():
            terminalreporter.line(f"{number:>8,}  {what}")
