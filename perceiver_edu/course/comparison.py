"""How a learner's result is compared with the right one, and how the two are shown side by side."""

from typing import Any

import torch

from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.report import shown

TOLERANCE = 1e-9  # float64: as a share of the largest number expected
FLOAT32_TOLERANCE = 1e-5


def readable(result, expected) -> Any:
    """The result in a form that can be compared. Raises: Misfit, where it cannot be, and says why."""
    if result is None:
        raise Misfit("your function returned None: is the `return` missing?")
    if not isinstance(expected, torch.Tensor):
        kind = type(expected)
        if isinstance(result, torch.Tensor) and isinstance(expected, int | float) and result.numel() == 1:
            return result.item()
        if kind is tuple and isinstance(result, list | torch.Size):
            return tuple(result)
        if not isinstance(result, kind) and not (kind is float and isinstance(result, int)):
            raise Misfit(f"expected a result of type {kind.__name__}, got {shown(result)}.")
        if kind is dict and set(result) != set(expected):
            raise Misfit(f"expected the keys {', '.join(expected)}; got {', '.join(map(str, result))}.")
        return result
    if isinstance(result, tuple | list) and any(isinstance(part, torch.Tensor) for part in result):
        raise Misfit(f"your function returned {len(result)} things: return the one tensor that is asked for.")
    if not isinstance(result, torch.Tensor):
        raise Misfit(f"expected a torch tensor, got {shown(result)}.")
    if result.device != expected.device:
        wanted, got = expected.device, result.device
        raise Misfit(f"expected a tensor on {wanted}, where the inputs are; got one on {got}.")
    same_kind = result.is_floating_point() == expected.is_floating_point()
    if result.is_sparse or result.dtype.is_complex or not same_kind:
        raise Misfit(f"expected numbers of type {expected.dtype}, got {shown(result)}.")
    return result.detach()


def same(a, b) -> bool:
    """Are two results equal, up to rounding? Of a float32 tensor, what float32 can hold is asked."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.shape != b.shape:
            return False
        coarse = torch.float32 in (a.dtype, b.dtype)
        limit = (FLOAT32_TOLERANCE if coarse else TOLERANCE) * max(1.0, _largest(b))
        difference = (a.double() - b.double()).masked_fill(a.isnan() & b.isnan(), 0)  # NaN is like NaN
        return _largest(difference) <= limit
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    try:
        return bool(a == b)
    except KeyboardInterrupt:
        raise
    except BaseException:  # whatever a learner's object does when it is compared
        return False


def _largest(tensor) -> float:
    return float(tensor.double().abs().max()) if tensor.numel() else 0.0


def side_by_side(expected, got, sizes: dict[str, int], axes=(), read=None) -> list[tuple[str, str, str]]:
    """Rows (what, expected, got) for a table.

    Args:
        sizes: {"B": 2, …}, all different, so that a size names its axis.
        axes: of ids, what an index counts, axis by axis: ("crop", "column").
        read: a row of ids -> a line to read.
    """
    if isinstance(expected, dict):
        marks = {key: "" if same(expected[key], got[key]) else "  ✗" for key in expected}
        return [(key, _value(expected[key], sizes), _value(got[key], sizes) + marks[key]) for key in expected]
    if not isinstance(expected, torch.Tensor):
        return [("result", _value(expected, sizes), _value(got, sizes))]
    rows = [("shape", named_shape(expected.shape, sizes), named_shape(got.shape, sizes))]
    if not expected.is_floating_point():
        return rows + first_difference(expected, got, axes, read)
    if got.shape == expected.shape and got.numel():
        distance = (got.double() - expected.double()).abs().nan_to_num(torch.inf)
        place = [int(i) for i in torch.unravel_index(distance.argmax(), distance.shape)]
        where = f"at {place}, where they differ most"
        at = tuple(place)
        rows.append((where, f"{float(expected[at]):.6g}", f"{float(got[at]):.6g}"))
        rows.append(("largest number", f"{_largest(expected):.4g}", f"{_largest(got):.4g}"))
        if got.isnan().any():
            rows.append(("not a number (NaN)", "0", f"{int(got.isnan().sum())} of {got.numel()}"))
    return rows


def first_difference(expected, got, axes, read) -> list[tuple[str, str, str]]:
    """Of ids the first that differs says most, also where there are too many or too few; and its row."""
    if got.ndim != expected.ndim or not got.ndim:
        return []
    common = tuple(slice(min(sizes)) for sizes in zip(expected.shape, got.shape, strict=True))
    different = (expected[common] != got[common]).nonzero()  # in reading order
    if not len(different):
        return []
    at = tuple(different[0].tolist())
    names = axes or ("",) * len(at)
    counted = [f"{name} {i}".strip() for name, i in zip(names, at, strict=True)]
    rows = [(f"first difference: {', '.join(counted)}", str(expected[at].item()), str(got[at].item()))]
    if read is not None:
        lines = (read(ids[at[:-1]]) for ids in (expected, got))
        rows.append((", ".join(counted[:-1]), *lines))
    return rows


def _value(value, sizes) -> str:
    is_shape = isinstance(value, tuple) and value and all(isinstance(size, int) for size in value)
    return named_shape(value, sizes) if is_shape and sizes else shown(value)


def named_shape(shape, sizes: dict[str, int]) -> str:
    """(2, 5, 10) -> "(2, 5, 10) = (B, Q, q_dim)": every size is different, so a size has one name."""
    names = {size: name for name, size in sizes.items()}
    text = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if not shape or not all(size in names for size in shape):
        return text
    return f"{text} = ({', '.join(names[size] for size in shape)})"
