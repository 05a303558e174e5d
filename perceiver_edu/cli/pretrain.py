"""`perceiver-edu pretrain`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from perceiver_edu.cli.shared import refuse_ignored, typed
from perceiver_edu.errors import InputError, choose
from perceiver_edu.terminal import visible


def pretrain(
    context: typer.Context,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The run's folder; the model will be in its subfolder model."),
    ],
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text files (.jsonl, .txt or .parquet, also compressed as .xz or .gz), or folders of them."
        ),
    ] = None,
    mixture: Annotated[
        str | None,
        typer.Option(
            help="Instead of DATA: c4-wikipedia = 70 % C4 and 30 % Wikipedia, streamed from the hub."
        ),
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
    preset: Annotated[
        str | None,
        typer.Option(
            help="A published recipe: paper = 500,000 steps of 2,048 crops, LAMB, coin masking, full size. "
            "Options that you give as well override it.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="May be changed with --resume.")] = 20_000,
    batch_size: Annotated[int, typer.Option(help="Crops per step, over all processes.")] = 64,
    micro_batch_size: Annotated[
        int | None, typer.Option(help="Crops processed at a time, if a whole batch does not fit into memory.")
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="The peak learning rate. The default suits the small sizes.")
    ] = 2e-3,
    warmup: Annotated[int, typer.Option(help="Steps until the learning rate reaches its peak.")] = 200,
    masks: Annotated[
        str,
        typer.Option(
            help="What is hidden: bytes; words, up to a fraction of the bytes; coin, each word with the same "
            "probability, as in the paper; or a mixture of words, short spans and bytes."
        ),
    ] = "mixture",
    bytes_first: Annotated[
        float, typer.Option(help="Fraction of the steps, at the beginning, that hide single bytes only.")
    ] = 0.1,
    short: Annotated[float, typer.Option(help="Fraction of the crops that are shortened.")] = 0.25,
    start: Annotated[
        str,
        typer.Option(
            help="Initial weights: aligned (each latent attends to nearby bytes) or usual (random)."
        ),
    ] = "aligned",
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            "-w",
            help="Start from these weights instead of from scratch: embedded, a folder or a hub id.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for everything random.")] = 0,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto = bf16 on a GPU.")] = "auto",
    compile: Annotated[
        bool,
        typer.Option(
            "--compile", help="Use torch.compile. Meant for GPUs: on a CPU, a small model gains nothing."
        ),
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="A folder in which to keep the prepared text for other runs.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --output where it stopped.")
    ] = False,
    save_every: Annotated[int, typer.Option(help="Steps between two checkpoints.")] = 500,
    evaluate_every: Annotated[int, typer.Option(help="Steps between two evaluations.")] = 500,
):
    """Train a masked language model.

    The model starts from scratch or from given weights. The folder gets log.csv, samples.txt, the newest
    checkpoint and, at the end, the model, which transformers opens, too. To resume a run that stopped for
    any reason, repeat the command with --resume; the result is the same. To use several GPUs or CPUs, run
    torchrun --nproc_per_node 2 -m perceiver_edu.cli pretrain ...

    \b
    Examples:
      perceiver-edu pretrain texts/ -o runs/first --held-out valid.jsonl.xz
      perceiver-edu pretrain texts/ -o runs/quick --size tiny --steps 2000
      perceiver-edu pretrain -o runs/full --mixture c4-wikipedia --preset paper
      perceiver-edu pretrain letters/ -o runs/letters --weights embedded
      perceiver-edu fill "The c[MASK]t sat on the mat." --weights runs/first/model
    """
    from perceiver_edu.training.batches import STREAMS
    from perceiver_edu.training.configs import PretrainConfig, pretraining_preset, sized
    from perceiver_edu.training.loop import end_processes, is_first_process
    from perceiver_edu.training.pretrain import pretrain_files
    from perceiver_edu.training.run_folder import checkpoints
    from perceiver_edu.weights.files import read_json
    from perceiver_edu.weights.huggingface import read_config
    from perceiver_edu.weights.pretrained import load_pretrained

    if bool(data) == bool(mixture):
        raise InputError(
            f"no training text: give files or folders of text, or --mixture {', '.join(STREAMS)}"
        )
    if sum(map(bool, (size, config, weights))) > 1:
        raise InputError("--size, --config and --weights all determine the model's size: give one of them")
    if mixture:
        choose("mixture", mixture, STREAMS)
        if not held_out:
            refuse_ignored(context, ("cache",), "with --mixture and without --held-out")
    if weights:
        refuse_ignored(context, ("start",), "with --weights")
        sizes = load_pretrained(weights).config
    else:
        sizes = read_config(read_json(config), source=config) if config else sized(size or "small")
    choices = dict(
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
    if preset:
        whole = {} if size or config or weights else {"config": sized("full")}
        settings = pretraining_preset(preset, **(typed(context, choices) | {"config": sizes} | whole))
    else:
        settings = PretrainConfig(**choices)
    try:
        pretrain_files(
            STREAMS[mixture](seed) if mixture else data,
            output,
            settings,
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
        if is_first_process():
            saved = checkpoints(output)[-1:]
            state = f"saved in {visible(str(saved[0]))}" if saved else "not saved yet"
            print(f"{state}; to resume, repeat the same command with --resume", file=sys.stderr)
        raise
    end_processes()
    if is_first_process():
        print(f"the model is in {visible(str(output / 'model'))}")
