"""`perceiver-edu finetune`."""

from pathlib import Path
from typing import Annotated

import typer

from perceiver_edu.cli.shared import WEIGHTS_HELP, Json, typed
from perceiver_edu.errors import InputError, warn
from perceiver_edu.terminal import new_console, new_table, print_json, visible


def finetune(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            help="Labelled text: a .csv, .tsv or .jsonl file; a dataset of the Hugging Face hub, NAME or "
            "NAME:CONFIG; one of GLUE's tasks (cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte), or glue = all "
            "of them."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The output folder, in which each seed gets a folder of its own."
        ),
    ],
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="The column with the text; several columns are joined. If the result is too long, the "
            "longest of them is truncated at its end.  [default: text]",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="The column with the label, or NAME:KIND: single (one label), multi (any number of labels, "
            "separated by |) or regression (a number). Several: one query for each.  [default: label]",
            show_default=False,
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            help="What separates the labels of a multi column. If given, every cell is split at it. If "
            "omitted, it is |, and a cell in a different format is refused.",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(
            help="A file, or a split of the dataset, on which the best epoch is chosen. If omitted, 10 % of "
            "DATA."
        ),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="A file, or a split, that is used only once, for the final evaluation.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", "-w", help=WEIGHTS_HELP, show_default=False)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A published recipe: paper = 10 epochs, LAMB, a head of two layers. Options that you give "
            "as well override it.",
            show_default=False,
        ),
    ] = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Train only the new query, decoder and head.")
    ] = False,
    epochs: Annotated[int, typer.Option(help="How many times each text is used.")] = 3,
    patience: Annotated[
        int | None, typer.Option(help="Stop after this many epochs without a better validation score.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Texts per step, over all processes.")] = 32,
    micro_batch_size: Annotated[
        int | None, typer.Option(help="Texts processed at a time, if a whole batch does not fit into memory.")
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="The peak learning rate. The default suits the embedded weights.")
    ] = 3e-4,
    seeds: Annotated[int, typer.Option(help="How many runs, with seeds 0, 1, ...")] = 1,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto = bf16 on a GPU.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --output where it stopped.")
    ] = False,
    save_every: Annotated[int, typer.Option(help="Steps between two checkpoints.")] = 200,
    as_json: Json = False,
):
    """Train a classifier on labelled text, with a new decoder query.

    Each seed's folder gets the model (transformers opens it, too, except for the head of --preset paper),
    results.json, log.csv, curves and a confusion matrix; `perceiver-edu predict` then labels new texts.
    To resume a run that stopped for any reason, repeat the command with --resume; the result is the same.
    The embedded weights take about 7 minutes for 5,000 sentences and 3 epochs on 2 cores of an AMD EPYC.
    To use several GPUs or CPUs, run torchrun --nproc_per_node 2 -m perceiver_edu.cli finetune ...

    \b
    Examples:
      perceiver-edu finetune reviews.csv -o runs/reviews --label mood --seeds 3
      perceiver-edu finetune mail.jsonl -o runs/mail --text subject --text body
      perceiver-edu finetune posts.csv -o posts --label topic --label stars:regression
      perceiver-edu finetune sst2 -o runs/sst2 --freeze
      perceiver-edu finetune glue -o runs/glue -w deepmind/language-perceiver \\
          --preset paper --learning-rate 2e-5
    """
    from perceiver_edu.training.configs import FinetuneConfig, finetuning_preset
    from perceiver_edu.training.glue import GLUE, PAPER_AVERAGE, finetune_glue
    from perceiver_edu.training.labelled import ENDINGS
    from perceiver_edu.training.loop import check_options
    from perceiver_edu.training.seeds import finetune_seeds
    from perceiver_edu.weights.pretrained import weights_name

    if not 1 <= seeds <= 1000:
        raise InputError(f"--seeds must be between 1 and 1,000, got {seeds}")
    choices = dict(
        weights=weights_name(weights),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        freeze=freeze,
        patience=patience,
    )
    own = typed(context, choices) | {"weights": choices["weights"]}  # a variable names them, too
    settings = finetuning_preset(preset, **own) if preset else FinetuneConfig(**choices)
    options = dict(
        resume=resume,
        micro_batch_size=micro_batch_size,
        precision=precision,
        save_every=save_every,
        progress=not as_json,
    )
    check_options(settings, **options)
    numbers, is_file = list(range(seeds)), data.lower().endswith(ENDINGS) or Path(data).exists()
    if not is_file and (data == "glue" or data in GLUE):
        if text or label or separator or validation or test:
            raise InputError(
                f"{data} has its own columns and splits: leave out --text, --label, --separator and files"
            )
        scores = finetune_glue(list(GLUE) if data == "glue" else [data], output, settings, numbers, **options)
        rows = [("validation", name, "score", shown("score", score)) for name, score in scores.items()]
        lines = ["on GLUE's validation sets, on which the best epoch was chosen, too"]
        if "average" in scores:
            lines.append(
                f"the paper, each task alone, the best of twelve settings: {PAPER_AVERAGE} (the 81.8 on its "
                "model card is that of one model for all tasks)"
            )
        finish(output, scores, rows, lines, as_json)
        return
    columns = columns_of(label or ["label"], separator)
    splits = load(data, is_file, text or ["text"], columns, validation, test)
    summary = finetune_seeds(splits, output, settings, numbers, **options)
    rows, lines = [], []
    for name in ("validation", "test"):
        for task, scores in summary.get(name, {}).items():
            rows += [(name, visible(task), score, shown(score, value)) for score, value in scores.items()]
    for task, share in summary["most_common"].items():
        value = shown("accuracy", share)
        rows.append(("always the most common training label", visible(task), "accuracy", value))
    if "test" not in summary:
        lines.append(
            "the best epoch was chosen on these texts; use --test to evaluate on texts that were not used "
            "for it"
        )
    if summary["cut"]:
        lines.append(f"{summary['cut']} texts are too long for this model and were truncated")
    finish(output, summary, rows, lines, as_json)


