"""The five stages of Perceiver IO in the order of the data flow: the one table about them."""

from typing import NamedTuple


class Stage(NamedTuple):
    """One stage, and the array that leaves it."""

    name: str  # the module in our model, `model.encoder`, and its file, encoder.py
    operation: str
    array: str  # what leaves it, in the words of the paper's figure
    shape: str
    boundary: str  # that array in a comparison of two models, where the two arrays of latents need two names
    huggingface: str  # the module of `transformers.PerceiverForMaskedLM` that this array leaves
    notebook: str  # where the learner builds it
    section: str  # of the paper
    colour: str  # of the stage in charts: Okabe and Ito's palette, made for all kinds of colour vision
    hatch: str  # of its bar
    marker: str  # on its line
    line: str


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            name="embedding",
            operation="byte + position",
            array="inputs",
            shape="B, M, C",
            boundary="inputs",
            huggingface="perceiver.input_preprocessor",
            notebook="02_encoder",
            section="3.1",
            colour="#56B4E9",
            hatch="",
            marker="v",
            line="-",
        ),
        Stage(
            name="encoder",
            operation="cross-attend",
            array="latents",
            shape="B, N, D",
            boundary="encoded",
            huggingface="perceiver.encoder.cross_attention",
            notebook="02_encoder",
            section="3.1",
            colour="#56B4E9",
            hatch="//",
            marker="s",
            line="--",
        ),
        Stage(
            name="processor",
            operation="self-attend",
            array="latents",
            shape="B, N, D",
            boundary="processed",
            huggingface="perceiver.encoder",
            notebook="03_processor",
            section="3.1",
            colour="#E69F00",
            hatch="",
            marker="o",
            line="-",
        ),
        Stage(
            name="decoder",
            operation="cross-attend",
            array="outputs",
            shape="B, O, E",
            boundary="outputs",
            huggingface="perceiver.decoder.decoding_cross_attention",
            notebook="04_decoder",
            section="3.2",
            colour="#009E73",
            hatch="//",
            marker="D",
            line=":",
        ),
        Stage(
            name="mlm_head",
            operation="compare, tied",
            array="logits",
            shape="B, O, V",
            boundary="logits",
            huggingface="embedding_decoder",
            notebook="04_decoder",
            section="4.1",
            colour="#CC79A7",
            hatch="",
            marker="^",
            line="-.",
        ),
    )
}
