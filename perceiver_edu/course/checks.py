"""`check`: compares a learner's stage with the library's, and says what is right, what is not, and why."""

import contextlib
import io
import math
import os
from collections.abc import Iterable
from itertools import combinations

import torch

from perceiver_edu.course import kept, progress
from perceiver_edu.course.comparison import EXACT, plain, readable, same, shapes
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises import find
from perceiver_edu.course.gradients import lost_gradients
from perceiver_edu.course.guard import Misfit, Outcome, explain_error, run
from perceiver_edu.course.overview import next_step
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import DONE, NOT_YET, WAITING, NotRight, Report, shown
from perceiver_edu.course.swap import call
from perceiver_edu.errors import InputError, brief
from perceiver_edu.language import to_translate

STRICT_VARIABLE = "PERCEIVER_EDU_STRICT"
UNNAMED = "not one of the mistakes that the check knows by name"
NOT_USED = to_translate("the result of your code cannot be used there")


def check(exercise_id: str, learner, show_expected: bool = False, strict: bool = False) -> Report:
    """Check the learner's function or `nn.Module`, and return a report, which appears below the cell.

        check("02.cross_attention", cross_attention)

    A function gets the arguments of the stub. An `nn.Module` is given as a class; the check builds it in
    several sizes, and fills its parameters by their names. Whatever the learner's code does, a report comes
    back and nothing is raised. An exercise that is done is noted in the progress file, and its code is kept.

    Where the expected result is the solution it is folded away, unless `show_expected` is true.

    `strict` is for automatic grading. It makes every report but that of a right answer an exception,
    `NotRight`, as does the environment variable PERCEIVER_EDU_STRICT=1.
    """
    try:
        exercise = find(exercise_id)
    except InputError as error:
        report = Report("check", NOT_YET).say(str(error))
    else:
        report = reported(exercise, learner, show_expected)
        note_attempt(exercise, report)
    if not report.ok and (strict or os.environ.get(STRICT_VARIABLE, "0") not in ("", "0")):
        raise NotRight(report)
    return report


def note_attempt(exercise: Exercise, report: Report) -> None:
    """For learners who have asked for it: the mistakes of this attempt, by name."""
    if report.verdict != WAITING:
        mistakes = [] if report.ok else exercise.named_in(repr(report)) or [UNNAMED]
        problem = progress.note_attempt(exercise.id, mistakes)
        if problem:
            report.say(problem)


def reported(exercise: Exercise, learner, show_expected: bool) -> Report:
    """The report of `check`, which also notes that an exercise is done."""
    report = Report(f"{exercise.id} · {translated(exercise.title)}")
    try:
        with torch.no_grad():
            judge(exercise, learner, report, show_expected)
        if report.ok:
            report.say(progress.mark_done(exercise.id) or next_step(exercise.id))
            not_kept = kept.keep(exercise.id, learner)
            if not_kept:
                report.say(not_kept)
        return report
    except Misfit as misfit:
        report.verdict = NOT_YET
        return report.say(str(misfit))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # for example from an object that fails when it is only looked at
        report.verdict = NOT_YET
        return report.say(
            translated(
                "the check cannot read what you handed in, {learner}: {name}.",
                learner=shown(learner),
                name=type(error).__name__,
            )
        )


