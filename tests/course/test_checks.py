"""The check as a teacher: whatever a learner hands in, a report comes back that says what to do next."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from perceiver_edu.course import check, exercises
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
        twins = [other for other, results in seen.items() if all(map(same, own, results))]
        assert not twins, f"{mistake.switches} gives what {twins[0]} gives"
        seen[str(mistake.switches)] = own


@pytest.mark.parametrize("id", EXERCISES)
def test_an_exercise_says_what_it_is(id):
    exercise = find(id)
    assert exercise.title and re.fullmatch(r"[1-9]\d* minutes · (easy|medium|hard) · .+", exercise.about)
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


def test_a_right_answer_in_float32_passes_with_a_word_about_it():
    def learner(x_q, x_kv, query, key, value, output, num_heads, kv_mask):
        return attend(x_q, x_kv, query, key, value, output, num_heads, kv_mask).float()

    report = check("02.cross_attention", learner)
    assert report.ok and "float32" in repr(report)


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
    "returns a tuple": (lambda *args: (attend(*args), 1), "returned 2 things"),
    "returns a list of numbers": (lambda *args: [1.0, 2.0], "expected a torch tensor, got [1.0, 2.0]"),
    "returns numpy": (lambda *args: attend(*args).numpy(), "expected a torch tensor"),
    "returns integers": (lambda *args: attend(*args).long(), "int64"),
    "returns bools": (lambda *args: attend(*args) > 0, "bool."),
    "returns complex numbers": (lambda *args: attend(*args) + 0j, "complex"),
    "returns sparse": (lambda *args: attend(*args).to_sparse(), "shape"),
    "returns half precision": (lambda *args: attend(*args).half(), "expected"),
    "another device": (lambda *args: attend(*args).to("meta"), "got one on meta"),
    "transposed": (transposes, "(2, 10, 5) = (B, q_dim, Q)"),
    "a scalar": (lambda *args: attend(*args).sum(), "()"),
    "empty": (lambda *args: attend(*args)[:0], "(0, 5, 10)"),
    "NaN": (gives_nan, "100 of 100"),
    "an error": (divides, "ZeroDivisionError: division by zero"),
    "wrong sizes": (wrong_sizes, "return query(x_kv)"),
    "endless recursion": (call_forever, "calls itself without end"),
    "exit": (leaves, "SystemExit"),
    "changes its input": (changes_its_input, "changed its input `x_kv` in place"),
    "changes a weight": (changes_a_weight, "changed its input `query` in place"),
    "a rude object": (Rude(), "your code stopped with RuntimeError: no"),
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
@pytest.mark.parametrize("learner", [None, 3, divides, call_forever, Rude(), FailsWhenBuilt, lambda *_: None])
def test_every_exercise_survives(id, learner):
    assert check(id, learner).verdict == NOT_YET


STRANGE = [torch.zeros(3), {"inputs": 3, None: 4}, {"projections": object(), "map": object()}]


@pytest.mark.parametrize("id", EXERCISES)
@pytest.mark.parametrize("result", STRANGE, ids=["a tensor", "strange keys", "strange values"])
def test_every_exercise_survives_a_strange_result(id, result):
    assert check(id, lambda *args: result).verdict == NOT_YET


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
    assert not report.ok and "There is 02.cross_attention" in repr(report)
    assert not check(None, attend).ok


def test_ctrl_c_stops_the_check():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("02.cross_attention", interrupted)


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
    html = report._repr_html_()
    assert all(word in html for word in ("<code>a&lt;b&gt;</code>", "&lt;i&gt;", "1 &lt; 2", "&amp; more"))
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


def test_autograd_is_on_only_where_the_exercise_trains():
    seen = []

    def look(*arguments, **named):
        seen.append(torch.is_grad_enabled())
        raise NotImplementedError

    for id in ("07.loop", "07.loss"):
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
