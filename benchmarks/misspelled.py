"""Does a sentence hold a slip of the keyboard? Fine-tuning against cheaper methods, for notebook 09.

python benchmarks/misspelled.py        about ten minutes on one CPU core

The embedded model, four numbers of labels, eight draws of training texts for each, the same test texts for
all. The lower layers of the model stay as they are, so what they make of a text is computed once; the ways
that train the last layers as well start from there. Results go to perceiver_edu/data/misspelled.json.
"""

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from perceiver_edu import load_pretrained
from perceiver_edu.data import MISSPELLED
from perceiver_edu.training.last_layers import Tuner, lower_latents
from perceiver_edu.training.misspelling import spelling_texts

LABELS = (100, 400, 1600)
SEEDS = range(8)
TEST = 400
WAYS = {  # name: layers of the processor that learn, besides query, decoder and head
    "frozen query": 0,
    "last two layers": 2,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--seconds", type=float, default=900, help="Stop after so many, and keep what there is."
    )
    until = time.perf_counter() + parser.parse_args().seconds
    torch.set_num_threads(1)
    model = load_pretrained("embedded")
    data = spelling_texts(max(LABELS), TEST)
    texts, labels = ({side: part[i] for side, part in data.items()} for i in (0, 1))
    depth = len(model.processor.self_attends)
    kept = {
        k: {s: lower_latents(model, texts[s], depth - k) for s in texts} for k in sorted(set(WAYS.values()))
    }
    means = {side: kept[0][side].mean(1).numpy() for side in texts}
    bytes_of = {s: np.stack([np.bincount(list(t.encode()), minlength=256) for t in texts[s]]) for s in texts}
    given = {
        "probe": means,
        "bag of bytes": bytes_of,
        "TF-IDF": {s: np.array(texts[s], object) for s in texts},
    }
    targets = {side: np.array(labels[side]) for side in labels}
    scores: dict[str, dict[int, list[float]]] = {name: {} for name in (*given, *WAYS)}
    for seed in SEEDS:
        for number in LABELS:
            rows = np.random.RandomState(seed).permutation(len(texts["training"]))[:number]
            for name, inputs in given.items():
                letters = TfidfVectorizer(analyzer="char", ngram_range=(1, 4))
                linear = LogisticRegression(C=0.01, max_iter=300)
                classifier = make_pipeline(letters, LinearSVC()) if name == "TF-IDF" else (
                    make_pipeline(StandardScaler(), linear)
                )  # fmt: skip
                classifier.fit(inputs["training"][rows], targets["training"][rows])
                right = float(classifier.score(inputs["test"], targets["test"]))
                scores[name].setdefault(number, []).append(right)
            for name, layers in WAYS.items():
                tuner = Tuner(model, layers, seed)
                tuner.train(kept[layers]["training"][rows], torch.from_numpy(targets["training"][rows]), seed)
                guess = tuner.scores(kept[layers]["test"]).argmax(-1).numpy()
                scores[name].setdefault(number, []).append(float((guess == targets["test"]).mean()))
            print(seed, number, {name: by[number][-1] for name, by in scores.items()}, flush=True)
        record = {
            "date": str(date.today()),
            "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
            "training": len(texts["training"]),
            "test": len(texts["test"]),
            "seeds": seed + 1,
            "scores": scores,
        }
        Path(MISSPELLED).write_text(json.dumps(record, indent=1) + "\n")
        if time.perf_counter() > until:
            break


if __name__ == "__main__":
    main()
