"""Record a GPU from a checkout, with torch, transformers, NumPy and matplotlib and nothing else installed.

    python benchmarks/record_gpu.py FOLDER [--device cuda] [--reduced]

The same as `perceiver-edu profile --record FOLDER`, which also needs the packages of the command line.
"""

import argparse
import ast
import sys
import types
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def lazy_loader() -> types.ModuleType:
    """What this package uses of lazy_loader, for a machine that lacks it."""

    def attach_stub(package: str, filename: str):
        stub = ast.parse(Path(filename).with_suffix(".pyi").read_text("utf-8"))
        places = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in stub.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

        def get(name: str):
            if name not in places:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            module, original = places[name]
            if module is None:
                return import_module(f"{package}.{original}")
            return getattr(import_module(f"{package}.{module}"), original)

        return get, lambda: sorted(places), list(places)

    module = types.ModuleType("lazy_loader")
    module.attach_stub = attach_stub
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--reduced", action="store_true", help="a small model, to try the command in seconds")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if find_spec("lazy_loader") is None:
        sys.modules["lazy_loader"] = lazy_loader()
    from perceiver_edu.instruments.gpu_record import RECORD, record

    found = record(options.folder, options.device, reduced=options.reduced)
    for row in found["rows"]:
        took = row.get("problem") or f"{1e3 * row['seconds']:9.3f} ms, {row['of_peak']:.0%} of the peak"
        print(f"{row['who']:<14}{row['how']:<16}{row['precision']:<10}B = {row['batch']:<4}{took}")
    print(f"{found['machine']['device']}: {options.folder / RECORD}, {found['seconds']:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
