"""The locality-aligned initialisation: only initial values change, and attention is on nearby positions."""

import math
from dataclasses import replace

import pytest
import torch

from perceiver_edu import ByteTokenizer, PerceiverIOConfig
from perceiver_edu.data import HELD_OUT
from perceiver_edu.instruments import record
from perceiver_edu.training.batches import hide_bytes
from perceiver_edu.training.configs import PretrainConfig, new_model, sized
from perceiver_edu.training.corpus import load_crops
from perceiver_edu.training.initialization import sinusoids
from perceiver_edu.training.masking import IGNORE, hole_positions
from perceiver_edu.training.pretrain import loss_of, pretrain

STAGES = ("encoder", "decoder")


def start(name, config, seed=0):
    return new_model(PretrainConfig(config=config, start=name, seed=seed)).eval()


def attention(model, ids):
    """The maps of both cross-attends, mean over the heads: encoder (B, N, M), decoder (B, O, N)."""
    names = [f"{stage}.cross_attend.attention.attention_map" for stage in STAGES]
    with torch.no_grad(), record(model, names) as seen:
        model(ids)
    return [seen[name][0].mean(1) for name in names]


def entropy(attention_map):
    """Of each row, as a share of the uniform one's: (B, Q, K) -> (B, Q), 1 = uniform."""
    return -torch.xlogy(attention_map, attention_map).sum(-1) / math.log(attention_map.shape[-1])


def own_places(config):
    """For each latent its byte n·M/N, for each query its latent p·N/M."""
    M, N = config.max_position_embeddings, config.num_latents
    return (torch.arange(N) + 0.5) * M / N, (torch.arange(M) + 0.5) * N / M - 0.5


@pytest.fixture(scope="module", params=["tiny", "small"])
def config(request):
    return sized(request.param)


@pytest.fixture(scope="module")
def ids(config):
    return load_crops(HELD_OUT, config.max_position_embeddings, progress=False)[:8].long()


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"d_latents": 24},  # fewer channels than the inputs have
        {
            "d_latents": 60,
            "num_cross_attention_heads": 5,
            "cross_attention_shape_for_attention": "q",
            "num_self_attention_heads": 3,
        },
        {"qk_channels": 16, "v_channels": 40, "d_latents": 40},
        {"num_latents": 50},  # more latents than bytes
    ],
)
def test_only_initial_values_change(sizes):
    small = dict(max_position_embeddings=40, d_model=32, num_latents=7, d_latents=48, qk_channels=None)
    config = PerceiverIOConfig(**(small | {"v_channels": None, "num_self_attends_per_block": 2} | sizes))
    aligned, usual = (start(name, config).state_dict() for name in ("aligned", "usual"))
    shapes = [{name: tensor.shape for name, tensor in one.items()} for one in (aligned, usual)]
    assert shapes[0] == shapes[1]
    changed = {name for name in usual if not torch.equal(aligned[name], usual[name])}
    projections = {
        f"{stage}.cross_attend.attention.{name}.weight"
        for stage in STAGES
        for name in ("query", "key", "value", "output")
    }
    assert changed == projections | {
        "embedding.byte_embedding.weight",
        "embedding.position_embedding.weight",
        "encoder.latents",
        "queries.positions",
    }
    assert all(tensor.isfinite().all() for tensor in aligned.values())


@pytest.mark.parametrize("seed", [0, 1])
def test_the_aligned_start_looks_at_its_own_place(config, ids, seed):
    maps = attention(start("aligned", config, seed), ids)
    for stage, attention_map, place, width in zip(
        STAGES,
        maps,
        own_places(config),
        (config.max_position_embeddings / config.num_latents, 1),
        strict=True,
    ):
        distance = (torch.arange(attention_map.shape[-1]) - place[:, None]).abs()  # (Q, K)
        to_peak = (attention_map.argmax(-1) - place).abs()  # (B, Q)
        assert to_peak.quantile(0.9) <= max(1, width / 2), stage
        near = distance <= 2 * width
        mass = (attention_map * near).sum(-1).mean()
        assert mass > 2.4 * near.float().mean(), f"{stage}: {mass:.2f} of the attention is near"
        assert entropy(attention_map).mean() < 0.93, stage


def test_the_usual_start_looks_everywhere_alike(config, ids):
    for attention_map in attention(start("usual", config), ids):
        assert entropy(attention_map).min() > 0.999


def test_sinusoids_know_distances():
    places = sinusoids(torch.arange(64).float(), 32, longest=64)
    assert places.shape == (64, 32)
    assert places[0].tolist() == [0.0, 1.0] * 16
    likeness = places @ places.T  # of p and q, it depends on p - q alone, and is largest where they are equal
    assert torch.allclose(likeness.diagonal(), torch.tensor(16.0))
    assert torch.allclose(likeness[1:, 1:], likeness[:-1, :-1], atol=1e-4)
    assert likeness[0, :5].tolist() == sorted(likeness[0, :5].tolist(), reverse=True)
    assert likeness[0, 5:].max() < likeness[0, 4]


@pytest.mark.slow
def test_the_aligned_start_passes_the_unigram_entropy_where_the_usual_one_waits(tmp_path):
    crops = load_crops(HELD_OUT, 48, progress=False)
    train, unseen = crops[torch.arange(len(crops)) % 8 != 0], crops[::8]
    shares = torch.bincount(train[train >= ByteTokenizer.BYTE_OFFSET].long()).double() / (train >= 6).sum()
    unigram = -torch.xlogy(shares, shares).sum() / math.log(2)  # bits: 4.41
    settings = PretrainConfig(
        steps=300,
        batch_size=32,
        learning_rate=3e-3,
        warmup=20,
        masks="bytes",
        short=0.0,
        config=replace(sized("tiny"), max_position_embeddings=48, num_latents=16, d_latents=64),
    )

    def bits(name):
        model = pretrain(train, tmp_path / name, replace(settings, start=name), progress=False)
        inputs, labels = hide_bytes(settings, unseen.long(), 0)
        asked = (labels != IGNORE).sum()
        assert asked > 1000
        return loss_of(model, inputs, *hole_positions(labels)).item() / asked / math.log(2)

    assert bits("aligned") < unigram - 0.2
    assert bits("usual") > unigram - 0.1
