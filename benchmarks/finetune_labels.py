"""How many labels does fine-tuning need? A frozen query, LoRA, the whole model and baselines, with up to
3,000 labels.

python benchmarks/finetune_labels.py                     four hours on one CPU core
python benchmarks/finetune_labels.py --method thawed     one of the methods; may be repeated

The texts are documentation, as in notebook 09, but more of them: at most 120 bytes each, without
near-duplicates and names of packages, and no file is on both sides of the split. The two questions are the
notebook's. Each method's learning rate is chosen by the accuracy on separate validation texts, and each
training run stops early by them; the baselines need neither. Results go to
perceiver_edu/data/finetune_labels.json, which the notebook shows. A run that is there is not repeated.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from hashlib import sha256

import numpy as np
import torch
import torch.nn.functional as F
from ablate_latents import made
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn
from torch.nn.utils import parametrize

from perceiver_edu import ByteTokenizer, load_pretrained
from perceiver_edu.attention import MultiHeadAttention
from perceiver_edu.data import LABELS
from perceiver_edu.training.classify import Task, new_classifier
from perceiver_edu.training.features import by_length, pad
from perceiver_edu.training.origins import (
    PACKAGES,
    paragraphs,
    split_by_module,
    without_names,
    without_near_duplicates,
)

SIZES = {"drawer": (300, 1000, 3000), "order": (300, 3000)}
LARGEST = {"order": (3000,)}  # of the methods that run the whole model in every step
WHOLE_MODEL = ("LoRA", "thawed")
SEEDS = range(8)
TEXTS = {"training": 3000, "validation": 400, "test": 800}
METHODS = {  # and the learning rates that are tried
    "frozen query": (3e-4, 1e-3, 3e-3),
    "LoRA": (1e-3, 3e-3),
    "thawed": (1e-4, 3e-4),
}
BASELINES = "baselines"
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


class LowRank(nn.Module):
    """A weight plus a product of two narrow matrices, which alone are trained (LoRA, Hu et al. 2021)."""

    def __init__(self, weight: torch.Tensor, rank: int = 8):
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, weight.shape[1]) / weight.shape[1] ** 0.5)
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.up @ self.down


def classifier_of(model, method: str, seed: int):
    """A new query, decoder and head on the model, of which the method trains nothing, low-rank changes of its
    attention's projections, or all."""
    classifier = new_classifier(model, [Task("label", ("0", "1"))], seed)
    if method == "thawed":
        return classifier.train()
    classifier.freeze()
    if method == "LoRA":
        classifier.frozen = False  # its latents change, too
        torch.manual_seed(seed)
        for stage in (classifier.encoder, classifier.processor):
            for module in list(stage.modules()):
                if isinstance(module, MultiHeadAttention):
                    for linear in (module.query, module.key, module.value, module.output):
                        parametrize.register_parametrization(linear, "weight", LowRank(linear.weight))
    return classifier.train()


def fit(model, method: str, given: dict, labels: dict, rows: torch.Tensor, rate: float, seed: int):
    """Train on some of the training texts -> the classifier at its best on the validation texts, and its
    accuracy there. `given` is what the method reads: {side: latents or texts}."""
    classifier = classifier_of(model, method, seed)
    learned = [p for p in classifier.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=rate)
    draw = torch.Generator().manual_seed(seed)
    best, kept, since, seen, step = -1.0, learned, 0, 0, 0
    while seen < MOST and since < PATIENCE:
        for part in rows[torch.randperm(len(rows), generator=draw)].split(BATCH):
            step, seen = step + 1, seen + len(part)
            optimizer.param_groups[0]["lr"] = rate * min(1, step / WARMUP)
            found = scores(classifier, given["training"], part)
            F.cross_entropy(found, labels["training"][part]).backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if seen % EVERY < len(part):
                classifier.eval()
                right = accuracy(classifier, given["validation"], labels["validation"])
                classifier.train()
                since += 1
                if right > best:
                    best, since, kept = right, 0, deepcopy([p.detach() for p in learned])
    with torch.no_grad():
        for parameter, value in zip(learned, kept, strict=True):
            parameter.copy_(value)
    return classifier.eval(), best


