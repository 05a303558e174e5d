"""From a picture or a sound on the disk to the array that an adapter takes."""

import math
import os
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from perceiver_edu.errors import InputError, brief, whole_number

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, from 0 to 1
CENTRE = 224 / 256  # how much of the shorter side is kept


def prepare_picture(picture: "str | os.PathLike | Image | np.ndarray", size: int = 224) -> torch.Tensor:
    """A picture as the published image classifiers want it: (3, size, size) float32.

    As transformers' `PerceiverImageProcessor` does: the square in the middle, 7/8 of the shorter side wide,
    is resized (bicubic) to `size` and normalised by ImageNet's means. Transparency is dropped, and grey
    becomes red, green and blue alike. A photo is turned upright as its EXIF data say, which transformers
    leaves to its `load_image`, and 16 bits of grey are scaled to 8, where transformers would cut them off.

    Args:
        picture: a file, a PIL image, or an array (H, W, 3) of bytes.

    Raises: InputError for a file that is no picture, another kind of array, or numbers without a known range.
    """
    from PIL import Image, ImageOps

    whole_number("size", size, 1, 2**14)
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise InputError(f"picture must be (H, W, 3) uint8, got {picture.shape} of {picture.dtype}")
        opened = Image.fromarray(picture)
    elif isinstance(picture, Image.Image):
        opened = picture
    else:
        try:
            opened = Image.open(picture)
            opened.load()
        except (OSError, ValueError, AttributeError, Image.DecompressionBombError) as error:
            raise InputError(f"{brief(picture)} cannot be read as a picture: {error}") from None
    opened = ImageOps.exif_transpose(opened)
    if opened.mode.startswith("I;16"):
        opened = Image.fromarray((np.asarray(opened) / 257).round().astype(np.uint8))
    elif opened.mode in ("I", "F"):
        raise InputError(f"picture has pixels of mode {opened.mode}, of no known range: save it as 8-bit RGB")
    width, height = opened.size
    side = int(CENTRE * min(width, height))
    if not side:
        raise InputError(f"picture has {height} × {width} pixels, which is too small to crop")
    left, top = (width - side) // 2, (height - side) // 2
    square = opened.convert("RGB").crop((left, top, left + side, top + side))
    pixels = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
    normal = (pixels - np.array(MEAN, np.float32)) / np.array(STD, np.float32)  # (size, size, 3)
    return torch.from_numpy(normal).movedim(-1, 0).contiguous()


def read_wav(path: str | os.PathLike, rate: int | None = None) -> tuple[torch.Tensor, int]:
    """A WAV file of whole numbers (8, 16, 24 or 32 bits) -> wave (T,) float32 from -1 to 1; its rate in Hz.

    Several channels become their mean.

    Args:
        rate: resample to so many samples per second; needs scipy.

    Raises: InputError for a file that is no such WAV, or is empty.
    """
    try:
        with wave.open(os.fspath(path), "rb") as file:
            channels, width, own_rate, frames, *_ = file.getparams()
            raw = file.readframes(frames)
    except (OSError, EOFError, wave.Error, TypeError, RuntimeError) as error:  # the last: a chunk's size
        reason = str(error) or "it ends too early"
        raise InputError(f"{brief(path)} cannot be read as a WAV file of whole numbers: {reason}") from None
    if not 1 <= width <= 4 or not raw or not own_rate:
        raise InputError(f"{brief(path)} holds no sound that can be read: {8 * width} bits, {frames} samples")
    samples = np.frombuffer(raw[: len(raw) // (width * channels) * width * channels], np.uint8)
    samples = samples.reshape(-1, channels, width)
    if width == 1:  # the only size without a sign
        numbers = samples[..., 0].astype(np.float64) - 128
    else:
        wide = np.zeros((*samples.shape[:2], 4), np.uint8)
        wide[..., 4 - width :] = samples  # little-endian, in the upper bytes, so that the sign bit is right
        numbers = wide.view("<i4")[..., 0].astype(np.float64) / 2 ** (32 - 8 * width)
    sound: Any = numbers.mean(1) / 2 ** (8 * width - 1)  # (T,)
    if rate is not None and rate != own_rate:
        whole_number("rate", rate, 1, 2**20)
        try:
            from scipy.signal import resample_poly
        except ModuleNotFoundError:
            raise InputError("resampling needs scipy: pip install 'perceiver-edu[train]'") from None
        common = math.gcd(rate, own_rate)
        sound, own_rate = resample_poly(sound, rate // common, own_rate // common), rate
    return torch.from_numpy(np.asarray(sound, np.float32)), own_rate
