"""What errors and warnings say in another language: recognised by the templates of the source."""

import json
import pickle
import re
import time
import traceback
import warnings

import numpy as np
import pytest
import torch

from perceiver_edu import (
    ByteTokenizer,
    InputError,
    PerceiverIOConfig,
    cli,
    errors,
    fill_mask,
    language,
    load_pretrained,
    optimize,
    save_pretrained,
)
from perceiver_edu.classroom.assignments import prepare
from perceiver_edu.course import planted, predict
from perceiver_edu.course.place import RECORD, at_home, language_here
from perceiver_edu.easy_first import byte_log_probs
from perceiver_edu.export import export
from perceiver_edu.filling import fill_masks
from perceiver_edu.instruments import (
    gpu_record,
    interventions,
    parity,
    recorded,
    timeline,
    tracing,
    training_costs,
)
from perceiver_edu.instruments.plots.style import figure
from perceiver_edu.language import speaking
from perceiver_edu.modalities import adapters, files, flow, multimodal, positions, toys
from perceiver_edu.training import corpus, features, labelled, loop, masking, run_folder, seeds, tasks
from perceiver_edu.training.classify import Task
from perceiver_edu.training.configs import FinetuneConfig, PretrainConfig
from perceiver_edu.training.predict import read_texts
from perceiver_edu.utf8_search import best_byte_strings
from perceiver_edu.weights.files import read_json, read_safetensors
from perceiver_edu.writing import check_output

pofile = pytest.importorskip("babel.messages.pofile")
HAN = re.compile(r"[\u3400-\u9fff]")


@pytest.fixture(autouse=True)
def complete(monkeypatch):
    """A translation for every template, also before somebody has written it."""
    path = language.folder_of("zh_CN") / f"{language.ERRORS}.po"
    with path.open("rb") as file:
        words = {message.id: message.string or f"（未译）{message.id}" for message in pofile.read_po(file)}
    read = language.read_catalogue
    monkeypatch.setattr(language, "read_catalogue", lambda it: words if it == path else read(it))
    monkeypatch.setattr(language, "of_errors", language.language)
    language.templates.cache_clear()
    yield
    language.templates.cache_clear()


def written(folder, content, name="a.jsonl"):
    path = folder / name
    path.write_bytes(content)
    return path


