"""`perceiver-edu evaluate`."""

from dataclasses import asdict
from typing import Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import WEIGHTS_HELP, Device, Engine, Json
from perceiver_edu.errors import InputError, whole_number
from perceiver_edu.terminal import print_json, visible


def evaluate(
    weights: Annotated[str | None, typer.Argument(help=WEIGHTS_HELP, show_default=False)] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Text the model has not seen; may be repeated. In a checkout: the text of the tests."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which words are hidden.")] = 0,
    crops: Annotated[
        int | None, typer.Option(help="How many crops of the text, evenly spaced; all if omitted.")
    ] = None,
    cloze: Annotated[
        bool,
        typer.Option(help="Also single missing words: forty easy sentences, and forty words of the text."),
    ] = True,
    device: Device = "cpu",
    engine: Engine = None,
    as_json: Json = False,
):
    """Score a model on words it has not seen.

    Beside it stand guesses that need no reading. Whole words are hidden, 15 % of the text. A model that
    knows nothing needs 8 bits a byte; one that has learned only where holes are is as good as "geometry".
    What lies below that is use of context.

    \b
    Examples:
      perceiver-edu evaluate
      perceiver-edu evaluate runs/first/model --data valid.jsonl.xz --crops 2000
      perceiver-edu evaluate --no-cloze --json
    """
    from perceiver_edu.data import HELD_OUT
    from perceiver_edu.training.batches import spread
    from perceiver_edu.training.cloze import compare_fillings, hidden_words, read_cloze
    from perceiver_edu.training.corpus import load_crops
    from perceiver_edu.training.evaluate import evaluate as evaluate_model
    from perceiver_edu.training.evaluate import reading_entropy

    if crops is not None:
        whole_number("--crops", crops, 1)
    whole_number("--seed", seed, 0, 2**63 - 1)  # before the text is read
    model, name = shared.load(weights, device, engine)
    length = model.config.max_position_embeddings
    rows = load_crops(data or HELD_OUT, length, progress=False)
    result = evaluate_model(model, spread(rows, crops or len(rows)), seed, progress=not as_json)
    try:
        reading, spread_out = reading_entropy(model, rows), ""
    except InputError as error:  # of a short text, everything else is known
        reading, spread_out = None, f"how spread out the latents read is not known: {error}"
    single = {}
    if cloze:
        words = {"cloze": read_cloze(), "held-out words": hidden_words(rows, 40, seed)}
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
        read = asdict(reading) if reading else None
        print_json(weights=name, **asdict(result), reading=read, **answers)
    else:
        print(f"{result}\n{reading or spread_out}")
        for name, both in single.items():
            print(f"\n{name}, each filled alone\n{both}")
        if single:
            print(f"\n{visible(str(single['cloze'].independent), keep=chr(10))}")
