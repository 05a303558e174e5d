"""Exercise 06.training: what a training run takes, before it is started."""

from perceiver_edu.course.exercise import Exercise, Mistake
from perceiver_edu.course.exercises.profiling.intensity import digits


def training_cases():
    return {
        "small": dict(parameters=8_358_150, forward=1.1e9, B=64, steps=3000, rate=5e10),
        "the real model": dict(parameters=201_108_230, forward=1.21e11, B=512, steps=500_000, rate=4e14),
    }


def training_variant(parameters, forward, B, steps, rate, passes=3, copies=4, unit=4, time=3600, texts="B"):
    """-> FLOPs of a step, bytes of weights and optimizer, hours of the run."""
    step = passes * forward * (B if texts == "B" else 1)
    return {
        "step_flops": step,
        "state_bytes": copies * unit * parameters,
        "hours": steps * step / rate / time,
    }


TRAINING = Exercise(
    id="06.training",
    title="a training run, before it is started",
    minutes=6,
    difficulty=1,
    paper="appendix E",
    name="training_run",
    cases=training_cases,
    reference=lambda **given: digits(training_variant(**given), {}),
    variant=training_variant,
    mistakes={
        "forward": Mistake(
            "This is the forward pass alone. The backward pass takes twice as much again.", {"passes": 1}
        ),
        "backward": Mistake(
            "This is the backward pass alone, or a backward pass as cheap as the forward. It takes "
            "twice as much, so a step is three forward passes.",
            {"passes": 2},
        ),
        "four": Mistake(
            "A step is counted as four forward passes. It is one forward and a backward of two.",
            {"passes": 4},
        ),
        "one text": Mistake("`forward` is one text. A step reads B.", {"texts": "one"}),
        "weights": Mistake(
            "This is 4 times the parameters. Four *numbers* are kept for each: the weight, its gradient, and "
            "AdamW's two means. And each of those takes four *bytes*.",
            {"copies": 1},
        ),
        "no optimizer": Mistake(
            "Weights and gradients are here, AdamW's two means are missing.", {"copies": 2}
        ),
        "one mean": Mistake(
            "AdamW keeps two means for each parameter, of the gradient and of its square.", {"copies": 3}
        ),
        "minutes": Mistake("These are minutes. Asked are hours.", {"time": 60}),
        "seconds": Mistake("These are seconds. Asked are hours.", {"time": 1}),
    },
    observe=digits,
)