def judge(exercise: Exercise, learner, report: Report, show_expected: bool = False) -> Report:
    """The report's verdict and parts. Raises: Misfit for what cannot be checked."""
    function = exercise.accept(learner, exercise)
    cases = exercise.cases()
    expected, results, got, problem = {}, {}, {}, None
    for number, (label, arguments) in enumerate(cases.items()):
        wanted = exercise.expected(arguments)
        outcome = run(function, arguments, quiet=number > 0)
        if outcome.not_done:
            return report.say(
                translated("Nothing below waits for it: until then the library's own code stands in.")
            )
        expected[label], results[label] = wanted, outcome.value
        if outcome.value is not None or not outcome.problem:
            try:
                got[label] = viewed(exercise, outcome.value, arguments, wanted)
            except Misfit as misfit:
                words, _, code = str(misfit).partition("\n")
                outcome = Outcome(problem=words, code=code)
        if outcome.problem and problem is None:
            problem = (label, outcome)
    if not problem and changes_its_mind(exercise, function, cases, expected, results, got, report):
        report.verdict = NOT_YET
        return report

    right = [label for label in got if same(got[label], expected[label])]
    wrong = [label for label in got if label not in right]
    if problem is not None:
        say_problem(report, *problem, several=len(cases) > 1)
    folded = exercise.folds and not show_expected
    told = problem is not None
    if wrong:
        told |= say_difference(report, exercise, wrong[0], cases, expected, got, right, told, folded)
    if right and (wrong or problem):
        if problem:
            report.say(translated("The results are right in: {cases}.", cases=named(right)))
        broken = [label for label in cases if label not in right]
        if broken:
            wrong_in = translated("Wrong in: {cases}.", cases=named(broken))
            if len(broken) > 1:
                ask = translated("What do these cases have that the others do not?")
            else:
                ask = translated("What does this case have that the others do not?")
            report.say(wrong_in if told else f"{wrong_in} {ask}")

    fitting = [label for label in got if shapes(got[label]) == shapes(expected[label])]
    properties = [] if problem else list(look_at(exercise, function, cases, fitting))
    if properties:
        marks = {True: translated("✓ yes"), False: translated("✗ no"), None: translated("– not tested")}
        rows = [(translated(says), marks[fine], seen) for says, fine, seen in properties]
        header = translated("what a right answer does"), translated("yours"), translated("measured")
        report.table(header, rows)
    missing = named(says for says, fine, _ in properties if not fine)
    if missing and not problem and not wrong:
        report.say(
            translated("The numbers are right, but this is still missing: {missing}.", missing=missing)
        )
    ok = not problem and not wrong and not missing
    if ok and exercise.trains:
        ok = gradients_pass(exercise, function, cases, report)
    tensors = [(value, expected[key]) for key, value in got.items() if isinstance(value, torch.Tensor)]
    floats = [(mine, wanted) for mine, wanted in tensors if mine.is_floating_point()]
    if ok and any(mine.dtype != wanted.dtype or not same(mine, wanted, EXACT) for mine, wanted in floats):
        report.say(translated("The numbers are right, but only to the precision of float32, although the "
                   "inputs are float64. Somewhere you make a tensor without `dtype=`."))  # fmt: skip

    fits = bool(got) and not problem and len(fitting) == len(got)
    if exercise.in_model is not None and fits and (ok or not folded):
        number = isinstance(expected[fitting[0]], int | float)
        ok = put_into_model(exercise, function, report, ok, number) and ok
    report.verdict = DONE if ok else NOT_YET
    return report


def viewed(exercise: Exercise, result, arguments, wanted):
    """What is compared of a result. Raises: Misfit where nothing can be."""
    try:
        return readable(plain(exercise.view(plain(result), arguments)), wanted)
    except Misfit:
        raise
    except Exception:
        readable(result, wanted)
        raise Misfit(
            translated("the check cannot read your result, {result}.", result=shown(result))
        ) from None


def changes_its_mind(exercise: Exercise, function, cases, expected, results, got, report: Report) -> bool:
    """Does a second call with the same arguments give another result, or change that of the first?"""
    second = {label: run(function, arguments, quiet=True) for label, arguments in cases.items()}
    for label, outcome in second.items():
        for result in (outcome.value, results[label]):
            try:
                if outcome.problem:
                    raise Misfit(outcome.problem)
                now = viewed(exercise, result, cases[label], expected[label])
            except Misfit as misfit:
                report.say(
                    translated("A second call with the same arguments ends differently from the first.")
                )
                say_problem(report, label, outcome._replace(problem=str(misfit)), several=len(cases) > 1)
                return True
            if not same(now, got[label]):
                report.say(
                    translated(
                        "The same call returns different results at different times. Is something random, "
                        "such as dropout, or is something kept from one call to the next?"
                    )
                )
                sizes = exercise.sizes(**cases[label]) if exercise.sizes else {}
                case = f"“{translated(label)}”" if len(cases) > 1 else ""
                header = (case, translated("at first"), translated("later"))
                report.table(header, exercise.rows(got[label], now, sizes))
                return True
    return False


