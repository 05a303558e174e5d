"""Notebook 10: position encodings, shuffled pixels, and a missing modality."""

from functools import lru_cache, partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle

from perceiver_edu import modalities as m
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, choice, slider, stops, widget
from perceiver_edu.course.widgets.strip import PixelGrid
from perceiver_edu.decoder import Decoder
from perceiver_edu.encoder import Encoder
from perceiver_edu.instruments.plots.modalities import framed
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT, VERMILION
from perceiver_edu.language import to_translate
from perceiver_edu.processor import Processor

GRID = (16, 16)
LOOKS = ((INPUT, ""), (LATENT, "//"))  # colour and hatch of the first and second model


def untrained_reader(inputs) -> m.PerceiverIO:
    """Of ten classes, and small."""
    sizes = dict(qk_channels=8, v_channels=8, num_heads=2)
    encoder = Encoder(3, 8, inputs.num_channels, **sizes)
    stages = encoder, Processor(1, 8, **sizes), m.LearnedQueries(1, 8), Decoder(8, 8, **sizes)
    return m.PerceiverIO(inputs, *stages, m.ClassHead(8, 10)).eval()


@torch.random.fork_rng(devices=[])
def example_readers() -> tuple:
    """Arguments of `shuffle_pixels`: models that learned nothing, and noise."""
    torch.manual_seed(0)
    images, labels = torch.rand(6, 1, 8, 8), torch.arange(6)
    positions = {"Fourier": m.FourierPositions(2, (8, 8)), "learned": m.LearnedPositions(64, 5)}
    readers = {name: untrained_reader(m.WithPositions(m.Pixels(1), p)) for name, p in positions.items()}
    return readers, images, labels


@torch.random.fork_rng(devices=[])
def example_senses() -> tuple:
    """Arguments of `drop_a_sense`: models that learned nothing, and noise."""
    torch.manual_seed(0)
    image = m.WithPositions(m.Pixels(1), m.FourierPositions(2, (8, 8)))
    inputs = [m.MultimodalInputs({"image": image, "sound": m.AudioPatches(32)}) for _ in range(2)]
    models = {name: untrained_reader(both) for name, both in zip(("one", "two"), inputs, strict=True)}
    x = {"image": torch.rand(4, 1, 8, 8), "sound": torch.randn(4, 96)}
    return models, x, torch.arange(4), {"image": 64, "sound": 3}


class Likeness(NamedTuple):
    """How similar the positions of one pixel and of all others are."""

    cosines: torch.Tensor  # (16, 16)
    chosen: tuple[int, int]  # row and column
    num_channels: int
    beside: float  # mean cosine of the pixels that touch it
    far: float  # the largest cosine of a pixel 4 or more steps away: what it could be taken for


def likeness(bands: int, highest: int, row: int, column: int) -> Likeness:
    """The Fourier positions of pixel (row, column) against those of every pixel."""
    positions = m.FourierPositions(bands, (2 * highest, 2 * highest))  # the top frequency is resolution / 2
    unit = F.normalize(positions(GRID), dim=-1)
    cosines = (unit @ unit[row * GRID[1] + column]).view(GRID)
    y, x = torch.meshgrid(*map(torch.arange, GRID), indexing="ij")
    steps = (y - row).abs() + (x - column).abs()
    beside, far = float(cosines[steps == 1].mean()), float(cosines[steps >= 4].max())
    return Likeness(cosines, (row, column), positions.num_channels, beside, far)


def draw_likeness(figure, seen: Likeness) -> str:
    ax, scale = figure.subplots(ncols=2, width_ratios=(15, 1))
    figure.subplots_adjust(0.02, 0.04, 0.82, 0.92, wspace=0.08)
    shades = {"cmap": "cividis", "vmin": -1, "vmax": 1, "interpolation": "nearest"}
    ax.imshow(seen.cosines.numpy(), **shades)
    all_shades = torch.linspace(1, -1, 200)[:, None].numpy()
    scale.imshow(all_shades, extent=(0, 1, -1, 1), aspect="auto", **shades)
    scale.set(xticks=[], yticks=[-1, -0.5, 0, 0.5, 1], ylabel="cosine with the framed pixel")
    scale.yaxis.tick_right()
    scale.yaxis.set_label_position("right")
    row, column = seen.chosen
    frame = {"fill": False, "ec": VERMILION, "lw": 2.5, "clip_on": False}
    ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **frame))
    framed(ax, f"{seen.num_channels} channels for each pixel")
    return translated(
        "A map of 16 by 16 pixels: cosine with the framed one, {chosen}. Its neighbours have "
        "{beside:.2f} on average; the most similar one 4 or more steps away has {far:.2f}.",
        chosen=seen.chosen,
        beside=seen.beside,
        far=seen.far,
    )