def load(data, is_file, text, columns, validation, test):
    """-> a function: seed -> (training, validation, test or None). All that can be read is read now."""
    from perceiver_edu.training.batches import shuffled
    from perceiver_edu.training.configs import seed_of
    from perceiver_edu.training.glue import load_split
    from perceiver_edu.training.labelled import read_labelled
    from perceiver_edu.training.tasks import encode_labels, split_off, tasks_of

    if is_file:
        rows = read_labelled(data, text, columns)
        held_out, final = (
            read_labelled(file, text, columns) if file else None for file in (validation, test)
        )
    else:
        name, _, config = data.partition(":")
        rows, held_out, final = (
            load_split(name, config or None, split, text, columns) if split else None
            for split in ("train", validation, test)
        )
    for name in set(text) & {column.name for column in columns}:
        warn(f"column {name!r} is used both as text and as label, so the scores will be meaningless")
    for other in (held_out, final):
        if other is not None:
            encode_labels(other, tasks_of(rows))  # a label that training does not have is an error now
            if seen := len(set(other.texts) & set(rows.texts)):
                warn(
                    f"{other.source}: {seen:,} of its texts are in the training data, so the scores are too "
                    "high"
                )
    if held_out and final and (seen := len(set(final.texts) & set(held_out.texts))):
        warn(
            f"{final.source}: {seen:,} of its texts were also used to choose the best epoch, so the scores "
            "are too high"
        )

    def splits(seed):
        if held_out is not None:
            return rows, held_out, final
        training, own = split_off(rows, 0.1, lambda n: shuffled(n, seed_of(seed, "split")).tolist())
        known = set(training.texts)
        if seen := sum(text in known for text in own.texts):
            warn(
                f"{rows.source}: {seen:,} of the {len(own):,} held-out texts also occur in the training "
                "data, so the scores are too high: keep each text only once"
            )
        return training, own, final

    return splits


def columns_of(labels: list[str], separator: str | None):
    from perceiver_edu.training.classify import PROBLEM_TYPES
    from perceiver_edu.training.labelled import Column

    columns = []
    for label in labels:
        name, _, kind = label.rpartition(":")
        if not name or kind not in PROBLEM_TYPES:
            name, kind = label, "single"
        columns.append(Column(name, kind, separator if kind == "multi" else None))
    if len({column.name for column in columns}) < len(columns):
        raise InputError(f"--label names a column twice: {', '.join(labels)}")
    if separator is not None and (not separator or all(column.kind != "multi" for column in columns)):
        raise InputError("--separator is one or more characters between the labels of a NAME:multi column")
    return columns


def shown(name: str, score: dict) -> str:
    """Mean and spread, if there is one, of a score: in percent, but for a squared error, which has a unit."""
    factor, form, unit = (1, ".5g", "") if name == "minus_squared_error" else (100, ".1f", " %")
    numbers = (score["mean"], score["spread"])
    return " ± ".join(f"{factor * number:{form}}" for number in numbers if number is not None) + unit


def finish(output: Path, values: dict, rows: list[tuple], lines: list[str], as_json: bool) -> None:
    from perceiver_edu.training.loop import end_processes, is_first_process

    end_processes()
    if not is_first_process():
        return
    if as_json:
        print_json(**values)
    else:
        console = new_console()
        table = new_table(console, "on", "task", "score", "#value")
        for row in rows:
            table.add_row(*row)
        console.print(table)
        print("\n".join([*lines, f"the files are in {visible(str(output))}"]))
