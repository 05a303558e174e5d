"""Exercise 06.intensity: is it the arithmetic or the memory that one waits for?"""

from perceiver_edu.course.exercise import Exercise, Mistake

MEMORY, ARITHMETIC = "memory", "arithmetic"


def intensity_cases():
    machine = dict(peak_flops=100e9, peak_bytes=25e9)
    return {
        "one text, float32": dict(B=1, flops=60e6, weights=15e6, arrays=1e6, bytes_per_number=4) | machine,
        "64 texts, float32": dict(B=64, flops=60e6, weights=15e6, arrays=1e6, bytes_per_number=4) | machine,
        "8 texts, bfloat16": dict(B=8, flops=60e6, weights=15e6, arrays=1e6, bytes_per_number=2) | machine,
    }


def intensity_variant(
    B,
    flops,
    weights,
    arrays,
    bytes_per_number,
    peak_flops,
    peak_bytes,
    traffic="",
    both="max",
    side="",
    unit="",
):
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


def digits(result, arguments):
    """Six digits of each number."""
    if not isinstance(result, dict):
        return result
    return {k: float(f"{v:.6g}") if isinstance(v, int | float) else v for k, v in result.items()}


INTENSITY = Exercise(
    id="06.intensity",
    title="which side of the roofline",
    minutes=6,
    difficulty=2,
    paper="section 3.1",
    name="roofline",
    cases=intensity_cases,
    reference=lambda **given: digits(intensity_variant(**given), {}),
    variant=intensity_variant,
    mistakes={
        "all again": Mistake(
            "The weights are read once for each text. They are read once for the whole batch: that is what a "
            "batch is for.",
            {"traffic": "all again"},
        ),
        "weights only": Mistake(
            "Only the weights are moved. The arrays go in and out too, for each text.",
            {"traffic": "weights only"},
        ),
        "arrays only": Mistake(
            "Only the arrays are moved. The weights have to be read too, once.", {"traffic": "arrays only"}
        ),
        "numbers": Mistake(
            "Numbers are counted as if each were one byte: `bytes_per_number` is missing.",
            {"unit": "numbers"},
        ),
        "one text": Mistake("`flops` are those of one text. There are B of them.", {"unit": "one text"}),
        "sum": Mistake(
            "You add the two times. Reading and computing go on side by side: the longer one counts.",
            {"both": "sum"},
        ),
        "min": Mistake(
            "You take the shorter time. One has to wait for both: the longer one counts.", {"both": "min"}
        ),
        "side": Mistake(
            "The two words are exchanged: what takes *longer* is what one waits for.", {"side": "other"}
        ),
    },
    observe=digits,
)
