"""Experiments with controls; `base` is the mechanism under them, and says how to make one.

Every module of this folder is imported, and what `@widget` registers is found here: `widgets.mask_a_span`.
"""

from importlib import import_module
from pkgutil import iter_modules

from perceiver_edu.course.widgets.base import WIDGETS, Experiment, from_above
from perceiver_edu.course.widgets.export import Export

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

globals().update({widget.make.__name__: widget.make for widget in WIDGETS.values()})
__all__ = [
    "WIDGETS",
    "Experiment",
    "Export",
    "from_above",
    *(widget.make.__name__ for widget in WIDGETS.values()),
]
