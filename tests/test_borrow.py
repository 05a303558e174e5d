"""Whatever is done with a model, and whatever goes wrong: afterwards model and process are as they were."""

import random
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from tiny import TINY, tiny_hf_model

from perceiver_edu import (
    ByteTokenizer,
    InputError,
    PerceiverIOConfig,
    fill_mask,
    from_huggingface,
    optimize,
    save_pretrained,
)
from perceiver_edu.borrow import eval_mode
from perceiver_edu.course.swap import swap_stage
from perceiver_edu.instruments import (
    compare_parts,
    compare_stages,
    golden_check,
    huggingface_copy,
    residual_stream,
)
from perceiver_edu.instruments import interventions as i
from perceiver_edu.instruments.machine import machine_peaks
from perceiver_edu.instruments.profiling import profile_stages, trace
from perceiver_edu.instruments.tracing import ENCODER_MAP, record
from perceiver_edu.training.configs import FinetuneConfig, PretrainConfig
from perceiver_edu.training.evaluate import evaluate, reading_entropy
from perceiver_edu.training.features import extract_features
from perceiver_edu.training.finetune import finetune
from perceiver_edu.training.labelled import Column, collect
from perceiver_edu.training.pretrain import pretrain

TEXT = "The c[MASK]t sat."
IDS = ByteTokenizer().batch([TEXT])[0]
CROPS = ByteTokenizer().batch(["one and two or three", "four or five and six"])[0]


def swapped(model):
    with swap_stage(model, "encoder", model.encoder, TEXT, None):
        fill_mask(model, TEXT)


def entered(block, *arguments):
    def call(model):
        with block(model, *arguments):
            fill_mask(model, TEXT)

    return call


def pretrained(model):
    settings = PretrainConfig(steps=2, batch_size=2, config=PerceiverIOConfig(**TINY))
    with tempfile.TemporaryDirectory() as folder:
        pretrain(CROPS.short(), folder, settings, progress=False)


def finetuned(model):
    texts = collect("x", [("1", {"t": "one", "y": "1"}), ("2", {"t": "two", "y": "2"})], ["t"], [Column("y")])
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder)
        finetune(texts, texts, f"{folder}/run", FinetuneConfig(folder, epochs=1), progress=False)


CALLS = {
    "pretrain": pretrained,
    "finetune": finetuned,
    "fill_mask": lambda model: fill_mask(model, TEXT),
    "swap_stage": swapped,
    "extract_features": lambda model: extract_features(model, ["one", "two"], progress=False),
    "evaluate": lambda model: evaluate(model, CROPS, fraction=0.5),
    "reading_entropy": lambda model: reading_entropy(model, CROPS),
    "golden_check": golden_check,
    "compare_stages": lambda model: compare_stages(model, tiny_hf_model().train(), IDS),
    "compare_parts": lambda model: compare_parts(model, tiny_hf_model(), "encoder.cross_attend", IDS),
    "huggingface_copy": huggingface_copy,
    "residual_stream": lambda model: residual_stream(model, IDS),
    "profile_stages": lambda model: profile_stages(model, IDS, repeats=1, warmup=0),
    "trace": lambda model: trace(model, IDS),
    "machine_peaks": lambda model: machine_peaks(repeats=1),
    "optimize": optimize,
    "from_huggingface": lambda model: from_huggingface(tiny_hf_model()),
    "record": entered(record, ENCODER_MAP),
    "stop_after": entered(i.stop_after, 1),
    "without_layers": entered(i.without_layers, 1),
    "ablate_latents": entered(i.ablate_latents, 1),
    "ablate_heads": entered(i.ablate_heads, 1, 1),
    "patch_latents": entered(i.patch_latents, torch.zeros(5, 12)),
}


def state_of(model):
    """All that a call must leave alone."""
    modules = [
        (
            name,
            module.training,
            sorted(vars(module)),
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
        )
        for name, module in model.named_modules()
    ]
    process = torch.random.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()
    switches = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_num_threads()
    fused = [m.fused for m in model.modules() if hasattr(m, "fused")]
    return modules, process, switches, torch.get_default_dtype(), fused


@pytest.fixture
def mixed(model):
    """A model half of which is in training mode, in which dropout draws random numbers."""
    model.train()
    model.processor.eval()
    model.processor.self_attends[1].attention.train()
    return model


@pytest.mark.parametrize("failing", [False, True], ids=["", "failing"])
@pytest.mark.parametrize("name", CALLS)
def test_model_and_process_are_what_they_were(name, failing, mixed, monkeypatch, tally):
    monkeypatch.setattr("tiny.torch.manual_seed", lambda seed: None)  # the helper of the tests may draw
    call = CALLS[name]
    hf_model = tiny_hf_model()
    monkeypatch.setitem(globals(), "tiny_hf_model", lambda: hf_model)
    if failing:
        monkeypatch.setattr(mixed.mlm_head, "forward", lambda *_: 1 / 0)
        monkeypatch.setattr("perceiver_edu.training.loop.backward", lambda *_: torch.rand(1) and 1 / 0)
    before, raised = state_of(mixed), None
    try:
        call(mixed)
    except (ZeroDivisionError, InputError) as error:  # golden_check refuses these weights
        raised = error
    assert state_of(mixed) == before
    ran = name not in (
        "golden_check",
        "extract_features",
        "huggingface_copy",
        "machine_peaks",
        "optimize",
        "from_huggingface",
    )
    assert isinstance(raised, ZeroDivisionError) == (failing and ran)
    tally("library calls, after which model and process were as before", 1)