LABEL = [labelled.Column("label")]
CALLS = {  # of each: a value that the message quotes, and the call
    "assignments": ("a.jsonl", lambda model, folder: prepare(written(folder, b""), "source")),
    "config": ("'many'", lambda model, folder: PerceiverIOConfig(d_model="many")),
    "config, heads": ("7", lambda model, folder: PerceiverIOConfig(num_self_attention_heads=7)),
    "place": ("~nobody-here", lambda model, folder: at_home("~nobody-here/x")),
    "planted": ("99", lambda model, folder: planted.planted_bug(99)),
    "prediction": ("'x'", lambda model, folder: predict("x", "?", text=True)),
    "easy_first": ("NaN", lambda model, folder: byte_log_probs(torch.full((1, 262), torch.nan))),
    "utf8_search": ("(3, 4)", lambda model, folder: best_byte_strings(np.zeros((3, 4)), 1)),
    "errors, choose": ("'{0} \"'", lambda model, folder: optimize(model, engine='{0} "')),
    "errors, whole_number": ("2.5", lambda model, folder: fill_mask(model, "[MASK]", top_k=2.5)),
    "errors, check_list": ("str", lambda model, folder: fill_masks(model, "a")),
    "export": ("int", lambda model, folder: export(3)),
    "fast": ("PerceiverIOForMaskedLM", lambda model, folder: optimize(3)),
    "filling, text": ("[MASK]", lambda model, folder: fill_mask(model, "no hole")),
    "filling, span": ("'cat'", lambda model, folder: fill_mask(model, "a dog", "cat")),
    "filling, holes": ("(0, 2)", lambda model, folder: fill_mask(model, "a dog", [(0, 2), (1, 3)])),
    "gpu_record": ("record.json", lambda model, folder: gpu_record.read_record(folder)),
    "interventions": (
        "9",
        lambda model, folder: interventions.ablate_heads(model, 0, 9).__enter__(),
    ),
    "parity": ("'{x}'", lambda model, folder: parity.compare_parts(model, model, "{x}", [], None)),
    "tracing": (r"'a\nb'", lambda model, folder: tracing.record(model, "a\nb").__enter__()),
    "recorded": ("log.csv", lambda model, folder: recorded.read_run(folder)),
    "timeline": ("a.jsonl", lambda model, folder: timeline.read_trace(written(folder, b"{"))),
    "training_costs": (
        "3",
        lambda model, folder: training_costs.training_cost(model.config, 3, 9, processes=2),
    ),
    "style": ("", lambda model, folder: figure(alt=" ").__enter__()),
    "language": ("'tlh'", lambda model, folder: language.known_language("tlh")),
    "adapters": ("(3, 4)", lambda model, folder: adapters.Patches((1, 4, 4), 3)(torch.zeros(1, 3, 3, 4))),
    "files, picture": ("(2, 2)", lambda model, folder: files.prepare_picture(np.zeros((2, 2), np.uint8))),
    "files, sound": ("a.jsonl", lambda model, folder: files.read_wav(written(folder, b"RIFF"))),
    "flow": ("(3,)", lambda model, folder: flow.check_frames(torch.zeros(3), torch.zeros(3))),
    "multimodal": ("'x'", lambda model, folder: multimodal.modality_mask({"a": 1}, {"x": torch.ones(1) > 0})),
    "positions": ("3", lambda model, folder: positions.point_positions(torch.tensor([7]), (2, 2))),
    "toys": ("4", lambda model, folder: toys.neighbourhoods(torch.zeros(1, 1, 2, 9, 9), 4)),
    "model": ("int32", lambda model, folder: model(torch.zeros(3, dtype=torch.int32))),
    "tokenizer": ("[CLS]", lambda model, folder: ByteTokenizer().encode("abc", max_length=3)),
    "configs": ("0", lambda model, folder: PretrainConfig(batch_size=0)),
    "configs, choose": ("'sgd'", lambda model, folder: FinetuneConfig(optimizer="sgd")),
    "corpus, ending": ("a.xyz", lambda model, folder: corpus.list_files(written(folder, b"", "a.xyz"))),
    "corpus, nothing": ("none", lambda model, folder: corpus.list_files(folder / "none")),
    "corpus, field": ("'text'", lambda model, folder: [*corpus.read_documents(written(folder, b'{"a": 1}'))]),
    "text_files": ("0xff", lambda model, folder: [*corpus.read_documents(written(folder, b"\xff"))]),
    "labelled, ending": ("a.xyz", lambda model, folder: labelled.read_labelled("a.xyz", ["text"], LABEL)),
    "labelled, cell": (
        "'label'",
        lambda model, folder: labelled.read_labelled(
            written(folder, b'{"text": "a", "label": ""}'), ["text"], LABEL
        ),
    ),
    "features": ("0", lambda model, folder: features.encode(model, "a" * 99, 0, truncation=False)),
    "loop, options": ("3", lambda model, folder: loop.check_options(PretrainConfig(), micro_batch_size=3)),
    "loop, diverged": ("12", lambda model, folder: loop.check_finite(12, "the loss", [torch.nan])),
    "masking": ("2", lambda model, folder: masking.check_fraction(2)),
    "run_folder": ("manifest.json", lambda model, folder: run_folder.read_manifest(folder)),
    "seeds": (
        "summary.json",
        lambda model, folder: seeds.check_summary(written(folder, b"", "summary.json"), [1], False),
    ),
    "tasks": ("'A '", lambda model, folder: tasks.check_names("x.csv: the columns of labels", ["a", "A "])),
    "classify": ("'?'", lambda model, folder: Task("a", ("b", "c"), "?")),
    "predict": ("a.jsonl", lambda model, folder: read_texts(written(folder, b"\n"), ["text"])),
    "weights, json": ("a.jsonl", lambda model, folder: read_json(written(folder, b"{"))),
    "weights, tensors": ("a.jsonl", lambda model, folder: read_safetensors(written(folder, b"x"))),
    "pretrained": ("'no such'", lambda model, folder: load_pretrained("no such")),
    "pretrained, save": ("int", lambda model, folder: save_pretrained(3, folder)),
    "writing": ("\\x00", lambda model, folder: check_output(folder / "a\0b")),
}


COMMANDS = {  # the arguments, with a word that says which error it is
    "report takes the folder": ["classroom", "report", "x", "--plain"],
    "does not end in .onnx": ["export", "embedded", "x.txt"],
    "--seeds must be between": ["finetune", "x.csv", "-o", "out", "--seeds", 0],
    "no training text": ["pretrain", "-o", "out"],
    "contains no classifier": ["predict", ".", "x.csv"],
    "--text names a column": ["evaluate", "random", "--text", "a"],
    "--reduced works only": ["profile", "random", "--reduced"],
    "no --dtype 'int4'": ["optimize", "out", "--dtype", "int4"],
    "no engine 'x'": ["fill", "[MASK]", "--weights", "random", "--engine", "x"],
    "no weights 'no such'": ["parity", "no such"],
    "random weights come from a seed": ["weights", "random"],
    "needs a home folder": ["course", "--folder", "~nobody-here/x"],
}


