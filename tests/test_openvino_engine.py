"""OpenVINO computes what the stages compute, for every size, and is converted once."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tiny import tiny_hf_model

from perceiver_edu import ByteTokenizer, InputError, fill_mask, from_huggingface, load_pretrained
from perceiver_edu.fast import optimize
from perceiver_edu.openvino_engine import (
    ABOUT,
    GRAPH,
    OpenVINOPerceiverIO,
    check_new,
    content_sum,
    load_optimized,
)
from perceiver_edu.writing import LOCK, lock

openvino = pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def small():
    return from_huggingface(tiny_hf_model(dtype=torch.float32)).eval()


@pytest.fixture(scope="module")
def converted(small):
    """The model in OpenVINO, and the warnings that its conversion showed."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        return optimize(small), shown


@pytest.fixture(scope="module")
def fast(converted):
    return converted[0]


@pytest.fixture(scope="module")
def saved(fast, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "some" / "folder"
    fast.save(folder)
    return folder


def assert_close(got, expected, limit=1e-5):
    assert got.shape == expected.shape and got.dtype == torch.float32
    assert (got - expected).abs().max() < limit * expected.abs().max()


@pytest.mark.parametrize("positions", [None, torch.tensor([3, 0, 3]), torch.tensor([[1, 28], [7, 2]])])
def test_it_computes_the_same_function(fast, small, batch, positions):
    assert isinstance(fast, OpenVINOPerceiverIO)
    ids, mask = batch
    with torch.no_grad():
        assert_close(fast(ids, mask, positions), small(ids, mask, positions))
        assert_close(fast(ids, None, positions), small(ids, None, positions))


@pytest.mark.slow
def test_another_form_of_the_model(batch):
    changes = {"num_blocks": 2, "use_query_residual": False, "hidden_act": "gelu_new"}
    model = from_huggingface(tiny_hf_model(dtype=torch.float32, **changes))
    with torch.no_grad():
        assert_close(optimize(model)(*batch), model(*batch))


def test_two_compilations_serve_every_size(small, fast, saved, monkeypatch):
    for single in (True, False):
        fast.compiled_for(single)
    compiled = []
    compile_model = openvino.compile_model
    monkeypatch.setattr(openvino, "compile_model", lambda *a: compiled.append(a) or compile_model(*a))
    loaded = load_optimized(saved)
    for B, M, O in ((1, 1, 1), (1, 29, 29), (5, 7, 2), (3, 28, 1), (2, 2, 17)):
        ids = torch.randint(6, 262, (B, M))
        mask = torch.rand(B, M) < 0.7
        mask[:, 0] = True
        positions = torch.randint(0, 29, (B, O))
        with torch.no_grad():
            assert_close(loaded(ids, mask, positions), small(ids, mask, positions))
        assert torch.equal(loaded(ids, mask, positions), fast(ids, mask, positions))
    assert len(compiled) == 2  # for one text and for batches


def test_a_row_of_padding_alone_gives_what_the_stages_give(fast, small, batch):
    ids, mask = batch[0], torch.zeros_like(batch[0], dtype=torch.bool)
    mask[0, :5] = True
    with torch.no_grad():
        assert_close(fast(ids, mask), small(ids, mask))


def test_latents_and_outputs(fast, small, batch):
    ids, mask = batch
    found = fast.arrays(ids, mask, torch.tensor([4]))
    with torch.no_grad():
        latents = small.processor(small.encoder(small.embedding(ids), mask))
        assert_close(found.latents, latents)
        assert_close(found.outputs, small.decoder(small.queries(torch.tensor([4])), latents))


@pytest.mark.slow
def test_the_embedded_model_fills_alike():
    model, text = load_pretrained(), "He looked at her for a moment without speaking."
    [slow], [fast] = fill_mask(model, text, " moment"), fill_mask(optimize(model), text, " moment")
    assert [filling.text for filling in slow] == [filling.text for filling in fast]
    assert [f.probability for f in fast] == pytest.approx([f.probability for f in slow], rel=1e-3)


def test_bf16(fast, small, batch):
    with pytest.raises(InputError, match="no precision 'f99'; choose from f32, bf16"):
        OpenVINOPerceiverIO(fast.graph, fast.config, "f99")
    half = OpenVINOPerceiverIO(fast.graph, fast.config, "bf16")
    with torch.no_grad():
        assert_close(half(*batch), small(*batch), limit=0.05)


@pytest.mark.slow
def test_int8_says_how_exact_it_is(tmp_path):
    model = load_pretrained()  # random weights of a few channels have an error of 0.4
    fast, batch = optimize(model, int8=True), ByteTokenizer().batch(["It was late.", "He came home at last."])
    types = {
        output.get_element_type().get_type_name() for op in fast.graph.get_ops() for output in op.outputs()
    }
    assert "i8" in types and 0 < fast.int8_error < 0.2
    with torch.no_grad():
        assert_close(fast(*batch), model(*batch), limit=0.2)
    fast.save(tmp_path / "int8")
    assert load_optimized(tmp_path / "int8").int8_error == fast.int8_error


def test_several_threads_get_the_answers_of_one(fast):
    texts = [torch.randint(6, 262, (1, 3 + number)) for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        for together, alone in zip(pool.map(fast, texts), map(fast, texts), strict=True):
            assert torch.equal(together, alone)


def test_what_is_refused(fast):
    with pytest.raises(InputError, match="this model reads at most 29"):
        fast(torch.zeros(1, 30, dtype=torch.int64))
    with pytest.raises(InputError, match="positions must be from 0 to 28"):
        fast(torch.zeros(1, 3, dtype=torch.int64), None, torch.tensor([29]))
    with pytest.raises(InputError, match="reads one id or more, got none"):
        fast(torch.zeros(1, 0, dtype=torch.int64))


def test_a_folder_that_is_there_stays(fast, saved):
    before = sorted(path.name for path in saved.parent.iterdir())
    with pytest.raises(InputError, match="exists already"):
        fast.save(saved)
    assert sorted(path.name for path in saved.parent.iterdir()) == before == ["folder"]


def test_a_link_to_itself_and_what_is_no_path_are_refused_before_anything_is_written(fast, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, message in (("loop", "exists already"), ("a\0b", "cannot write"), ("x" * 300, "cannot write")):
        with pytest.raises(InputError, match=message):
            check_new(tmp_path / name)
        with pytest.raises(InputError, match=message):
            fast.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")
def test_the_folder_follows_the_umask_and_what_a_killed_process_left_goes(fast, tmp_path):
    old, locked, another = (
        tmp_path / f".unfinished-0000000{number}-{name}" for number, name in enumerate(["a", "a", "b"])
    )
    for folder in (old, locked, another):
        folder.mkdir()
        (folder / LOCK).write_bytes(b"")
        os.utime(folder, (time.time() - 100,) * 2)
    before = os.umask(0o077)
    try:
        with open(locked / LOCK) as file:
            lock(file)
            fast.save(tmp_path / "a")
    finally:
        os.umask(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == [locked.name, another.name, "a"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["openvino.bin", GRAPH, ABOUT]


def test_converting_shows_no_warning_of_torch(converted):
    fast, shown = converted
    assert isinstance(fast, OpenVINOPerceiverIO)
    assert not [warning for warning in shown if issubclass(warning.category, FutureWarning)]


def copy_of(saved, folder):
    """The folder again, and what it says of itself."""
    shutil.copytree(saved, folder)
    return json.loads((folder / ABOUT).read_text())


@pytest.mark.parametrize(
    "damage",
    ["missing", "no graph", "cut graph", "no weights", "cut weights", "other", "no JSON", "no object"],
)
def test_a_damaged_folder_is_an_error(saved, tmp_path, damage):
    folder = tmp_path / "copy"
    if damage != "missing":
        copy_of(saved, folder)
    graph, weights = folder / GRAPH, (folder / GRAPH).with_suffix(".bin")
    if damage in ("no graph", "no weights"):
        (graph if damage == "no graph" else weights).unlink()
    elif damage.startswith("cut"):
        path = graph if damage == "cut graph" else weights
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "other":
        (folder / ABOUT).write_text(json.dumps({"config": {"layers": 3}}))
    elif damage.startswith("no "):
        (folder / ABOUT).write_text("[3]" if damage == "no object" else "{")
    with pytest.raises(InputError, match=r"is missing|is damaged"):
        load_optimized(folder)


def test_a_folder_of_which_anything_was_changed_is_an_error(saved, tmp_path):
    about = copy_of(saved, tmp_path / "zeros")
    weights = tmp_path / "zeros" / "openvino.bin"
    weights.write_bytes(bytes(1000) + weights.read_bytes()[1000:])
    changes = {
        "size": {"config": about["config"] | {"max_position_embeddings": 0}},
        "precision": {"precision": "f99"},
        "earlier": {"sha256": None},
    }
    for name, change in changes.items():
        copy_of(saved, tmp_path / name)
        (tmp_path / name / ABOUT).write_text(json.dumps(about | change))
    for name in ("zeros", *changes):
        with pytest.raises(
            InputError, match="is damaged, or an earlier version saved it: remove it, and run"
        ):
            load_optimized(tmp_path / name)


def test_what_openvino_says_of_a_graph_that_it_cannot_read_is_shown(saved, tmp_path):
    about = copy_of(saved, folder := tmp_path / "copy")
    (folder / GRAPH).write_bytes((folder / GRAPH).read_bytes()[:-100])
    about["sha256"] = content_sum(folder, {key: value for key, value in about.items() if key != "sha256"})
    (folder / ABOUT).write_text(json.dumps(about))
    with pytest.raises(InputError, match="by this version: Error parsing element attribute at offset"):
        load_optimized(folder)


@pytest.mark.parametrize(("name", "options"), [("openvino", {}), ("nncf", {"int8": True})])
def test_what_is_not_installed_is_named_with_the_command(small, monkeypatch, name, options):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        InputError, match=rf'needs {name}, .* not installed: pip install "perceiver-edu\[fast\]"'
    ):
        optimize(small, engine="openvino", **options)


def test_nothing_is_reported_to_its_makers():
    program = (
        "import sys; import perceiver_edu.openvino_engine, openvino, nncf\n"
        "from openvino.tools.ovc import convert_model; print(sys.modules['openvino_telemetry'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "None"
