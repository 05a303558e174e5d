"""The capstone of notebook 05: a whole model, assembled from what the learner wrote in notebooks 01 to 04."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from perceiver_edu.attention import MLP
from perceiver_edu.borrow import eval_mode
from perceiver_edu.config import DECODER_HEADS, DECODER_QK_CHANNELS, PerceiverIOConfig
from perceiver_edu.course import kept
from perceiver_edu.course.checks import judge
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises import find
from perceiver_edu.course.guard import explain_error
from perceiver_edu.course.kept import PARTS
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import DONE, WAITING, Report
from perceiver_edu.course.swap import call
from perceiver_edu.embedding import Embedding
from perceiver_edu.instruments.parity import BOUNDARIES, Row, difference
from perceiver_edu.instruments.tracing import record
from perceiver_edu.language import to_translate
from perceiver_edu.processor import Processor


@dataclass
class Parts:
    """Six functions that take what their exercises' stubs take, and modules that hold the layers for them."""

    encode: Callable
    cross_attention: Callable
    self_attend: Callable
    stack: Callable
    decode: Callable
    tied_head: Callable
    whose: dict[str, str] = field(default_factory=dict, compare=False)  # part -> whose code it is, and why
    yours: list[str] = field(default_factory=list, compare=False)  # the parts that are the learner's own

    def embedding(self, c: PerceiverIOConfig) -> nn.Module:
        """The library's embedding, for which there is no exercise."""
        return Embedding(c.vocab_size, c.max_position_embeddings, c.d_model)

    def reader(self, c: PerceiverIOConfig) -> nn.ModuleDict:
        """The parts of the encoder: D-wide queries, C-wide keys and values."""
        sizes = c.encoder_qk, c.encoder_v, c.num_cross_attention_heads, c.cross_attention_widening_factor
        return self.cross_attend(c.d_latents, c.d_model, *sizes)

    def layer(self, c: PerceiverIOConfig) -> nn.Module:
        """One layer of the processor."""
        sizes = c.processor_qk, c.processor_v, c.num_self_attention_heads, c.self_attention_widening_factor
        return Layer(self.self_attend, c.d_latents, *sizes)

    def writer(self, c: PerceiverIOConfig) -> nn.ModuleDict:
        """The parts of the decoder: E-wide queries, D-wide keys and values."""
        sizes = DECODER_QK_CHANNELS, c.d_model, DECODER_HEADS
        return self.cross_attend(c.d_model, c.d_latents, *sizes)

    def cross_attend(self, q_dim, kv_dim, qk_channels, v_channels, num_heads, widening=1) -> nn.ModuleDict:
        """The five parts of a cross-attend, with the learner's attention."""
        attention = Attention(self.cross_attention, q_dim, kv_dim, qk_channels, v_channels, num_heads)
        norms = {name: nn.LayerNorm(q_dim) for name in ("q_norm", "mlp_norm")}
        parts = norms | {"kv_norm": nn.LayerNorm(kv_dim), "attention": attention}
        return nn.ModuleDict(parts | {"mlp": MLP(q_dim, widening)})

    def report(self) -> Report:
        yours = len(self.yours)
        report = Report(
            translated("{yours} of {all} parts are your own code", yours=yours, all=len(PARTS)),
            DONE if yours == len(PARTS) else WAITING,
        )
        rows = [(f"`{name}`", PARTS[name], who) for name, who in self.whose.items()]
        return report.table((translated("part"), translated("exercise"), translated("whose code")), rows)

    def __repr__(self):
        return repr(self.report())

    def _repr_html_(self):
        return self.report()._repr_html_()


