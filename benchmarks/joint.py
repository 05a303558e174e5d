"""How long does joint filling take with each engine, and does int8 find as many words?

python benchmarks/joint.py        writes benchmarks/results/joint-cpu-DATE.json, three minutes on two cores

Joint filling runs the model once for each byte of the hole, on up to five partly filled strings. The engines
take turns at a hole of 8 bytes, with the embedded weights: first with half a second of rest before each call,
as while you type, then without. `floor_ms` is the time of the FLOPs alone, at the fastest rate of a matrix
product in float32 on this machine. The words are those of the 40 cloze sentences and 160 of the held-out
text; as in `perceiver-edu evaluate`, joint filling is compared with independent filling.
"""

import json
import statistics
import sys
import time
import warnings

from bench import PAUSE, RESULTS, machine
from contenders import flops_of

from perceiver_edu import fill_mask, load_pretrained, optimize
from perceiver_edu.data import HELD_OUT
from perceiver_edu.training.cloze import Comparison, guess_words, hidden_words, read_cloze
from perceiver_edu.training.corpus import load_crops

TEXT, HIDDEN = "He looked at her for a moment without speaking.", "speaking"
TURNS, WORDS = 15, 160


def main():
    warnings.filterwarnings("ignore")
    model = load_pretrained("embedded")
    engines = {
        "readable stages": model,
        "optimize() in torch": optimize(model, engine="torch"),
        "optimize() in OpenVINO": optimize(model, engine="openvino"),
        "optimize(int8=True) in OpenVINO": optimize(model, int8=True),
    }
    rested, in_a_row = (timed(engines, pause) for pause in (PAUSE, 0))
    crops = load_crops([HELD_OUT], model.config.max_position_embeddings, progress=False)
    items = [*read_cloze(), *hidden_words(crops, WORDS)]
    independent = guess_words(model, items)
    rows = []
    for name, engine in engines.items():
        times = rested[name]
        row = {"engine": name, "median_ms": round(statistics.median(times))}
        row |= {"fastest_ms": round(min(times)), "slowest_ms": round(max(times))}
        row |= {"in_a_row_median_ms": round(statistics.median(in_a_row[name]))}
        if engine is not engines["optimize() in torch"]:
            joint = guess_words(engine, items, joint=True)
            up, down = Comparison(independent, joint).moved()
            row |= {"first": joint.right(1), "among_five": joint.right(5), "higher": up, "lower": down}
        rows.append(row)
        print(row, flush=True)
    first = {"first": independent.right(1), "among_five": independent.right(5)}
    about = machine("cpu")
    flops = flops_of_joint(model)
    peak = max(peak["flops_per_second"] for peak in about["peaks"] if peak["dtype"] == "float32")
    content = {"machine": about, "words": len(items), "independent": first}
    content |= {"gflops": flops / 1e9, "floor_ms": round(1e3 * flops / peak), "engines": rows}
    path = RESULTS / f"joint-cpu-{about['date']}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {path}")


def timed(engines: dict, pause: float) -> dict[str, list[float]]:
    """{engine: ms of each turn}, the first turn, which compiles, left out."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(TURNS + 1):
        for name, engine in engines.items():
            time.sleep(pause)
            began = time.perf_counter()
            fill_mask(engine, TEXT, HIDDEN, joint=True)
            times[name].append(1e3 * (time.perf_counter() - began))
    return {name: all_of_them[1:] for name, all_of_them in times.items()}


def flops_of_joint(model) -> int:
    """Of one joint filling, by the formula, for the batches that the model is given."""
    batches = []
    hook = model.register_forward_pre_hook(lambda module, given: batches.append(given[0]))
    fill_mask(model, TEXT, HIDDEN, joint=True)
    hook.remove()
    return flops_of(model.config, batches, len(HIDDEN))


if __name__ == "__main__":
    sys.exit(main())
