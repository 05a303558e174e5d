"""The contenders: Hugging Face's model in torch, ONNX Runtime and OpenVINO, and this library."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from perceiver_edu import ByteTokenizer, PerceiverIOForMaskedLM
from perceiver_edu.errors import library
from perceiver_edu.fast import optimize
from perceiver_edu.instruments import huggingface_copy, stage_costs, total
from perceiver_edu.openvino_engine import CALIBRATION, examples, quantized
from perceiver_edu.training.features import by_length, pad


class Job(NamedTuple):
    """What is to be computed."""

    weights: str  # a name for `load_pretrained`
    title: str
    texts: list[str]
    asked: range | None  # the output positions that are wanted; None = all
    padded: bool = False  # whether the texts fill the model's whole length
    batch_size: int = 64  # texts at a time
    rounds: int = 7  # turns of each contender


class Contender(NamedTuple):
    """One way to do a job, in as many parts as the job has batches: contenders take turns part by part."""

    name: str
    ours: bool
    precision: str  # "fp32", "bf16" or "int8"
    parts: list[Callable[[], torch.Tensor]]  # each -> logits of the asked positions (batch, O, V)
    followed: bool = False  # whether its memory can be followed tensor by tensor
    flops: int | None = None  # of all parts together, where a formula knows them
    order: list[int] | None = None  # the texts' numbers, as the parts answer them; None = 0, 1, 2, …

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.precision

    def answer(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """What the parts returned -> logits in the texts' order."""
        rows = torch.cat([output.float().cpu() for output in outputs])
        return rows if self.order is None else rows[torch.tensor(self.order).argsort()]


def contenders(
    job: Job, model: PerceiverIOForMaskedLM, precisions: list[str], device: str, everyone: bool
) -> Iterator[Contender]:
    """A job's; the first is Hugging Face eager fp32, padded as its tokenizer pads.

    `everyone`: also those that take minutes, to compile or to run, and have been the fastest nowhere yet.
    """
    longest = model.config.max_position_embeddings
    rows = [ByteTokenizer().encode(text, max_length=longest, truncation=True) for text in job.texts]
    batches = [rows[start : start + job.batch_size] for start in range(0, len(rows), job.batch_size)]
    many = len(batches) > 1
    compiled = everyone or job.weights == "embedded"
    compile_ours = compiled and (device == "cuda" or not many)  # each length anew: minutes on a CPU
    full = [[fixed(batch, longest, device)] for batch in batches]
    batched = [[pad(batch, device)] for batch in batches]  # to the longest of the batch
    same = [[fixed(batch, max(map(len, rows)), device)] for batch in batches]  # to the longest of all
    singly = [[pad([row], device) for row in batch] for batch in batches]
    sorted_batches = list(by_length(rows, job.batch_size, device))
    positions = None if job.asked is None else torch.tensor(job.asked, device=device)
    asked = slice(None) if positions is None else positions
    O = longest if positions is None else len(positions)
    flops = flops_of(model.config, [ids for _, ids, _ in sorted_batches], O)
    faster = {"mode": "reduce-overhead"} if device == "cuda" else {}

    def theirs(name, precision, hf_model, parts, followed=False):
        def run(part):
            found = [hf_model(inputs=ids, attention_mask=mask.long()).logits[:, asked] for ids, mask in part]
            return torch.cat(found)

        return Contender(name, False, precision, [partial(run, part) for part in parts], followed)

    def eager(precision, hf_model, followed=True):
        if not job.padded:
            yield theirs("HF eager, unpadded", precision, hf_model, batched, followed)
        if many and everyone:
            yield theirs("HF eager, one by one", precision, hf_model, singly, followed)

    def ours(name, precision, fast, followed=False):
        parts = [
            partial(fast, ids, None if mask.all() else mask, positions) for _, ids, mask in sorted_batches
        ]
        order = [number for numbers, _, _ in sorted_batches for number in numbers]
        return Contender(name, True, precision, parts, followed, flops, order)

    converted: dict[bool, Callable] = {}  # HF's graph in OpenVINO, which fp32 and bf16 share

    def exported(precision):
        """The peers that read one size: that of the longest text."""
        if device != "cpu":
            return
        if precision != "bf16":
            int8 = precision == "int8"
            yield Contender("HF in ONNX Runtime", False, precision, onnx(hf_copy, same, asked, int8))
        for gathered in [False] if positions is None else [False, True]:
            graph = converted.setdefault(gathered, cache(partial(hf_graph, hf_copy, same, asked, gathered)))
            name = "HF in OpenVINO, requested outputs" if gathered else "HF in OpenVINO"
            left = slice(None) if gathered else asked
            yield Contender(name, False, precision, openvino(graph, same, left, precision))

    def optimized(precision, **options):
        if device == "cpu":
            name = "optimize() in OpenVINO"
            yield ours(name, precision, optimize(model, engine="openvino", **options))
        if precision == "int8":
            return
        yield ours("optimize() in torch", precision, optimize(model, engine="torch", **options), True)
        if compile_ours:
            yield ours("optimize(compile=True)", precision, optimize(model, compile=True, **options))

    hf_copy = huggingface_copy(model)
    yield theirs("HF eager, padded", "fp32", hf_copy, full, True)  # always: all others are compared with it
    if "fp32" in precisions:
        if everyone or not many:
            yield from eager("fp32", hf_copy)
        if compiled:
            yield theirs("HF compiled", "fp32", torch.compile(hf_copy, **faster), same)
        yield from exported("fp32")
        if everyone or not many:
            yield ours("readable stages", "fp32", model, True)
        yield from optimized("fp32")
    if "bf16" in precisions:
        half = huggingface_copy(model).bfloat16()
        if job.padded:
            yield theirs("HF eager, padded", "bf16", half, full, True)
        yield from eager("bf16", half)
        if compiled:
            yield theirs("HF compiled", "bf16", torch.compile(half, **faster), same)
        yield from exported("bf16")
        yield from optimized("bf16", dtype=torch.bfloat16)
    if "int8" in precisions:
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        small = quantize_dynamic(huggingface_copy(model), {nn.Linear: per_channel_dynamic_qconfig})
        if job.padded:
            yield theirs("HF eager, padded", "int8", small, full)
        yield from eager("int8", small, followed=False)
        yield from exported("int8")
        yield from optimized("int8", int8=True)


