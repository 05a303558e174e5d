"""The check as a teacher: whatever a learner hands in, a report comes back that says what to do next."""

import itertools
import re
import signal
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from perceiver_edu.course import check, checks, exercises
from perceiver_edu.course.checks import diagnose
from perceiver_edu.course.comparison import named_shape, same
from perceiver_edu.course.exercises import all_exercises, find
from perceiver_edu.course.exercises.n02_encoder.cross_attention import SIZES
from perceiver_edu.course.progress import read_progress
from perceiver_edu.course.report import DONE, NOT_YET, WAITING, Report

EXERCISES = all_exercises()
FOLDER = Path(exercises.__file__).parent


@pytest.fixture(autouse=True)
def no_side_effects(tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path / "progress.json"))


# ---------------------------------------------------------------- the exercises themselves


def test_a_module_in_a_numbered_folder_is_an_exercise():
    modules = [path for path in FOLDER.glob("n??_*/*.py") if path.stem != "__init__"]
    assert {f"{path.parent.name[1:3]}.{path.stem}" for path in modules} == set(EXERCISES)
    assert all(exercise.id == id for id, exercise in EXERCISES.items())


@pytest.mark.parametrize("id", EXERCISES)
def test_the_variant_without_a_mistake_is_the_reference(id):
    exercise = EXERCISES[id]
    for arguments in exercise.cases().values():
        assert same(exercise.mistaken(arguments, {}), exercise.expected(arguments))


@pytest.mark.parametrize("id", EXERCISES)
def test_every_mistake_is_wrong_in_a_way_of_its_own(id):
    """Else the check would let it pass, or call it by another's name."""
    exercise, cases = EXERCISES[id], EXERCISES[id].cases().values()
    seen = {"the right answer": [exercise.expected(arguments) for arguments in cases]}
    for mistake in exercise.known_mistakes:
        own = [exercise.mistaken(arguments, mistake.switches) for arguments in cases]
        equal = [other for other, results in seen.items() if all(map(same, own, results))]
        assert not equal, f"{mistake.switches} gives what {equal[0]} gives"
        seen[str(mistake.switches)] = own


@pytest.mark.parametrize("id", EXERCISES)
def test_an_exercise_says_what_it_is(id):
    exercise = find(id)
    assert exercise.title and re.fullmatch(r"[1-9]\d* minutes · (easy|medium|hard)( · .+)?", exercise.about)
    assert all(mistake.says.endswith((".", "?")) for mistake in exercise.known_mistakes)


def test_the_sizes_of_cross_attention_are_all_different():
    assert len(set(SIZES.values())) == len(SIZES)


# ---------------------------------------------------------------- right answers


