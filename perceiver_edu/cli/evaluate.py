"""`perceiver-edu evaluate`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import WEIGHTS_HELP, Device, Engine, Json, refuse_ignored
from perceiver_edu.errors import InputError, warn, whole_number
from perceiver_edu.terminal import new_console, new_table, print_json, print_verdict, visible

if TYPE_CHECKING:
    from perceiver_edu.training.evaluate import Evaluation

OF_HIDDEN_WORDS = ("masks", "seed", "crops", "cloze", "failures", "engine")  # what no classifier is asked


def evaluate(
    context: typer.Context,
    weights: Annotated[
        str | None,
        typer.Argument(help=WEIGHTS_HELP + " Or the folder of a fine-tuning run.", show_default=False),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Text that the model has not seen; may be repeated. If omitted: the text in this package. "
            "For a classifier: one labelled .csv, .tsv or .jsonl file."
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="For a classifier: the column with the text; several columns are joined.  [default: text]",
            show_default=False,
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            help="For a classifier: what separates the labels of a multi column, as in finetune; | if "
            "omitted.",
            show_default=False,
        ),
    ] = None,
    masks: Annotated[
        str,
        typer.Option(
            help="How the hidden words are chosen. coin: each word with probability 15 %. words: as many "
            "words as cover 15 % of the bytes, which was the rule in earlier versions."
        ),
    ] = "coin",
    seed: Annotated[int, typer.Option(help="The seed of the choice of hidden words.")] = 0,
    crops: Annotated[
        int | None, typer.Option(help="How many crops of the text to use, evenly spaced; all if omitted.")
    ] = None,
    cloze: Annotated[
        bool,
        typer.Option(
            help="Also fill single missing words: in forty easy sentences, and forty words of the text."
        ),
    ] = True,
    failures: Annotated[
        bool, typer.Option("--failures", help="Also print the sentences whose word was not predicted.")
    ] = False,
    device: Device = "cpu",
    engine: Engine = None,
    as_json: Json = False,
):
    """Evaluate a model on hidden words, or a classifier on labelled text.

    A language model is compared with baselines that do not read the text. 15 % of the words are hidden. A
    uniform baseline needs 8 bits per byte, and a model that has learned only the shapes of the holes is as
    good as "geometry". Only a model that needs fewer bits than that uses the context.

    \b
    Examples:
      perceiver-edu evaluate
      perceiver-edu evaluate runs/first/model --data valid.jsonl.xz --crops 2000
      perceiver-edu evaluate --failures
      perceiver-edu evaluate --no-cloze --json
      perceiver-edu evaluate runs/reviews --data new.csv --text review
    """
    from perceiver_edu.data import HELD_OUT
    from perceiver_edu.training.batches import spread
    from perceiver_edu.training.cloze import compare_fillings, hidden_words, read_cloze
    from perceiver_edu.training.corpus import load_crops
    from perceiver_edu.training.evaluate import evaluate as evaluate_model
    from perceiver_edu.training.evaluate import reading_entropy
    from perceiver_edu.training.predict import classifier_folders

    folders = classifier_folders(weights) if weights and Path(weights).is_dir() else []
    if folders:
        refuse_ignored(context, OF_HIDDEN_WORDS, "for a classifier")
        evaluate_classifiers(folders, data or [], text or ["text"], separator, device, as_json)
        return
    if text or separator:
        raise InputError(
            "--text names a column for a classifier, and --separator what is between its labels, but this is "
            "a language model: leave them out"
        )
    if crops is not None:
        whole_number("--crops", crops, 1)
    whole_number("--seed", seed, 0, 2**63 - 1)  # before the text is read
    model, name = shared.load(weights, device, engine)
    length = model.config.max_position_embeddings
    rows = load_crops(data or HELD_OUT, length, progress=False)
    result = evaluate_model(model, spread(rows, crops or len(rows)), seed, masks=masks, progress=not as_json)
    reading, unread = None, ""
    if getattr(model, "engine", None):  # it keeps no attention maps
        unread = (
            "how widely the latents attend is measured only by --engine stages, on weights that are not "
            "optimized"
        )
    else:
        try:
            reading = reading_entropy(model, rows)
        except InputError as error:  # of a short text, everything else is known
            unread = f"how widely the latents attend could not be measured: {error}"
    single = {}
    if cloze:
        sentences = read_cloze()
        short = [item for item in sentences if len("".join(item).encode()) + 2 <= length]
        if len(short) < len(sentences):
            number = len(sentences) - len(short)
            warn(f"{number} of the {len(sentences)} cloze sentences are too long for this model: left out")
        words = {"cloze": short, "held-out words": hidden_words(rows, 40, seed)}
        single = {name: compare_fillings(model, items) for name, items in words.items() if items}
    shared.say_which(model, name)
    if as_json:
        answers = {
            name.replace("-", "_").replace(" ", "_"): {
                "right": both.independent.right(1),
                "right_among_five": both.independent.right(5),
                "guesses": [asdict(guess) for guess in both.independent.guesses],
                "joint": {
                    "right": both.joint.right(1),
                    "right_among_five": both.joint.right(5),
                    "ranks_higher_and_lower": both.moved(),
                    "guesses": [asdict(guess) for guess in both.joint.guesses],
                },
            }
            for name, both in single.items()
        }
        if unread:
            warn(unread)
        read = asdict(reading) if reading else None
        print_json(weights=name, **asdict(result), reading=read, **answers)
    else:
        print_evaluation(result)
        for name, both in single.items():
            print(f"\n{name}, each filled on its own\n{both}")
        if "cloze" in single:
            found, *missed = str(single["cloze"].independent).splitlines()
            print("\n" + "\n".join(visible(line) for line in (found, *(missed if failures else ()))))
        print(reading or unread)


def print_evaluation(result: "Evaluation") -> None:
    """The verdict, a line for each predictor, and what was asked."""
    console, gain = new_console(), result.gain_over("geometry")
    words = "the model uses the context" if gain > 0 else "the model does not use the context"
    words += f": {result.scores['model'].bits:.3f} bits per hidden byte, {abs(gain):.3f} "
    print_verdict(console, gain > 0, f"{words}{'less' if gain > 0 else 'more'} than hole geometry")
    numbers = ("#bits", "#bytes right", "#words right")
    table = new_table(console, "predictor", *numbers, *(f"{name}, no space" for name in numbers))
    for name, s in result.scores.items():
        whole = f"{s.bits:.3f}", f"{s.accuracy:.1%}", f"{s.exact_words:.1%}"
        letters = f"{s.letter_bits:.3f}", f"{s.letter_accuracy:.1%}", f"{s.letter_exact_words:.1%}"
        table.add_row(name, *whole, *letters, style="bold" if name == "model" else None)
    console.print(table)
    print("\n".join([*result.remarks(), result.asked()]))


def evaluate_classifiers(
    folders: list[Path], data: list[str], text: list[str], separator: str | None, device: str, as_json: bool
):
    """The scores of each classifier on one labelled file."""
    from perceiver_edu.training.classify import load_classifier
    from perceiver_edu.training.labelled import Column, read_labelled
    from perceiver_edu.training.predict import evaluate_classifier
    from perceiver_edu.weights.pretrained import usable_device

    if len(data) != 1:
        raise InputError("a classifier is evaluated on one labelled file: give it with --data")
    models = [load_classifier(folder).to(usable_device(device)) for folder in folders]
    columns = [
        Column(task.name, task.kind, separator if task.kind == "multi" else None)
        for model in models
        for task in model.tasks
    ]
    rows = read_labelled(data[0], text, columns)
    found = [score for model in models for score in evaluate_classifier(model, rows)]
    for model, folder in zip(models, folders, strict=True):
        shared.say_which(model, str(folder))
    if as_json:
        print_json(weights=[str(folder) for folder in folders], tasks=[asdict(score) for score in found])
    else:
        print(visible("\n".join(map(str, found)), keep="\n"))
