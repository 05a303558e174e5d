"""How a learner's result is compared with the right one, and how the two are shown side by side."""

import math
from collections.abc import Iterable, Iterator, Sized
from numbers import Number
from typing import Any

import torch

from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.language import to_translate

# As shares of the largest number expected:
TOLERANCE = 1e-6  # float64, in which one number may be rounded to float32, such as `torch.tensor(d).sqrt()`
EXACT = 1e-9  # float64 alone
FLOAT32_TOLERANCE = 1e-5
LARGEST = 1_000_000  # entries; no right answer to a case has as many


def plain(result, largest: float = LARGEST, number: bool = False) -> Any:
    """The result, in which single numbers of NumPy, torch and `fractions` have become Python's own.

    A result that is one tensor stays one, unless a `number` is expected.

    Raises: Misfit for a result that has no end, is too large to be looked at, or holds no real numbers.
    """
    left = largest

    def convert(value, inside=True):
        nonlocal left
        if callable(value) and not isinstance(value, torch.Tensor):
            return value
        if isinstance(value, torch.Tensor):
            left -= value.numel()
            kinds = {
                to_translate("without numbers, on the device `meta`"): value.is_meta,
                to_translate("complex"): value.is_complex(),
                to_translate("sparse"): value.layout != torch.strided,
            }
            for kind in filter(kinds.get, kinds):
                raise Misfit(
                    translated(
                        "your result is {kind}: {value}. Return a plain tensor of real numbers.",
                        kind=translated(kind),
                        value=shown(value),
                    )
                )
            value = value.item() if inside and value.numel() == 1 else value
        elif getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # NumPy's
            value = value.item()
        elif isinstance(value, Number) and not isinstance(value, int | float | complex):
            value = float(value)
        elif isinstance(value, Iterator) or (isinstance(value, Iterable) and not isinstance(value, Sized)):
            raise Misfit(
                translated(
                    "your result is a {name}, which produces its entries one by one, on demand. Return them "
                    "all, for example by `list(…)`.",
                    name=type(value).__name__,
                )
            )
        elif isinstance(value, Sized):
            left -= len(value)
        if left < 0:
            raise Misfit(
                translated("your result is too large: it has more than {largest:,} entries.", largest=largest)
            )
        if isinstance(value, dict):
            return {key: convert(part) for key, part in value.items()}
        return type(value)(map(convert, value)) if type(value) in (list, tuple) else value

    try:
        return convert(result, inside=number)
    except RecursionError:
        raise Misfit(translated("your result is nested without end.")) from None


def readable(result, expected, part="") -> Any:
    """The result in a form that can be compared. Raises: Misfit, where it cannot be, and says why.

    `part` names the part of the result that this is, such as "`outputs`".
    """
    at = translated("{part}: ", part=part) if part else ""
    if result is None:
        whole = translated("your function returned None: is the `return` missing?")
        raise Misfit(
            translated("{part} is None. Does a function that you call lack a `return`?", part=part)
            if part
            else whole
        )
    if result is ...:
        raise Misfit(translated("{at}`...` is still there. Replace it by your answer.", at=at))
    if isinstance(expected, torch.Tensor):
        return readable_tensor(result, expected, at)
    if isinstance(expected, bool | int | float):
        return readable_number(result, isinstance(expected, bool), at)
    if isinstance(expected, dict):
        if not isinstance(result, dict) or result.keys() != expected.keys():
            got = (
                translated("the keys {result}", result=", ".join(map(str, result)))
                if isinstance(result, dict) and result
                else shown(result)
            )
            raise Misfit(
                translated(
                    "{at}expected a dict with the keys {expected}; got {got}.",
                    at=at,
                    expected=", ".join(expected),
                    got=got,
                )
            )
        return {key: readable(result[key], value, f"`{key}`") for key, value in expected.items()}
    if isinstance(expected, tuple | list):
        if isinstance(getattr(result, "ndim", None), int) and result.ndim == 1:  # of torch or NumPy
            result = result.tolist()
        if not isinstance(result, tuple | list):
            raise of_another_type(result, expected, at)
        return type(expected)(readable(entry, expected[0] if expected else entry, part) for entry in result)
    if not isinstance(result, type(expected)):
        raise of_another_type(result, expected, at)
    return result


def of_another_type(result, expected, at: str) -> Misfit:
    name = type(expected).__name__
    return Misfit(translated("{at}expected a {name}, got {result}.", at=at, name=name, result=shown(result)))


def readable_number(result, truth: bool, at: str) -> bool | int | float:
    """One number, or True or False where the truth is asked."""
    if isinstance(result, torch.Tensor) and result.numel() == 1:
        result = result.item()
    if isinstance(result, str) and not truth:
        raise Misfit(
            translated(
                "{at}expected a number, got the text {result}. Return the number itself.",
                at=at,
                result=shown(result),
            )
        )
    if truth != isinstance(result, bool) or not isinstance(result, int | float):
        raise Misfit(
            translated(
                "{at}expected {truth}, got {result}.",
                at=at,
                truth=translated("True or False") if truth else translated("a number"),
                result=shown(result),
            )
        )
    if isinstance(result, int) and result.bit_length() > 1000:
        raise Misfit(
            translated(
                "{at}your number has {number:,} bits, which is far too large.",
                at=at,
                number=result.bit_length(),
            )
        )
    return result