def flops_of(config, batches: list[torch.Tensor], O: int) -> int:
    """By the formula: for batches of ids (B, M), with O outputs for each row."""
    return sum(total(stage_costs(config, M=ids.shape[1], O=O, B=len(ids))).flops for ids in batches)


def fixed(rows, length: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of ids -> ids (B, length), mask (B, length) bool."""
    ids, mask = pad([*rows, [ByteTokenizer.PAD] * length], device)  # one row more, to set the length
    return ids[:-1], mask[:-1]


class Logits(nn.Module):
    """Hugging Face's model as a function of two tensors, which returns the `asked` rows of the logits."""

    def __init__(self, hf_model, asked=slice(None)):
        super().__init__()
        self.model, self.asked = hf_model, asked

    def forward(self, ids, mask):
        return self.model(inputs=ids, attention_mask=mask).logits[:, self.asked]


def once(start) -> Callable:
    """`start()` makes a function, at its first call."""
    made = cache(start)
    return lambda *arguments: made()(*arguments)


def onnx(hf_model, parts, asked, int8=False) -> list[Callable[[], torch.Tensor]]:
    """Hugging Face's model, exported for the size of the parts, run by ONNX Runtime with torch's threads."""
    [(ids, mask)] = parts[0]
    example = (ids, mask.long())

    def start():
        import onnxruntime

        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            torch.onnx.export(Logits(hf_model), example, path, dynamo=True, verbose=False, external_data=True)
            if int8:
                from onnxruntime.quantization import QuantType, quantize_dynamic

                small = Path(folder) / "int8.onnx"
                how = dict(weight_type=QuantType.QInt8, per_channel=True, use_external_data_format=True)
                quantize_dynamic(path, small, **how)
                path = small
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]

        def run(ids, mask):
            inputs = dict(zip(names, (ids.numpy(), mask.long().numpy()), strict=False))
            [logits] = session.run(None, inputs)
            return torch.from_numpy(np.ascontiguousarray(logits))[:, asked]

        return run

    run = once(start)
    return [partial(run, ids, mask) for [(ids, mask)] in parts]


