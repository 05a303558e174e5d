"""The fast model on OpenVINO, a library of CPU kernels: converted once, for all sizes, and kept in a folder.

fast = optimize(model, engine="openvino")
fast.save("fast")
fast = load_optimized("fast")  # a second or two, without conversion
"""

import hashlib
import json
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.data import HELD_OUT
from perceiver_edu.errors import InputError, choose, library
from perceiver_edu.fast import Arrays, FastPerceiverIO, without_padding
from perceiver_edu.model import check_inputs
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.weights.files import sha256_of_each
from perceiver_edu.writing import whole_folder, write_whole

GRAPH, WEIGHTS, ABOUT = "openvino.xml", "openvino.bin", "perceiver_io.json"
SUM = "sha256"  # in `ABOUT`
PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}
CALIBRATION, CHECK = 10, 8  # texts that set the scales of int8 (32 do it no better); others measure it


# Without this, OpenVINO and NNCF report to Google.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


class OpenVINOPerceiverIO(nn.Module):
    """`PerceiverIOForMaskedLM`, for inference, in OpenVINO. See `optimize`.

    Two compilations, each made when it is first needed, serve texts and queries of every size: one is for a
    single text, the other for batches. Calls from several threads wait for each other.
    """

    engine = "openvino"
    device = torch.device("cpu")

    def __init__(
        self, graph: Any, config: PerceiverIOConfig, precision: str, int8_error: float | None = None
    ):
        """graph: an `openvino.Model`; precision: "f32" or "bf16", of everything that is not int8.

        int8_error: largest error of a logit on other texts than those of the calibration, as a share of the
            largest logit; None = not int8.
        """
        super().__init__()
        choose("precision", precision, PRECISIONS.values())
        self.graph, self.config, self.precision, self.int8_error = graph, config, precision, int8_error
        self.compiled: dict[bool, Any] = {}  # for a single text: True; for batches: False
        self.turn = threading.Lock()
        self.on_cpu = nn.Parameter(torch.empty(0), requires_grad=False)  # says where inputs belong
        self.eval()

    def forward(self, input_ids, mask=None, positions=None):
        """As `PerceiverIOForMaskedLM.forward`: (B, M), (B, M) bool, (O,) or (B, O) -> logits (B, O, V)."""
        return self.arrays(input_ids, mask, positions).logits

    def arrays(
        self, input_ids: Tensor, mask: Tensor | None = None, positions: Tensor | None = None
    ) -> Arrays:
        """As `forward`, with the latents and outputs that the logits are made of."""
        check_inputs(self.config, input_ids, mask, positions)
        if not input_ids.shape[1]:  # its kernels return what happens to be in memory
            raise InputError('OpenVINO reads one id or more, got none: use engine="torch"')
        input_ids, mask = without_padding(input_ids, mask)
        if mask is None:
            mask = torch.ones_like(input_ids, dtype=torch.bool)
        if positions is None:
            positions = torch.arange(self.config.max_position_embeddings)
        positions = positions.expand(len(input_ids), -1)
        given = [tensor.cpu().contiguous().numpy() for tensor in (input_ids.long(), mask, positions)]
        with self.turn:
            found = self.compiled_for(single=len(input_ids) == 1)(given)
        return Arrays(*(torch.from_numpy(found[number]) for number in range(3)))

    def compiled_for(self, single: bool) -> Any:
        if single not in self.compiled:
            options = {
                "INFERENCE_PRECISION_HINT": self.precision,
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "PERFORMANCE_HINT": "LATENCY",
            }
            graph = self.graph_for(single)
            self.compiled[single] = library("openvino", "fast").compile_model(graph, "CPU", options)
        return self.compiled[single]

    def graph_for(self, single: bool) -> Any:
        """The graph. For a single text the shape of the latents is known beforehand, which saves about 6 % of
        the time of the compiled graph for any batch (measured with both sets of weights)."""
        graph = self.graph
        if single:
            graph = graph.clone()  # shares the weights
            graph.reshape({given: [1, given.partial_shape[1]] for given in graph.inputs})
        return graph

    def save(self, folder: str | os.PathLike) -> None:
        """Write a folder that `load_optimized` opens. It appears when it is whole.

        Raises: InputError where there is a folder of this name already, or it cannot be written.
        """
        check_new(folder)
        folder = Path(folder)
        about: dict[str, Any] = {"config": asdict(self.config), "precision": self.precision}
        about["int8_error"] = self.int8_error
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with whole_folder(folder) as unfinished:
                library("openvino", "fast").save_model(self.graph, unfinished / GRAPH, compress_to_fp16=False)
                about[SUM] = content_sum(unfinished, about)
                write_whole(unfinished / ABOUT, json.dumps(about, indent=2).encode())
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror}") from None


def check_new(folder: str | os.PathLike) -> None:
    """Raises: InputError where something is there already, if only a link, and for what is no path."""
    try:
        os.lstat(folder)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {folder}: {getattr(error, 'strerror', None) or error}") from None
    raise InputError(f"{folder} exists already: remove it, or name another folder")


def is_optimized(folder: str | os.PathLike) -> bool:
    """Whether this is a folder that `OpenVINOPerceiverIO.save` wrote."""
    return (Path(folder) / ABOUT).is_file()


