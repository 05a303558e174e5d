"""`perceiver-edu predict`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import Device, Json
from perceiver_edu.errors import InputError
from perceiver_edu.terminal import new_console, new_table, print_json, visible

if TYPE_CHECKING:
    from perceiver_edu.training.predict import Prediction


def predict(
    run: Annotated[
        Path,
        typer.Argument(help="The folder of a fine-tuning run, or of a classifier in transformers' format."),
    ],
    file: Annotated[
        str | None,
        typer.Argument(
            help="A .csv, .tsv or .jsonl file, or any other file with one text per line. If omitted or -: "
            "standard input, one text per line.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="The column with the text; several columns are joined.  [default: text]", show_default=False
        ),
    ] = None,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Label texts with a classifier that `perceiver-edu finetune` has trained.

    Each text gets the most probable label and the probability of every label: the softmax of the scores, or,
    in a task with several labels for each text, the sigmoid of each. Texts that are too long are truncated.

    \b
    Examples:
      perceiver-edu predict runs/reviews new.csv --text review
      perceiver-edu predict runs/reviews/seed-0 mail.jsonl --json
      echo "What a fine film!" | perceiver-edu predict runs/reviews
    """
    from perceiver_edu.training.classify import load_classifier
    from perceiver_edu.training.labelled import ENDINGS
    from perceiver_edu.training.predict import classifier_folders, predict_labels, read_texts, without_blank
    from perceiver_edu.weights.pretrained import usable_device

    folders = classifier_folders(run)
    if not folders:
        raise InputError(f"{run} contains no classifier: give the folder that `perceiver-edu finetune` wrote")
    if text and (file is None or Path(file).suffix.lower() not in ENDINGS):
        kinds = ", ".join(ENDINGS)
        raise InputError(
            f"--text names a column of a table ({kinds}), but this text is read line by line: leave it out"
        )
    if file in (None, "-"):
        lines = re.split("\r?\n", shared.read_stdin(one_text=False))
        texts = without_blank(lines, "standard input")
        if not texts:
            raise InputError("there is no text: give a file, or pipe one in")
    else:
        texts = read_texts(file, text or ["text"])
    models = [load_classifier(folder).to(usable_device(device)) for folder in folders]
    found: dict[str, list[Prediction]] = {}
    for model in models:
        found |= predict_labels(model, texts)
    for model, folder in zip(models, folders, strict=True):
        shared.say_which(model, str(folder))
    if as_json:
        rows = [
            {
                "text": one,
                "tasks": {
                    task: {"answer": rows[number].answer, "probabilities": rows[number].probabilities}
                    for task, rows in found.items()
                },
            }
            for number, one in enumerate(texts)
        ]
        print_json(weights=[str(folder) for folder in folders], texts=rows)
    else:
        print_predictions(texts, found)


def print_predictions(texts: list[str], found: "dict[str, list[Prediction]]") -> None:
    """A row for each text: of each task the answer and the probabilities."""
    console = new_console()
    columns = []
    for task, rows in found.items():
        columns += [visible(task), *(f"#{visible(label)}" for label in rows[0].probabilities)]
    table = new_table(console, *columns, "text")
    for number, text in enumerate(texts):
        cells = []
        for rows in found.values():
            answer, shares = rows[number].answer, rows[number].probabilities
            cells.append(f"{answer:.3g}" if isinstance(answer, float) else written(answer))
            cells += [f"{share:.3f}" for share in shares.values()]
        table.add_row(*cells, visible(text))
    console.print(table)


def written(answer: str | list[str]) -> str:
    """A label, or several as in a .csv file; "-" where none applies."""
    return visible(answer if isinstance(answer, str) else "|".join(answer) or "-")
