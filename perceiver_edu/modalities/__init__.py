"""Images, audio, video and any of them together: other adapters and queries around the same three stages.

The names are listed in `__init__.pyi`; one is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