def content_sum(folder: Path, about: dict[str, Any]) -> str:
    """SHA-256 of the graph and its weights, and of what `ABOUT` says of them."""
    sums = sha256_of_each([folder / GRAPH, folder / WEIGHTS])
    return hashlib.sha256(json.dumps([about, *sums], sort_keys=True).encode()).hexdigest()


def load_optimized(folder: str | os.PathLike) -> OpenVINOPerceiverIO:
    """What `OpenVINOPerceiverIO.save` wrote. Load only folders that you, or people you trust, have saved.

    Raises: InputError for a folder without it, or a damaged one, and where OpenVINO is not installed.
    """
    folder, openvino = Path(folder), library("openvino", "fast")
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        whole = about.pop(SUM, None) == content_sum(folder, about)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} is missing: was {folder} saved by `fast.save`?") from None
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, RecursionError):  # `ABOUT` is no JSON, or no object
        whole = False
    if not whole:
        raise InputError(
            f"{folder} is damaged, or an earlier version saved it: remove it, and run "
            "`perceiver-edu optimize` again"
        )
    try:
        graph, config = openvino.Core().read_model(folder / GRAPH), PerceiverIOConfig(**about["config"])
    except (RuntimeError, TypeError) as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise InputError(
            f"{folder} cannot be opened by this version: {reason}; remove it, and run "
            "`perceiver-edu optimize` again"
        ) from None
    return OpenVINOPerceiverIO(graph, config, about["precision"], about["int8_error"])


def convert(fast: FastPerceiverIO, int8: bool = False) -> OpenVINOPerceiverIO:
    """The torch model, by `torch.export`, as a graph of OpenVINO with three inputs of any size.

    Raises: InputError for a model on a GPU or in a dtype that OpenVINO does not run, and where a library is
    not installed.
    """
    dtype = fast.bias.dtype
    if fast.device.type != "cpu" or dtype not in PRECISIONS:
        raise InputError(
            f"OpenVINO runs float32 and bfloat16 on the CPU, and this model is {dtype} on {fast.device}: "
            'use engine="torch"'
        )
    openvino, fast = library("openvino", "fast"), fast.float()
    if int8:
        library("nncf", "fast")  # known to be there before the conversion, which takes a while
    ids, positions = torch.zeros(2, 8, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.int64)
    longest = fast.config.max_position_embeddings
    B, M, O = torch.export.Dim("B"), torch.export.Dim("M", max=longest), torch.export.Dim("O")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's, of torch's own code
        program = torch.export.export(
            ForConversion(fast),
            (ids, ids == 0, positions),
            dynamic_shapes=({0: B, 1: M}, {0: B, 1: M}, {0: B, 1: O}),
        )
        graph = openvino.convert_model(program)
    if not int8:
        return OpenVINOPerceiverIO(graph, fast.config, PRECISIONS[dtype])
    rows = list(examples(longest, CALIBRATION + CHECK))
    small = OpenVINOPerceiverIO(quantized(graph, rows[:CALIBRATION]), fast.config, PRECISIONS[dtype])
    errors = []
    for ids, mask, positions in rows[CALIBRATION:]:
        exact = fast(ids, mask, positions)
        errors.append(float((small(ids, mask, positions) - exact).abs().max() / exact.abs().max()))
    small.int8_error = max(errors)
    return small


class ForConversion(nn.Module):
    """`FastPerceiverIO.run` as a module's `forward`, which is what `torch.export` takes."""

    def __init__(self, fast: FastPerceiverIO):
        super().__init__()
        self.fast = fast

    def forward(self, input_ids, mask, positions):
        return tuple(self.fast.run(input_ids, mask, positions))


def quantized(graph: Any, rows: list[tuple[Tensor, ...]]) -> Any:
    """The graph with matrix products in 8-bit integers: one scale for each output of a weight matrix, and one
    for each array of activations, fixed here by the smallest and largest numbers that these texts give.

    NNCF's SmoothQuant is off: with it the largest error of the embedded model is four times as large.
    """
    nncf = library("nncf", "fast")
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    given = [[tensor.numpy() for tensor in row] for row in rows]
    settings = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1),
        disable_bias_correction=True,
    )
    with redirect_stdout(sys.stderr):  # its progress bars
        return nncf.quantize(
            graph,
            nncf.Dataset(given),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(given),
            advanced_parameters=settings,
        )


def examples(longest: int, number: int) -> Iterator[tuple[Tensor, ...]]:
    """Held-out texts of many lengths with a hole of up to 9 bytes: ids and mask (1, M), positions (1, O)."""
    tokenizer = ByteTokenizer()
    lines = HELD_OUT.read_text("utf-8").splitlines()
    for count in range(number):
        text = json.loads(lines[count % len(lines)])["text"]
        length = min(longest, 16 + 24 * (count % 10))
        ids = torch.tensor([tokenizer.encode(text, max_length=length, truncation=True)])
        hole = torch.arange(ids.shape[1] // 3, min(ids.shape[1] // 3 + 9, ids.shape[1] - 1))
        ids[0, hole] = tokenizer.MASK
        yield ids, torch.ones_like(ids, dtype=torch.bool), hole[None]
