"""How many labels does a query need? Notebook 09's frozen query and baselines, with up to 3,000 labels.

python benchmarks/finetune_labels.py        about half an hour on one CPU core

The texts are documentation, as in the notebook, but more of them: at most 120 bytes each, without
near-duplicates and names of packages, and no file is on both sides of the split. The two questions are the
notebook's. The query's learning rate is chosen on validation texts, once for each question, and each training
run stops early by them; the baselines need neither. Results go to perceiver_edu/data/finetune_labels.json,
which the notebook shows.
"""

import json
import random
import sys
import time
from copy import deepcopy

import numpy as np
import torch
import torch.nn.functional as F
from ablate_latents import made
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from perceiver_edu import ByteTokenizer, load_pretrained
from perceiver_edu.data import LABELS
from perceiver_edu.training.classify import Task, new_classifier
from perceiver_edu.training.features import by_length
from perceiver_edu.training.origins import (
    PACKAGES,
    paragraphs,
    split_by_module,
    without_names,
    without_near_duplicates,
)

SIZES = {"drawer": (300, 1000, 3000), "order": (300, 3000)}
SEEDS = range(8)
TEXTS = {"training": 3000, "validation": 400, "test": 800}
RATES = (3e-4, 1e-3, 3e-3)
BATCH, WARMUP = 25, 20  # texts; steps
MOST, EVERY, PATIENCE = 9000, 600, 4  # texts of a training run; of an evaluation; evaluations without a gain


def data() -> tuple[dict[str, list[str]], dict[str, dict[str, torch.Tensor]]]:
    """-> {side: texts}, {question: {side: labels 0 or 1}}"""
    draw = random.Random(0)
    found = [origin for package in PACKAGES for origin in list(paragraphs(package, 120, most=16))[:3000]]
    training, test = split_by_module(without_names(without_near_duplicates(found)))
    training = draw.sample(training, TEXTS["training"] + TEXTS["validation"])
    sides = {"training": training[: TEXTS["training"]], "validation": training[TEXTS["training"] :]}
    sides["test"] = draw.sample(test, TEXTS["test"])
    texts: dict[str, list[str]] = {}
    for side, origins in sides.items():
        texts[side] = []
        for number, origin in enumerate(origins):
            words = origin.text.lower().rstrip(".").split()
            if number % 2:  # every second text has its words in random order
                draw.shuffle(words)
            texts[side].append(" ".join(words))
    middle = sorted(text[0] for text in texts["training"])[TEXTS["training"] // 2]
    labels = {
        "order": {side: torch.arange(len(rows)) % 2 for side, rows in texts.items()},
        "drawer": {
            side: torch.tensor([int(text[0] >= middle) for text in rows]) for side, rows in texts.items()
        },
    }
    return texts, labels


@torch.no_grad()
def read(model, texts: list[str]) -> torch.Tensor:
    """-> latents (texts, N, D)"""
    found = torch.empty(len(texts), *model.encoder.latents.shape)
    rows = [ByteTokenizer().encode(text) for text in texts]
    for numbers, ids, mask in by_length(rows, 40):
        found[torch.tensor(numbers)] = model.processor(model.encoder(model.embedding(ids), mask))
    return found


def scores(classifier, latents: torch.Tensor) -> torch.Tensor:
    """Latents (B, N, D) -> scores (B, 2) of the one question."""
    return classifier.heads[0](classifier.decoder(classifier.queries(), latents)[:, 0])


@torch.no_grad()
def accuracy(classifier, latents: torch.Tensor, labels: torch.Tensor) -> float:
    found = [scores(classifier, part).argmax(-1) for part in latents.split(100)]
    return float((torch.cat(found) == labels).float().mean())


def fit_query(model, latents, labels, rows: torch.Tensor, rate: float, seed: int):
    """A query, decoder and head, trained on some of the training texts -> the classifier at its best on the
    validation texts, and its accuracy there."""
    classifier = new_classifier(model, [Task("label", ("0", "1"))], seed).freeze().train()
    learned = [p for p in classifier.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=rate)
    draw = torch.Generator().manual_seed(seed)
    best, kept, since, seen, step = -1.0, learned, 0, 0, 0
    while seen < MOST and since < PATIENCE:
        for part in rows[torch.randperm(len(rows), generator=draw)].split(BATCH):
            step, seen = step + 1, seen + len(part)
            optimizer.param_groups[0]["lr"] = rate * min(1, step / WARMUP)
            F.cross_entropy(
                scores(classifier, latents["training"][part]), labels["training"][part]
            ).backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if seen % EVERY < len(part):
                classifier.eval()
                found = accuracy(classifier, latents["validation"], labels["validation"])
                classifier.train()
                since += 1
                if found > best:
                    best, since, kept = found, 0, deepcopy([p.detach() for p in learned])
    with torch.no_grad():
        for parameter, value in zip(learned, kept, strict=True):
            parameter.copy_(value)
    return classifier.eval(), best


def baselines(texts, latents, labels, rows: np.ndarray) -> dict[str, float]:
    """{method: accuracy on the test texts}"""

    def counts(side):
        return np.stack([np.bincount(list(text.encode()), minlength=256) for text in texts[side]])

    def linear():
        return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))

    n_grams = make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 4)), LinearSVC())
    methods = {
        "bag of bytes": (linear(), counts),
        "TF-IDF": (n_grams, lambda side: np.array(texts[side], dtype=object)),
        "probe on the mean": (linear(), lambda side: latents[side].mean(1).numpy()),
    }
    return {
        name: float(
            method.fit(features("training")[rows], labels["training"][rows]).score(
                features("test"), labels["test"]
            )
        )
        for name, (method, features) in methods.items()
    }


def main():
    began = time.perf_counter()
    model = load_pretrained("embedded")
    texts, every_label = data()
    latents = {side: read(model, rows) for side, rows in texts.items()}
    rows, rates = [], {}
    for question, sizes in SIZES.items():
        labels = every_label[question]
        everything = torch.arange(TEXTS["training"])
        tried = {rate: fit_query(model, latents, labels, everything, rate, seed=100)[1] for rate in RATES}
        rates[question] = {"tried": tried, "chosen": max(tried, key=tried.__getitem__)}
        print(question, rates[question], flush=True)
        for size in sizes:
            for seed in SEEDS:
                chosen = np.random.RandomState(seed).permutation(TEXTS["training"])[:size]
                found = baselines(texts, latents, labels, chosen)
                query, _ = fit_query(
                    model, latents, labels, torch.from_numpy(chosen), rates[question]["chosen"], seed
                )
                found["frozen query"] = accuracy(query, latents["test"], labels["test"])
                rows += [
                    {"question": question, "labels": size, "seed": seed, "method": name, "accuracy": value}
                    for name, value in found.items()
                ]
                print(
                    question, size, seed, {name: round(value, 3) for name, value in found.items()}, flush=True
                )
    result = made(began) | {"texts": TEXTS, "rates": rates, "rows": rows}
    LABELS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
