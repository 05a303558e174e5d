"""Models that are wrong on purpose: a tiny one beside Hugging Face's, and bugs to plant into ours."""

import torch

from perceiver_edu.errors import InputError
from perceiver_edu.language import to_translate
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.weights.pretrained import from_huggingface

# No two sizes are equal unless they must be, so that an axis in the wrong place is an error or a difference.
TINY = dict(
    max_position_embeddings=31,
    d_model=24,
    num_latents=7,
    d_latents=20,
    num_blocks=1,
    num_self_attends_per_block=5,
    num_self_attention_heads=2,
    num_cross_attention_heads=5,
    qk_channels=10,
    v_channels=20,
    cross_attention_widening_factor=2,
    self_attention_widening_factor=3,
)
TINY_TEXTS = ["Read é, 中 and 🙂.", "A b."]  # the second is much shorter: its row is padded


def tiny_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """ids (2, 25) and mask (2, 25): two texts, the second of them mostly padding."""
    return ByteTokenizer().batch(TINY_TEXTS, pad_to=25)


def tiny_pair(std: float | None = 0.5, dtype=torch.float64, seed: int = 0, **changes):
    """A tiny model twice: ours, and `transformers.PerceiverForMaskedLM` with the same weights.

    Every parameter is drawn anew from N(0, std), the norms and biases too; `std=None` leaves the weights as
    they are initialised. `changes` are fields of the config.
    """
    from transformers import PerceiverConfig, PerceiverForMaskedLM

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        hf_model = PerceiverForMaskedLM(PerceiverConfig(**(TINY | changes))).to(dtype).eval()
        if std is not None:
            for parameter in hf_model.parameters():
                parameter.normal_(std=std)
    return from_huggingface(hf_model), hf_model


# Each takes a model of ours and breaks it in place.


def tanh_gelu(model):
    for module in model.modules():
        if isinstance(module, torch.nn.GELU):
            module.approximate = "tanh"


def wrong_eps(model):
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-12


def swapped_layers(model):
    mlp = model.decoder.cross_attend.mlp
    mlp.expand, mlp.contract = mlp.contract, mlp.expand


def decoder_residual(model):
    model.decoder.cross_attend.query_residual = True


def inverted_mask(model):
    model.encoder.register_forward_pre_hook(lambda module, args: (args[0], ~args[1]))


def one_block(model):
    model.processor.num_blocks = 1


MUTATIONS = {
    to_translate("tanh GELU"): tanh_gelu,
    to_translate("LayerNorm eps 1e-12"): wrong_eps,
    to_translate("MLP layers swapped"): swapped_layers,
    to_translate("residual in the decoder"): decoder_residual,
    to_translate("mask inverted"): inverted_mask,
    to_translate("one block instead of two"): one_block,
}


# The five bugs of exercise 05.planted_bugs. No peeking.


def no_mask(model):
    model.encoder.register_forward_pre_hook(lambda module, args: (args[0], None))


def heads_in_turn(model):
    attention = model.processor.self_attends[3].attention
    attention.split_heads = lambda x: x.unflatten(-1, (-1, attention.num_heads)).movedim(-1, 1)


def tanh_in_the_decoder(model):
    model.decoder.cross_attend.mlp.activation.approximate = "tanh"


def positions_from_one(model):
    table = model.embedding.position_embedding
    table.register_forward_pre_hook(lambda module, args: (args[0] + 1,))


def eps_of_one_norm(model):
    model.processor.self_attends[1].mlp_norm.eps = 1e-12


PLANTED = {
    1: tanh_in_the_decoder,
    2: no_mask,
    3: heads_in_turn,
    4: positions_from_one,
    5: eps_of_one_norm,
}


def planted_bug(number: int, dtype=torch.float32) -> tuple[PerceiverIOForMaskedLM, object]:
    """A tiny model of ours with bug 1 to 5 in it, and Hugging Face's, which is right.

        broken, hf_model = planted_bug(1)
        print(ledger(compare_stages(broken, hf_model, *tiny_batch())))

    The weights are drawn in float64 and rounded to `dtype`, the same for both.

    Raises: InputError for another number.
    """
    if number not in PLANTED:
        raise InputError(f"there are bugs 1 to {len(PLANTED)}, got {number!r}")
    model, hf_model = tiny_pair(dtype=torch.float64)
    PLANTED[number](model)
    return model.to(dtype), hf_model.to(dtype)
