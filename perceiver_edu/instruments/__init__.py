"""What looks inside a model: tracing, parity, plots.

The names are listed in `__init__.pyi`. A name is imported when it is first used, so only plots load
matplotlib.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
