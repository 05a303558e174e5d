"""Who takes part in a benchmark: Hugging Face in its forms, its ONNX export, and this library in its."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from perceiver_edu import ByteTokenizer, PerceiverIOForMaskedLM
from perceiver_edu.instruments import huggingface_twin
from perceiver_edu.optimize import optimize


class Job(NamedTuple):
    """What is to be computed."""

    weights: str  # a name for `load_pretrained`
    title: str
    texts: list[str]
    asked: range | None  # the output positions that are wanted; None = all
    padded: bool  # whether the texts fill the model's whole length


class Contender(NamedTuple):
    """One way to do a job: `run()` -> logits of the asked positions (B, O, V)."""

    name: str
    ours: bool
    precision: str  # "fp32", "bf16" or "int8"
    run: Callable[[], torch.Tensor]
    followed: bool = False  # whether its memory can be followed tensor by tensor

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.precision


def contenders(
    job: Job, model: PerceiverIOForMaskedLM, precisions: list[str], device: str
) -> Iterator[Contender]:
    """All of a job's; the first is Hugging Face eager fp32, padded as its tokenizer pads."""
    longest = model.config.max_position_embeddings
    ids, mask = (x.to(device) for x in ByteTokenizer().batch(job.texts, pad_to=longest, truncation=True))
    cut = int(mask.sum(1).max())
    short, short_mask = ids[:, :cut], mask[:, :cut]
    positions = None if job.asked is None else torch.tensor(job.asked, device=device)
    rows = slice(None) if positions is None else positions
    twin = huggingface_twin(model)

    def theirs(hf_model, ids, mask):
        return lambda: hf_model(inputs=ids, attention_mask=mask.long()).logits[:, rows]

    def ours(fast):
        return lambda: fast(short, short_mask, positions)

    found = [Contender("HF eager, padded", False, "fp32", theirs(twin, ids, mask), True)]
    shapes = [] if job.padded else [("unpadded", short, short_mask)]
    for name, *inputs in shapes:
        found.append(Contender(f"HF eager, {name}", False, "fp32", theirs(twin, *inputs), True))
    compiled = torch.compile(twin, mode="reduce-overhead" if device == "cuda" else None)
    found.append(Contender("HF compiled", False, "fp32", theirs(compiled, short, short_mask)))
    if device == "cpu":
        found.append(Contender("HF in ONNX Runtime", False, "fp32", onnx(twin, short, short_mask, rows)))
    found.append(Contender("readable stages", True, "fp32", ours(model), True))
    found.append(Contender("optimize()", True, "fp32", ours(optimize(model)), True))
    found.append(Contender("optimize(compile)", True, "fp32", ours(optimize(model, compile=True))))
    if "bf16" in precisions:
        half = huggingface_twin(model).bfloat16()
        found.append(Contender("HF eager, unpadded", False, "bf16", theirs(half, short, short_mask), True))
        compiled = torch.compile(half, mode="reduce-overhead" if device == "cuda" else None)
        found.append(Contender("HF compiled", False, "bf16", theirs(compiled, short, short_mask)))
        found.append(Contender("optimize()", True, "bf16", ours(optimize(model, dtype=torch.bfloat16)), True))
        fast = optimize(model, dtype=torch.bfloat16, compile=True)
        found.append(Contender("optimize(compile)", True, "bf16", ours(fast)))
    if "int8" in precisions:
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        small = quantize_dynamic(huggingface_twin(model), {nn.Linear: per_channel_dynamic_qconfig})
        found.append(Contender("HF eager, unpadded", False, "int8", theirs(small, short, short_mask)))
        run = onnx(twin, short, short_mask, rows, int8=True)
        found.append(Contender("HF in ONNX Runtime", False, "int8", run))
        found.append(Contender("optimize()", True, "int8", ours(optimize(model, int8=True))))
    yield from found


def onnx(hf_model, ids, mask, rows, int8=False) -> Callable[[], torch.Tensor]:
    """Hugging Face's model, exported for these sizes, run by ONNX Runtime with as many threads as torch."""
    session = []

    def start():
        import tempfile
        from pathlib import Path

        import onnxruntime

        class Logits(nn.Module):
            def __init__(self):
                super().__init__()
                self.model = hf_model

            def forward(self, ids, mask):
                return self.model(inputs=ids, attention_mask=mask).logits

        folder = tempfile.mkdtemp()
        path = Path(folder) / "model.onnx"
        torch.onnx.export(Logits(), (ids, mask.long()), path, dynamo=True, verbose=False, external_data=True)
        if int8:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            small = Path(folder) / "int8.onnx"
            quantize_dynamic(
                path, small, weight_type=QuantType.QInt8, per_channel=True, use_external_data_format=True
            )
            path = small
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session.append(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))

    def run():
        if not session:
            start()
        names = [value.name for value in session[0].get_inputs()]
        inputs = dict(zip(names, (ids.numpy(), mask.long().numpy()), strict=False))
        [logits] = session[0].run(None, inputs)
        return torch.from_numpy(np.ascontiguousarray(logits))[:, rows]

    return run
