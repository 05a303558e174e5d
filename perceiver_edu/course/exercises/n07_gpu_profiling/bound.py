"""Exercise 07.bound: what bounds a run, from its kernels, its sizes and a datasheet."""

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.predictions import SMALL
from perceiver_edu.instruments.costs import stage_costs, total
from perceiver_edu.instruments.datasheets import GPUS, LAUNCH_SECONDS

BATCHES = [1, 2, 4, 8, 16, 32, 64, 128]


def work(config, M, O):
    """-> cost(B): FLOPs and numbers moved of a batch of B texts."""

    def cost(B):
        whole = total(stage_costs(config, M, O, B))
        return whole.flops, whole.numbers_moved

    return cost


def peaks(name, precision, bytes_per_number):
    card = GPUS[name]
    return dict(
        seconds_per_launch=LAUNCH_SECONDS,
        flops_per_second=card.flops_per_second(precision),
        bytes_per_second=card.bytes_per_second,
        bytes_per_number=bytes_per_number,
    )


def bound_cases():
    real, slow = PerceiverIOConfig(), dict(
        seconds_per_launch=9e-6, flops_per_second=2e12, bytes_per_second=3e9, bytes_per_number=4
    )  # fmt: skip
    few = [1, 3, 9, 27]
    return {
        "the real model on an H100, bfloat16": dict(
            kernels=370, cost=work(real, 2048, 2048), gpu=peaks("H100", "bfloat16", 2), batches=BATCHES
        ),
        "the real model on a T4, float32": dict(
            kernels=370, cost=work(real, 62, 9), gpu=peaks("T4", "float32", 4), batches=BATCHES
        ),
        "a small model and slow memory": dict(
            kernels=90, cost=work(SMALL, 50, 40), gpu=slow, batches=[*few, 1000]
        ),
    }


def bound_variant(kernels, cost, gpu, batches, joined="max", launched="", moved="", leaves="first"):
    """-> {"seconds": …, "bound": …, "leaves": …}."""
    seconds, words = [], []
    for B in batches:
        flops, numbers = cost(1 if launched == "one text" else B)
        unit = {"": gpu["bytes_per_number"], "numbers": 1, "bits": 8 * gpu["bytes_per_number"]}[moved]
        times = {
            "launches": kernels * gpu["seconds_per_launch"] * (B if launched == "for each text" else 1),
            "arithmetic": flops / gpu["flops_per_second"],
            "memory": numbers * unit / gpu["bytes_per_second"],
        }
        words.append(max(times, key=times.__getitem__))
        seconds.append({"max": max, "sum": sum, "min": min}[joined](times.values()))
    free = [B for B, word in zip(batches, words, strict=True) if word != "launches"]
    last = [B for B, word in zip(batches, words, strict=True) if word == "launches"]
    left = {"first": free[:1] or [0], "last": last[-1:] or [0], "arithmetic": [0]}[leaves]
    return {"seconds": seconds, "bound": words, "leaves": left[0]}


EXERCISE = Exercise(
    title="what bounds a run",
    about="10 minutes · medium · section 4.1",
    name="what_bounds",
    cases=bound_cases,
    variant=bound_variant,
    mistakes={
        "joined": {
            "sum": "You add the three times. Launching, computing and moving go on at the same time, so the "
            "longest one counts.",
            "min": "You take the shortest time. The run has to wait for all three, so the longest one "
            "counts.",
        },
        "launched": {
            "for each text": "The launches are multiplied by B. Each kernel is launched once, whatever the "
            "batch size, which is the point of a batch.",
            "one text": "You use the cost of one text for every batch. Call `cost(B)`.",
        },
        "moved": {
            "numbers": "You counted numbers as if each were one byte: `bytes_per_number` is missing.",
            "bits": "You count bits. The bandwidth is in bytes per second.",
        },
        "leaves": {
            "last": "`leaves` is the largest batch that is still launch-bound. Return the first size that is "
            "not.",
        },
    },
)
