"""Optical flow between two pictures, also where they are larger than the frames that the model knows."""

import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from perceiver_edu.borrow import eval_mode
from perceiver_edu.errors import InputError, whole_number
from perceiver_edu.modalities.model import PerceiverIO

PIXELS = 20  # in a unit of the model's answer: it was trained on flow divided by 20


def frame_patches(frames: torch.Tensor) -> torch.Tensor:
    """Each pixel with its neighbours, 3 x 3 of 3 colours: (B, 2, 3, H, W) -> (B, 2, 27, H, W).

    Of the 27 numbers the row changes most slowly and the colour fastest. Beyond the frame there are zeros.
    """
    around = F.unfold(frames.flatten(0, 1), 3, padding=1)  # (B * 2, 3 * 9, H * W), the colour slowest
    around = around.unflatten(1, (3, 9)).transpose(1, 2).flatten(1, 2)  # (B * 2, 9 * 3, H * W)
    return around.unflatten(-1, frames.shape[-2:]).unflatten(0, frames.shape[:2])


@torch.no_grad()
def flow_between(model: PerceiverIO, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The motion of the first frame's pixels by a model of optical flow: flow (H, W, 2) in pixels.

    The flow is x to the right, then y down.

    Args:
        model: of the architecture `PerceiverForOpticalFlow`; its mode is the same afterwards.
        first, second: (3, H, W) of the size on which the model was trained, from -1 to 1
            (`bytes / 127.5 - 1`).

    Raises: InputError for another model, or frames of another size or range. For larger frames, use
    `tiled_flow`.
    """
    if getattr(model, "architecture", None) != "PerceiverForOpticalFlow":
        raise InputError("the model must be one for optical flow, such as deepmind/optical-flow-perceiver")
    check_frames(first, second)
    height, width = model.head.grid
    if first.shape[1:] != (height, width):
        given = f"{first.shape[1]} × {first.shape[2]}"
        raise InputError(
            f"this model takes frames of {height} × {width} pixels, got {given}; tiled_flow cuts larger ones"
        )
    frames = torch.stack([first, second])[None]  # (1, 2, 3, H, W)
    if not frames.abs().max() <= 1:  # NaN is refused, too
        raise InputError("frames must be from -1 to 1; pictures of bytes become so by `bytes / 127.5 - 1`")
    parameter = next(model.parameters())
    with eval_mode(model):
        return PIXELS * model(frame_patches(frames).to(parameter))[0]  # (H, W, 2)


@torch.no_grad()
def tiled_flow(
    model: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    first: torch.Tensor,
    second: torch.Tensor,
    tile: tuple[int, int] = (368, 496),
    overlap: int = 20,
) -> torch.Tensor:
    """The flow between two frames of any size, blended from overlapping tiles: flow (H, W, 2) in pixels.

        model = load_pretrained("deepmind/optical-flow-perceiver")
        flow = tiled_flow(partial(flow_between, model), first, second)

    The published model knows one size of frame. As in the paper (appendix H), larger frames are cut into
    evenly spaced tiles, and where tiles overlap, their flows are averaged with weights that fall towards a
    tile's edge, beyond which the model sees nothing. The weight here is the pixel's distance from the nearer
    upper or lower edge times that from the nearer left or right edge. DeepMind's colab takes the smaller of
    the two distances, so its flow jumps where a tile begins at the border of the frame.

    Args:
        model: takes two tiles (3, h, w) and returns their flow (h, w, 2) in pixels.
        first, second: (3, H, W), portrait or landscape, with at least the pixels of a tile along both axes.
        tile: (h, w), the height and width of the frames that the model takes.
        overlap: of how many pixels at least two neighbouring tiles share.

    Raises: InputError for frames that are smaller than a tile or differ in size, an overlap as large as a
    tile, or a model that returns another shape.
    """
    check_frames(first, second)
    height, width = (whole_number("tile", size, 1) for size in tile)
    whole_number("overlap", overlap, 0, min(height, width) - 1)
    H, W = first.shape[1:]
    if height > H or width > W:
        raise InputError(
            f"frames must have at least {height} × {width} pixels, the size of a tile, got {H} × {W}; "
            "enlarge both, and divide the flow by the same factor"
        )
    dtype = torch.promote_types(first.dtype, torch.float32)
    flow = torch.zeros(H, W, 2, dtype=dtype, device=first.device)
    rows, columns = tiles(H, height, overlap), tiles(W, width, overlap)
    for (y, down), (x, across) in itertools.product(rows, columns):
        part = model(first[:, y, x], second[:, y, x])
        if part.shape != (height, width, 2):
            raise InputError(f"the model must return flow ({height}, {width}, 2), got {tuple(part.shape)}")
        fraction = down[:, None, None] * across[:, None]  # (h, w, 1)
        flow[y, x] += fraction.to(flow) * part.to(flow)
    return flow


def tiles(size: int, tile: int, overlap: int) -> list[tuple[slice, torch.Tensor]]:
    """Evenly spaced tiles along an axis, and what each contributes to its pixels: (tile,), 1 in all."""
    gaps = math.ceil((size - tile) / (tile - overlap))
    starts = [k * (size - tile) // max(gaps, 1) for k in range(gaps + 1)]
    parts = [slice(start, start + tile) for start in starts]
    ramp = torch.arange(1, tile + 1)
    ramp = torch.minimum(ramp, ramp.flip(0)).double()  # 1 at both edges
    total = torch.zeros(size, dtype=ramp.dtype)
    for part in parts:
        total[part] += ramp
    return [(part, ramp / total[part]) for part in parts]


def check_frames(first: torch.Tensor, second: torch.Tensor) -> None:
    """Raises: InputError for anything but two arrays (3, H, W) of floating-point numbers and one size."""
    frames = first, second
    if (
        any(not isinstance(frame, torch.Tensor) or not frame.is_floating_point() for frame in frames)
        or first.shape != second.shape
        or first.ndim != 3
        or len(first) != 3
    ):
        got = " and ".join(
            f"{tuple(getattr(frame, 'shape', ()))} of {getattr(frame, 'dtype', type(frame).__name__)}"
            for frame in frames
        )
        raise InputError(
            f"frames must be two tensors (3, H, W) of floating-point numbers and one size, got {got}"
        )
