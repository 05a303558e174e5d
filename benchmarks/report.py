"""The newest record as Markdown: python benchmarks/report.py

It goes into README.md and benchmarks/README.md, between two comments; the words around it stay.
"""

import json
import re
from pathlib import Path

from bench import LIBRARIES, RESULTS, Row, best_peer, ratio, table

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- numbers from benchmarks/report.py -->", "<!-- end of the numbers -->"
ONE_HOLE = "fill one hole, 62 ids, full size"


NOT_YET = (
    "No run with these engines has been recorded yet. `make bench` measures your machine and records it."
)


def newest() -> tuple[dict, list[Row]] | None:
    """-> what the newest record of a CPU says of its machine, and its rows; None before the first one that
    notes every turn."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("cpu-*.json"))]
    records = [record for record in records if "instructions" in record["machine"]]
    if not records:
        return None
    return records[-1]["machine"], [Row(**row) for row in records[-1]["rows"]]


def measured_on(machine: dict) -> str:
    """One sentence fragment: processor, instructions, versions, date."""
    versions = ", ".join(f"{library} {machine[library]}" for library in LIBRARIES if library in machine)
    instructions = ", ".join(machine["instructions"])
    about = f"{machine['device']} (a virtual machine with {machine['threads']} threads; {instructions})"
    return f"an {about}, with {versions}, on {machine['date']}."


def summary(machine: dict, rows: list[Row]) -> str:
    """One hole at full size: ours, the best peer of each precision, and the ratio."""
    lines = [
        "| precision | `optimize(model)` | closest alternative "
        "| median speed-up in paired runs [quartiles] |",
        "|---|---|---|---|",
    ]
    for precision in ("fp32", "bf16", "int8"):
        ours = [row for row in rows if row.job == ONE_HOLE and row.precision == precision and row.ours]
        ours = [row for row in ours if row.contender.startswith("optimize")]
        if not ours:
            continue
        best = min(ours, key=lambda row: row.seconds)
        peer = best_peer(best, rows)
        assert peer is not None
        its_name = peer.contender.replace("HF", "Hugging Face")
        lines.append(
            f"| {precision} | {best.seconds * 1e3:.0f} ms, {best.contender.removeprefix('optimize() in ')} "
            f"| {peer.seconds * 1e3:.0f} ms, {its_name} | {ratio(best, peer)} |"
        )
    about = f"Measured on {machine['threads']} threads of an {machine['device']}, {machine['date']}."
    return "\n".join([*lines, "", about])


def put(text: str, numbers: str) -> str:
    """The text with new numbers between the comments."""
    return re.sub(f"(?<={BEGIN}\n).*?(?={END})", lambda _: f"\n{numbers}\n\n", text, flags=re.DOTALL)


def pages() -> dict[Path, str]:
    """{file: what it should hold}"""
    content = {ROOT / "README.md": NOT_YET, ROOT / "benchmarks" / "README.md": NOT_YET}
    if found := newest():
        machine, rows = found
        content[ROOT / "README.md"] = summary(machine, rows)
        content[ROOT / "benchmarks" / "README.md"] = f"Measured on {measured_on(machine)}\n{table(rows)}"
    return {path: put(path.read_text("utf-8"), numbers) for path, numbers in content.items()}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
        print(f"written: {path}")