class Attention(nn.Module):
    """The four layers of one attention, and the function of notebook 02 that uses them."""

    def __init__(self, function, q_dim, kv_dim, qk_channels, v_channels, num_heads):
        super().__init__()
        self.function, self.num_heads = function, num_heads
        self.query = nn.Linear(q_dim, qk_channels)
        self.key = nn.Linear(kv_dim, qk_channels)
        self.value = nn.Linear(kv_dim, v_channels)
        self.output = nn.Linear(v_channels, q_dim)

    def forward(self, x_q, x_kv, kv_mask=None):
        """x_q (B, Q, q_dim), x_kv (B, K, kv_dim), kv_mask (B, K) bool -> (B, Q, q_dim)."""
        layers = self.query, self.key, self.value, self.output
        return self.function(x_q, x_kv, *layers, self.num_heads, kv_mask)


class Layer(nn.Module):
    """The layers of one self-attend, and the function of notebook 03 that uses them."""

    def __init__(self, function, dim, qk_channels, v_channels, num_heads, widening=1):
        super().__init__()
        self.function = function
        self.q_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(None, dim, dim, qk_channels, v_channels, num_heads)
        self.mlp = MLP(dim, widening)

    def forward(self, x):
        """x (B, N, dim) -> (B, N, dim)."""
        a, m = self.attention, self.mlp
        before, after = (
            (self.q_norm, a.query, a.key, a.value, a.output),
            (self.mlp_norm, m.expand, m.contract),
        )
        return self.function(x, *before, *after, a.num_heads)


class Assembled(nn.Module):
    """The model of the exercise 05.my_perceiver: the library's answer."""

    def __init__(self, config, mine):
        super().__init__()
        c, self.mine = config, mine
        self.embedding = mine.embedding(c)
        self.latents = nn.Parameter(torch.zeros(c.num_latents, c.d_latents))
        self.reader = mine.reader(c)
        self.stack = mine.stack(c.num_self_attends_per_block, c.num_blocks, lambda: mine.layer(c))
        self.queries = nn.Parameter(torch.zeros(c.max_position_embeddings, c.d_model))
        self.writer = mine.writer(c)
        self.bias = nn.Parameter(torch.zeros(c.vocab_size))
        layers = [name for name, part in self.stack.named_modules() if isinstance(part, Layer)]
        self.renames = [
            ("perceiver.input_preprocessor.embeddings", "embedding.byte_embedding"),
            ("perceiver.input_preprocessor.position_embeddings", "embedding.position_embedding"),
            ("perceiver.embeddings.latents", "latents"),
            ("perceiver.encoder.cross_attention", "reader"),
            *((f"perceiver.encoder.self_attends.{i}.", f"stack.{name}.") for i, name in enumerate(layers)),
            ("perceiver.decoder.output_position_encodings.position_embeddings", "queries"),
            ("perceiver.decoder.decoding_cross_attention", "writer"),
            ("embedding_decoder.bias", "bias"),
            ("attention.self.layernorm1", "q_norm"),
            ("attention.self.layernorm2", "kv_norm"),
            ("attention.self", "attention"),
            ("attention.output.dense", "attention.output"),
            ("layernorm", "mlp_norm"),
            ("mlp.dense1", "mlp.expand"),
            ("mlp.dense2", "mlp.contract"),
        ]

    def forward(self, ids, mask=None, positions=None):
        """ids (B, M), mask (B, M) bool, positions (O,) -> {"inputs": …, "logits": (B, O, V)}."""
        r, w = self.reader, self.writer
        inputs = self.embedding(ids)  # (B, M, C)
        latents = self.latents.expand(len(ids), -1, -1)  # (B, N, D)
        read = latents + r.attention(r.q_norm(latents), r.kv_norm(inputs), mask)
        encoded = read + r.mlp(r.mlp_norm(read))
        processed = self.stack(encoded)
        queries = self.queries if positions is None else self.queries[positions]  # (O, E)
        norms = w.q_norm, w.kv_norm, w.attention, w.mlp_norm, w.mlp
        outputs = self.mine.decode(queries[None], processed, *norms)
        logits = self.mine.tied_head(outputs, self.embedding, self.bias)
        arrays = inputs, encoded, processed, outputs, logits
        return dict(zip(BOUNDARIES, arrays, strict=True))