def tell_likeness(seen: Likeness) -> Report:
    rows = [
        (translated("the pixels that touch it, on average"), f"{seen.beside:.2f}"),
        (translated("the most similar pixel 4 or more steps away"), f"{seen.far:.2f}"),
    ]
    report = Report("likeness").table((translated("cosine with the framed pixel"), ""), rows)
    return report.say(
        translated(
            "The framed pixel is row {row}, column {column}. Each position has {channels} channels.",
            row=seen.chosen[0],
            column=seen.chosen[1],
            channels=seen.num_channels,
        )
    )


@widget("10_modalities", "bands-lab", example=lambda: [])
def fourier_bands() -> Experiment:
    """Show which pixels have similar Fourier positions, by number of bands and highest frequency."""
    controls = {
        "bands": slider("frequency bands", 6, 1, 24, "The number of frequencies, from 1 to the highest."),
        "highest": slider(
            "highest frequency", 8, 1, 32, "With 16 pixels, frequencies up to 8 can be told apart (Nyquist)."
        ),
        "row": slider("row", 5, 0, 15, "The chosen pixel's row."),
        "column": slider("column", 6, 0, 15, "The chosen pixel's column."),
    }
    pixels = PixelGrid(controls["row"], controls["column"])
    parts = controls, likeness, draw_likeness, tell_likeness
    experiment = Experiment("fourier-bands", *parts, size=(5.5, 3.6), strip=pixels)
    box = experiment.figure.axes[0].get_position()  # y counts from below
    pixels.over = [box.x0, 1 - box.y1, box.width, box.height]
    return experiment


class Shuffled(NamedTuple):
    """Models that read an image some of whose inputs were exchanged."""

    image: torch.Tensor  # (H, W), in the order of the inputs
    right: dict[str, float]  # share of all images, by model
    guesses: dict[str, int]  # of the image shown
    truth: int  # its label


@torch.no_grad()
def shuffled_guesses(models: dict, images, moved: int, together: bool) -> tuple[torch.Tensor, dict]:
    """Exchange `moved` of the inputs in a fixed random order; `together`: their positions go with them.

    -> the order (M,) in which the inputs then are, and each model's guesses (B,).
    """
    M = images[0].numel()
    chosen = torch.randperm(M, generator=torch.Generator().manual_seed(2))[:moved]
    order = torch.arange(M)
    order[chosen] = chosen.roll(1)
    guesses = {}
    for name, model in models.items():
        inputs = model.inputs(images)  # (B, M, 1 + P): the pixel's value, then its position
        pixels, positions = inputs[:, order, :1], inputs[:, order, 1:] if together else inputs[..., 1:]
        latents = model.processor(model.encoder(torch.cat([pixels, positions], dim=-1)))
        guesses[name] = model.head(model.decoder(model.queries(inputs), latents)).argmax(-1)
    return order, guesses


def read_shuffled(models: dict, images, labels, digit: int, moved: int, together: bool) -> Shuffled:
    """Exchange `moved` of the inputs in a fixed random order; `together`: their positions go with them."""
    return shuffled(*shuffled_guesses(models, images, moved, together), images, labels, digit)


def shuffled(order, guesses: dict, images, labels, digit: int) -> Shuffled:
    """What there is to show of one image; order and guesses as `shuffled_guesses` gives them."""
    right = {name: float((guessed == labels).float().mean()) for name, guessed in guesses.items()}
    image = images[digit].flatten()[order].view(images.shape[2:])
    shown = {name: int(guessed[digit]) for name, guessed in guesses.items()}
    return Shuffled(image, right, shown, int(labels[digit]))