def readable_tensor(result, expected: torch.Tensor, at: str) -> torch.Tensor:
    if isinstance(result, tuple | list) and any(isinstance(entry, torch.Tensor) for entry in result):
        raise Misfit(
            translated(
                "{at}your function returned {number} objects. Return a single tensor.",
                at=at,
                number=len(result),
            )
        )
    if not isinstance(result, torch.Tensor):
        raise Misfit(translated("{at}expected a torch tensor, got {result}.", at=at, result=shown(result)))
    if result.device != expected.device:
        wanted, got = expected.device, result.device
        raise Misfit(
            translated(
                "{at}expected a tensor on {wanted}, where the inputs are; got one on {got}.",
                at=at,
                wanted=wanted,
                got=got,
            )
        )
    kinds = [(tensor.is_floating_point(), tensor.dtype == torch.bool) for tensor in (result, expected)]
    if kinds[0] != kinds[1]:
        wanted = to_translate("{at}expected floating-point numbers, got {result}.")
        if not kinds[1][0]:
            whole = to_translate("{at}expected whole numbers, got {result}.")
            wanted = to_translate("{at}expected bool numbers, got {result}.") if kinds[1][1] else whole
        raise Misfit(translated(wanted, at=at, result=shown(result)))
    if result.dtype in (torch.float16, torch.bfloat16) and expected.dtype != result.dtype:
        raise Misfit(
            translated(
                "{at}your result is {dtype}, which is not precise enough. Compute in {wanted}.",
                at=at,
                dtype=result.dtype,
                wanted=expected.dtype,
            )
        )
    return result.detach().clone()


def shapes(result):
    """The shapes of a result's tensors, in the form of the result."""
    if isinstance(result, dict):
        return {key: shapes(value) for key, value in result.items()}
    return result.shape if isinstance(result, torch.Tensor) else None


def same(a, b, tolerance=TOLERANCE) -> bool:
    """Are two results equal, up to rounding? Of a float32 tensor, what float32 can hold is asked."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.shape != b.shape:
            return False
        coarse = torch.float32 in (a.dtype, b.dtype)
        limit = (FLOAT32_TOLERANCE if coarse else tolerance) * max(1.0, _largest(b))
        alike = (a == b) | (a.isnan() & b.isnan())  # infinity is like infinity, and NaN like NaN
        difference = (a.double() - b.double()).masked_fill(alike, 0)
        return _largest(difference) <= limit
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if all(isinstance(n, int | float) and not isinstance(n, bool) for n in (a, b)):
        both_nan = a != a and b != b
        return both_nan or math.isclose(a, b, rel_tol=FLOAT32_TOLERANCE, abs_tol=1e-6)  # as of float32
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
        rows = []
        for key in expected:
            own = side_by_side(expected[key], got[key], sizes)
            if same(expected[key], got[key]):
                rows.append((key, *own[0][1:]))
            else:
                names = [key if what == translated("result") else f"{key}: {what}" for what, *_ in own]
                rows += [
                    (name, right, yours if yours == right else f"{yours}  ✗")
                    for name, (_, right, yours) in zip(names, own, strict=True)
                ]
        return rows
    if not isinstance(expected, torch.Tensor):
        return [(translated("result"), *in_words(expected, got, sizes, differ=not same(expected, got)))]
    rows = [(translated("shape"), named_shape(expected.shape, sizes), named_shape(got.shape, sizes))]
    if not expected.is_floating_point():
        return rows + first_difference(expected, got, axes, read)
    if got.shape == expected.shape and got.numel():
        distance = (got.double() - expected.double()).abs().nan_to_num(torch.inf)
        place = [int(i) for i in torch.unravel_index(distance.argmax(), distance.shape)]
        where = translated("at {place}, where they differ most", place=place)
        at = tuple(place)
        rows.append((where, *in_words(float(expected[at]), float(got[at]), {}, differ=True)))
        rows.append((translated("largest number"), f"{_largest(expected):.4g}", f"{_largest(got):.4g}"))
        if got.isnan().any():
            rows.append(
                (
                    translated("not a number (NaN)"),
                    "0",
                    translated("{number} of {all}", number=int(got.isnan().sum()), all=got.numel()),
                )
            )
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
    counted = [f"{translated(name)} {i}".strip() for name, i in zip(names, at, strict=True)]
    rows = [
        (
            translated("first difference: {place}", place=", ".join(counted)),
            str(expected[at].item()),
            str(got[at].item()),
        )
    ]
    if read is not None:
        lines = (read(ids[at[:-1]]) for ids in (expected, got))
        rows.append((", ".join(counted[:-1]), *lines))
    return rows


def in_words(expected, got, sizes, differ: bool) -> tuple[str, str]:
    """Both in a few words; numbers that `differ` with so many digits that it shows."""

    def words(value, digits):
        is_shape = isinstance(value, tuple) and value and all(isinstance(size, int) for size in value)
        if is_shape and sizes:
            return named_shape(value, sizes)
        return f"{value:.{digits}g}" if isinstance(value, float) else shown(value)

    pair = words(expected, 6), words(got, 6)
    return (words(expected, 17), words(got, 17)) if differ and pair[0] == pair[1] else pair


def named_shape(shape, sizes: dict[str, int]) -> str:
    """(2, 5, 10) -> "(2, 5, 10) = (B, Q, q_dim)": every size is different, so a size has one name."""
    names = {size: name for name, size in sizes.items()}
    text = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if not shape or not all(size in names for size in shape):
        return text
    return f"{text} = ({', '.join(names[size] for size in shape)})"