def scores(classifier, given, part: torch.Tensor) -> torch.Tensor:
    """Some of the latents (B, N, D) or texts -> scores (B, 2) of the one question."""
    if isinstance(given, torch.Tensor):
        return classifier.heads[0](classifier.decoder(classifier.queries(), given[part])[:, 0])
    ids, mask = pad([ByteTokenizer().encode(given[row]) for row in part])
    return classifier(ids, mask)["label"]


@torch.no_grad()
def accuracy(classifier, given, labels: torch.Tensor) -> float:
    found = [scores(classifier, given, part).argmax(-1) for part in torch.arange(len(labels)).split(100)]
    return float((torch.cat(found) == labels).float().mean())


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", action="append", choices=[BASELINES, *METHODS], help="only this one")
    chosen = parser.parse_args().method or [BASELINES, *METHODS]
    model = load_pretrained("embedded")
    texts, every_label = data()
    latents = {side: read(model, rows) for side, rows in texts.items()}
    for method in chosen:
        done = runs_of(method, texts)
        for question, size, seed, drawn in draws(method):
            if (question, size, seed) in done:
                continue
            began = time.perf_counter()
            labels = every_label[question]
            if method == BASELINES:
                found = baselines(texts, latents, labels, drawn.numpy())
            else:
                given = texts if method in WHOLE_MODEL else latents
                rate = best_rate(model, method, given, question, labels)
                classifier, _ = fit(model, method, given, labels, drawn, rate, seed)
                found = {method: accuracy(classifier, given["test"], labels["test"])}
            with record() as content:
                content["made"][method] = made(began)
                content["rows"] += [
                    {"question": question, "labels": size, "seed": seed, "method": name, "accuracy": value}
                    for name, value in found.items()
                ]
            print(question, size, seed, {name: round(value, 3) for name, value in found.items()}, flush=True)


@contextmanager
def record() -> Iterator[dict]:
    """The record, to be changed: it is whole after every run, and what it holds is not run again."""
    new = {"texts": TEXTS, "made": {}, "rates": {}, "rows": []}
    content = json.loads(LABELS.read_text()) if LABELS.exists() else new
    yield content
    LABELS.write_text(json.dumps(content, indent=1) + "\n")


def runs_of(method: str, texts: dict[str, list[str]]) -> set[tuple[str, int, int]]:
    """The method's runs in the record: (question, labels, seed)."""
    digest = sha256(json.dumps(texts).encode()).hexdigest()
    with record() as content:
        if content.setdefault("digest", digest) != digest:
            sys.exit(f"{LABELS} was made from other texts, so nothing can be added to it: remove it first")
        names = {"bag of bytes"} if method == BASELINES else {method}
        rows = [row for row in content["rows"] if row["method"] in names]
    return {(row["question"], row["labels"], row["seed"]) for row in rows}


def draws(method: str) -> Iterator[tuple[str, int, int, torch.Tensor]]:
    """(question, how many labels, seed, which training texts): the same for all methods."""
    for question, sizes in (LARGEST if method in WHOLE_MODEL else SIZES).items():
        for size in sizes:
            for seed in SEEDS:
                drawn = np.random.RandomState(seed).permutation(TEXTS["training"])[:size]
                yield question, size, seed, torch.from_numpy(drawn)


def best_rate(model, method: str, given: dict, question: str, labels: dict) -> float:
    """The learning rate with the highest accuracy on the validation texts; each is tried once."""
    everything = torch.arange(TEXTS["training"])
    with record() as content:
        tried = content["rates"].setdefault(method, {}).setdefault(question, {})
    for rate in METHODS[method]:
        if str(rate) not in tried:
            tried[str(rate)] = fit(model, method, given, labels, everything, rate, seed=100)[1]
            print(method, question, tried, flush=True)
            with record() as content:
                content["rates"][method][question] = tried
    return float(max(tried, key=tried.__getitem__))


if __name__ == "__main__":
    sys.exit(main())
