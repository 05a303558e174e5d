"""How long does joint filling take with each engine, and does int8 find as many words?

python benchmarks/joint.py        writes benchmarks/results/joint-cpu-DATE.json, two minutes on two cores

Joint filling runs the model once for each byte of the hole, on up to five partly filled strings. The engines
take turns at a hole of 8 bytes, with the embedded weights. The words are those of the 40 cloze sentences and
160 of the held-out text; as in `perceiver-edu evaluate`, joint filling is compared with independent filling.
"""

import json
import statistics
import sys
import time
import warnings

from bench import PAUSE, RESULTS, machine

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
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(TURNS + 1):
        for name, engine in engines.items():
            time.sleep(PAUSE)
            began = time.perf_counter()
            fill_mask(engine, TEXT, HIDDEN, joint=True)
            if turn:  # the first one compiles
                seconds[name].append(time.perf_counter() - began)
    crops = load_crops([HELD_OUT], model.config.max_position_embeddings, progress=False)
    items = [*read_cloze(), *hidden_words(crops, WORDS)]
    independent = guess_words(model, items)
    rows = []
    for name, engine in engines.items():
        times = sorted(1e3 * s for s in seconds[name])
        row = {"engine": name, "median_ms": round(statistics.median(times))}
        row |= {"fastest_ms": round(times[0]), "slowest_ms": round(times[-1])}
        if engine is not engines["optimize() in torch"]:
            joint = guess_words(engine, items, joint=True)
            up, down = Comparison(independent, joint).moved()
            row |= {"first": joint.right(1), "among_five": joint.right(5), "higher": up, "lower": down}
        rows.append(row)
        print(row, flush=True)
    first = {"first": independent.right(1), "among_five": independent.right(5)}
    about = machine("cpu")
    content = {"machine": about, "words": len(items), "independent": first, "engines": rows}
    path = RESULTS / f"joint-cpu-{about['date']}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
