"""Exercise 06.training: what a training run takes, before it is started."""

from perceiver_edu.course.exercise import Exercise


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


EXERCISE = Exercise(
    title="a training run, before it is started",
    about="6 minutes · easy · appendix E",
    name="training_run",
    cases=training_cases,
    variant=training_variant,
    mistakes={
        "passes": {
            1: "This is the forward pass alone. The backward pass costs twice as much again.",
            2: "This is two forward passes. Did you count the backward pass alone, or make it as cheap as "
            "the forward pass? It costs twice as much, so a step costs three forward passes.",
            4: "You count a step as four forward passes. It is one forward pass and a backward pass that "
            "costs two.",
        },
        "texts": {"one": "`forward` is the cost of one text. A step processes B texts."},
        "copies": {
            1: "This is 4 times the parameters. Four *numbers* are kept for each parameter (the weight, its "
            "gradient and AdamW's two means), and each of those takes four *bytes*.",
            2: "This is 8 bytes for each parameter. Did you leave out AdamW's two means, or count 2 bytes "
            "for each number? A float32 number takes 4.",
            3: "This is 12 bytes for each parameter, so one of the four numbers is missing: the weight, its "
            "gradient, and AdamW's *two* means, of the gradient and of its square.",
        },
        "time": {60: "These are minutes. Return hours.", 1: "These are seconds. Return hours."},
    },
)