@pytest.mark.parametrize("number", [80, pytest.param(800, marks=pytest.mark.slow)])
def test_threads_that_share_a_model_get_right_answers(number, mixed, tally):
    """Dropout would change them, were a mode restored too early; and each records its own run only."""
    texts = [f"The {letter}[MASK]t sat." for letter in "bcfghmpr"]
    expected = [fill_mask(mixed, text) for text in texts]
    before = state_of(mixed)

    def call(number):
        text = texts[number % len(texts)]
        with record(mixed, ENCODER_MAP) as seen:
            found = fill_mask(mixed, text)
        return len(seen[ENCODER_MAP]) == 1 and found[0][0].text == expected[number % len(texts)][0][0].text

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(number)))
    assert state_of(mixed) == before
    tally("library calls from threads that share a model", number)


@pytest.mark.parametrize("name", ["swap_stage", "stop_after", "ablate_heads", "ablate_latents"])
def test_a_changed_model_is_refused_to_other_threads(name, model):
    blocks = {
        "swap_stage": lambda: swap_stage(model, "encoder", model.encoder, TEXT, None),
        "stop_after": lambda: i.stop_after(model, 1),
        "ablate_heads": lambda: i.ablate_heads(model, 1, 1),
        "ablate_latents": lambda: i.ablate_latents(model, 1),
    }
    before = fill_mask(model, TEXT)
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        stack.enter_context(blocks[name]())
        stack.enter_context(i.without_layers(model, 2))  # one thread may nest them
        fill_mask(model, TEXT)
        for call in ("fill_mask", "swap_stage", "without_layers"):
            with pytest.raises(InputError, match="another thread changes this model"):
                pool.submit(CALLS[call], model).result(timeout=60)
    assert fill_mask(model, TEXT) == before


def test_a_model_in_use_is_not_changed(model):
    running, go_on = threading.Event(), threading.Event()
    model.encoder.register_forward_pre_hook(lambda *_: running.set())
    model.mlm_head.register_forward_pre_hook(lambda *_: go_on.wait(60) and None)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(fill_mask, model, TEXT)
        assert running.wait(60)
        with pytest.raises(InputError, match="another thread"), i.without_layers(model, 1):
            pass
        go_on.set()
        assert answer.result(timeout=60)


def test_a_compiled_model_is_recorded_and_not_silently_left_unchanged(model):
    compiled = torch.compile(model, backend="eager")
    expected = model(IDS)
    compiled(IDS)
    with record(compiled, ["encoder", ENCODER_MAP]) as seen:
        torch.testing.assert_close(compiled(IDS), expected)
    assert [len(tensors) for tensors in seen.values()] == [1, 1]
    with pytest.raises(InputError, match="compiled"), i.without_layers(compiled, 1):
        pass
    model.compile(backend="eager")
    model(IDS)
    with i.stop_after(model, 0):
        assert not torch.allclose(model(IDS), expected)


def test_a_compiled_model_and_its_original_are_one_model(model):
    """Left in the order in which they were entered, as threads may do."""
    first = ExitStack()
    first.enter_context(eval_mode(torch.compile(model.train())))
    with eval_mode(model):
        first.close()
        assert not any(module.training for module in model.modules())
    assert all(module.training for module in model.modules())


BAD_INPUTS = [
    {"positions": torch.tensor([-1])},
    {"positions": torch.tensor([29])},
    {"positions": [-1]},
    {"input_ids": torch.tensor([[262]])},
    {"input_ids": torch.tensor([[-1]])},
    {"input_ids": [[4]]},
    {"mask": [[True]]},
]


@pytest.mark.parametrize("bad", BAD_INPUTS)
@pytest.mark.parametrize("fast", [False, True])
def test_bad_inputs_get_the_promised_error(bad, fast, model):
    model = optimize(model) if fast else model
    with pytest.raises(InputError, match=f"^{next(iter(bad))} must be"):
        model(**({"input_ids": torch.tensor([[4]])} | bad))


@pytest.mark.parametrize("pooling", [[0.9], [-1], [5], [], [True, 0.5], "no", 3, None, ["0"]])
def test_a_bad_pooling_gets_the_promised_error(pooling, model):
    with pytest.raises(InputError, match="choose from mean, query, bytes"):
        extract_features(model, ["one"], pooling, progress=False)


@pytest.mark.parametrize(
    "bad",
    [{"seed": 10**30}, {"seed": 0.5}, {"batch_size": 0}, {"batch_size": -1}, {"fraction": float("nan")}],
)
def test_bad_numbers_for_an_evaluation_are_named(bad, model):
    with pytest.raises(InputError, match=f"^{next(iter(bad))} must be"):
        evaluate(model, CROPS, **bad)
