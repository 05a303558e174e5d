"""Public files that the package reads while it runs, with their origin, and the files of the course."""

from importlib.resources import files
from pathlib import Path

PACKAGE = Path(str(files("perceiver_edu")))
HERE = PACKAGE / "data"

HELD_OUT = HERE / "heldout.jsonl"  # 100 kB of text that no shipped weights were trained on, with its sources
BASELINES = HERE / "baselines.npz"  # counts of training text, for `training.baselines`
CLOZE = HERE / "cloze.json"  # sentences with a hole, written for `training.cloze`
ABLATION = HERE / "ablate_latents.json"  # a record; benchmarks/ablate_latents.py made it
LABELS = HERE / "finetune_labels.json"  # a record; benchmarks/finetune_labels.py made it

# A wheel carries copies of these files (see pyproject.toml); in a checkout they are at the top.
CHECKOUT = None if (HERE / "notebooks").is_dir() else PACKAGE.parent
NOTEBOOKS = CHECKOUT / "notebooks" if CHECKOUT else HERE / "notebooks"
GLOSSARY = CHECKOUT / "docs" / "glossary.md" if CHECKOUT else HERE / "glossary.md"
LOCALE = CHECKOUT / "docs" / "locale" if CHECKOUT else HERE / "locale"  # catalogues; docs/catalogues.py
BENCHMARKS = CHECKOUT / "benchmarks" / "results" if CHECKOUT else HERE / "benchmarks"  # benchmarks/bench.py
