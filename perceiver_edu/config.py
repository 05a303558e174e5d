"""The sizes of one model. Field names are Hugging Face's; a comment gives the paper's symbol."""

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from perceiver_edu.errors import InputError, brief

if TYPE_CHECKING:
    from transformers import PerceiverConfig

GELU_FORMS = {  # Hugging Face's name -> the `approximate` argument of torch's gelu
    "gelu": "none",
    "gelu_python": "none",
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "gelu_python_tanh": "tanh",
    "gelu_accurate": "tanh",
    "gelu_fast": "tanh",
}

# Hugging Face's PerceiverForMaskedLM ignores its config in the decoder: these two are written into the class.
DECODER_HEADS = 8
DECODER_QK_CHANNELS = 8 * 32


@dataclass(frozen=True)
class PerceiverIOConfig:
    """The sizes of one model; by default `deepmind/language-perceiver`, which has 201,108,230 parameters.

    Fields have Hugging Face's names; a comment gives the paper's symbol.

    Raises: InputError, naming the field, if no model of these sizes exists.
    """

    vocab_size: int = 262  # V: 256 bytes + 6 special ids
    max_position_embeddings: int = 2048  # M: input positions, and as many output queries (O)
    d_model: int = 768  # C: channels of the inputs; also E, channels of the output queries
    num_latents: int = 256  # N
    d_latents: int = 1280  # D
    num_blocks: int = 1  # times the same stack of self-attends is applied
    num_self_attends_per_block: int = 26  # L: depth of that stack
    num_self_attention_heads: int = 8
    num_cross_attention_heads: int = 8  # heads of the encoder's cross-attend; the decoder has 8
    qk_channels: int | None = 256  # width of queries and keys in encoder and processor, all heads together
    v_channels: int | None = 1280  # width of values, all heads together
    cross_attention_shape_for_attention: str = "kv"  # whose width qk_channels=None takes in the encoder
    cross_attention_widening_factor: int = 1  # hidden width of the encoder's MLP / D
    self_attention_widening_factor: int = 1  # hidden width of the processor's MLPs / D
    hidden_act: str = "gelu"  # "gelu" is exact (erf); "gelu_new" is the tanh form that DeepMind trained with
    use_query_residual: bool = True  # whether the encoder adds the latents to what they read
    attention_probs_dropout_prob: float = 0.1  # only while training
    initializer_range: float = 0.02  # standard deviation of fresh weights

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in ("int", int) or (
                field.name in ("qk_channels", "v_channels") and value is not None
            ):
                smallest = 0 if field.name == "num_self_attends_per_block" else 1
                if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value < 2**63:
                    raise InputError(f"{field.name} must be a whole number ≥ {smallest}, got {brief(value)}")
        for name in ("attention_probs_dropout_prob", "initializer_range"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
                raise InputError(f"{name} must be a number in [0, 1), got {brief(value)}")
        if not isinstance(self.use_query_residual, bool):
            got = brief(self.use_query_residual)
            raise InputError(f"use_query_residual must be true or false, got {got}")
        if not isinstance(self.hidden_act, str) or self.hidden_act not in GELU_FORMS:
            raise InputError(
                f"hidden_act {brief(self.hidden_act)} is not supported; known: {', '.join(GELU_FORMS)}"
            )
        if self.cross_attention_shape_for_attention not in ("q", "kv"):
            raise InputError(
                "cross_attention_shape_for_attention must be 'q' or 'kv', "
                f"got {brief(self.cross_attention_shape_for_attention)}"
            )

        def divisible(name: str, value: int, heads_name: str, heads: int) -> None:
            if value % heads:
                raise InputError(f"{name} ({value}) must be divisible by {heads_name} ({heads})")

        for heads_name in ("num_self_attention_heads", "num_cross_attention_heads"):
            divisible("d_latents", self.d_latents, heads_name, getattr(self, heads_name))
        divisible("qk_channels", self.encoder_qk, "num_cross_attention_heads", self.num_cross_attention_heads)
        divisible("v_channels", self.encoder_v, "num_cross_attention_heads", self.num_cross_attention_heads)
        divisible(
            "d_model", self.d_model, "the decoder's heads, fixed by Hugging Face's class", DECODER_HEADS
        )
        if self.num_self_attends_per_block:
            divisible(
                "qk_channels", self.processor_qk, "num_self_attention_heads", self.num_self_attention_heads
            )
            if self.processor_v != self.d_latents:
                raise InputError(
                    f"v_channels must equal d_latents ({self.d_latents}), got {self.processor_v}: "
                    "a self-attend adds its values to the latents (unset, v_channels follows qk_channels)"
                )

    @property
    def encoder_qk(self) -> int:
        return attention_widths(self, self.d_model).encoder_qk

    @property
    def encoder_v(self) -> int:
        return attention_widths(self, self.d_model).encoder_v

    @property
    def processor_qk(self) -> int:
        return attention_widths(self, self.d_model).processor_qk

    @property
    def processor_v(self) -> int:
        return attention_widths(self, self.d_model).processor_v

    @property
    def gelu(self) -> str:
        """ "none" (exact) or "tanh", the `approximate` argument of `torch.nn.GELU`."""
        return GELU_FORMS[self.hidden_act]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Widths(NamedTuple):
    """Channels of queries and keys, and of values, all heads together."""

    encoder_qk: int
    encoder_v: int
    processor_qk: int
    processor_v: int


def attention_widths(config: "PerceiverIOConfig | PerceiverConfig", d_inputs: int) -> Widths:
    """The widths that a config asks for; what an unset one means is Hugging Face's choice. d_inputs: C."""
    of_keys = config.cross_attention_shape_for_attention == "kv"
    encoder_qk = config.qk_channels or (d_inputs if of_keys else config.d_latents)
    processor_qk = config.qk_channels or config.d_latents
    return Widths(
        encoder_qk, config.v_channels or encoder_qk, processor_qk, config.v_channels or processor_qk
    )