@pytest.mark.parametrize("name", CALLS)
def test_an_error_is_shown_in_chinese_and_kept_in_english(name, model, tmp_path):
    value, call = CALLS[name]
    with pytest.raises(InputError) as caught:
        call(model, tmp_path)
    english = str(caught.value)
    assert english == caught.value.args[0] and value in english and not HAN.search(english)
    with speaking("zh_CN"):
        assert HAN.search(str(caught.value)) and value in str(caught.value)
    assert str(caught.value) == english


@pytest.mark.parametrize("english", COMMANDS)
def test_a_command_says_in_chinese_what_was_wrong(english, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, said = run(*COMMANDS[english])
    assert code == 2 and not out and english in said and not HAN.search(said)
    with speaking("zh_CN"):
        code, out, said = run(*COMMANDS[english])
    assert code == 2 and not out and HAN.search(said) and said.count("\n") == 1


def test_an_error_inside_another_is_in_chinese_too(model):
    with speaking("zh_CN"):
        with pytest.raises(InputError) as caught:
            fill_masks(model, ["[MASK]", "no hole"])
        assert HAN.search(caught.value.args[0]) and not str(caught.value).startswith("text 1: ")


@pytest.mark.parametrize("value", ["", "文件", "{0} {name} }{", "it's \"", "), ({", "\\1", "\b", "x" * 5000])
def test_a_value_is_the_same_in_every_language(value, monkeypatch):
    words = {"{name} is {what}: {how}": "译文：{how}，{what}，{name}"}
    monkeypatch.setattr(language, "read_catalogue", lambda path: words)
    error = InputError(f"{value} is {value}: {value}")
    with speaking("zh_CN"):
        said = str(error)
    if len(value) < 100:
        same = errors.visible(value)
        assert said == f"译文：{same}，{same}，{same}"
    else:  # the middle is left out, and with it the form of the message
        assert said == error.args[0]


def test_what_no_template_made_stays_english(monkeypatch):
    error = InputError("nobody wrote this sentence")
    with speaking("zh_CN"):
        assert str(error) == "nobody wrote this sentence"
    monkeypatch.setattr(language, "_used", [])
    monkeypatch.setenv(language.VARIABLE, "tlh")
    with pytest.raises(InputError, match="choose en or zh"):
        language.language()


def test_a_traceback_and_a_copy_speak_chinese():
    error = pickle.loads(pickle.dumps(InputError("batch needs at least one text")))
    with speaking("zh_CN"):
        [line] = traceback.format_exception_only(error)
        assert line.startswith("perceiver_edu.errors.InputError: ") and HAN.search(line)
        assert repr(error) == "InputError('batch needs at least one text')"


def test_a_warning_is_shown_in_chinese(tmp_path, capsys, monkeypatch):
    written(tmp_path, b"x", "a.txt")
    written(tmp_path, b"x", ".hidden.txt")
    with pytest.warns(errors.InputWarning, match="not read, because they are hidden") as caught:
        corpus.list_files(tmp_path)
    with speaking("zh_CN"):
        monkeypatch.setattr(warnings, "showwarning", cli.show_warning)
        warnings.warn_explicit(caught[0].message, None, __file__, 1)
        assert HAN.search(capsys.readouterr().err)
        assert HAN.search(warnings.formatwarning(caught[0].message, errors.InputWarning, __file__, 1))


def test_in_a_chinese_course_folder_an_error_is_in_chinese(tmp_path, monkeypatch):
    (tmp_path / RECORD).write_text(json.dumps({"written": {}, "language": "zh_CN"}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(language, "_used", [])
    monkeypatch.delenv(language.VARIABLE)
    monkeypatch.setattr(language, "users_locale", lambda: "en_GB.UTF-8")
    error = InputError("batch needs at least one text")
    assert not HAN.search(str(error))
    monkeypatch.setattr(language, "of_errors", language_here)
    assert HAN.search(str(error))


def test_a_message_with_much_white_space_is_made_at_once():
    started = time.perf_counter()
    error = InputError(f"a \n\n b{' ' * 100_000}c")
    assert time.perf_counter() - started < 1
    assert error.args[0].startswith("a b  ") and error.args[0].endswith("  c")


def test_a_long_message_is_recognised_at_once():
    error = InputError(", ".join(["x: y"] * 160))
    with speaking("zh_CN"):
        started = time.perf_counter()
        str(error)
        assert time.perf_counter() - started < 1
