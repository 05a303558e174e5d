"""Notebook 08: go through a recorded training run, step by step."""

from functools import partial
from typing import NamedTuple

from perceiver_edu.course.place import translated
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import Experiment, choice, stops, widget
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.plots.learning import dashed
from perceiver_edu.instruments.plots.style import INK, INPUT, LATENT
from perceiver_edu.instruments.recorded import Run, read_run
from perceiver_edu.language import to_translate
from perceiver_edu.weights.pretrained import EMBEDDED

BELOW, ABOVE = to_translate("{gap:.2f} below"), to_translate("{gap:.2f} above")


class Moment(NamedTuple):
    """A run at one of its steps."""

    run: Run
    baselines: dict[str, float]  # name -> bits per hidden byte
    step: int
    scale: str  # of the axis of steps: "linear" or "log"

    @property
    def in_training(self) -> float | None:
        """Bits since the row before; None before the first step."""
        return self.run.training.get(self.step)

    @property
    def evaluated(self) -> int:
        """The last step, up to this one, with a held-out evaluation."""
        return max(
            (known for known in self.run.held_out if known <= self.step), default=min(self.run.held_out)
        )

    @property
    def held_out(self) -> float:
        """Bits per hidden byte, then."""
        return self.run.held_out[self.evaluated]


def draw(figure, now: Moment) -> str:
    ax = figure.subplots()
    figure.subplots_adjust(0.08, 0.16, 0.78, 0.97)
    run, lines = now.run, dict(color=LATENT, lw=2.2, marker="o", ms=4, mec=INK, mew=0.4)
    ax.plot(list(run.training), list(run.training.values()), color=INPUT, lw=1, label="in training")
    first, *later = run.held_out.items()  # what lay between the first two, a straight line would invent
    ax.plot(*first, **lines)
    ax.plot(*zip(*later or [first], strict=True), label="held out", **lines)
    ax.axvline(now.step, color=INK, lw=1.2, ls="--")
    if now.scale == "log":
        ax.set_xscale("symlog", linthresh=min(step for step in run.steps if step))  # step 0 has a place too
    ax.set_xlim(0, run.steps[-1])
    shown = [*run.training.values(), *now.baselines.values(), min(run.held_out.values())]
    ax.set_ylim(min(shown) - 0.2, max(now.baselines.values()) + 1)
    dashed(ax, now.baselines)
    ax.set(xlabel="steps", ylabel="bits per hidden byte")
    ax.legend(frameon=False, loc="upper right", ncols=2)
    return translated(
        "Two curves, bits per hidden byte against steps, and dashed lines for baselines. At step "
        "{step}: in training {in_training}; held out, at step {evaluated}, {held_out}.",
        step=now.step,
        in_training=bits(now.in_training),
        evaluated=now.evaluated,
        held_out=bits(now.held_out),
    )


def tell(now: Moment) -> Report:
    rows = [
        (translated("in training, step {step:,}", step=now.step), bits(now.in_training)),
        (translated("held-out words, step {step:,}", step=now.evaluated), bits(now.held_out)),
    ]
    report = Report("run").table(("", translated("bits per hidden byte")), rows)
    compared = [
        (name, f"{known:.2f}", translated(BELOW if gap > 0 else ABOVE, gap=abs(gap)))
        for name, known in now.baselines.items()
        for gap in [known - now.held_out]
    ]
    report.table((translated("baseline"), translated("bits"), translated("the held-out figure is")), compared)
    if samples := now.run.samples.get(now.evaluated):
        report.table((translated("with holes"), translated("fillings")), samples)
    rate = now.run.learning_rate.get(now.step)
    return report.say(
        translated("Learning rate: none yet.")
        if rate is None
        else translated("Learning rate: {rate:.1e}.", rate=rate)
    )


def bits(value: float | None) -> str:
    return translated("nothing yet") if value is None else f"{value:.2f}"


@widget(
    "08_pretraining",
    "run-lab",
    needs="setup recorded",
    example=lambda: [read_run(EMBEDDED), {"unigram": 4.43, "hole geometry": 3.5}],
)
def browse_run(run: Run, baselines: dict[str, float], step=None, scale: str = "linear") -> Experiment:
    """A training run (see `instruments.read_run`) with a slider over its steps.

    It stops at every row of the log up to the second evaluation, and from there on at evaluations.

    Args:
        baselines: name -> bits per hidden byte of baselines on held-out text.
        step: where to begin; None = at the end.
        scale: of the axis of steps, "linear" or "log".

    Raises: InputError for a run that was never evaluated on held-out text.
    """
    if not run.held_out:
        raise InputError(
            translated("this run was never evaluated on held-out text: its log has no held-out bits")
        )
    early = sorted(run.held_out)[:2][-1]
    steps = [known for known in run.steps if known <= early or known in run.held_out]
    scales = [(to_translate("linear"), "linear"), (to_translate("logarithmic"), "log")]
    controls = {
        "step": stops("step", [(f"{s:,}", s) for s in steps], steps[-1] if step is None else step,
                      "The step of the run."),
        "scale": choice("axis of steps", scales, scale, "A logarithmic axis shows more of the beginning."),
    }  # fmt: skip
    compute = partial(Moment, run, baselines)
    return Experiment("browse-run", controls, compute, draw, tell, size=(9, 3.8))
