"""A trained classifier at work: which labels do these texts get, and how good are they on labelled texts?"""

import lzma
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from perceiver_edu.borrow import eval_mode
from perceiver_edu.errors import InputError, check_list, warn, whole_number
from perceiver_edu.model import check_answers
from perceiver_edu.training.classify import ARCHITECTURE, PerceiverIOForClassification, Task
from perceiver_edu.training.features import by_length, encode
from perceiver_edu.training.labelled import SEPARATORS, Labelled, read_labelled
from perceiver_edu.training.scores import confusion, task_scores
from perceiver_edu.training.tasks import Encoded
from perceiver_edu.training.text_files import PACKED, read_lines
from perceiver_edu.weights.files import read_json


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one text.

    `answer`: the label; for a "multi" task, the list of labels above one half; for a regression, the number.
    `probabilities`: {label: probability}, in the order of the task's labels; empty for a regression.
    """

    answer: str | list[str] | float
    probabilities: dict[str, float]


def predict_labels(
    model: PerceiverIOForClassification,
    texts: Iterable[str],
    *,
    batch_size: int = 32,
    truncation: bool = True,
) -> dict[str, list[Prediction]]:
    """Label texts with a classifier: {task: a `Prediction` for each text, in the order of the texts}.

    Args:
        batch_size: how many texts run at a time; those of similar length run together.
        truncation: truncate texts that are too long, as fine-tuning does; otherwise they are an error.

    Raises: InputError if `texts` is not a list of texts, a text is too long, or the model returns NaN.
    """
    check_list("texts", texts)
    whole_number("batch_size", batch_size, 1, 2**20)
    rows = [encode(model, text, number, truncation) for number, text in enumerate(texts)]
    scores = score_rows(model, rows, batch_size)
    return {task.name: [prediction(task, row) for row in scores[task.name]] for task in model.tasks}


def prediction(task: Task, scores: np.ndarray) -> Prediction:
    """One text's scores (L,) -> the answer."""
    if task.kind == "regression":
        return Prediction(float(scores[0]), {})
    exact = torch.from_numpy(scores).double()
    shares = (exact.sigmoid() if task.kind == "multi" else exact.softmax(0)).tolist()
    probabilities = dict(zip(task.labels, shares, strict=True))
    if task.kind == "multi":
        return Prediction([label for label, share in probabilities.items() if share > 0.5], probabilities)
    return Prediction(task.labels[int(scores.argmax())], probabilities)


@torch.no_grad()
def score_rows(
    model: PerceiverIOForClassification, rows: list[list[int]], batch_size: int = 32
) -> dict[str, np.ndarray]:
    """Rows of ids -> {task: scores (n, L) float32}."""
    found = {task.name: np.zeros((len(rows), len(task.labels)), np.float32) for task in model.tasks}
    with eval_mode(model):
        for chosen, ids, mask in by_length(rows, batch_size, model.device):
            for name, scores in model(ids, mask).items():
                check_answers(scores)
                found[name][chosen] = scores.float().cpu().numpy()
    return found


@dataclass(frozen=True)
class ClassifierScores:
    """How good a classifier is at one task, and on how many texts. As a string: a few lines."""

    task: Task
    texts: int
    cut: int  # of them too long, and truncated
    scores: dict[str, float]  # see `task_scores`
    most_common: float | None  # accuracy of always predicting the most common label of these texts
    confusion: list[list[int]] | None  # rows are the true labels, columns the answers

    def __str__(self) -> str:
        lines = [f"{self.task.name}: {self.texts:,} texts"]
        lines += [f"  {name:22} {value:7.3f}" for name, value in self.scores.items()]
        if self.most_common is not None:
            lines.append(f"  {'always the most common':22} {self.most_common:7.3f}  (accuracy)")
        if self.cut:
            lines.append(f"  {self.cut:,} texts were too long for this model and were truncated")
        if self.confusion is not None and len(self.task.labels) <= 10:
            wide = max(len("true label"), *map(len, self.task.labels))
            lines.append(
                f"  {'true label':>{wide}}  →  " + "  ".join(f"{label:>5}" for label in self.task.labels)
            )
            for label, row in zip(self.task.labels, self.confusion, strict=True):
                cells = (
                    f"{number:>{max(5, len(name))}}"
                    for number, name in zip(row, self.task.labels, strict=True)
                )
                lines.append(f"  {label:>{wide}}     " + "  ".join(cells))
        return "\n".join(lines)


