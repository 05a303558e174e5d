"""What exercises that predict numbers share: a small model, its costs, and a table of results."""

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.comparison import same
from perceiver_edu.instruments.costs import stage_costs

SMALL = PerceiverIOConfig(
    max_position_embeddings=64, d_model=16, num_latents=6, d_latents=24, num_self_attends_per_block=5,
    num_self_attention_heads=2, num_cross_attention_heads=2, qk_channels=8, v_channels=24,
)  # fmt: skip


def price(config: PerceiverIOConfig):
    """-> cost(M, O): the FLOPs of each stage for one text of M bytes and O queries."""
    return lambda M, O: {cost.stage: cost.flops for cost in stage_costs(config, M, O)}


def beside(report, header, rows) -> bool:
    """Show rows (what, real, yours) as a table -> are all predictions right?"""
    report.table(header, [tuple(f"{n:,}" if isinstance(n, int | float) else n for n in row) for row in rows])
    return all(same(real, yours) for *_, real, yours in rows)
