"""How many latents does a small model need? The model of notebook 08, trained with N = 2 to 48.

python benchmarks/ablate_latents.py        about ten minutes on one CPU core

Everything but N is as in the notebook: text, steps, batches, random-byte masks, locality-aligned start. Each
N is trained from three seeds. Results go to perceiver_edu/data/ablate_latents.json, which the notebook shows.
"""

import json
import platform
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from typing import Any

import torch

from perceiver_edu.data import ABLATION
from perceiver_edu.instruments.costs import stage_costs, total
from perceiver_edu.instruments.machine import processor_name
from perceiver_edu.training.baselines import Baselines, count_holes
from perceiver_edu.training.batches import spread
from perceiver_edu.training.configs import PretrainConfig, sized
from perceiver_edu.training.documentation import documentation_crops
from perceiver_edu.training.evaluate import tally
from perceiver_edu.training.masking import IGNORE, mask_bytes
from perceiver_edu.training.pretrain import held_out_bits, pretrain

NUM_LATENTS = (2, 4, 8, 12, 24, 48)
SEEDS = (0, 1, 2)
M = 48  # bytes a crop, [CLS] and [SEP] included
CONFIG = replace(
    sized("tiny"),
    max_position_embeddings=M,
    d_latents=64,
    num_self_attends_per_block=1,
    num_self_attention_heads=4,
    num_cross_attention_heads=4,
)
SETTINGS = PretrainConfig(
    steps=800,
    batch_size=64,
    learning_rate=6e-3,
    warmup=50,
    masks="bytes",
    bytes_first=0.0,
    short=0.0,
    config=CONFIG,
)


def main():
    began = time.perf_counter()
    crops, held_out = documentation_crops(M)
    held_out = spread(held_out, 1000)
    rows = []
    for num_latents in NUM_LATENTS:
        config = replace(CONFIG, num_latents=num_latents)
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                model = pretrain(crops, folder, replace(SETTINGS, config=config, seed=seed), progress=False)
            bits = held_out_bits(model, held_out, mask=mask_bytes)
            flops = total(stage_costs(config, M=M, O=int(0.15 * M))).flops
            rows.append({"num_latents": num_latents, "seed": seed, "bits": bits, "flops": flops})
            print(rows[-1], flush=True)
    result = made(began) | {
        "crops": len(crops),
        "M": M,
        "steps": SETTINGS.steps,
        "baselines": baselines(crops, held_out.long()),  # bits per hidden byte
        "rows": rows,
    }
    ABLATION.write_text(json.dumps(result, indent=1) + "\n")


def made(began: float) -> dict[str, Any]:
    """When and where a record was made, and in how many seconds."""
    return {
        "date": date.today().isoformat(),
        "machine": f"{processor_name()}, {torch.get_num_threads()} thread",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - began),
    }


def baselines(crops, held_out) -> dict[str, float]:
    """Guesses without a model, at single hidden bytes: {name: bits per hidden byte}."""
    inputs, labels = mask_bytes(held_out, generator=torch.Generator().manual_seed(0), always_mask=True)
    targets = labels[labels != IGNORE]
    guesses = Baselines(count_holes(crops, mask=mask_bytes))(inputs, labels)
    words = torch.zeros_like(targets)
    return {name: float(tally(g, targets, words)[0]) / len(targets) for name, g in guesses.items()}


if __name__ == "__main__":
    sys.exit(main())
