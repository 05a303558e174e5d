"""Perceiver IO, stage by stage, small enough to read and exact enough to trust."""

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError
from perceiver_edu.fill_mask import Filling, fill_mask
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
