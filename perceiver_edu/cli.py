"""The command line, `perceiver-edu fill | parity | profile | …`: thin functions around the library.

A new command is one more function under `@app.command()`. What the user did wrong is an `InputError`, which
`main` turns into one line and exit code 2. Imports that take long stay inside the functions.
"""

import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from perceiver_edu.errors import InputError
from perceiver_edu.terminal import print_fillings, print_json, visible

PARITY_TEXTS = [  # of different lengths in bytes, so that one row has padding
    "Perceiver IO reads bytes, thinks in latents and answers queries.",
    "你好, naïve world!",
]

HELD_OUT = Path(__file__).parents[1] / "tests" / "data" / "heldout.jsonl"  # not in an installed package

app = typer.Typer(
    help="Learn Perceiver IO: fill holes in a text, compare every stage with Hugging Face's model, "
    "train a model of your own and see how good it is.",
    epilog="`perceiver-edu COMMAND --help` has examples.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WEIGHTS_HELP = (
    'Whose weights: "embedded" (in this package), "random" (full size), a folder, or a hub id such as '
    "deepmind/language-perceiver. If omitted: the environment variable PERCEIVER_EDU_WEIGHTS, or embedded."
)
Weights = Annotated[str | None, typer.Option("--weights", "-w", help=WEIGHTS_HELP, show_default=False)]
Device = Annotated[str, typer.Option("--device", "-d", help="Where to compute: cpu, cuda, cuda:1, mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 a check failed, 2 the user's error (one line on stderr), 130 Ctrl-C.

    Anything else that goes wrong is a bug of ours and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # where a terminal knows no UTF-8, escapes instead of an error
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(arguments, prog_name="perceiver-edu")
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InputError, OSError) as error:
        print(f"perceiver-edu: {visible(str(error))}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as done:
        if done.code == 130:
            print("perceiver-edu: interrupted", file=sys.stderr)
        raise


def print_version(wanted: bool):
    if wanted:
        from perceiver_edu import __version__

        print(f"perceiver-edu {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
):
    pass


@app.command()
def fill(
    text: Annotated[
        str | None, typer.Argument(help="The text; from standard input if omitted or -.", show_default=False)
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", "-m", help="A part of the text to hide and guess. Repeat for several holes."),
    ] = None,
    span: Annotated[
        list[str] | None,
        typer.Option(
            "--span", "-s", help="The same by place: START:STOP in characters, from 0.", metavar="A:B"
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="How many fillings for each hole.")] = 5,
    weights: Weights = None,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Guess what stands in the holes of a text.

    A hole is a part of the text that you name with --mask or --span; without those, each [MASK] in the text
    is one missing byte. Fillings have as many bytes as the hole, and are ranked by probability.

    \b
    Examples:
      perceiver-edu fill "Paris is the capital of France." --mask " capital"
      perceiver-edu fill "The c[MASK]t sat on the mat." --top-k 3
      perceiver-edu fill "one and one is two" --span 8:11 --mask " two"
      cat letter.txt | perceiver-edu fill --mask " sincerely" --json
    """
    from perceiver_edu.fill_mask import fill_in, fill_mask, find_holes

    text = read_stdin() if text in (None, "-") else text
    spans = [*(mask or []), *map(parse_span, span or [])] or None
    holes = find_holes(text, spans)  # a slip in the text shows before any weights are read
    model, name = load(weights, device)
    fillings = fill_mask(model, text, spans, top_k)
    say_which(model, name)
    best = [hole[0].text for hole in fillings]
    if as_json:
        print_json(
            weights=name,
            text=text,
            filled=fill_in(text, holes, best),
            holes=[
                {
                    "start": start,
                    "stop": stop,
                    "hidden": text[start:stop],
                    "fillings": [filling._asdict() for filling in hole],
                }
                for (start, stop), hole in zip(holes, fillings, strict=True)
            ],
        )
    else:
        print_fillings(text, holes, fillings)


@app.command()
def parity(
    weights: Annotated[str | None, typer.Argument(help=WEIGHTS_HELP, show_default=False)] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Also every layer of the processor.")] = False,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Compare every stage with Hugging Face's model of the same weights.

    Exit code 0: all stages agree. 1: they do not, and the first divergence is marked.

    \b
    Examples:
      perceiver-edu parity
      perceiver-edu parity random --layers
      perceiver-edu parity deepmind/language-perceiver --json
    """
    from perceiver_edu import ByteTokenizer
    from perceiver_edu.instruments import compare_stages, huggingface_twin, ledger

    model, name = load(weights, device)
    longest = min(model.config.max_position_embeddings, max(len(text.encode()) + 2 for text in PARITY_TEXTS))
    ids, mask = ByteTokenizer().batch(PARITY_TEXTS, pad_to=longest, truncation=True)
    rows = compare_stages(
        model, huggingface_twin(model), ids.to(model.device), mask.to(model.device), layers=layers
    )
    agree = all(row.ok for row in rows)
    say_which(model, name)
    if as_json:
        print_json(weights=name, ok=agree, rows=[row._asdict() | {"ok": row.ok} for row in rows])
    else:
        print(ledger(rows))
    if not agree:
        raise typer.Exit(1)


@app.command()
def pretrain(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The run's folder; the model will be in its model/.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Text: .jsonl, .txt or .parquet, also .xz or .gz, or folders of them."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Instead of DATA: c4-wikipedia = 70 % C4, 30 % Wikipedia, streamed from the hub."),
    ] = None,
    held_out: Annotated[
        list[str] | None, typer.Option(help="Text to evaluate on while training. May be repeated.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="tiny, small or full.  [default: small]", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Instead of --size: a config.json in Hugging Face's form.")
    ] = None,
    steps: Annotated[int, typer.Option(help="May be changed with --resume.")] = 20_000,
    batch_size: Annotated[int, typer.Option(help="Crops per step, over all processes.")] = 64,
    micro_batch_size: Annotated[
        int | None, typer.Option(help="Crops at a time, where a batch does not fit into memory.")
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="The peak. The default is for the small sizes.")
    ] = 2e-3,
    warmup: Annotated[int, typer.Option(help="Steps until the learning rate has its peak.")] = 200,
    masks: Annotated[str, typer.Option(help="What is hidden: words, bytes or a mixture.")] = "mixture",
    bytes_first: Annotated[
        float, typer.Option(help="Share of the steps, at the beginning, that hide single bytes only.")
    ] = 0.1,
    short: Annotated[float, typer.Option(help="Share of the crops that is cut shorter.")] = 0.25,
    start: Annotated[
        str, typer.Option(help="First weights: aligned (attention looks nearby) or usual (random).")
    ] = "aligned",
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            "-w",
            help="Go on from these weights instead of from scratch: embedded, a folder or a hub id.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="For everything random.")] = 0,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto = bf16 on a GPU.")] = "auto",
    compile: Annotated[
        bool,
        typer.Option(
            "--compile", help="Use torch.compile. Meant for GPUs: on a CPU a small model gains nothing."
        ),
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="A folder to keep the prepared text in, for other runs.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the run in --output stopped.")
    ] = False,
    save_every: Annotated[int, typer.Option(help="Steps from one checkpoint to the next.")] = 500,
    evaluate_every: Annotated[int, typer.Option(help="Steps from one evaluation to the next.")] = 500,
):
    """Train a masked language model, from scratch or from given weights.

    The folder gets log.csv, samples.txt, the newest checkpoint and, at the end, the model, which
    transformers opens too. A run that stopped, however it did, goes on exactly: the same command and
    --resume. Several GPUs, or CPUs: torchrun --nproc_per_node 2 -m perceiver_edu.cli pretrain ...

    \b
    Examples:
      perceiver-edu pretrain texts/ -o runs/first --held-out valid.jsonl.xz
      perceiver-edu pretrain texts/ -o runs/quick --size tiny --steps 2000
      perceiver-edu pretrain -o runs/full --recipe c4-wikipedia --size full
      perceiver-edu pretrain letters/ -o runs/letters --weights embedded
      perceiver-edu fill "The c[MASK]t sat on the mat." --weights runs/first/model
    """
    from perceiver_edu.pretrained import load_pretrained, read_config, read_json
    from perceiver_edu.training.batches import STREAMS
    from perceiver_edu.training.pretrain import pretrain_files
    from perceiver_edu.training.recipe import Recipe, choose, sized
    from perceiver_edu.training.run_folder import checkpoints

    if bool(data) == bool(recipe):
        raise InputError(f"what to train on? Give files or folders of text, or --recipe {', '.join(STREAMS)}")
    if sum(map(bool, (size, config, weights))) > 1:
        raise InputError("--size, --config and --weights all say how large the model is: give one of them")
    if recipe:
        choose("recipe", recipe, STREAMS)
    if weights:
        sizes = load_pretrained(weights).config
    else:
        sizes = read_config(read_json(config), source=config) if config else sized(size or "small")
    plan = Recipe(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup=warmup,
        masks=masks,
        bytes_first=bytes_first,
        short=short,
        start=start,
        weights=weights,
        seed=seed,
        config=sizes,
    )
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started
    try:
        pretrain_files(
            STREAMS[recipe](seed) if recipe else data,
            output,
            plan,
            held_out=held_out,
            cache=cache,
            resume=resume,
            micro_batch_size=micro_batch_size,
            precision=precision,
            compile=compile,
            save_every=save_every,
            evaluate_every=evaluate_every,
        )
    except KeyboardInterrupt:
        if first:
            saved = checkpoints(output)[-1:]
            state = f"saved in {saved[0]}" if saved else "not saved yet"
            print(f"{state}; to go on from there: the same command and --resume", file=sys.stderr)
        raise
    if first:
        print(f"the model is in {output / 'model'}")