def gradients_pass(exercise: Exercise, function, cases, report: Report) -> bool:
    for label, arguments in cases.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                lost = lost_gradients(exercise, function, arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome = explain_error(
                error, arguments, to_translate("the gradient of your result cannot be computed")
            )
            report.say(translated("The numbers are right, but computing gradients fails."))
            say_problem(report, label, outcome, several=len(cases) > 1)
            return False
        if lost:
            report.say(lost)
            return False
    return True


def named(parts: Iterable[str]) -> str:
    """Cases, or properties, one after another."""
    return translated("; ").join(map(translated, parts))


def say_problem(report: Report, label: str, outcome: Outcome, several: bool):
    problem = outcome.problem[0].upper() + outcome.problem[1:]
    if several:
        case = translated(label)
        problem = translated("In the case “{case}”, {problem}", case=case, problem=outcome.problem)
    report.say(problem)
    if outcome.code:
        report.pre(outcome.code)


def say_difference(
    report: Report, exercise: Exercise, label: str, cases, expected, got, right, said, folded
) -> bool:
    """`right`: labels of the cases that are; `said`: whether a problem has been named already; `folded`:
    whether what is expected is shown only to those who ask. -> is the mistake named?"""
    if right and not said:
        report.say(translated("Right so far: {cases}.", cases=named(right)))
    diagnosis = diagnose(exercise, cases, expected, got)
    if diagnosis:
        report.say(diagnosis)
    elif exercise.mistakes and not said:
        report.say(
            translated("This is not one of the mistakes that the check knows. Here is what it can tell you.")
        )
    sizes = exercise.sizes(**cases[label]) if exercise.sizes else {}
    for remark in remarks(expected[label], got[label]):
        report.say(remark)
    case = f"“{translated(label)}”" if len(cases) > 1 else ""
    where = ", ".join(filter(None, [case, translated(exercise.compared)]))
    rows = exercise.rows(expected[label], got[label], sizes)
    if not folded:
        report.table((where, translated("expected"), translated("got")), rows)
        return bool(diagnosis)
    report.table((where, translated("got")), [(what, yours) for what, _, yours in rows])
    report.fold(
        translated("What is expected"),
        (where, translated("expected")),
        [(what, wanted) for what, wanted, _ in rows],
        plain=translated(
            "{call} shows what is expected.",
            call=f'check("{exercise.id}", {exercise.name}, show_expected=True)',
        ),
    )
    return bool(diagnosis)


def remarks(expected, got):
    """What can be said at first sight."""
    if shapes(expected) != shapes(got) and isinstance(got, torch.Tensor):
        if sorted(expected.shape) == sorted(got.shape):
            yield translated("The sizes of your result are right, but the axes are in a different order.")
        if not got.numel():
            yield translated("Your result is empty.")
    if isinstance(got, torch.Tensor | float) and torch.as_tensor(got).isnan().any():
        yield translated(
            "Your result contains NaN (not a number), which comes from 0 / 0, inf - inf or 0 · inf."
        )


def diagnose(exercise: Exercise, cases, expected, got) -> str:
    """The sentence of the known mistake, or of the pair of them, that gives exactly the learner's results.

    Where several give them, nobody knows which it was. They are named together, or what all pairs share; and
    where results are `terse` a mistake that is not known may give them, so the sentence is only a question.
    """

    def fit(*mistakes) -> bool:
        return explains(exercise, mistakes, cases, expected, got)

    known = exercise.known_mistakes
    says = translated(" Or: ").join(translated(mistake.says) for mistake in known if fit(mistake))
    if not says:
        pairs = [
            pair for pair in combinations(known, 2) if not pair[0].switches.keys() & pair[1].switches.keys()
        ]
        found = [pair for pair in pairs if fit(*pair)]
        common = [mistake.says for mistake in known if found and all(mistake in pair for pair in found)]
        says = translated(" And: ").join(map(translated, common))
        says += translated(" Something else is wrong, too.") if len(common) == 1 else ""
    hedge = translated("Other mistakes can lead to these results, too, but perhaps it is this one. ")
    return hedge + says if says and exercise.terse else says


def explains(exercise: Exercise, mistakes, cases, expected, got) -> bool:
    """Do these mistakes together give the learner's results, and not the right ones?"""
    switches = {key: value for mistake in mistakes for key, value in mistake.switches.items()}
    differs = False
    for label, result in got.items():
        try:
            value = exercise.mistaken(cases[label], switches)
        except Exception:  # some mistakes do not go together
            return False
        if not same(result, value):
            return False
        differs = differs or not same(value, expected[label])
    return differs


def look_at(exercise: Exercise, function, cases, labels):
    """The exercise's properties, on the last of these cases -> (says, holds, what was seen).

    A property that could not be seen holds neither True nor False, but None.
    """
    if exercise.properties is None or not labels:
        return

    def call(**arguments):
        outcome = run(function, arguments, quiet=True)
        if outcome.problem or outcome.not_done:
            raise Misfit(outcome.problem or translated("your code raises NotImplementedError."))
        return plain(outcome.value)

    for says, test in exercise.properties(cases[labels[-1]]):
        try:
            yield says, *test(call)
        except KeyboardInterrupt:
            raise
        except Misfit as misfit:  # the learner's code failed there
            yield says, None, str(misfit)
        except BaseException as error:  # its result cannot be looked at
            yield says, None, translated("the check cannot read your result: {error}", error=brief(error))


def put_into_model(exercise: Exercise, function, report: Report, ok: bool, number: bool) -> bool:
    """The learner's stage in the whole pretrained model -> is the model unchanged?

    `ok`: the cases were right. Of a wrong answer that cannot be used in the model nothing more is said.
    `number`: the function gives a number.
    """
    names = exercise.arguments  # in the order of the stub

    def tried(**arguments):
        return plain(call(function, {name: arguments[name] for name in names}), math.inf, number)

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return exercise.in_model(tried, report)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        in_words = isinstance(error, Misfit | InputError)
        outcome = Outcome(problem=str(error)) if in_words else explain_error(error, {}, NOT_USED)
        if ok or outcome.code:
            report.say(translated("In the whole model, {problem}", problem=outcome.problem))
        if outcome.code:
            report.pre(outcome.code)
        return False


__all__ = ["DONE", "NOT_YET", "WAITING", "check"]