def hf_graph(hf_model, parts, asked, gathered: bool):
    """Hugging Face's model for the size of the parts, as OpenVINO reads it.

    `gathered`: only the requested outputs leave the graph, which is then made for them.
    """
    [(ids, mask)] = parts[0]
    program = torch.export.export(Logits(hf_model, asked if gathered else slice(None)), (ids, mask.long()))
    return library("openvino", "fast").convert_model(program)


def openvino(graph, parts, asked, precision) -> list[Callable[[], torch.Tensor]]:
    """The graph that `graph()` gives, run by OpenVINO with torch's threads; int8 by NNCF, as ours is."""

    def start():
        model = graph()
        if precision == "int8":
            [(ids, _)] = parts[0]
            count, length = ids.shape
            texts = [ids for ids, _, _ in examples(length, CALIBRATION)]
            rows = [fixed([row[0].tolist()] * count, length, "cpu") for row in texts]
            model = quantized(model, [(ids, mask.long()) for ids, mask in rows])
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = library("openvino", "fast").compile_model(model, "CPU", options)

        def run(ids, mask):
            return torch.from_numpy(compiled([ids.numpy(), mask.long().numpy()])[0])[:, asked]

        return run

    run = once(start)
    return [partial(run, ids, mask) for [(ids, mask)] in parts]


def training_contenders(
    model: PerceiverIOForMaskedLM, precisions: list[str], device: str, batch_size: int, compiled: bool
) -> Iterator[Contender]:
    """One training step on the same rows, hidden bytes and loss: forward, backward, AdamW.

    bf16 means autocast over weights in fp32. The learning rate is 0, which costs AdamW the same and leaves
    the weights where they were, so that every step can be compared: the answer is the latents' gradient.
    """
    longest, vocabulary = model.config.max_position_embeddings, model.config.vocab_size
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(ByteTokenizer.BYTE_OFFSET, vocabulary, (batch_size, longest), generator=draw)
    hidden = (
        torch.rand(ids.shape, generator=draw).argsort(1)[:, : longest * 15 // 100].sort(1).values
    )  # (B, O)
    targets = ids.gather(1, hidden)
    labels = torch.full_like(ids, -100).scatter(1, hidden, targets)
    ids = ids.scatter(1, hidden, ByteTokenizer.MASK)
    ids, hidden, targets, labels = (tensor.to(device) for tensor in (ids, hidden, targets, labels))

    def step(module, optimizer, latents, precision, loss_of):
        with torch.enable_grad():
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                loss = loss_of(module)
            loss.backward()
        optimizer.step()
        gradient = latents.grad.detach().clone()
        optimizer.zero_grad()
        return gradient[None]

    def their_loss(hf_model):
        return hf_model(inputs=ids, labels=labels).loss

    def our_loss(module):
        logits = module(ids, None, hidden)  # only what the loss looks at is decoded
        return nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    hf_copy = huggingface_copy(model).eval().requires_grad_(True)  # eval: no dropout, so the gradients agree
    model = model.eval().requires_grad_(True)
    sides = [
        ("HF eager", False, hf_copy, hf_copy.perceiver.embeddings.latents, their_loss),
        ("readable stages", True, model, model.encoder.latents, our_loss),
    ]
    for name, own, module, latents, loss_of in sides:
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.0, fused=True)
        for parameter in module.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()  # now AdamW's moments are there, before anybody's memory is measured
        optimizer.zero_grad()
        for precision in precisions:
            forms = {name: module}
            if compiled:
                forms["HF compiled" if not own else "readable stages, compiled"] = torch.compile(module)
            for form, runs in forms.items():
                part = partial(step, runs, optimizer, latents, precision, loss_of)
                yield Contender(form, own, precision, [part], runs is module)
