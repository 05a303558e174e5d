"""`perceiver-edu profile`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perceiver_edu.cli import shared
from perceiver_edu.cli.shared import WEIGHTS_HELP, Device, Json, refuse_ignored
from perceiver_edu.errors import InputError, choose, whole_number
from perceiver_edu.terminal import amount, new_console, new_table, print_json, visible
from perceiver_edu.writing import check_folder_of, check_output

if TYPE_CHECKING:
    from perceiver_edu.instruments.machine import Peaks
    from perceiver_edu.instruments.profiling import StageProfile

NOT_RECORDED = ("weights", "batch", "num_bytes", "outputs", "dtype", "repeats", "trace")


def profile(
    context: typer.Context,
    weights: Annotated[str | None, typer.Argument(help=WEIGHTS_HELP, show_default=False)] = None,
    batch: Annotated[int, typer.Option(help="Texts in the batch.")] = 1,
    num_bytes: Annotated[
        int | None,
        typer.Option(
            "--bytes",
            help="Length of each text in ids, [CLS] and [SEP] included; the model's maximum if omitted.",
        ),
    ] = None,
    outputs: Annotated[
        int | None, typer.Option(help="Output positions to decode; all of the model's if omitted.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    repeats: Annotated[int, typer.Option(help="How many runs to time; the median counts.")] = 10,
    trace: Annotated[
        Path | None, typer.Option(help="Also write a Chrome trace, and print the slowest operations.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Record the device instead: the full-size model, Hugging Face's and ours, in every mode, "
            "with traces and pictures, into a new folder. Predicted to take less than five minutes on a "
            "data-centre GPU.",
        ),
    ] = None,
    reduced: Annotated[
        bool, typer.Option(help="With --record: use a small model, to try the command in seconds.")
    ] = False,
    device: Device = "cpu",
    as_json: Json = False,
):
    """Show where time and memory go, by stage.

    The table includes the machine's peak throughput and bandwidth for comparison, measured on large matrix
    products and a large copy. FLOPs follow from the sizes, time is the median of several runs, and memory is
    what is used in addition to the weights.

    \b
    Examples:
      perceiver-edu profile
      perceiver-edu profile random --bytes 64 --outputs 9
      perceiver-edu profile --batch 32 --trace trace.json
      perceiver-edu profile --record my-gpu --device cuda
    """
    import torch

    from perceiver_edu.instruments import machine, profiling

    if reduced and record is None:
        raise InputError("--reduced works only together with --record FOLDER")
    if record is not None:
        refuse_ignored(context, NOT_RECORDED, "with --record")
        return record_device(record, device, reduced, as_json)
    choose("dtype", dtype, ("float32", "bfloat16", "float16"))
    whole_number("--repeats", repeats, 1, profiling.MOST_REPEATS)
    if trace:
        check_folder_of(trace)  # now, and not after minutes of computing
        check_output(trace)
    model, name = shared.load_stages(weights, device)
    model = model.to(getattr(torch, dtype))
    longest = model.config.max_position_embeddings
    num_bytes = longest if num_bytes is None else num_bytes
    outputs = longest if outputs is None else outputs
    for option, value, most in (
        ("batch", batch, 2**16),
        ("bytes", num_bytes, longest),
        ("outputs", outputs, longest),
    ):
        whole_number(f"--{option}", value, 1, most)
    c = model.config  # below: what at least is held at once, keys and values of the inputs, and the logits
    numbers = num_bytes * (2 * c.d_model + c.encoder_qk + c.encoder_v) + outputs * c.vocab_size
    needed = batch * numbers * getattr(torch, dtype).itemsize
    if needed > machine.memory_bytes(model.device):
        raise InputError(f"--batch {batch} needs more than {needed / 1e9:.3g} GB: choose a smaller one")
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(6, 262, (batch, num_bytes), generator=generator).to(model.device)
    positions = None if outputs == longest else torch.arange(outputs, device=model.device)
    rows = profiling.profile_stages(model, ids, None, positions, repeats=repeats)
    peaks = profiling.raised(machine.machine_peaks(model.device, getattr(torch, dtype)), rows)
    operations = profiling.trace(model, ids, None, positions, trace) if trace else None
    shared.say_which(model, name)
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
            console = new_console()
            table = new_table(console, "operations that took longest", "#calls", "#ms")
            for operation in operations[:12]:
                milliseconds = amount(operation.seconds * 1e3)
                table.add_row(visible(operation.name), f"{operation.calls:,}", milliseconds)
            console.print()
            console.print(table)
            print(f"the trace is in {visible(str(trace))}: open it at https://ui.perfetto.dev")


def record_device(folder: Path, device: str, reduced: bool, as_json: bool) -> None:
    """Make a record of the device, and show its table."""
    from perceiver_edu.instruments.gpu_record import RECORD, record
    from perceiver_edu.weights.pretrained import usable_device

    found = record(folder, usable_device(device), reduced=reduced)
    if as_json:
        print_json(**found)
        return
    console = new_console()
    table = new_table(console, "model", "how", "precision", "#B", "#ms", "#texts/s", "#of peak", "problem")
    for row in found["rows"]:
        numbers = ("", "", "")
        if "seconds" in row:
            seconds, rate = row["seconds"], row["texts_per_second"]
            numbers = f"{seconds * 1e3:.3g}", f"{rate:.3g}", f"{row['of_peak']:.0%}"
        who, how, precision = (visible(row[name]) for name in ("who", "how", "precision"))
        table.add_row(who, how, precision, str(row["batch"]), *numbers, visible(row.get("problem", "")))
    console.print(table)
    machine = f"{found['machine']['device']}, {found['machine']['date']}"
    console.print(f"{visible(machine)}: {visible(str(folder / RECORD))}, with pictures and traces beside it")


def print_profile(rows: "Sequence[StageProfile]", peaks: "Peaks") -> None:
    """A table of the stages, the last row of which is the whole run, beside what this machine can do."""
    console = new_console()
    table = new_table(console, "stage", "#GFLOP", "#ms", "#of the time", "#GFLOP/s", "#of peak", "#peak MB")
    whole = rows[-1].seconds
    for row in rows:
        rate = row.flops_per_second
        table.add_row(
            row.stage,
            amount(row.flops / 1e9),
            amount(row.seconds * 1e3),
            f"{row.seconds / whole:.0%}",
            amount(rate / 1e9) if row.flops else "",
            f"{rate / peaks.flops_per_second:.0%}" if row.flops else "",
            amount(row.peak_bytes / 1e6),
            style="bold" if row is rows[-1] else None,
        )
    console.print(table)
    best = f"{peaks.flops_per_second / 1e9:,.0f} GFLOP/s in {peaks.dtype}"
    console.print(f"peak of this machine ({peaks.device}): {best}, {peaks.bytes_per_second / 1e9:.0f} GB/s")
