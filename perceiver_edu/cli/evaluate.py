"""`perceiver-edu evaluate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import WEIGHTS_HELP, Device, Json
from perceiver_edu.errors import InputError, whole_number
from perceiver_edu.terminal import print_json, visible


def evaluate(
    weights: Annotated[
        str | None,
        typer.Argument(help=WEIGHTS_HELP + " Or the folder of a fine-tuning run.", show_default=False),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Text the model has not seen; may be repeated. If omitted: the text in this package. For a "
            "classifier: one labelled .csv, .tsv or .jsonl file."
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="For a classifier: the column with the text; several are joined.  [default: text]",
            show_default=False,
        ),
    ] = None,
    masks: Annotated[
        str,
        typer.Option(
            help="Which words are hidden. coin: each with a chance of 15 %. words: as many as cover 15 % of "
            "the bytes, the rule of earlier versions."
        ),
    ] = "coin",
    seed: Annotated[int, typer.Option(help="Which words are hidden.")] = 0,
    crops: Annotated[
        int | None, typer.Option(help="How many crops of the text, evenly spaced; all if omitted.")
    ] = None,
    cloze: Annotated[bool, typer.Option(help="Also forty easy sentences with a missing word.")] = True,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Score a model on words it has not seen, or a classifier on labelled text.

    A language model is compared with guesses that need no reading. Whole words are hidden, 15 % of them. A
    model that knows nothing needs 8 bits a byte; one that has learned only where holes are is as good as
    "geometry". What lies below that is use of context.

    \b
    Examples:
      perceiver-edu evaluate
      perceiver-edu evaluate runs/first/model --data valid.jsonl.xz --crops 2000
      perceiver-edu evaluate --no-cloze --json
      perceiver-edu evaluate runs/reviews --data new.csv --text review
    """
    from perceiver_edu.data import HELD_OUT
    from perceiver_edu.training.batches import spread
    from perceiver_edu.training.cloze import evaluate_cloze
    from perceiver_edu.training.corpus import load_crops
    from perceiver_edu.training.evaluate import evaluate as evaluate_model
    from perceiver_edu.training.evaluate import reading_entropy
    from perceiver_edu.training.predict import classifier_folders

    folders = classifier_folders(weights) if weights and Path(weights).is_dir() else []
    if folders:
        evaluate_classifiers(folders, data or [], text or ["text"], device, as_json)
        return
    if text:
        raise InputError("--text names a column for a classifier, and this is none: leave it away")
    if crops is not None:
        whole_number("--crops", crops, 1)
    whole_number("--seed", seed, 0, 2**63 - 1)  # before the text is read
    model, name = shared.load(weights, device)
    length = model.config.max_position_embeddings
    rows = load_crops(data or HELD_OUT, length, progress=False)
    result = evaluate_model(model, spread(rows, crops or len(rows)), seed, masks=masks, progress=not as_json)
    try:
        reading, spread_out = reading_entropy(model, rows), ""
    except InputError as error:  # of a short text, everything else is known
        reading, spread_out = None, f"how spread out the latents read is not known: {error}"
    sentences = evaluate_cloze(model) if cloze else None
    shared.say_which(model, name)
    if as_json:
        answers = (
            {}
            if sentences is None
            else {
                "cloze": {
                    "right": sentences.right(1),
                    "right_among_five": sentences.right(5),
                    "guesses": [asdict(guess) for guess in sentences.guesses],
                }
            }
        )
        read = asdict(reading) if reading else None
        print_json(weights=name, **asdict(result), reading=read, **answers)
    else:
        print(f"{result}\n{reading or spread_out}")
        if sentences:
            print(f"\n{visible(str(sentences), keep=chr(10))}")


def evaluate_classifiers(folders: list[Path], data: list[str], text: list[str], device: str, as_json: bool):
    """The scores of each classifier on one labelled file."""
    from perceiver_edu.training.classify import load_classifier
    from perceiver_edu.training.labelled import Column, read_labelled
    from perceiver_edu.training.predict import evaluate_classifier
    from perceiver_edu.weights.pretrained import usable_device

    if len(data) != 1:
        raise InputError("a classifier is evaluated on one labelled file: give it by --data")
    models = [load_classifier(folder).to(usable_device(device)) for folder in folders]
    columns = [Column(task.name, task.kind) for model in models for task in model.tasks]
    rows = read_labelled(data[0], text, columns)
    found = [score for model in models for score in evaluate_classifier(model, rows)]
    for model, folder in zip(models, folders, strict=True):
        shared.say_which(model, str(folder))
    if as_json:
        print_json(weights=[str(folder) for folder in folders], tasks=[asdict(score) for score in found])
    else:
        print(visible("\n".join(map(str, found)), keep="\n"))