def evaluate_classifier(
    model: PerceiverIOForClassification, data: Labelled, batch_size: int = 32
) -> list[ClassifierScores]:
    """One `ClassifierScores` for each task of the model; `data` has a column for each, of the task's name.

    Raises: InputError, naming file and line, for a label that the model does not know.
    """
    encoded = Encoded(data, model.tasks, model.config.max_position_embeddings)
    answers, found = score_rows(model, encoded.rows, batch_size), []
    for task in model.tasks:
        labels, asked = encoded.labels[task.name]
        if not asked.any():
            raise InputError(f"{data.source}: no text has a label of {task.name!r}")
        scores, truth = answers[task.name][asked.numpy()], labels[asked].numpy()
        single = task.kind == "single"
        found.append(
            ClassifierScores(
                task=task,
                texts=len(truth),
                cut=encoded.cut,
                scores=task_scores(task, scores, truth),
                most_common=float(np.bincount(truth).max() / len(truth)) if single else None,
                confusion=confusion(task, scores, truth).tolist() if single else None,
            )
        )
    return found


def classifier_folders(folder: str | Path) -> list[Path]:
    """The classifiers in a folder: itself, or what a run has written there; of several tasks one for each.

    Empty where there is none. Raises: InputError for the folder of several runs: one has to be chosen.
    """
    folder = Path(folder)
    if (folder / "config.json").is_file():
        architectures = read_json(folder / "config.json").get("architectures")
        return [folder] if isinstance(architectures, list) and ARCHITECTURE in architectures else []
    seeds = sorted(path for path in folder.glob("seed-*") if (path / "model").is_dir())
    if len(seeds) > 1:
        names = ", ".join(path.name for path in seeds[:10])
        raise InputError(f"{folder} holds {len(seeds)} runs: name one of {names}, such as {seeds[0]}")
    model = (seeds[0] if seeds else folder) / "model"
    if not model.is_dir():
        return []
    if (model / "config.json").is_file():
        return classifier_folders(model)
    return [own for path in sorted(model.iterdir()) if path.is_dir() for own in classifier_folders(path)]


def read_texts(path: str | Path, columns: list[str]) -> list[str]:
    """The texts of a file without labels: of .csv, .tsv and .jsonl the columns, of others a text per line
    that is not blank; a warning says how many are.

    Raises: InputError, naming file and line, for what cannot be read.
    """
    path, tables = Path(path), (*SEPARATORS, ".jsonl", ".json")
    if path.suffix.lower() in tables:
        return read_labelled(path, columns, []).texts
    if path.suffix.lower() in PACKED and Path(path.stem).suffix.lower() in tables:
        raise InputError(f"{path}: a packed table is not read here: unpack it first")
    try:
        lines = [line.rstrip("\r\n") for line in read_lines(path)]
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    texts = without_blank(lines, str(path))
    if not texts:
        raise InputError(f"{path}: there is no text in this file")
    return texts


def without_blank(lines: list[str], source: str) -> list[str]:
    """The lines that are not blank. Warns of the others: who joins the answers to the lines must know."""
    texts = [line for line in lines if line.strip()]
    if 0 < len(texts) < len(lines):
        blank = len(lines) - len(texts)
        warn(f"{source}: {blank:,} of the {len(lines):,} lines are blank and were skipped")
    return texts