def draw_shuffled(figure, seen: Shuffled) -> str:
    left, ax = figure.subplots(ncols=2, width_ratios=(1, 2))
    figure.subplots_adjust(0.02, 0.12, 0.98, 0.95, wspace=0.25)
    left.imshow(seen.image.numpy(), cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    framed(left, "one image")
    for place, (name, (colour, hatch)) in enumerate(zip(seen.right, LOOKS, strict=True)):
        ax.bar(place, seen.right[name], color=colour, hatch=hatch, ec="white")
        ax.text(place, seen.right[name] + 0.02, f"{seen.right[name]:.0%}", ha="center")
    ax.set_xticks(range(len(seen.right)), list(seen.right))
    ax.set(ylim=(0, 1.12), ylabel="accuracy on held-out images")
    shares = ", ".join(f"{name} ≈ {share:.0%}" for name, share in seen.right.items())
    return translated(
        "One image, some of its inputs exchanged, and for each model the accuracy on such images: {shares}.",
        shares=shares,
    )


def tell_shuffled(seen: Shuffled) -> Report:
    rows = [(name, f"{share:.0%}", seen.guesses[name]) for name, share in seen.right.items()]
    header = (
        translated("positions"),
        translated("accuracy"),
        translated("guess for this {truth}", truth=seen.truth),
    )
    return Report("shuffled").table(header, rows)


@widget(
    "10_modalities",
    "shuffle-lab",
    needs="setup core-picture core fourier bands-lab digits",
    example=example_readers,
)
def shuffle_pixels(models: dict, images, labels) -> Experiment:
    """Two trained models, {name: model} with `Pixels(1)` adapters, on images whose pixels are exchanged."""
    M = images[0].numel()
    what = [(to_translate("the pixel alone"), False), (to_translate("the pixel and its position"), True)]
    controls = {
        "digit": slider("image", 0, 0, min(len(images), 100) - 1, "Which held-out image is shown."),
        "moved": stops("exchanged inputs", [0, 2, 4, 8, 16, 32, M], 16, "How many inputs exchange their "
        "positions."),
        "together": choice("what is exchanged", what, False,
                           "Whether a position encoding stays where it is or moves with its pixel."),
    }  # fmt: skip
    guesses = lru_cache(partial(shuffled_guesses, models, images))

    def compute(digit, moved, together):
        return shuffled(*guesses(moved, together), images, labels, digit)

    return Experiment("shuffle-pixels", controls, compute, draw_shuffled, tell_shuffled, size=(7, 2.8))


class Sensed(NamedTuple):
    """Two models that see, hear, or both."""

    image: torch.Tensor | None  # (H, W), None = hidden
    wave: torch.Tensor | None  # (samples,), None = hidden
    truth: int
    shares: dict[str, torch.Tensor]  # probability of each class, by model


def draw_sensed(figure, seen: Sensed) -> str:
    picture, sound, ax = figure.subplots(ncols=3, width_ratios=(1, 1.4, 3))
    figure.subplots_adjust(0.02, 0.18, 0.98, 0.9, wspace=0.4)
    if seen.image is not None:
        picture.imshow(seen.image.numpy(), cmap="Greys", interpolation="nearest")
    if seen.wave is not None:
        sound.plot(seen.wave.numpy(), color=INK, lw=0.7)
    framed(picture, "image" if seen.image is not None else "no image")
    framed(sound, "sound" if seen.wave is not None else "no sound")
    for k, ((name, shares), (colour, hatch)) in enumerate(zip(seen.shares.items(), LOOKS, strict=True)):
        places = [digit + 0.4 * k - 0.2 for digit in range(len(shares))]
        ax.bar(places, shares.tolist(), 0.4, color=colour, hatch=hatch, ec="white", label=name)
    ax.set(xticks=range(10), yticks=[0, 0.25, 0.5, 0.75, 1])
    ax.set(ylim=(0, 1.3), xlabel=f"digit (the true one is {seen.truth})", ylabel="probability")
    ax.legend(frameon=False, ncols=2, loc="upper center", fontsize=8)
    true = ", ".join(f"{name} ≈ {shares[seen.truth]:.0%}" for name, shares in seen.shares.items())
    said = translated("The modalities that are present, and a bar for each digit and model.")
    return translated("{said} The true digit, {truth}, gets: {true}.", said=said, truth=seen.truth, true=true)


def tell_sensed(seen: Sensed) -> Report:
    rows = [
        (name, int(shares.argmax()), f"{shares.max():.0%}", f"{shares[seen.truth]:.0%}")
        for name, shares in seen.shares.items()
    ]
    return Report("senses").table(
        (
            translated("trained with"),
            translated("guess"),
            translated("its probability"),
            translated("that of {truth}", truth=seen.truth),
        ),
        rows,
    )


@widget(
    "10_modalities",
    "sense-lab",
    needs="setup core-picture core fourier bands-lab digits multi-source drop",
    example=example_senses,
)
def drop_a_sense(models: dict, x: dict, labels, sizes: dict[str, int]) -> Experiment:
    """Two models, {name: model}, on held-out {"image": ..., "sound": ...}; one of the two can be hidden."""

    @lru_cache
    @torch.no_grad()
    def scores(senses):
        yes = torch.ones(len(labels), dtype=torch.bool)
        mask = m.modality_mask(sizes, {name: yes if name in senses else ~yes for name in x})
        return {name: model(x, mask).softmax(-1) for name, model in models.items()}

    def compute(digit, senses):
        image = x["image"][digit, 0] if "image" in senses else None
        wave = x["sound"][digit] if "sound" in senses else None
        return Sensed(image, wave, int(labels[digit]), {k: p[digit] for k, p in scores(senses).items()})

    there = [(to_translate("both"), "image and sound"), (to_translate("image only"), "image")]
    there += [(to_translate("sound only"), "sound")]
    controls = {
        "digit": slider("example", 0, 0, min(len(labels), 100) - 1, "Which held-out digit."),
        "senses": choice("present", there, "image", "Which modalities the encoder may attend to."),
    }
    return Experiment("drop-a-sense", controls, compute, draw_sensed, tell_sensed, size=(9, 2.8))
