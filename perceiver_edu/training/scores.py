"""How good are the answers of a classifier? The usual scores, by scikit-learn and scipy, and pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from perceiver_edu.errors import InputError
from perceiver_edu.training.classify import Task
from perceiver_edu.weights.files import write_whole

SCORES = {  # kind of task -> its scores, the first of which decides; all: larger is better
    "single": ("accuracy", "f1", "matthews"),
    "multi": ("f1", "accuracy"),
    "regression": ("pearson", "spearman", "minus_squared_error"),
}


def task_scores(task: Task, scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores (n, L) of the classifier and true labels, as `task_losses` takes them -> {name: score}.

    "f1" of two classes is that of the second, as GLUE has it; of more, or of many labels, the mean (macro).
    "accuracy" of many labels asks for all of a text's labels to be right.
    """
    try:
        from scipy import stats
        from sklearn import metrics
    except ModuleNotFoundError:
        raise InputError("scores need scikit-learn: pip install 'perceiver-edu[train]'") from None
    if task.kind == "regression":
        guess = scores[:, 0]
        varied = (
            len(guess) > 1 and np.ptp(guess) > 0 and np.ptp(labels) > 0
        )  # otherwise there is no correlation
        return {
            "pearson": float(stats.pearsonr(guess, labels)[0]) if varied else 0.0,
            "spearman": float(stats.spearmanr(guess, labels)[0]) if varied else 0.0,
            "minus_squared_error": -float(np.mean((guess - labels) ** 2)),
        }
    if task.kind == "multi":
        guess = scores > 0
        return {
            "f1": float(metrics.f1_score(labels, guess, average="macro", zero_division=0)),
            "accuracy": float(metrics.accuracy_score(labels, guess)),
        }
    guess = scores.argmax(-1)
    binary = {"pos_label": 1} if len(task.labels) == 2 else {"average": "macro"}
    return {
        "accuracy": float(metrics.accuracy_score(labels, guess)),
        "f1": float(metrics.f1_score(labels, guess, zero_division=0, **binary)),
        "matthews": float(metrics.matthews_corrcoef(labels, guess)),
    }


def deciding_score(
    scores: dict[str, dict[str, float]], tasks: list[Task], names: tuple[str, ...] = ()
) -> float:
    """The mean of `names`, or of each task's first score, over the tasks: the one number that is compared.

    Raises: InputError for a name that a task does not have.
    """
    wanted = []
    for task in tasks:
        for name in names or SCORES[task.kind][:1]:
            if name not in SCORES[task.kind]:
                raise InputError(f"no score {name!r} ({task.kind}); there is {', '.join(SCORES[task.kind])}")
            wanted.append(scores[task.name][name])
    return sum(wanted) / len(wanted)


def confusion(task: Task, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(L, L) counts: rows are the true labels, columns the answers."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, scores.argmax(-1), labels=range(len(task.labels)))


def save_confusion(task: Task, counts: np.ndarray, path: Path) -> None:
    """A picture of the counts, each row shaded by its shares."""
    with saved_figure(path, (2.5 + 0.5 * len(task.labels),) * 2) as ax:
        ax.imshow(counts / np.maximum(1, counts.sum(1, keepdims=True)), cmap="Blues", vmin=0, vmax=1)
        places, short = range(len(task.labels)), [label[:20] for label in task.labels]
        ax.set_xticks(places, short, rotation=45, ha="right")
        ax.set_yticks(places, short)
        ax.set(xlabel="answer", ylabel="truth", title=task.name)
        if len(task.labels) <= 20:
            shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
            for i, j in np.ndindex(counts.shape):
                ax.text(
                    j, i, counts[i, j], ha="center", va="center", color="w" if shares[i, j] > 0.6 else "k"
                )


def save_curves(rows: list[dict], path: Path) -> None:
    """Loss in training and in validation, and the deciding score, against steps."""
    with saved_figure(path, (9, 3.6), ncols=2) as (left, right):
        for name, label in (("loss", "training"), ("validation_loss", "validation")):
            points = [(int(r["step"]), float(r[name])) for r in rows if r[name] != ""]
            left.plot(*zip(*points, strict=True), label=label, marker=".") if points else None
        left.set(xlabel="steps", ylabel="loss")
        left.legend(frameon=False)
        points = [(int(r["step"]), float(r["score"])) for r in rows if r["score"] != ""]
        right.plot(*zip(*points, strict=True), marker=".", color="#009E73")
        right.set(xlabel="steps", ylabel="validation score")


@contextmanager
def saved_figure(path: Path, size: tuple[float, float], **subplots: Any) -> Iterator[Any]:
    """Axes to draw on in the block; then the picture is written whole. No window, no state of pyplot's."""
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    yield figure.subplots(**subplots)
    png = BytesIO()
    figure.savefig(png, format="png", dpi=110)
    write_whole(path, png.getvalue())
