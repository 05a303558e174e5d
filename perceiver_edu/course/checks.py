"""`check`: compares a learner's stage with the library's, and says what is right, what is not, and why."""

from itertools import combinations

from perceiver_edu.course import progress
from perceiver_edu.course.exercise import Exercise, Property, readable, same, side_by_side
from perceiver_edu.course.exercises import find
from perceiver_edu.course.guard import Misfit, Outcome, as_function, explain, run
from perceiver_edu.course.report import DONE, NOT_YET, WAITING, Report, shown
from perceiver_edu.errors import InputError


def check(exercise_id: str, learner) -> Report:
    """Is the learner's function, or `nn.Module`, right? What the report says is shown below the cell.

        check("02.cross_attention", cross_attention)

    A function gets the arguments of the stub. An `nn.Module` is given as a class; the check builds it in
    several sizes, and fills its parameters by their names. Whatever the learner's code does, a report comes
    back and nothing is raised. An exercise that is done is noted in the progress file.
    """
    try:
        exercise = find(exercise_id)
    except InputError as error:
        return Report("check", NOT_YET).say(str(error))
    report = Report(f"{exercise.id} · {exercise.title}")
    try:
        return judge(exercise, learner, report)
    except Misfit as misfit:
        report.verdict = NOT_YET
        return report.say(str(misfit))
    except Exception as error:  # for example from an object that fails when it is only looked at
        report.verdict = NOT_YET
        return report.say(f"the check cannot read what it got, {shown(learner)}: {type(error).__name__}.")


def judge(exercise: Exercise, learner, report: Report) -> Report:
    function = as_function(learner, exercise)
    cases = exercise.cases()
    expected, got, problem = {}, {}, None
    for number, (label, arguments) in enumerate(cases.items()):
        wanted = exercise.reference(**arguments)
        outcome = run(function, arguments, quiet=number > 0, gradients=exercise.gradients)
        if outcome.not_done:
            return report.say("Nothing below waits for it: until then the library's own code stands in.")
        expected[label] = wanted
        if outcome.value is not None or not outcome.problem:
            try:
                value = outcome.value
                if exercise.observe is not None:
                    value = exercise.observe(value, arguments)
                got[label] = readable(value, wanted)
            except Misfit as misfit:
                outcome = Outcome(problem=str(misfit))
        if outcome.problem and problem is None:
            problem = (label, outcome)

    right = [label for label in got if same(got[label], expected[label])]
    wrong = [label for label in got if label not in right]
    if problem is not None:
        say_problem(report, *problem, several=len(cases) > 1)
    if wrong:
        say_difference(report, exercise, wrong[0], cases, expected, got, right, problem is not None)
    if right and (wrong or problem):
        if problem:
            report.say(f"Right already: {'; '.join(right)}.")
        broken = [label for label in cases if label not in right]
        if broken:
            report.say(f"Not right: {'; '.join(broken)}. What have these that the others have not?")

    properties = list(look_at(exercise, function, cases, list(got)))
    if properties:
        rows = [(p.says, "✓ yes" if p.ok else "✗ no", p.got) for p in properties]
        report.table(("what a right answer does", "yours", "seen"), rows)
    missing = [p.says for p in properties if not p.ok]
    if missing and not problem and not wrong:
        report.say(
            f"The numbers are right, but not everything that a right answer does: {'; '.join(missing)}."
        )
    ok = not problem and not wrong and not missing
    floats = {key: value for key, value in got.items() if getattr(value, "is_floating_point", bool)()}
    if ok and any(value.dtype != expected[key].dtype for key, value in floats.items()):
        report.say("Your result is float32 though the inputs are float64: somewhere a tensor is made "
                   "without `dtype=`. The numbers are right.")  # fmt: skip

    fits = (
        got
        and not problem
        and all(getattr(got[k], "shape", 0) == getattr(expected[k], "shape", 0) for k in got)
    )
    if exercise.in_model is not None and fits:
        ok = put_into_model(exercise, function, report) and ok
    report.verdict = DONE if ok else NOT_YET
    if ok:
        note = progress.mark_done(exercise.id)
        if note:
            report.say(note)
    return report


def say_problem(report: Report, label: str, outcome: Outcome, several: bool):
    case = f"In the case “{label}”, " if several else ""
    text = case + outcome.problem if case else outcome.problem[0].upper() + outcome.problem[1:]
    report.say(text)
    if outcome.code:
        report.pre(outcome.code)


def say_difference(report: Report, exercise: Exercise, label: str, cases, expected, got, right, said):
    """`right`: labels of the cases that are; `said`: whether a problem has been named already."""
    if right and not said:
        report.say(f"Right so far: {'; '.join(right)}.")
    diagnosis = diagnose(exercise, cases, expected, got)
    if diagnosis:
        report.say(diagnosis)
    elif exercise.mistakes and not said:
        report.say("This is not one of the mistakes that the check knows by name. What it can say:")
    sizes = exercise.sizes(**cases[label]) if exercise.sizes else {}
    shapes = [getattr(value, "shape", ()) for value in (expected[label], got[label])]
    if shapes[0] != shapes[1] and sorted(shapes[0]) == sorted(shapes[1]):
        report.say("The axes of your result stand in another order than expected.")
    where = ", ".join(filter(None, [f"“{label}”" if len(cases) > 1 else "", exercise.compared]))
    report.table((where, "expected", "got"), side_by_side(exercise, expected[label], got[label], sizes))


def diagnose(exercise: Exercise, cases, expected, got) -> str:
    """The sentence of the known mistake, or of the pair of them, that gives exactly the learner's results."""
    known = [mistake for mistake in exercise.mistakes.values()]
    pairs = [pair for pair in combinations(known, 2) if not pair[0].switches.keys() & pair[1].switches.keys()]
    for chosen in [(mistake,) for mistake in known] + pairs:
        switches = {key: value for mistake in chosen for key, value in mistake.switches.items()}
        differs = False
        for label, result in got.items():
            try:
                value = exercise.variant(**cases[label], **switches)
                if exercise.observe is not None:
                    value = exercise.observe(value, cases[label])
            except Exception:  # some mistakes do not go together
                break
            if not same(result, value):
                break
            differs = differs or not same(value, expected[label])
        else:
            if differs:
                return " And: ".join(mistake.says for mistake in chosen)
    return ""


def look_at(exercise: Exercise, function, cases, labels):
    """The exercise's properties, seen on the learner's function: on the hardest case that gave a result."""
    if exercise.properties is None or not labels:
        return

    def call(**arguments):
        outcome = run(function, arguments, quiet=True, gradients=exercise.gradients)
        if outcome.problem or outcome.not_done:
            raise Misfit(outcome.problem)
        return outcome.value

    for says, test in exercise.properties(cases[labels[-1]]):
        try:
            ok, seen = test(call)
            yield Property(says, ok, seen)
        except Exception as error:  # the learner's code failed there, or its result cannot be looked at
            yield Property(says, False, f"could not be seen: {str(error)[:160]}")


def put_into_model(exercise: Exercise, function, report: Report) -> bool:
    """The learner's stage in the whole pretrained model -> is the model unchanged?"""
    try:
        return exercise.in_model(function, report)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        outcome = (
            Outcome(problem=str(error)) if isinstance(error, Misfit | InputError) else explain(error, {})
        )
        report.say(f"In the whole model, {outcome.problem}")
        if outcome.code:
            report.pre(outcome.code)
        return False


__all__ = ["DONE", "NOT_YET", "WAITING", "check"]
