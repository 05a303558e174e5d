"""The record of a device, in reduced form on the CPU: every path that needs no GPU runs here."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from perceiver_edu.instruments import gpu_record


@pytest.mark.slow
def test_the_command_records_a_device_in_reduced_form(run, tmp_path):
    folder = tmp_path / "here"
    code, out, _ = run("profile", "--record", folder, "--reduced")
    assert code == 0 and "Hugging Face" in out and "record.json" in out
    found = gpu_record.read_record(folder)
    assert found["reduced"] and found["machine"]["kind"] == "cpu" and found["kernels"]["addmm"] == 6 * 5
    assert not [row for row in found["rows"] if "problem" in row]
    assert found["machine"]["cpu"] == found["machine"]["device"], "on a CPU they are the same"
    assert all(row["fastest"] <= row["seconds"] <= row["slowest"] for row in found["rows"])
    ways = {(row["who"], row["how"], row["precision"]) for row in found["rows"]}
    assert ways == set(gpu_record.ways(on_gpu=False))
    timed = [row for row in found["attention"] if row["taken"]]
    assert timed and all(row["seconds"] > 0 for row in timed)
    errors = {row["precision"]: row["error_of_scale"] for row in found["rows"] if row["how"] == "eager"}
    assert errors["float32"] < 1e-4 < errors["bfloat16"] < 0.1
    names = {path.name for path in folder.iterdir()}
    assert {
        "record.json",
        "throughput.png",
        "memory.png",
        "roofline.png",
        "trace_b1.json",
        "trace_b1.png",
    } < names
    kept, less = (max(curve) for curve in found["memory"].values())
    assert less < kept
    assert gpu_record.read_records(tmp_path) == {}, "it is no record of a GPU"
    code, _, err = run("profile", "--record", folder)
    assert code == 2 and "not an empty folder" in err
    assert run("profile", "--reduced")[0] == 2


def test_the_ways_of_a_gpu_have_graphs_and_every_precision_has_a_peak():
    ways = list(gpu_record.ways(on_gpu=True))
    assert {way.how for way in ways} == {"eager", "autocast", "compiled", "reduce-overhead", "graphs"}
    fast = {way.how for way in ways if way.who == "optimize()"}
    assert fast == {"eager", "compiled", "reduce-overhead", "graphs"}, "what `optimize` could take on CUDA"
    assert {way.precision for way in ways} == set(gpu_record.PRECISIONS)


def test_only_whole_records_of_a_gpu_are_shown(tmp_path):
    record = {"machine": {"kind": "cuda"}, "peaks": {}, "rows": [], "kernels": {}, "reduced": False}
    for name, changed in (("gpu", {}), ("reduced", {"reduced": True}), ("cpu", {"machine": {"kind": "cpu"}})):
        (tmp_path / name).mkdir()
        (tmp_path / name / gpu_record.RECORD).write_text(json.dumps(record | changed))
    assert list(gpu_record.read_records(tmp_path)) == ["gpu"]
    (tmp_path / "gpu" / gpu_record.RECORD).write_text("{}")
    with pytest.raises(gpu_record.InputError, match="is not a record of"):
        gpu_record.read_records(tmp_path)


def test_what_only_a_gpu_runs_is_spelled_right(monkeypatch):
    """Against stand-ins of torch's own signatures: no GPU is here."""
    calls = []

    class Stream:
        def wait_stream(self, other):
            calls.append("wait")

    class Graph:
        def replay(self):
            calls.append("replay")

    for name in ("Stream", "stream", "current_stream", "CUDAGraph", "graph", "get_device_name"):
        assert hasattr(torch.cuda, name)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "graph", nullcontext)
    replay = gpu_record.graphed(lambda: calls.append("run"))
    replay()
    assert calls == ["wait", *["run"] * 3, "wait", "run", "replay"]
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    monkeypatch.setattr(gpu_record, "processor_name", lambda: "a host")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80))
    machine = gpu_record.about(torch.device("cuda"))
    assert (machine["device"], machine["capability"], machine["memory_bytes"]) == ("a card", [9, 0], 80)
    assert machine["cpu"] == "a host"
    assert machine["driver"]
