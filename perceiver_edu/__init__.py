"""Perceiver IO, stage by stage, small enough to read and exact enough to trust.

The public names are listed in `__init__.pyi`. A name is imported when it is first used, so
`perceiver-edu --help` answers at once, before torch is loaded.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
