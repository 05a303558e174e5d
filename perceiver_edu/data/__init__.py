"""Small public files that the package reads while it runs; where each comes from is said beside it."""

from pathlib import Path

HERE = Path(__file__).parent

HELD_OUT = HERE / "heldout.jsonl"  # 100 kB of text that no shipped weights were trained on, with its sources
BASELINES = HERE / "baselines.npz"  # counts of training text, for `training.baselines`
CLOZE = HERE / "cloze.json"  # sentences with a hole, written for `training.cloze`
ABLATION = HERE / "ablate_latents.json"  # a record; benchmarks/ablate_latents.py made it