@app.command()
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
    cloze: Annotated[bool, typer.Option(help="Also forty easy sentences with a missing word.")] = True,
    device: Device = "cpu",
    as_json: Json = False,
):
    """How good is a model at words it has not seen? Beside guesses that need no reading.

    Whole words are hidden, 15 % of the text. A model that knows nothing needs 8 bits a byte; one that has
    learned only where holes are is as good as "geometry". What lies below that is use of context.

    \b
    Examples:
      perceiver-edu evaluate
      perceiver-edu evaluate runs/first/model --data valid.jsonl.xz --crops 2000
      perceiver-edu evaluate --no-cloze --json
    """
    from perceiver_edu.training.batches import spread
    from perceiver_edu.training.cloze import evaluate_cloze
    from perceiver_edu.training.corpus import load_crops
    from perceiver_edu.training.evaluate import evaluate as evaluate_model
    from perceiver_edu.training.evaluate import reading_entropy

    if crops is not None and crops < 1:
        raise InputError(f"--crops must be at least 1, got {crops}")
    if not data and not HELD_OUT.exists():
        raise InputError("the installed package holds no text to evaluate on: name some by --data FILE")
    model, name = load(weights, device)
    length = model.config.max_position_embeddings
    rows = load_crops(data or HELD_OUT, length, progress=False)
    result = evaluate_model(model, spread(rows, crops or len(rows)), seed, progress=not as_json)
    reading = reading_entropy(model, rows)
    sentences = evaluate_cloze(model) if cloze else None
    say_which(model, name)
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
        print_json(weights=name, **asdict(result), reading=asdict(reading), **answers)
    else:
        print(f"{result}\n{reading}")
        if sentences:
            print(f"\n{visible(str(sentences), keep=chr(10))}")