def library_stack(num_layers, num_blocks, make_layer) -> Processor:
    stack = Processor(0, 0, num_blocks)
    stack.self_attends.extend(make_layer() for _ in range(num_layers))
    return stack


def library_parts() -> Parts:
    """The library's own code for each part."""
    exercises = {name: find(exercise_id) for name, exercise_id in PARTS.items()}
    functions = {name: by_name(each.reference or each.variant, each) for name, each in exercises.items()}
    return Parts(
        **functions | {"stack": library_stack}, whose={name: translated("the library's") for name in PARTS}
    )


def collect() -> Parts:
    """The parts of a model: the learner's own code where the exercise is done, the library's elsewhere.

    Each answer that is kept (see `kept`) is checked again before it is used, and the reason is given where
    it is not.
    """
    parts = library_parts()
    for name, exercise_id in PARTS.items():
        exercise = find(exercise_id)
        function, why = own(exercise)
        if function is None:
            parts.whose[name] = translated("the library's: {why}", why=why)
        else:
            setattr(parts, name, function)
            parts.whose[name] = translated("yours: {file}", file=f"{kept.ANSWERS}/{exercise_id}.py")
            parts.yours.append(name)
    return parts


def own(exercise: Exercise) -> tuple[Callable | None, str]:
    """The learner's function of the stub's arguments; or None, and why there is none."""
    try:
        learner = kept.load(exercise.id, exercise.name)
        if learner is None:
            return None, translated("no answer is kept; solve the exercise, or run its check once more")
        with torch.no_grad():
            report = judge(replace(exercise, in_model=None), learner, Report(exercise.title))
        if not report.ok:
            lacks = kept.missing_names(kept.answer_file(exercise.id).read_text("utf-8"))
            return None, kept.say_missing(lacks) if lacks else translated(
                "your kept answer fails its check here"
            )
        return by_name(exercise.accept(learner, exercise), exercise), ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a learner's code does when it is read
        return None, explain_error(error, {}, to_translate("your answer cannot be read")).problem


def by_name(function: Callable, exercise: Exercise) -> Callable:
    """A function called as the stub is, by position or by name; what is left out is None."""
    names = exercise.arguments

    def part(*args, **kwargs):
        given = dict(zip(names, args, strict=False)) | kwargs
        return call(function, {name: given.get(name) for name in names})

    return part


def renamed(state: dict[str, torch.Tensor], renames) -> dict[str, torch.Tensor]:
    """A state dict in which, pair by pair, `old` in each name has become `new`."""
    for old, new in renames:
        state = {name.replace(old, new): tensor for name, tensor in state.items()}
    return state


def assemble(learner: type[nn.Module], config: PerceiverIOConfig, mine: Parts) -> nn.Module:
    """The learner's model of these parts; the library's class stands in, and says so, where theirs is not
    written yet."""
    try:
        model = learner(config, mine)
        model.eval()(torch.tensor([[4, 5]]))  # [CLS], [SEP]
        print(translated("assembled by your class {name}", name=learner.__name__))
        return model
    except NotImplementedError:
        print(translated("{name} is not written yet: the library's class stands in", name=learner.__name__))
        return Assembled(config, mine).eval()


@torch.no_grad()
def compare_assembled(
    mine: nn.Module, reference: nn.Module, ids: torch.Tensor, mask: torch.Tensor
) -> list[Row]:
    """The ledger's rows for an assembled model beside our model, or Hugging Face's."""
    ours = hasattr(reference, "mlm_head")
    names = {boundary: pair[0 if ours else 1] for boundary, pair in BOUNDARIES.items()}
    with eval_mode(reference), record(reference, names.values()) as seen:
        reference(ids, mask) if ours else reference(ids, attention_mask=mask.long())
    arrays: dict[str, Any] = mine(ids, mask)
    return [difference(boundary, arrays[boundary], seen[name][0]) for boundary, name in names.items()]
