"""Exercise 06.intensity: is it the arithmetic or the memory that one waits for?"""

from perceiver_edu.course.exercise import Exercise

MEMORY, ARITHMETIC = "memory", "arithmetic"


def intensity_cases():
    machine = dict(peak_flops=100e9, peak_bytes=25e9)
    return {
        "one text, float32": dict(B=1, flops=60e6, weights=15e6, arrays=1e6, bytes_per_number=4) | machine,
        "2 texts, near the ridge": dict(B=2, flops=60e6, weights=15e6, arrays=1e6, bytes_per_number=4)
        | dict(peak_flops=90e9, peak_bytes=50e9),
        "64 texts, float32": dict(B=64, flops=60e6, weights=15e6, arrays=1e6, bytes_per_number=4) | machine,
        "8 texts, bfloat16": dict(B=8, flops=60e6, weights=15e6, arrays=1e6, bytes_per_number=2)
        | dict(peak_flops=300e9, peak_bytes=25e9),
    }


def intensity_variant(
    B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes,
    traffic="", both="max", side="", unit="",
):  # fmt: skip
    """FLOPs per byte, what it waits for, and the seconds that no program can be below."""
    moved = {
        "": weights + B * arrays,
        "all again": B * (weights + arrays),
        "weights only": weights,
        "arrays only": B * arrays,
    }[traffic]
    moved *= 1 if unit == "numbers" else bytes_per_number
    work = flops if unit == "one text" else B * flops
    seconds = work / peak_flops, moved / peak_bytes
    waits = MEMORY if seconds[1] > seconds[0] else ARITHMETIC
    if side:
        waits = ARITHMETIC if waits == MEMORY else MEMORY
    combined = {"max": max, "min": min, "sum": sum}[both](seconds)
    return {"intensity": work / moved, "waits_for": waits, "seconds": combined}


EXERCISE = Exercise(
    title="which side of the roofline",
    about="6 minutes · medium · section 3.1",
    name="roofline",
    cases=intensity_cases,
    variant=intensity_variant,
    mistakes={
        "traffic": {
            "all again": "The weights are read once for each text. They are read only once for the whole "
            "batch, which is the point of a batch.",
            "weights only": "Only the weights are moved. The arrays go in and out as well, for each text.",
            "arrays only": "Only the arrays are moved. The weights have to be read as well, once for the "
            "batch.",
        },
        "unit": {
            "numbers": "You counted numbers as if each were one byte: `bytes_per_number` is missing.",
            "one text": "`flops` is the number for one text. There are B texts.",
        },
        "both": {
            "sum": "You add the two times. Moving and computing go on at the same time, so the longer one "
            "counts.",
            "min": "You take the shorter time. The stage has to wait for both, so the longer one counts.",
        },
        "side": {"other": "The two words are swapped. Return the one that takes *longer*."},
    },
)
