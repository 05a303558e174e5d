"""Exercise 06.table: for how many layers was the paper's figure computed?"""

from dataclasses import replace

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import SMALL
from perceiver_edu.instruments.costs import stage_costs


def cost_of_depth(config, M, O):
    """-> cost(L): FLOPs by stage of the model with L layers."""

    def cost(L):
        sized = replace(config, num_self_attends_per_block=L)
        return {cost.stage: cost.flops for cost in stage_costs(sized, M, O)}

    return cost


def cases():
    real = cost_of_depth(PerceiverIOConfig(), 2048, 2048)
    small = cost_of_depth(SMALL, 50, 40)
    whole = {L: sum(small(L).values()) for L in (9, 31, 37)}
    layer = small(1)["processor"]
    return {
        "a small model, exactly 9 layers": {"target": whole[9], "cost": small},
        "a small model, a little less": {"target": whole[31] - 0.3 * layer, "cost": small},
        "a small model, a little more": {"target": whole[37] + 0.3 * layer, "cost": small},
        "the paper's 113 GFLOPs": {"target": 113e9, "cost": real},
    }


def variant(target, cost, counted="all", ends="nearest", price="difference"):
    """The depth whose total is nearest."""
    one, two = cost(1), cost(2)
    layer = sum(two.values()) - sum(one.values())
    if price == "all of it":
        layer = sum(one.values())
    rest = sum(one.values()) - one["processor"]
    rest = {"all": rest, "processor": 0, "no head": rest - one["mlm_head"]}[counted]
    if price == "all of it":
        rest = 0
    exact = (target - rest) / layer
    return {"nearest": round(exact), "up": -int(-exact // 1), "down": int(exact)}[ends]


EXERCISE = Exercise(
    title="the row that does not fit",
    about="6 minutes · easy · appendix F.2",
    name="depth_of",
    cases=cases,
    variant=variant,
    mistakes={
        "counted": {
            "processor": "You count only the processor. The target is the cost of all stages.",
        },
        "ends": {
            "up": "This is the first depth that costs at least as much as the target. Return the depth whose "
            "cost comes closest.",
            "down": "This is the last depth that costs no more than the target. Return the depth whose cost "
            "comes closest.",
        },
        "price": {
            "all of it": "You divide the target by the cost of a model with one layer. That includes "
            "encoder, decoder and head, which are paid only once, whatever the depth.",
        },
    },
    terse=True,
)
