"""`check`: compares a learner's stage with the library's, and says what is right, what is not, and why."""

from itertools import combinations

from perceiver_edu.course import progress
from perceiver_edu.course.comparison import readable, same
from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises import find
from perceiver_edu.course.guard import Misfit, Outcome, explain_error, run
from perceiver_edu.course.report import DONE, NOT_YET, WAITING, Report, shown
from perceiver_edu.errors import InputError, brief


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
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # for example from an object that fails when it is only looked at
        report.verdict = NOT_YET
        return report.say(f"the check cannot read what it got, {shown(learner)}: {type(error).__name__}.")


def judge(exercise: Exercise, learner, report: Report) -> Report:
    function = exercise.accept(learner, exercise)
    cases = exercise.cases()
    expected, got, problem = {}, {}, None
    for number, (label, arguments) in enumerate(cases.items()):
        wanted = exercise.expected(arguments)
        outcome = run(function, arguments, quiet=number > 0)
        if outcome.not_done:
            return report.say("Nothing below waits for it: until then the library's own code stands in.")
        expected[label] = wanted
        if outcome.value is not None or not outcome.problem:
            try:
                got[label] = readable(exercise.view(outcome.value, arguments), wanted)
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
        rows = [(says, "✓ yes" if fine else "✗ no", seen) for says, fine, seen in properties]
        report.table(("what a right answer does", "yours", "seen"), rows)
    missing = "; ".join(says for says, fine, _ in properties if not fine)
    if missing and not problem and not wrong:
        report.say(f"The numbers are right, but not everything that a right answer does: {missing}.")
    ok = not problem and not wrong and not missing
    floats = {key: value for key, value in got.items() if getattr(value, "is_floating_point", bool)()}
    if ok and any(value.dtype != expected[key].dtype for key, value in floats.items()):
        report.say("Your result is float32 though the inputs are float64: somewhere a tensor is made "
                   "without `dtype=`. The numbers are right.")  # fmt: skip

    shapes = [[getattr(results[label], "shape", 0) for label in got] for results in (got, expected)]
    if exercise.in_model is not None and got and not problem and shapes[0] == shapes[1]:
        ok = put_into_model(exercise, function, report) and ok
    report.verdict = DONE if ok else NOT_YET
    if ok:
        note = progress.mark_done(exercise.id)
        if note:
            report.say(note)
    return report


def say_problem(report: Report, label: str, outcome: Outcome, several: bool):
    case = f"In the case “{label}”, " if several else ""
    report.say(case + outcome.problem if case else outcome.problem[0].upper() + outcome.problem[1:])
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
    report.table((where, "expected", "got"), exercise.rows(expected[label], got[label], sizes))


def diagnose(exercise: Exercise, cases, expected, got) -> str:
    """The sentence of the known mistake, or of the pair of them, that gives exactly the learner's results."""
    known = exercise.known_mistakes
    pairs = [pair for pair in combinations(known, 2) if not pair[0].switches.keys() & pair[1].switches.keys()]
    for chosen in [(mistake,) for mistake in known] + pairs:
        switches = {key: value for mistake in chosen for key, value in mistake.switches.items()}
        differs = False
        for label, result in got.items():
            try:
                value = exercise.mistaken(cases[label], switches)
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
    """The exercise's properties, on the last case with a result -> (says, holds, what was seen)."""
    if exercise.properties is None or not labels:
        return

    def call(**arguments):
        outcome = run(function, arguments, quiet=True)
        if outcome.problem or outcome.not_done:
            raise Misfit(outcome.problem)
        return outcome.value

    for says, test in exercise.properties(cases[labels[-1]]):
        try:
            yield says, *test(call)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the learner's code failed there, or its result cannot be looked at
            yield says, False, f"could not be seen: {brief(error)}"


def put_into_model(exercise: Exercise, function, report: Report) -> bool:
    """The learner's stage in the whole pretrained model -> is the model unchanged?"""
    try:
        return exercise.in_model(function, report)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        in_words = isinstance(error, Misfit | InputError)
        outcome = Outcome(problem=str(error)) if in_words else explain_error(error, {})
        report.say(f"In the whole model, {outcome.problem}")
        if outcome.code:
            report.pre(outcome.code)
        return False


__all__ = ["DONE", "NOT_YET", "WAITING", "check"]
