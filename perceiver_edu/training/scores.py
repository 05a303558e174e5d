"""How good are the answers of a classifier? The usual scores, by scikit-learn and scipy, and pictures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from perceiver_edu.errors import InputError, brief
from perceiver_edu.terminal import visible
from perceiver_edu.training.classify import Task
from perceiver_edu.writing import write_whole

MOST_DRAWN = 30  # classes of a confusion matrix

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
        classes = [1] if len(task.labels) == 1 else None  # scikit-learn takes one column for classes 0 and 1
        return {
            "f1": float(metrics.f1_score(labels, guess, labels=classes, average="macro", zero_division=0)),
            "accuracy": float(metrics.accuracy_score(labels, guess)),
        }
    guess = scores.argmax(-1)
    binary = {"pos_label": 1} if len(task.labels) == 2 else {"average": "macro"}
    return {
        "accuracy": float(metrics.accuracy_score(labels, guess)),
        "f1": float(metrics.f1_score(labels, guess, zero_division=0, **binary)),
        "matthews": float(metrics.matthews_corrcoef(labels, guess)),
    }


def check_metrics(tasks: list[Task], names: Sequence[str]) -> None:
    """Raises: InputError for a score that a task does not have."""
    for task in tasks:
        for name in names:
            if name not in SCORES[task.kind]:
                known = ", ".join(SCORES[task.kind])
                raise InputError(f"metrics: no score {brief(name)} ({task.kind}); choose from {known}")


def deciding_score(
    scores: dict[str, dict[str, float]], tasks: list[Task], names: Sequence[str] = ()
) -> float:
    """The mean of `names`, or of each task's first score, over the tasks: the one number that is compared."""
    wanted = [scores[task.name][name] for task in tasks for name in names or SCORES[task.kind][:1]]
    return sum(wanted) / len(wanted)


def confusion(task: Task, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(L, L) counts: rows are the true labels, columns the answers."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, scores.argmax(-1), labels=range(len(task.labels)))


def save_confusion(task: Task, counts: np.ndarray, path: Path) -> None:
    """A picture of the counts, each row shaded by its shares; of many classes, those most often confused.

    Where no font has a label's characters, or shortening makes two labels alike, numbers stand for the labels
    and `path` with the ending .txt says which is which.
    """
    wrong = counts - np.diag(np.diag(counts))
    most_wrong = (-(wrong.sum(0) + wrong.sum(1))).argsort(kind="stable")[:MOST_DRAWN]
    chosen = sorted(most_wrong.tolist())
    names = [visible(task.labels[number]) for number in chosen]
    short = [name if len(name) <= 20 else name[:19] + "…" for name in names]
    title = visible(task.name)[:60] if fonts_for(visible(task.name)[:60]) else ""
    if len(chosen) < len(task.labels):
        title += f"\nthe {len(chosen)} most confused of {len(task.labels)} classes"
    fonts = fonts_for("".join(short))
    if fonts is None or len(set(short)) < len(short):
        short = [str(number) for number in range(1, len(chosen) + 1)]
        legend = "".join(f"{number}\t{name}\n" for number, name in zip(short, names, strict=True))
        write_whole(path.with_suffix(".txt"), legend.encode())
        title += f"\nthe numbers: {path.stem[:60]}.txt"
    drawn = counts[np.ix_(chosen, chosen)]
    shares = drawn / np.maximum(1, counts.sum(1)[chosen, None])
    fonts = fonts_for("".join(short) + title)
    with saved_figure(path, (2.5 + 0.5 * len(chosen),) * 2, fonts) as ax:
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ax.set_xticks(range(len(chosen)), short, rotation=45, ha="right")
        ax.set_yticks(range(len(chosen)), short)
        ax.set(xlabel="predicted label", ylabel="true label", title=title)
        if len(chosen) <= 20:
            for i, j in np.ndindex(drawn.shape):
                ax.text(j, i, drawn[i, j], ha="center", va="center", color="w" if shares[i, j] > 0.6 else "k")


def fonts_for(text: str) -> list[str] | None:
    """Families that together have every character, matplotlib's own first; None where one is in none."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    missing = {ord(character) for character in text if not character.isspace()}
    families = []
    own = font_manager.findfont("DejaVu Sans")
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.fname != own, font.name)):
        if not missing:
            break
        if not entry.name.startswith("Last Resort"):  # its glyphs are boxes
            font = FT2Font(entry.fname)
            if here := {character for character in missing if font.get_char_index(character)}:
                missing -= here
                families.append(entry.name)
    return None if missing else families


def save_curves(rows: list[dict], path: Path) -> None:
    """Loss in training and in validation, and the deciding score, against steps."""
    with saved_figure(path, (9, 3.6), ncols=2) as (left, right):
        for name, label in (("loss", "training"), ("validation_loss", "validation")):
            points = [(int(r["step"]), float(r[name])) for r in rows if r[name] != ""]
            if points:
                left.plot(*zip(*points, strict=True), label=label, marker=".")
        left.set(xlabel="steps", ylabel="loss")
        left.legend(frameon=False)
        points = [(int(r["step"]), float(r["score"])) for r in rows if r["score"] != ""]
        right.plot(*zip(*points, strict=True), marker=".", color="#009E73")
        right.set(xlabel="steps", ylabel="validation score")


@contextmanager
def saved_figure(
    path: Path, size: tuple[float, float], fonts: list[str] | None = None, **subplots: Any
) -> Iterator[Any]:
    """Axes to draw on in the block; then the picture is written whole. No window, no state of pyplot's.

    No text in it is a formula: a label may hold dollars. `fonts`: families, in the order they are tried.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    plain: dict[Any, Any] = {"text.parse_math": False, "text.usetex": False}
    with rc_context(plain | ({"font.family": fonts} if fonts else {})):
        figure = Figure(size, layout="constrained")
        yield figure.subplots(**subplots)
        png = BytesIO()
        figure.savefig(png, format="png", dpi=110)
    write_whole(path, png.getvalue())
