"""Measured cost: which stage is meant, what memory is counted, and that nothing is left behind."""

import json
import os
import statistics
import time
from pathlib import Path

import pytest
import torch

from perceiver_edu import InputError
from perceiver_edu.instruments import machine
from perceiver_edu.instruments.costs import Cost
from perceiver_edu.instruments.machine import Peaks, floor_seconds, machine_peaks, measure
from perceiver_edu.instruments.memory import LiveBytes
from perceiver_edu.instruments.profiling import StageProfile, profile_stages, raised, trace
from perceiver_edu.instruments.tracing import stage_hooks
from perceiver_edu.stages import STAGES


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_a_slow_stage_is_found(model, batch):
    sleep = model.processor.register_forward_hook(lambda *_: time.sleep(0.05))
    rows = {row.stage: row for row in profile_stages(model, *batch, repeats=3, warmup=0)}
    sleep.remove()
    assert list(rows) == [*STAGES, "all"]
    assert max(rows, key=lambda stage: rows[stage].seconds) in ("processor", "all")
    assert 0.05 < rows["processor"].seconds < 0.2 < 10 * rows["all"].seconds
    assert all(rows[stage].seconds < 0.05 for stage in ("embedding", "encoder", "decoder", "mlm_head"))
    assert hooks(model) == 0


def test_hooks_are_gone_after_an_error(model, batch):
    broken = model.decoder.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        profile_stages(model, *batch, repeats=1, warmup=0)
    with pytest.raises(ZeroDivisionError), stage_hooks(model, lambda *_: None):
        model(*batch)
    broken.remove()
    assert hooks(model) == 0
    with pytest.raises(InputError, match="repeats must be a whole number from 1"):
        profile_stages(model, *batch, repeats=0)


def test_a_trace_takes_the_place_of_plain_files_only(model, batch, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for name in ("pipe", "link", ".", "no/folder"):
        before = sorted(path.lstat().st_ino for path in tmp_path.iterdir())
        with pytest.raises(InputError, match=r"is not a plain file|cannot write the trace"):
            trace(model, *batch, path=tmp_path / name)
        assert sorted(path.lstat().st_ino for path in tmp_path.iterdir()) == before


def test_live_bytes_follows_tensors_from_birth_to_death():
    outside = torch.zeros(500)
    with LiveBytes() as memory:
        a = torch.zeros(1000)  # 4,000 bytes
        view = a[:10].view(2, 5)
        outside.add_(1)
        assert memory.live == 4000
        b = a.double()  # 8,000 more
        assert memory.live == memory.peak == 12_000
        del b
        assert memory.live == 4000 and memory.peak == 12_000
        del a
        assert memory.live == 4000, "the view keeps it"
        del view
        assert memory.live == 0


def test_more_outputs_need_more_memory(model, batch):
    few, many = (
        {row.stage: row.peak_bytes for row in profile_stages(model, *batch, positions, repeats=1)}
        for positions in (torch.arange(2), torch.arange(29))
    )
    assert few["mlm_head"] < many["mlm_head"] and few["encoder"] == many["encoder"]
    assert many["mlm_head"] >= 2 * 29 * 262 * 8  # the logits, float64


def test_a_trace_is_written_and_summarised(model, batch, tmp_path):
    path = tmp_path / "trace.json"
    operations = trace(model, *batch, path=path)
    calls = {operation.name: operation.calls for operation in operations}
    linear_layers = sum(isinstance(module, torch.nn.Linear) for module in model.modules())
    assert calls["aten::linear"] == linear_layers
    seconds = [operation.seconds for operation in operations]
    assert seconds == sorted(seconds, reverse=True) and seconds[0] > 0 and not set(STAGES) & set(calls)
    names = {event.get("name") for event in json.loads(path.read_text())["traceEvents"]}
    assert set(STAGES) <= names
    with pytest.raises(InputError, match="cannot write the trace to"):
        trace(model, *batch, path=tmp_path / "nowhere" / "trace.json")
    assert hooks(model) == 0


def test_an_earlier_trace_is_kept_where_the_new_one_fails(model, batch, tmp_path, monkeypatch):
    path = tmp_path / "trace.json"
    path.write_text("an earlier one")

    def full(self, path):
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch.profiler.profile, "export_chrome_trace", full)
    with pytest.raises(InputError, match="No space left on device"):
        trace(model, *batch, path=path)
    assert path.read_text() == "an earlier one" and list(tmp_path.iterdir()) == [path]


def test_peaks_and_the_floor_under_every_program(monkeypatch):
    monkeypatch.setitem(machine.MATMUL_SIZE, "cpu", 64)
    monkeypatch.setitem(machine.COPY_BYTES, "cpu", 2**16)
    peaks = machine_peaks(repeats=3)
    assert peaks.dtype == "float32" and min(peaks[2:]) > 1e6
    slower_in_bf16 = machine_peaks(dtype=torch.bfloat16, repeats=1)
    assert slower_in_bf16.dtype in ("float32", "bfloat16")
    cost = Cost("all", flops=1000, parameters=0, numbers_moved=100)
    assert floor_seconds(cost, Peaks("cpu", "float32", 100.0, 1000.0), 4) == 10  # waits for arithmetic
    assert floor_seconds(cost, Peaks("cpu", "float32", 1e6, 10.0), 4) == 40  # waits for memory


@pytest.mark.parametrize("rate", [10.0, 1e12])
def test_no_stage_exceeds_the_peak(rate):
    rows = [StageProfile("encoder", 2000, 0.5, 0), StageProfile("embedding", 0, 0.5, 0)]
    peaks = raised(Peaks("cpu", "float32", rate, 1.0), rows)
    assert peaks.flops_per_second == max(rate, 4000.0) and peaks.bytes_per_second == 1.0


def test_the_median_counts_or_the_fastest():
    naps = [0.0, 0.1, 0.001, 0.03]  # the first is the warm-up
    for of, least, most in ((statistics.median, 0.03, 0.09), (min, 0.001, 0.025)):
        turns = iter(naps)
        seconds = measure(lambda turns=turns: time.sleep(next(turns)), "cpu", repeats=3, warmup=1, of=of)
        assert least <= seconds < most
