"""Notebook 02: pick a head and a latent, and see which bytes they attend to."""

from functools import lru_cache, partial
from typing import NamedTuple

import torch

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import (
    Experiment,
    embedded,
    or_loaded,
    readable,
    slider,
    text_box,
    widget,
)
from perceiver_edu.course.widgets.hole import LONGER, TEXT, text_strip
from perceiver_edu.instruments.plots.attention import byte_labels, heads_over_text
from perceiver_edu.instruments.tracing import ENCODER_MAP, record
from perceiver_edu.language import to_translate
from perceiver_edu.tokenizer import ByteTokenizer

TOP = 6
CLICK = to_translate(
    "Click a letter, or press Enter on it, to go to the latent that attends to it most with this head."
)


class Reading(NamedTuple):
    """What one latent attends to."""

    ids: torch.Tensor  # (M,)
    weights: torch.Tensor  # (heads, M): attention weights, each row sums to 1
    latent: int
    head: int
    bits: float  # entropy of the head's row
    note: str


@torch.no_grad()
def attention(model, text: str) -> tuple[torch.Tensor, torch.Tensor, str]:
    """-> ids (M,), the encoder's map (heads, N, M), and a note where not all of the text is read."""
    text, note = readable(model, text)
    ids, mask = ByteTokenizer().batch([text])
    with record(model, ENCODER_MAP) as seen:
        model.encoder(model.embedding(ids.to(model.device)), mask.to(model.device))
    return ids[0], seen[ENCODER_MAP][0][0].float().cpu(), note


def reading(attention_of, text: str, head: int, latent: int) -> Reading:
    """`attention_of` text -> as `attention` gives it."""
    ids, weights, note = attention_of(text)
    row = weights[head, latent].double()
    bits = float(-torch.xlogy(row, row).sum() / torch.log(torch.tensor(2.0)))
    return Reading(ids, weights[:, latent], latent, head, bits, note)


def most_read(reading: Reading) -> list[tuple[int, str, float]]:
    """The positions with the largest attention weights, as (position, sign, weight), the largest first."""
    shares, places = reading.weights[reading.head].topk(min(TOP, len(reading.ids)))
    signs, found = byte_labels(reading.ids), zip(places.tolist(), shares.tolist(), strict=True)
    return [(place, signs[place], share) for place, share in found]


def draw(figure, reading: Reading) -> str:
    ax = figure.subplots()
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.93)
    heads_over_text(ax, reading.ids, reading.weights, reading.head)
    last = len(reading.weights) - 1
    title = f"attention of latent {reading.latent} with heads 0 to {last}, head {reading.head} framed"
    ax.set_title(title, fontsize=10)
    place, sign, share = most_read(reading)[0]
    return translated(
        "The text in lines, above each line the attention weights of latent {latent}, a row for "
        "each head; the text is blue where head {head} attends, most to position {place}, "
        "{sign!r}: {share:.0%}.",
        latent=reading.latent,
        head=reading.head,
        place=place,
        sign=sign,
        share=share,
    )


def tell(reading: Reading) -> Report:
    rows = [(place, sign, f"{share:.1%}") for place, sign, share in most_read(reading)]
    uniform = float(torch.tensor(float(len(reading.ids))).log2())
    return (
        Report("read")
        .table((translated("position"), translated("byte"), translated("attention weight")), rows)
        .say(
            translated(
                "Entropy {bits:.2f} bits; uniform attention would have {uniform:.2f} bits. ␣ is a space, ⟨ "
                "and ⟩ are [CLS] and [SEP], ◂ is a further byte of the character before it, ▪ a byte "
                "without a sign.",
                bits=reading.bits,
                uniform=uniform,
            )
        )
    )


@widget("02_encoder", "head-lab", needs="setup embedding run", example=lambda: [embedded(), TEXT])
def pick_a_head(model=None, text: str = LONGER, head: int = 0, latent: int = 8) -> Experiment:
    """Show which bytes of a text a latent of the encoder attends to, with each of its heads."""
    model = or_loaded(model)
    heads, latents = model.config.num_cross_attention_heads, model.config.num_latents
    controls = {
        "text": text_box("text", text, "The model's input. Type any text."),
        "head": slider("head", head, 0, heads - 1, "The head of the encoder's attention."),
        "latent": slider(
            "latent",
            min(latent, latents - 1),
            0,
            latents - 1,
            "The latent whose attention weights are shown.",
        ),
    }
    attention_of = lru_cache(maxsize=4)(lambda text: attention(model, text))  # the model runs once for a text

    def reader(place):
        _, weights, _ = attention_of(controls["text"].value)  # (heads, N, M)
        return int(weights[controls["head"].value, :, place].argmax())

    def query(place):
        if place >= 0:
            controls["latent"].value = reader(place)

    def forget(change):  # which letter was clicked, once another latent or head is shown
        if strip.position >= 0 and controls["latent"].value != reader(strip.position):
            strip.position = -1

    strip = text_strip(model, controls, query=query, label=CLICK)
    controls["head"].observe(forget, "value")
    controls["latent"].observe(forget, "value")
    compute = partial(reading, attention_of)
    return Experiment("pick-a-head", controls, compute, draw, tell, size=(9, 4.2), strip=strip)
