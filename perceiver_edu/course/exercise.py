"""What an exercise is, and how a learner's result is compared with the reference."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.report import shown

TOLERANCE = 1e-9  # float64: as a share of the largest number expected
FLOAT32_TOLERANCE = 1e-5


class Mistake(NamedTuple):
    """A mistake that many make: the sentence that names it, and the switches that make `variant` make it."""

    says: str
    switches: dict[str, Any]


class Property(NamedTuple):
    """Something a right answer does."""

    says: str  # "rows of the attention sum to 1"
    ok: bool
    got: str  # what was seen, in a few words


@dataclass(frozen=True)
class Exercise:
    """One exercise. Its inputs have sizes that are all different, so that a swapped axis is seen."""

    id: str  # "02.cross_attention": notebook and name
    title: str
    minutes: int
    difficulty: int  # 1 to 3
    paper: str  # the section to read
    name: str  # what the learner's function is called
    cases: Callable[[], dict[str, dict[str, Any]]]  # what is tested: arguments, by name; from easy to hard
    reference: Callable  # (**arguments) -> the right result, computed by this library
    variant: Callable | None = None  # (**arguments, **switches) -> result; without switches, the right one
    mistakes: dict[str, Mistake] = field(default_factory=dict)
    properties: Callable[[Callable, dict], Iterable[Property]] | None = None
    sizes: Callable[..., dict[str, int]] | None = None  # (**arguments) -> {"B": 2, …}, to name axes by
    places: tuple[str, ...] = ()  # what an index of the result counts, axis by axis: ("crop", "column")
    signs: Callable[[torch.Tensor], str] | None = None  # a row of ids, of the result -> a line to read
    module: Callable | None = (
        None  # (**arguments) -> sizes, weights and inputs of an nn.Module; None: not for it
    )
    builds: bool = False  # a class is asked for; what it builds is the result, and `observe` runs it
    observe: Callable | None = None  # (result, arguments) -> what is compared; Misfit where it cannot be
    compared: str = ""  # what `observe` makes of a result, in words
    gradients: bool = False  # the learner's code trains: autograd is on while it runs
    in_model: Callable | None = None  # (function, report) -> bool: puts it into the whole model and shows it

    @property
    def arguments(self) -> list[str]:
        return list(next(iter(self.cases().values())))


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
        raise Misfit(
            f"expected a tensor on {expected.device}, where the inputs are; got one on {result.device}."
        )
    if (
        result.is_sparse
        or result.dtype.is_complex
        or result.is_floating_point() != expected.is_floating_point()
    ):
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
    except Exception:  # whatever a learner's object does when it is compared
        return False


def _largest(tensor) -> float:
    return float(tensor.double().abs().max()) if tensor.numel() else 0.0


def side_by_side(exercise: Exercise, expected, got, sizes: dict[str, int]) -> list[tuple[str, str, str]]:
    """Rows (what, expected, got) for a table."""
    if isinstance(expected, dict):
        marks = {key: "" if same(expected[key], got[key]) else "  ✗" for key in expected}
        return [(key, _value(expected[key], sizes), _value(got[key], sizes) + marks[key]) for key in expected]
    if not isinstance(expected, torch.Tensor):
        return [("result", _value(expected, sizes), _value(got, sizes))]
    rows = [("shape", named_shape(expected.shape, sizes), named_shape(got.shape, sizes))]
    if not expected.is_floating_point():
        return rows + first_difference(exercise, expected, got)
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


def first_difference(exercise: Exercise, expected, got) -> list[tuple[str, str, str]]:
    """Of ids the first that differs says most, also where there are too many or too few; and its row."""
    if got.ndim != expected.ndim or not got.ndim:
        return []
    common = tuple(slice(min(sizes)) for sizes in zip(expected.shape, got.shape, strict=True))
    different = (expected[common] != got[common]).nonzero()  # in reading order
    if not len(different):
        return []
    at = tuple(different[0].tolist())
    names = exercise.places or ("",) * len(at)
    counted = [f"{name} {i}".strip() for name, i in zip(names, at, strict=True)]
    rows = [(f"first difference: {', '.join(counted)}", str(expected[at].item()), str(got[at].item()))]
    if exercise.signs is not None:
        lines = (exercise.signs(ids[at[:-1]]) for ids in (expected, got))
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
