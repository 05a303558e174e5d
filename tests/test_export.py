"""The ONNX file computes what the stages compute, for every size, and names everything inside."""

import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from commands import assert_one_line
from tiny import tiny_hf_model

from perceiver_edu import (
    ByteTokenizer,
    InputError,
    PerceiverIOConfig,
    PerceiverIOForMaskedLM,
    from_huggingface,
    load_pretrained,
    save_pretrained,
)
from perceiver_edu.export import LARGEST, export, output_names
from perceiver_edu.instruments.tracing import DECODER_MAP, ENCODER_MAP, record

LAYER_MAP = "processor.self_attends.{}.attention.attention_map"


@pytest.fixture(scope="module")
def small():
    """Two blocks of three layers, so that the same weights run twice."""
    return from_huggingface(tiny_hf_model(dtype=torch.float32, num_blocks=2)).eval()


@pytest.fixture(scope="module")
def stages(small):
    return Session(export(small, stages=True))


class Session:
    """An ONNX file in ONNX Runtime: tensors in, {name: tensor} out."""

    def __init__(self, content):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        self.run = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run
        self.names = [output.name for output in onnx.load_from_string(content).graph.output]

    def __call__(self, ids, mask=None, positions=(1, 2), layers=None):
        positions = torch.as_tensor(positions).expand(len(ids), -1)
        mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
        given = {"input_ids": ids, "mask": mask, "positions": positions}
        given |= {} if layers is None else {"layers": torch.tensor(layers)}
        found = self.run(None, {name: tensor.numpy() for name, tensor in given.items()})
        return {name: torch.from_numpy(array) for name, array in zip(self.names, found, strict=True)}


def close(found, expected):
    scale = max(1.0, float(expected.abs().max()))
    return found.shape == expected.shape and float((found - expected).abs().max()) <= 1e-5 * scale


def recorded(model, ids, mask, positions):
    """{name of an output: what the library records there}"""
    layers = range(model.config.num_self_attends_per_block)
    names = [f"processor.self_attends.{i}" for i in layers] + [LAYER_MAP.format(i) for i in layers]
    names += ["embedding", "encoder", "processor", "decoder", ENCODER_MAP, DECODER_MAP]
    with torch.no_grad(), record(model, names) as seen:
        logits = model(ids, mask, torch.as_tensor(positions))
    found = {"logits": logits, "inputs": seen["embedding"][0], "encoded": seen["encoder"][0]}
    found |= {"processed": seen["processor"][0], "outputs": seen["decoder"][0]}
    found |= {"encoder_attention": seen[ENCODER_MAP][0], "decoder_attention": seen[DECODER_MAP][0]}
    for block in range(model.config.num_blocks):
        for i in layers:
            number = 1 + i + block * len(layers)
            found[f"layer_{number}"] = seen[f"processor.self_attends.{i}"][block]
            found[f"layer_{number}_attention"] = seen[LAYER_MAP.format(i)][block]
    return found


@pytest.mark.slow
def test_every_named_output_is_the_library_s_for_every_size_and_with_a_mask(small, stages):
    assert stages.names == output_names(small.config, stages=True)
    for texts, positions in [
        (["A b."], [3]),
        (["Read é, 中 and 🙂.", "A b."], [0, 5, 28]),
        (["", "a", "bc"], [7, 7]),
    ]:
        ids, mask = ByteTokenizer().batch(texts)
        expected = recorded(small, ids, mask, positions)
        found = stages(ids, mask, positions, layers=[6])
        assert set(found) == set(expected)
        wrong = [name for name in found if not close(found[name], expected[name])]
        assert not wrong, wrong


@pytest.mark.slow
def test_the_decoder_reads_the_latents_after_so_many_layers(small, stages):
    ids, mask = ByteTokenizer().batch(["Stop early.", "A b."])
    every = stages(ids, mask, layers=[6])
    for layers in [*([number] for number in range(7)), [*range(7)], [5, 0, 5]]:
        latents = torch.cat([every[f"layer_{number}" if number else "encoded"] for number in layers])
        found = stages(ids, mask, layers=layers)
        assert torch.equal(found["processed"], latents)
        assert torch.equal(found["layer_6"], every["layer_6"])
        with torch.no_grad(), record(small, DECODER_MAP) as seen:
            outputs = small.decoder(small.queries(torch.tensor([1, 2])), latents)
            logits = small.mlm_head(outputs, small.embedding.byte_embedding.weight)
        assert close(found["logits"], logits) and close(found["outputs"], outputs)
        assert close(found["decoder_attention"], seen[DECODER_MAP][0])


@pytest.mark.slow
def test_without_stages_there_are_only_logits_and_padding_changes_nothing(small):
    content = export(small)
    session = Session(content)
    assert session.names == ["logits"]
    assert str(Path.cwd()).encode() not in content and b"site-packages" not in content
    ids, mask = ByteTokenizer().batch(["Read é, 中 and 🙂.", "A b."], pad_to=29)
    with torch.no_grad():
        assert close(session(ids, mask, [0, 9])["logits"], small(ids, mask, torch.tensor([0, 9])))
        assert close(session(ids[1:, :6], None, [4])["logits"], small(ids[1:], mask[1:], torch.tensor([4])))


@pytest.mark.slow
def test_the_command_exports_the_embedded_model(run, tmp_path):
    code, out, err = run("export", "embedded", tmp_path / "model.onnx")
    content = (tmp_path / "model.onnx").read_bytes()
    assert (code, err) == (0, "") and f"{len(content):,} bytes" in out
    model, session = load_pretrained("embedded"), Session(content)
    ids, mask = ByteTokenizer().batch(["She opened the [MASK][MASK][MASK] and went out.", "你好 🙂"])
    with torch.no_grad():
        assert close(session(ids, mask, [15, 16])["logits"], model(ids, mask, torch.tensor([15, 16])))


@pytest.mark.slow
def test_the_command_exports_a_user_s_checkpoint(run, small, tmp_path):
    save_pretrained(small, tmp_path / "mine")
    assert run("export", tmp_path / "mine", tmp_path / "mine.onnx", "--stages")[0] == 0
    assert Session((tmp_path / "mine.onnx").read_bytes()).names == output_names(small.config, stages=True)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("model", "does not end in .onnx"),
        ("no/model.onnx", "there is no folder"),
        (".", "does not end in .onnx"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_export(run, tmp_path, monkeypatch, file, says):
    monkeypatch.chdir(tmp_path)
    assert_one_line(*run("export", "embedded", file), says)


def test_without_onnx_the_command_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    answer = run("export", "embedded", tmp_path / "model.onnx")
    assert_one_line(*answer, 'pip install "perceiver-edu[export]"')
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused():
    with pytest.raises(InputError, match="export takes a PerceiverIOForMaskedLM, got Linear"):
        export(torch.nn.Linear(1, 1))
    with torch.device("meta"):
        large = PerceiverIOForMaskedLM(PerceiverIOConfig())
    with pytest.raises(InputError, match="holds no numbers"):
        export(large)


def test_weights_larger_than_an_onnx_file_are_refused(small, monkeypatch):
    size = 4 * sum(parameter.numel() for parameter in small.parameters())
    assert size < LARGEST
    monkeypatch.setattr("perceiver_edu.export.LARGEST", size - 1)
    with pytest.raises(InputError, match=f"the weights take {size:,} bytes"):
        export(small)