@app.command()
def profile(
    weights: Annotated[str | None, typer.Argument(help=WEIGHTS_HELP, show_default=False)] = None,
    batch: Annotated[int, typer.Option(help="Texts at a time.")] = 1,
    num_bytes: Annotated[
        int | None,
        typer.Option(
            "--bytes", help="Length of each text, [CLS] and [SEP] included; the longest if omitted."
        ),
    ] = None,
    outputs: Annotated[
        int | None, typer.Option(help="Output positions to decode; as many as the model has if omitted.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    repeats: Annotated[int, typer.Option(help="Runs whose median counts.")] = 10,
    trace: Annotated[
        Path | None, typer.Option(help="Also write a Chrome trace, and print the slowest operations.")
    ] = None,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Where time and memory go, stage by stage, beside what this machine can do at best.

    FLOPs follow from the sizes; time is the median of several runs; memory is what is held beyond the
    weights. The machine's best is measured on one large matrix product and one large copy.

    \b
    Examples:
      perceiver-edu profile
      perceiver-edu profile random --bytes 64 --outputs 9
      perceiver-edu profile --batch 32 --trace trace.json
    """
    import torch

    from perceiver_edu.instruments import profiling
    from perceiver_edu.terminal import print_profile
    from perceiver_edu.training.recipe import choose

    choose("dtype", dtype, ("float32", "bfloat16", "float16"))
    model, name = load(weights, device)
    model = model.to(getattr(torch, dtype))
    longest = model.config.max_position_embeddings
    num_bytes = longest if num_bytes is None else num_bytes
    outputs = longest if outputs is None else outputs
    for option, value, most in (
        ("batch", batch, 2**20),
        ("bytes", num_bytes, longest),
        ("outputs", outputs, longest),
    ):
        if not 1 <= value <= most:
            raise InputError(f"--{option} must be between 1 and {most:,}, got {value}")
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(6, 262, (batch, num_bytes), generator=generator).to(model.device)
    positions = None if outputs == longest else torch.arange(outputs, device=model.device)
    rows = profiling.profile_stages(model, ids, None, positions, repeats=repeats)
    peaks = profiling.machine_peaks(model.device, getattr(torch, dtype))
    operations = profiling.trace(model, ids, None, positions, trace) if trace else None
    say_which(model, name)
    if as_json:
        print_json(
            weights=name,
            batch=batch,
            bytes=num_bytes,
            outputs=outputs,
            dtype=dtype,
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            peaks=peaks._asdict(),
            stages=[row._asdict() for row in rows],
        )
    else:
        print_profile(rows, peaks)
        if operations:
            print(f"\n{operations}\nthe trace is in {trace}: open it at https://ui.perfetto.dev")


@app.command()
def course(
    open_it: Annotated[bool, typer.Option("--open", help="Open the next notebook in JupyterLab.")] = False,
    as_json: Json = False,
):
    """List the notebooks, how long they take, and which exercises are done.

    The next notebook is the first with an exercise that is not done. Progress is one small file on this
    machine; delete it to start again.

    \b
    Examples:
      perceiver-edu course
      perceiver-edu course --open
      perceiver-edu course --json
    """
    from perceiver_edu.course import progress
    from perceiver_edu.course.lab import lab_command, open_lab
    from perceiver_edu.terminal import print_course

    notebooks = progress.read_notebooks(progress.NOTEBOOKS)
    if not notebooks:
        raise InputError(
            f"there are no notebooks in {progress.NOTEBOOKS}: an installed package does not bring them. "
            "Get the whole repository, and in its folder run: make lab"
        )
    done, problem = progress.read_progress()
    following = progress.next_notebook(progress.NOTEBOOKS)
    if as_json:
        print_json(
            next=following and str(following),
            open=following and lab_command(following),
            progress_file=None if problem else str(progress.progress_file()),
            problem=problem or None,
            notebooks=[
                notebook
                | {"file": str(notebook["file"])}
                | {"exercises": [{"id": i, "done": done.get(i)} for i in notebook["exercises"]]}
                for notebook in notebooks
            ],
        )
    else:
        print_course(notebooks, done, following)
        if problem:
            print(problem, file=sys.stderr)
    if open_it:
        open_lab(following or notebooks[-1]["file"])


# What the commands share


def load(weights: str | None, device: str):
    """The model that the user asked for, and the name of its weights."""
    from perceiver_edu.pretrained import WEIGHTS_VARIABLE, load_pretrained

    name = weights or os.environ.get(WEIGHTS_VARIABLE) or "embedded"
    return load_pretrained(name, device=device), name


def say_which(model, name: str):
    """On stderr, whose answer it is; a command says so when it has one, so that an error stays one line."""
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    note = " (untrained: its answers mean nothing)" if name == "random" else ""
    print(
        f"weights: {visible(name)}{note}, {num_parameters:,} parameters, on {model.device}", file=sys.stderr
    )


def read_stdin() -> str:
    """All of standard input, less one newline at the end. Raises: InputError where it is not UTF-8."""
    if sys.stdin is None:
        raise InputError("there is no text: give one, or pipe it in")
    if sys.stdin.isatty():
        print("type the text, then Ctrl-D on a line of its own", file=sys.stderr)
    raw = sys.stdin.buffer.read()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not valid UTF-8: byte {error.start} is 0x{raw[error.start]:02x}"
        ) from None
    return re.sub(r"\r?\n\Z", "", text)


def parse_span(span: str) -> tuple[int, int]:
    try:
        start, stop = map(int, span.split(":"))
    except ValueError:
        raise InputError(f"--span takes START:STOP in characters, such as 8:11, got {span!r}") from None
    return start, stop


if __name__ == "__main__":
    main()
