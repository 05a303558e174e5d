"""The library's own code in a notebook: what is shown is what runs."""

import inspect
import textwrap
from pathlib import Path

from perceiver_edu.course.place import translated

PACKAGE = Path(__file__).parents[1]


def show_source(*objects) -> None:
    """Show the source of classes or functions of this library, with file and first line."""
    from IPython.display import Markdown, display

    for shown in objects:
        file = Path(inspect.getsourcefile(inspect.unwrap(shown))).relative_to(PACKAGE.parent).as_posix()
        lines, first = inspect.getsourcelines(shown)
        code = textwrap.dedent("".join(lines))
        place = translated("`{file}`, line {line}", file=file, line=first)
        display(Markdown(f"{place}\n\n```python\n{code.rstrip()}\n```"))
