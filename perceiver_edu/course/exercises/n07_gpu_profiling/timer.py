"""Exercise 07.timer: time a device that works while the CPU goes on."""

import statistics
from copy import deepcopy

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.simulated_gpu import SimulatedGPU


def timer_cases():
    return {
        "one run": dict(gpu=SimulatedGPU([0.004]), warmup=0, repeats=1),
        "work in the queue": dict(gpu=SimulatedGPU([0.004], queued=0.5), warmup=0, repeats=1),
        "two slow first runs": dict(gpu=SimulatedGPU([0.9, 0.1, 0.003, 0.005, 0.004]), warmup=2, repeats=3),
        "a slow run between": dict(gpu=SimulatedGPU([0.7, 0.006, 0.3, 0.002]), warmup=1, repeats=5),
    }


def timer_variant(gpu, warmup, repeats, wait="both", of="median", first=""):
    """The median seconds of a run."""
    gpu, times = deepcopy(gpu), []  # it counts its runs
    for _ in range(0 if first else warmup):
        gpu.run()
    for _ in range(warmup + repeats if first == "counted" else repeats):
        if wait in ("both", "before"):
            gpu.synchronize()
        begin = gpu.clock()
        gpu.run()
        if wait in ("both", "after"):
            gpu.synchronize()
        times.append(gpu.clock() - begin)
    return {"median": statistics.median, "mean": statistics.fmean, "sum": sum, "min": min, "max": max}[of](
        times
    )


EXERCISE = Exercise(
    title="time what runs on its own",
    about="8 minutes · easy · section 4.1",
    name="seconds_of",
    cases=timer_cases,
    variant=timer_variant,
    mistakes={
        "wait": {
            "before": "You read the clock before the device has finished, so this is the time of the launch. "
            "Call `gpu.synchronize()` before the second reading.",
            "after": "The device may still have other work in its queue when the clock starts, and you count "
            "that, too. Call `gpu.synchronize()` before the first reading as well.",
        },
        "of": {
            "mean": "This is the mean, which one slow run spoils. Return the median.",
            "sum": "This is the time of all runs together. Return their median.",
            "min": "This is the fastest run. Return the median.",
            "max": "This is the slowest run. Return the median.",
        },
        "first": {
            "counted": "You count the warm-up runs. They are meant to be slow, so leave them out.",
            "no warm-up": "The warm-up is missing. Call `gpu.run()` `warmup` times before you time anything.",
        },
    },
)
