"""How deep a model can be for the same arithmetic."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from perceiver_edu.instruments.paper import Language
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT


def depth_at_equal_flops(axes: Sequence[Axes], models: Sequence[Language]) -> None:
    """Draw a row for each model: its layers side by side, each as high as the number of vectors it works on,
    and the score that it reaches. Orange layers work on latents, blue ones on the inputs.

    `axes`: two of them, with a shared y axis.
    """
    layers, scores = axes
    highest = max(model.N for model in models)
    for row, model in enumerate(models):
        colour = LATENT if model.N < model.M else INPUT
        height = 0.8 * model.N / highest
        layers.bar(range(1, model.layers + 1), height, 0.8, row - height / 2, color=colour, ec=INK, lw=0.6)
        note = f" {model.layers} layers of {model.N:,} vectors"
        layers.text(model.layers + 0.5, row, note, va="center", fontsize=9.5)
        scores.plot(model.glue, row, "o", color=colour, mec=INK, mew=0.8, ms=9)
        scores.text(model.glue, row - 0.2, f"{model.glue:.1f}", ha="center", va="bottom", fontsize=9.5)
    labels = [f"{m.name}\n{m.M:,} {m.unit}, {m.gflops} GFLOPs" for m in models]
    layers.set_yticks(range(len(models)), labels)
    layers.set_ylim(len(models) - 0.5, -0.6)
    layers.set(xlim=(0, 1.5 * max(model.layers for model in models)), xlabel="layer")
    layers.set_xticks(range(2, max(model.layers for model in models) + 1, 4))
    layers.tick_params(axis="y", length=0)
    scores.set(xlim=(68, 84), xlabel="GLUE average")
    scores.grid(axis="y", color="#DDDDDD")
    scores.tick_params(axis="y", length=0, labelleft=False)
