"""Perceiver IO, stage by stage, small enough to read and exact enough to trust.

A name is imported when it is first used: so `perceiver-edu --help` answers at once, before torch is loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors, which do not run __getattr__
    from perceiver_edu.config import PerceiverIOConfig
    from perceiver_edu.errors import InputError
    from perceiver_edu.filling import Filling, fill_mask
    from perceiver_edu.model import PerceiverIOForMaskedLM
    from perceiver_edu.pretrained import from_huggingface, load_pretrained, save_pretrained, weights_name
    from perceiver_edu.tokenizer import ByteTokenizer

__version__ = "0.1.0"
__all__ = [
    "ByteTokenizer",
    "Filling",
    "InputError",
    "PerceiverIOConfig",
    "PerceiverIOForMaskedLM",
    "fill_mask",
    "from_huggingface",
    "load_pretrained",
    "save_pretrained",
    "weights_name",
]

HOMES = {  # the public names: the module of each
    "ByteTokenizer": "tokenizer",
    "Filling": "filling",
    "InputError": "errors",
    "PerceiverIOConfig": "config",
    "PerceiverIOForMaskedLM": "model",
    "fill_mask": "filling",
    "from_huggingface": "pretrained",
    "load_pretrained": "pretrained",
    "save_pretrained": "pretrained",
    "weights_name": "pretrained",
}


def __getattr__(name):
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    return globals()[name]


def __dir__():
    return sorted({*globals(), *__all__})