def attend(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
    def split(x):
        return x.view(x.shape[0], x.shape[1], num_heads, -1).permute(0, 2, 1, 3)

    q, k, v = split(query(x_q)), split(key(x_kv)), split(value(x_kv))
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / q.shape[-1] ** 0.5
    if kv_mask is not None:
        scores = scores.masked_fill(kv_mask[:, None, None].logical_not(), -1e9)
    return output(torch.einsum("bhqk,bhkd->bqhd", scores.softmax(-1), v).flatten(2))


class Attention(nn.Module):
    def __init__(self, q_dim, kv_dim, qk_channels, v_channels, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(q_dim, qk_channels)
        self.key = nn.Linear(kv_dim, qk_channels)
        self.value = nn.Linear(kv_dim, v_channels)
        self.output = nn.Linear(v_channels, q_dim)

    def forward(self, x_q, x_kv, kv_mask=None):
        return attend(x_q, x_kv, self.query, self.key, self.value, self.output, self.num_heads, kv_mask)


class OtherNames(Attention):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.to_q, self.to_k, self.to_v, self.out = self.query, self.key, self.value, self.output
        del self.query, self.key, self.value, self.output

    def forward(self, a, b, c=None):
        return attend(a, b, self.to_q, self.to_k, self.to_v, self.out, self.num_heads, c)


class Plain(nn.Module):
    def forward(self, x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
        return attend(x_q, x_kv, query, key, value, output, num_heads, kv_mask)


class Callable:
    def __call__(self, x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
        return attend(x_q, x_kv, query, key, value, output, num_heads, kv_mask)


RIGHT = {
    "a function": attend,
    "other argument names": lambda a, b, c, d, e, f, g, h=None: attend(a, b, c, d, e, f, g, h),
    "any arguments": lambda *args: attend(*args),
    "keywords": lambda **kwargs: attend(**kwargs),
    "a class of modules": Attention,
    "a module": Attention(6, 5, 4, 8, 2),
    "other names for the layers": OtherNames,
    "a module without weights": Plain(),
    "a callable object": Callable(),
}


@pytest.mark.parametrize("learner", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_answer_passes_and_is_noted(learner):
    report = check("02.cross_attention", learner)
    assert report.ok and report.verdict == DONE, report
    assert "encoded" in repr(report) and "before" in repr(report) and "after" in repr(report)
    assert list(read_progress()[0]) == ["02.cross_attention"]


ROUNDED = {"the result": torch.Tensor.float, "a number": lambda tensor: tensor * torch.tensor(1 / 3) * 3}


@pytest.mark.parametrize("rounded", ROUNDED.values(), ids=ROUNDED.keys())
def test_a_right_answer_that_is_rounded_to_float32_passes_with_a_word_about_it(rounded, monkeypatch):
    in_float64 = {"10.image_adapter": EXERCISES["10.image_adapter"].in_model}  # the other models take long
    monkeypatch.setattr(checks, "find", lambda id: replace(EXERCISES[id], in_model=in_float64.get(id)))

    def converted(result):
        if isinstance(result, dict):
            return {key: converted(value) for key, value in result.items()}
        floats = isinstance(result, torch.Tensor) and result.is_floating_point()
        return rounded(result) if floats else result

    tried = 0
    # Where the dtype is a part of the question, and where float32 is exact enough.
    for id in set(EXERCISES) - {"02.additive_mask", "07.fast"}:
        function, right = right_answer(id)
        if converted(right) is not right:
            names = EXERCISES[id].arguments
            report = check(
                id, lambda *args, f=function, n=names: converted(f(**dict(zip(n, args, strict=True))))
            )
            assert report.ok and (isinstance(right, dict) or "precision of float32" in repr(report)), report
            tried += 1
    assert tried >= 10


# ---------------------------------------------------------------- anything else


def call_forever(*args):
    return call_forever(*args)


def changes_its_input(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
    result = attend(x_q, x_kv, query, key, value, output, num_heads, kv_mask)
    x_kv.mul_(2)
    return result


def changes_a_weight(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
    result = attend(x_q, x_kv, query, key, value, output, num_heads, kv_mask)
    query.weight.zero_()
    return result


def transposes(*args):
    return attend(*args).transpose(1, 2)


def gives_nan(*args):
    return attend(*args) * float("nan")


def divides(x_q, *rest):
    return 1 / 0


def wrong_sizes(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
    return query(x_kv)


def leaves(*args):
    raise SystemExit(3)


# Before Python 3.13 `inspect.signature` already compares the object with others.
RUDE = (
    "expected a torch tensor, got <Rude instance"
    if sys.version_info >= (3, 13)
    else "your code stopped with RuntimeError: no"
)


class Rude:
    def __call__(self, *args):
        return self

    def __repr__(self):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")


class RudeError(Exception):
    def __str__(self):
        raise RuntimeError("no")


def raises_rudely(*args):
    raise RudeError


class NoBias(Attention):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.query = nn.Linear(sizes[0], sizes[2], bias=False)


class OwnConstructor(nn.Module):
    def __init__(self, config):
        super().__init__()


class FailsWhenBuilt(nn.Module):
    def __init__(self, q_dim, kv_dim, qk_channels, v_channels, num_heads):
        super().__init__()
        self.query = nn.Linear(q_dim, undefined_name)  # noqa: F821


WRONG = {  # what is handed in, and what the report must say
    "None": (None, "got None"),
    "a number": (3, "without parentheses"),
    "a str": ("attend", "without parentheses"),
    "its result": (torch.zeros(2, 5, 10), "without parentheses"),
    "a class that is no module": (dict, "not an nn.Module"),
    "an object that is not callable": (object(), "takes a function or an nn.Module"),
    "too few arguments": (lambda x_q, x_kv: x_q, "takes 2 arguments"),
    "returns None": (lambda *args: None, "is the `return` missing?"),
    "returns a tuple": (lambda *args: (attend(*args), 1), "returned 2 objects"),
    "returns a list of numbers": (lambda *args: [1.0, 2.0], "expected a torch tensor, got [1.0, 2.0]"),
    "returns numpy": (lambda *args: attend(*args).numpy(), "expected a torch tensor"),
    "returns integers": (lambda *args: attend(*args).long(), "expected floating-point numbers, got a tensor"),
    "returns bools": (lambda *args: attend(*args) > 0, "bool."),
    "returns complex numbers": (lambda *args: attend(*args) + 0j, "complex"),
    "returns sparse": (lambda *args: attend(*args).to_sparse(), "shape"),
    "returns half precision": (lambda *args: attend(*args).half(), "not precise enough"),
    "another device": (lambda *args: attend(*args).to("meta"), "device `meta`"),
    "transposed": (transposes, "(2, 10, 5) = (B, q_dim, Q)"),
    "a scalar": (lambda *args: attend(*args).sum(), "()"),
    "empty": (lambda *args: attend(*args)[:0], "(0, 5, 10)"),
    "NaN": (gives_nan, "100 of 100"),
    "an error": (divides, "ZeroDivisionError: division by zero"),
    "wrong sizes": (wrong_sizes, "return query(x_kv)"),
    "endless recursion": (call_forever, "calls itself endlessly"),
    "exit": (leaves, "SystemExit"),
    "changes its input": (changes_its_input, "changed its input `x_kv` in place"),
    "changes a weight": (changes_a_weight, "changed its input `query` in place"),
    "a rude object": (Rude(), RUDE),
    "a rude error": (raises_rudely, "RudeError"),
    "a module without a bias": (NoBias, "Expected: query.weight"),
    "a module with another constructor": (OwnConstructor, "OwnConstructor(q_dim, kv_dim, qk_channels"),
    "a module that fails when built": (FailsWhenBuilt, "undefined_name"),
    "markup": (lambda *args: "<b onclick=alert(1)>", "<b onclick"),
    "a terminal escape": (lambda *args: "\x1b[2J", "x1b[2J"),
}


@pytest.mark.parametrize(("learner", "says"), WRONG.values(), ids=WRONG.keys())
def test_whatever_comes_a_report_says_what_is_wrong(learner, says):
    report = check("02.cross_attention", learner)
    assert report.verdict == NOT_YET
    assert says in repr(report), report
    assert "\x1b" not in repr(report)
    assert "<b onclick" not in report._repr_html_() and "\x1b" not in report._repr_html_()
    assert read_progress() == ({}, "")


@pytest.mark.parametrize("id", EXERCISES)
@pytest.mark.parametrize("learner", [None, divides, call_forever, Rude(), FailsWhenBuilt])
def test_every_exercise_survives(id, learner):
    assert check(id, learner).verdict == NOT_YET


def endless():
    while True:
        yield 1


def itself():
    inside = []
    inside.append(inside)
    return inside


NO_END = {  # results that nobody can read to the end
    "an endless iterator": itertools.count,
    "an endless generator": endless,
    "a list in itself": itself,
    "a range": lambda: range(10**9),
    "a long text": lambda: "a" * 2_000_000,
    "a large view": lambda: torch.zeros(1).expand(10**9),
    "a large view with axes": lambda: torch.zeros(1, 1, 1, dtype=torch.int64).expand(1000, 1000, 1000),
    "a large number": lambda: 10**5000,
}
ODD = NO_END | {
    "...": lambda: ...,
    "None": lambda: None,
    "a text": lambda: "abc",
    "bytes": lambda: b"abc",
    "a class": lambda: int,
    "an object": object,
    "a generator": lambda: (i for i in range(3)),
    "a set": lambda: {1, 2},
    "odd keys": lambda: {None: 1, 3: "x"},
    "odd values": lambda: {"projections": object(), "map": object()},
    "a ragged list": lambda: [[1, 2], [3]],
    "no entries": list,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "complex": lambda: 1j,
    "an array": lambda: np.zeros((2, 3)),
    "a tensor that requires grad": lambda: torch.zeros(3, requires_grad=True),
    "a tensor on meta": lambda: torch.zeros(2, 3, device="meta"),
    "bools": lambda: torch.ones(2, 3, dtype=torch.bool),
    "half precision": lambda: torch.zeros(2, 3, dtype=torch.half),
    "complex numbers": lambda: torch.zeros(2, 3) * 1j,
    "NaN in a tensor": lambda: torch.full((2, 3), torch.nan),
    "an empty tensor": lambda: torch.zeros(0),
    "a sparse tensor": lambda: torch.eye(3).to_sparse(),
    "two tensors": lambda: (torch.zeros(2), torch.zeros(3)),
}


def right_answer(id):
    """The library's own results -> (a function, the result of the first case)."""
    exercise = EXERCISES[id]
    function = exercise.reference or exercise.variant
    with torch.no_grad():
        return function, function(**next(iter(exercise.cases().values())))


@pytest.mark.parametrize("id", EXERCISES)
def test_every_exercise_answers_odd_results_in_a_sentence(id, tally, monkeypatch):
    _, right = right_answer(id)
    cases = [*EXERCISES[id].cases().items()]
    two = dict([cases[0], cases[-1]])  # enough
    quick = replace(EXERCISES[id], cases=lambda: two, in_model=None)
    monkeypatch.setattr(checks, "find", lambda id: quick)
    odd = dict(ODD)
    if isinstance(right, dict):  # one entry is odd, the others are right
        key = list(right)[-1]
        odd |= {f"{what} in a dict": lambda make=make: right | {key: make()} for what, make in ODD.items()}
    for what, make in odd.items():
        started = time.process_time()
        report = check(id, lambda *_, make=make: make())
        assert time.process_time() - started < 5, what
        assert report.verdict == NOT_YET, what
        text = " ".join(repr(report).split())
        untrue = (
            "your code stopped",
            "cannot read what you handed in",
            "could not be seen",
            "different results at different times",
        )
        assert not any(sentence in text for sentence in untrue), f"{what}: {text}"
    tally("odd results answered in a sentence", len(odd))
    tally("results without an end among them", sum(what.removesuffix(" in a dict") in NO_END for what in odd))


@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_a_stack_that_gives_odd_results_is_answered_in_a_sentence(make):
    class Stack(nn.Module):
        def __init__(self, num_layers, num_blocks, make_layer):
            super().__init__()

        def forward(self, latents):
            return make()

    text = " ".join(repr(check("03.stack", Stack)).split())
    assert text.startswith(NOT_YET) and "your code stopped" not in text and "cannot read" not in text, text


# ---------------------------------------------------------------- what the numbers do not show


@pytest.mark.parametrize("id", EXERCISES)
def test_a_call_that_gives_something_else_the_next_time_is_refused(id, tally):
    """Right in the first call of every case, and that of another case, or nothing, in the second."""
    function, right = right_answer(id)
    cases = len(EXERCISES[id].cases())
    calls = itertools.count()

    def moody(*given):
        arguments = dict(zip(EXERCISES[id].arguments, given, strict=True))
        return function(**arguments) if next(calls) < cases else right if cases > 1 else None

    report = check(id, moody)
    text = " ".join(repr(report).split())
    assert report.verdict == NOT_YET
    assert "different results at different times" in text or "ends differently" in text, text
    assert not any(" ".join(m.says.split()) in text for m in EXERCISES[id].known_mistakes)
    tally("answers that change from call to call, refused", 1)


def test_a_result_that_a_later_call_overwrites_is_refused():
    buffer = torch.empty(2, 5, 10, dtype=torch.float64)
    report = check("02.cross_attention", lambda *args: buffer.copy_(attend(*args)))
    assert not report.ok and "kept from one call to the next" in " ".join(repr(report).split())


def test_dropout_is_not_called_by_the_name_of_a_mistake():
    def learner(*args):
        return nn.functional.dropout(attend(*args))

    text = " ".join(repr(check("02.cross_attention", learner)).split())
    assert "such as dropout" in text and "not one of the mistakes" not in text


TRAINING = [id for id, exercise in EXERCISES.items() if exercise.trains]


@pytest.mark.parametrize("id", TRAINING)
def test_where_a_model_is_trained_gradients_have_to_pass(id, tally, monkeypatch):
    others = {"in_model": None} | (
        {"properties": None} if id == "07.checkpoint" else {}
    )  # it measures memory
    monkeypatch.setattr(checks, "find", lambda id: replace(EXERCISES[id], **others))
    library, _ = right_answer(id)
    names = EXERCISES[id].arguments

    def function(*args):
        return library(**dict(zip(names, args, strict=True)))

    def without_gradients(*args):
        with torch.no_grad():
            return function(*args)

    def as_numbers(*args):
        return torch.tensor(function(*args).tolist(), dtype=torch.float64)

    def one_detached(*args):
        value = args[0].detach() if isinstance(args[0], torch.Tensor) else args[0]
        rest = [arg.detach() if name == "queries" else arg for name, arg in zip(names, args, strict=True)][1:]
        return function(value, *rest)

    def in_place(*args):
        result = function(*args)
        return result + 0 * result.exp().mul_(1)  # `exp` needs its result for the gradient

    def leaves_with_gradients(*args):
        if torch.is_grad_enabled():
            raise SystemExit
        return function(*args)

    assert check(id, lambda *args: function(*args)).ok
    for learner in (without_gradients, as_numbers, one_detached, in_place, leaves_with_gradients):
        report = check(id, learner)
        text = " ".join(repr(report).split())
        assert report.verdict == NOT_YET and "The numbers are right, but" in text, (learner, text)
        assert "gradient" in text, (learner, text)
    tally("answers without gradients, refused", 5)


def test_a_part_of_a_gradient_that_is_lost_is_seen():
    def learner(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
        return attend(x_q, x_kv, query, lambda x: key(x.detach()), value, output, num_heads, kv_mask)

    assert "a part of the gradient of `x_kv` is lost" in repr(check("02.cross_attention", learner))


@pytest.mark.parametrize("frozen", ["parameters", "forward"])
def test_a_module_that_cannot_be_trained_is_refused(frozen, tally):
    class Frozen(Attention):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            if frozen == "parameters":
                self.key.requires_grad_(False)

        def forward(self, *args):
            with torch.set_grad_enabled(frozen == "parameters"):
                return super().forward(*args)

    text = " ".join(repr(check("02.cross_attention", Frozen)).split())
    assert ("frozen weights, key.weight" if frozen == "parameters" else "no gradient reaches") in text, text
    tally("answers without gradients, refused", 1)


@pytest.mark.parametrize("layers", [list, nn.ModuleList], ids=["hidden", "frozen"])
def test_a_stack_that_cannot_be_trained_is_refused(layers, tally):
    class Stack(nn.Module):
        def __init__(self, num_layers, num_blocks, make_layer):
            super().__init__()
            self.layers, self.num_blocks = layers(make_layer() for _ in range(num_layers)), num_blocks
            self.requires_grad_(False)

        def forward(self, latents):
            for layer in list(self.layers) * self.num_blocks:
                latents = layer(latents)
            return latents

    report = check("03.stack", Stack)
    assert not report.ok and "gradients reach all of them" in repr(report)
    assert ("use nn.ModuleList" in repr(report)) == (layers is list)
    tally("answers without gradients, refused", 1)


KINDS_OF_NUMBERS = {
    "a tensor": lambda n: torch.tensor(n),
    "a tensor with one axis": lambda n: torch.tensor([n]) if isinstance(n, float) else n,
    "NumPy": lambda n: (
        np.float64(n) if isinstance(n, float) else np.bool_(n) if isinstance(n, bool) else np.int64(n)
    ),
    "a fraction": lambda n: n if isinstance(n, bool) else Fraction(n),
}


@pytest.mark.parametrize("kind", KINDS_OF_NUMBERS.values(), ids=KINDS_OF_NUMBERS.keys())
def test_a_number_is_a_number(kind, monkeypatch):
    if kind is not KINDS_OF_NUMBERS["a tensor"]:  # one of them is enough in the model, which takes long
        monkeypatch.setattr(checks, "find", lambda id: replace(EXERCISES[id], in_model=None, id=id))

    def converted(result):
        if isinstance(result, dict):
            return {key: converted(value) for key, value in result.items()}
        if isinstance(result, tuple):
            return tuple(map(converted, result))
        return kind(result) if isinstance(result, int | float) else result

    tried = 0
    for id in EXERCISES:
        function, right = right_answer(id)
        if str(converted(right)) != str(right):
            report = check(id, lambda *args, function=function: converted(function(*args)))
            assert report.ok, report
            tried += 1
    assert tried >= 6


def test_what_is_not_the_same_does_not_look_the_same():
    [(_, expected, got)] = find("06.transformer").rows(7.58426966, 7.58434, {})
    assert expected != got
    (_, (_, expected, got), _) = find("08.loop").rows(torch.tensor([3.549014]), torch.tensor([3.549012]), {})
    assert expected != got
    rows = find("08.start").rows({"query": torch.zeros(2)}, {"query": torch.tensor([0.0, 2.0])}, {})
    assert ("query: at [1], where they differ most", "0", "2  ✗") in rows
    assert ("query: shape", "(2,)", "(2,)") in rows  # only what differs is marked


def test_a_mistake_is_named_alone_only_if_no_other_gives_the_same():
    exercise = replace(
        EXERCISES["06.transformer"],
        cases=lambda: {"one": {"n": 2}, "two": {"n": 5}},
        variant=lambda n, add=0, times=1: (n + add) * times,
        mistakes={"add": {1: "One more.", 2: "Two more."}, "times": {2: "Twice.", 0: "Nothing."}},
        reference=None,
    )

    def says(results, **changes):
        got = dict(zip(("one", "two"), results, strict=False))
        wanted = {"one": 2, "two": 5}
        return diagnose(replace(exercise, **changes), exercise.cases(), wanted, got)

    assert says([3, 6]) == "One more."
    assert says([4]) == "Two more. Or: Twice."  # the second case has no result
    assert says([6, 12]) == "One more. And: Twice."
    assert says([7, 7]) == ""
    assert says([4, 10], terse=True).endswith("it is this one. Twice.")
    assert says([7, 7], terse=True) == ""


def test_the_expected_result_is_folded_away_where_it_is_the_solution():
    def shapes(B, M, O, N, C, D, V):
        return EXERCISES["00.shapes"].variant(B, M, O, N, C, D, V) | {"encoded": (B, N, C)}

    report = check("00.shapes", shapes)
    assert "(B, N, C)  ✗" in repr(report)
    assert "encoded    (2, 5, 7)" not in repr(report) and "show_expected=True" in repr(report)
    assert re.search(r"<details>.*\(2, 5, 7\) = \(B, N, D\).*</details>", report._repr_html_())
    assert "(2, 5, 7) = (B, N, D)" in repr(check("00.shapes", shapes, show_expected=True))


def test_a_function_that_is_not_the_learners_is_not_called_their_code():
    report = check("02.cost", getattr)
    assert "your code stopped" not in repr(report) and "outside your code" in repr(report)


def test_the_line_of_their_code_is_shown():
    text = repr(check("02.cross_attention", divides))
    assert "in divides" in text and "return 1 / 0" in text


def test_the_stub_is_not_a_mistake():
    def stub(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
        raise NotImplementedError

    class Stub(Attention):
        def forward(self, x_q, x_kv, kv_mask=None):
            raise NotImplementedError

    for learner in (stub, Stub):
        report = check("02.cross_attention", learner)
        assert report.verdict == WAITING and "stands in" in repr(report)
    assert read_progress() == ({}, "")


def test_an_unknown_exercise_is_answered_with_the_nearest():
    report = check("02.cros_attention", attend)
    assert not report.ok and "Did you mean 02.cross_attention" in repr(report)
    assert not check(None, attend).ok


@pytest.mark.parametrize("calls", [0, 1, 4, 17], ids=["first", "second", "again", "in the model"])
def test_ctrl_c_stops_an_endless_loop_and_leaves_all_as_it_was(calls):
    count, out = itertools.count(), sys.stdout

    def learner(*args):
        if next(count) == calls:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            while True:
                pass
        return attend(*args)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)  # raises what Ctrl-C raises
    try:
        with pytest.raises(KeyboardInterrupt):
            check("02.cross_attention", learner)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert torch.is_grad_enabled() and sys.stdout is out
    assert check("02.cross_attention", attend).ok


def test_what_the_learner_prints_is_seen_once(capsys):
    def talks(*args):
        print("here")
        return attend(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perceiver_edu.course.checks.put_into_model", lambda *args: True)
        check("02.cross_attention", talks)
    assert capsys.readouterr().out == "here\n"


def test_a_full_disk_does_not_make_a_right_answer_wrong(monkeypatch, tmp_path):
    monkeypatch.setenv("PERCEIVER_EDU_PROGRESS", str(tmp_path))
    report = check("02.cost", EXERCISES["02.cost"].variant)
    assert report.ok and "progress cannot be" in repr(report)


def test_right_on_small_inputs_and_wrong_in_the_model_is_not_done():
    def learner(x_q, x_kv, query, key, value, output, num_heads, kv_mask=None):
        if x_kv.shape[1] > 20:
            return x_q
        return attend(x_q, x_kv, query, key, value, output, num_heads, kv_mask)

    report = check("02.cross_attention", learner)
    assert report.verdict == NOT_YET and "first divergence" in repr(report)


# ---------------------------------------------------------------- how it is shown


def test_shapes_are_named_where_they_can_be():
    assert named_shape((2, 5), {"B": 2, "Q": 5}) == "(2, 5) = (B, Q)"
    assert named_shape((2, 4), {"B": 2, "Q": 5}) == "(2, 4)"
    assert named_shape((2,), {}) == "(2,)" and named_shape((), {"B": 2}) == "()"


def test_of_ids_the_first_difference_is_shown_with_its_row():
    exercise = find("01.pack")
    arguments = {"documents": ["ab", "cd"], "length": 6}  # two crops
    right = exercise.reference(**arguments)
    wrong = torch.cat([right, right[-1:]])  # a crop too many: only the shape tells
    assert [row[0] for row in exercise.rows(right, wrong, {})] == ["shape"]
    wrong[1, 2], wrong[0, 3] = 200, 7  # the second is the larger difference; the first is shown
    (_, place, row) = exercise.rows(right, wrong, {})
    assert place == ("first difference: crop 0, column 3", str(right[0, 3].item()), "7")
    assert row[0] == "crop 0" and row[1].startswith("[CLS]ab") and row[1] != row[2]


def test_text_and_html_hold_the_same_words():
    report = Report("a `title` & more", DONE).say("x < y, `a<b>`")
    report.table(("", "got"), [("q", "<i>")]).pre("1 < 2")
    report.fold("<u> title", ("", "wanted"), [("r", "<s>")], plain="elsewhere")
    html = report._repr_html_()
    assert all(word in html for word in ("<code>a&lt;b&gt;</code>", "&lt;i&gt;", "1 &lt; 2", "&amp; more"))
    assert "<summary>&lt;u&gt; title</summary>" in html and "&lt;s&gt;" in html and "elsewhere" not in html
    assert "elsewhere" in repr(report) and "<s>" not in repr(report)
    assert "a `title` & more" in repr(report) and "x < y" in repr(report)
    without_borders = html.replace("border-left:4px solid #", "").replace(" ", "")
    assert "color:#" not in without_borders  # the page's own colours


def test_whole_numbers_of_another_size_are_right_and_nothing_is_said():
    def pack(documents, length):
        return find("01.pack").reference(documents, length).int()

    report = check("01.pack", pack)
    assert report.ok and "float" not in repr(report)


def test_nan_is_like_nan_and_like_no_number():
    nan = torch.tensor([1.0, float("nan")])
    assert same(nan, nan.clone())
    assert not same(nan, torch.tensor([1.0, 2.0])) and not same(torch.tensor([1.0, 2.0]), nan)
    assert not same(nan, torch.tensor([float("nan"), 1.0]))


def test_floats_are_no_ids():
    report = check("01.pack", lambda *args: find("01.pack").reference(*args).float())
    assert "expected whole numbers, got a tensor" in " ".join(repr(report).split())


@pytest.mark.parametrize(
    ("id", "says"), [("08.loop", "one loss for each step"), ("08.loss", "for each part")]
)
def test_one_loss_for_all_is_answered_with_what_is_asked(id, says):
    assert f"{says}, got 5.5." in " ".join(repr(check(id, lambda *args: 5.5)).split())


def test_a_loop_that_writes_into_its_batches_does_not_spoil_the_next_check():
    right = find("08.loop").variant

    @torch.enable_grad()
    def writes(new_model, batches, *rest):
        losses = right(new_model, batches, *rest)
        if not batches.is_floating_point():  # the text, after the small cases
            batches.zero_()
        return losses

    check("08.loop", writes)
    assert check("08.loop", torch.enable_grad()(lambda *arguments: right(*arguments))).verdict == DONE


def test_what_a_right_answer_does_is_not_judged_where_it_cannot_be_seen():
    def changes(x_q, x_kv, *rest):
        x_kv += 0 if rest[-1] is None else 1
        return attend(x_q, x_kv, *rest)

    assert "a right answer does" not in repr(check("02.cross_attention", changes))

    def fails(x_q, x_kv, *rest):
        assert rest[-1] is None or rest[-1].any(1).all()  # fails where a text is padding alone
        return attend(x_q, x_kv, *rest)

    text = " ".join(repr(check("02.cross_attention", fails)).split())
    assert "– not tested your code stopped with AssertionError" in text and "✗ no " not in text
    assert "The numbers are right, but this is still missing: a text of padding alone" in text


def test_a_case_that_is_wrong_is_compared_with_the_others_only_where_no_mistake_is_named():
    def wrong(masked):
        return lambda *args: attend(*args) + 1 if (args[-1] is not None) == masked else attend(*args)

    assert "What does this case have that the others do not?" in repr(
        check("02.cross_attention", wrong(True))
    )
    assert "What do these cases have that the" in repr(check("02.cross_attention", wrong(False)))
    named = check("02.cross_attention", lambda *args: attend(*args[:-1]))
    assert "padding is attended to like text" in repr(named) and "that the others" not in repr(named)


def test_wrong_distances_say_nothing_of_the_model():
    right = find("08.geometry").reference or find("08.geometry").variant
    for report in (check("08.geometry", right), check("08.geometry", lambda hidden: right(hidden).flip(0))):
        assert ("bits below the hole's shape" in repr(report)) == report.ok


def test_autograd_is_on_only_where_the_exercise_trains():
    seen = []

    def look(*arguments, **named):
        seen.append(torch.is_grad_enabled())
        raise NotImplementedError

    for id in ("08.loop", "08.loss"):
        check(id, look)
    assert seen == [True, False]
    assert torch.is_grad_enabled()


class Quits:
    """Looking at it, comparing it or asking its length would end the session."""

    def quit(self, *_):
        raise SystemExit(3)

    __repr__ = __str__ = __eq__ = __len__ = __iter__ = __float__ = __bool__ = quit
    __hash__ = None


@pytest.mark.parametrize("exercise", sorted(EXERCISES))
@pytest.mark.parametrize("handed_in", [Quits(), lambda *_, **__: Quits()], ids=["itself", "returned"])
def test_an_object_that_quits_does_not_end_the_session(exercise, handed_in):
    report = check(exercise, handed_in)
    assert not report.ok and repr(report) and report._repr_html_()


def test_a_row_by_hand_is_shown_with_the_two_decimals_that_were_typed():
    weights = [0.01, 0.95, 0.05]  # of scores that were not divided by √d

    def last_row():
        return {"scores": [0, 5, 2], "weights": weights, "result": [0.1, 1.9], "masked": [0.1, 0.9, 0]}

    assert str(weights) in repr(check("02.by_hand", last_row))
