"""Notebook 06: move the sizes, and see what each stage costs, with the formula."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from perceiver_edu.config import DECODER_QK_CHANNELS, PerceiverIOConfig
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, stops, widget
from perceiver_edu.instruments.costs import Cost, stage_costs, total
from perceiver_edu.instruments.plots.style import INK
from perceiver_edu.stages import STAGES

SIZES = [2**power for power in range(4, 17)]
SCALE = 1e-3, 1e5  # GFLOPs, from the smallest sizes to the largest, with room for the numbers


class TextCosts(NamedTuple):
    """What one text costs in a model of these sizes."""

    config: PerceiverIOConfig
    M: int
    O: int
    costs: list[Cost]  # by stage


def text_costs(config: PerceiverIOConfig, M: int, N: int, depth: int, O: int) -> TextCosts:
    """`config` with other sizes: N latents, `depth` layers, as many positions as M and O need."""
    positions = max(M, O, config.max_position_embeddings)
    sizes = dict(num_latents=N, num_self_attends_per_block=depth, max_position_embeddings=positions)
    config = replace(config, num_blocks=1, **sizes)
    return TextCosts(config, M, O, stage_costs(config, M, O))


def formulas(found: TextCosts) -> dict[str, str]:
    """A formula for each stage that multiplies, with its numbers: FLOPs, two for a multiply-add."""
    c, M, O = found.config, found.M, found.O
    N, D, C, L = c.num_latents, c.d_latents, c.d_model, c.num_self_attends_per_block
    qk, v, dqk = c.encoder_qk, c.encoder_v, DECODER_QK_CHANNELS
    wide = c.cross_attention_widening_factor
    own = D * qk + v * D + 2 * wide * D * D
    layer = 2 * D * c.processor_qk + 2 * D * D + 2 * c.self_attention_widening_factor * D * D
    asked = 3 * C * C + C * dqk
    at = (
        translated("with M = {M:,}, N = {N:,}", M=M, N=N),
        translated("with L = {L}, N = {N:,}; no M, no O", L=L, N=N),
        translated("with O = {O:,}, N = {N:,}", O=O, N=N),
        translated("with O = {O:,}", O=O),
    )
    return {
        "encoder": f"2 · (M · {C * (qk + v):,} + N · M · {qk + v:,} + N · {own:,})  {at[0]}",
        "processor": f"2 · L · (N · {layer:,} + N · N · {c.processor_qk + c.processor_v:,})  {at[1]}",
        "decoder": f"2 · (O · {asked:,} + O · N · {dqk + C:,} + N · {D * (dqk + C):,})  {at[2]}",
        "mlm_head": f"2 · O · {C * c.vocab_size:,}  {at[3]}",
    }


def gigaflops(flops: float) -> str:
    return f"{flops / 1e9:,.2f} GFLOPs"


def draw(figure, found: TextCosts) -> str:
    ax = figure.subplots()
    figure.subplots_adjust(0.12, 0.17, 0.97, 0.98)
    costs = [cost for cost in found.costs if cost.flops]
    whole = total(found.costs).flops
    for row, cost in enumerate(costs):
        stage = STAGES[cost.stage]
        share = cost.flops / whole
        ax.barh(row, share, color=stage.colour, hatch=stage.hatch, ec=INK, lw=0.8)
        ax.text(share, row, f" {gigaflops(cost.flops)}, {share:.0%}", va="center")
    ax.set_yticks(range(len(costs)), [cost.stage for cost in costs])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.3)  # the same for every state, with room for the numbers
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    ax.set_xlabel(f"share of the {gigaflops(whole)} (10⁹ floating-point operations) for one text")
    largest = max(costs, key=lambda cost: cost.flops)
    return translated(
        "A bar for each stage, M = {M:,}, N = {N:,}, depth {depth}, "
        "O = {O:,}: {whole} in all; the largest is the {stage}, {share:.0%}.",
        M=found.M,
        N=found.config.num_latents,
        depth=found.config.num_self_attends_per_block,
        O=found.O,
        whole=gigaflops(whole),
        stage=largest.stage,
        share=largest.flops / whole,
    )


def tell(found: TextCosts) -> Report:
    words, whole = formulas(found), total(found.costs)
    rows = [(cost.stage, f"{cost.flops:,}", words[cost.stage]) for cost in found.costs if cost.stage in words]
    rows.append(
        (
            translated("all"),
            f"{whole.flops:,}",
            translated("{parameters:,.1f} million parameters", parameters=whole.parameters / 1e6),
        )
    )
    return Report("cost").table((translated("stage"), "FLOPs", translated("= formula")), rows)


@widget("06_cost_model", "cost-lab", needs="setup real", example=lambda: [])
def cost_sliders(config: PerceiverIOConfig | None = None) -> Experiment:
    """Show what each stage costs for M inputs, N latents, a depth and O outputs; other sizes are `config`'s.

    None: those of `deepmind/language-perceiver`.
    """
    config = config or PerceiverIOConfig()
    powers = [(f"{size:,}", size) for size in SIZES]
    depths = (0, 1, 2, 4, 6, 8, 12, 16, 20, 26, 32, 40, 48)
    controls = {
        "M": stops("M, input bytes", powers, 2048, "The length of the text in bytes."),
        "N": stops("N, latents", powers[:9], 256, "The number of latents."),
        "depth": stops("depth, layers", depths, 26, "The number of layers of the processor."),
        "O": stops("O, requested outputs", powers, 2048, "The number of decoder queries."),
    }
    compute = partial(text_costs, config)
    return Experiment("cost-sliders", controls, compute, draw, tell, size=(8, 2.6))
