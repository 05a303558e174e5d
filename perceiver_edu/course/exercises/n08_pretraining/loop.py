"""Exercise 08.loop: the training loop, with warm-up, cosine and clipping."""

import math
from dataclasses import replace
from functools import cache

import torch
from torch import nn

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.guard import Misfit, as_function
from perceiver_edu.course.passages import PASSAGES
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call
from perceiver_edu.training.configs import PretrainConfig, new_model, sized
from perceiver_edu.training.corpus import crop_pack
from perceiver_edu.training.masking import hole_positions, mask_bytes
from perceiver_edu.training.pretrain import loss_of as summed_loss

B, WIDTH = 6, 5  # rows of a batch; numbers in a row, the last of which is to be guessed


def small_model():
    """Two layers in float64, each time with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return nn.Sequential(nn.Linear(WIDTH - 1, 3), nn.Tanh(), nn.Linear(3, 1)).double()


def squared_error(model, batch):
    """batch (B, WIDTH) -> ()."""
    return (model(batch[:, :-1])[:, 0] - batch[:, -1]).square().mean()


def loop_cases():
    """batches (steps, B, WIDTH); the rest as the learner gets it."""
    generator = torch.Generator().manual_seed(5)

    def batches(steps):
        made = torch.randn(steps, B, WIDTH, generator=generator, dtype=torch.float64)
        made[..., -1] += 2 * made[..., 0]
        made[::3] *= 3  # some gradients are large
        return made

    def given(steps, warmup, clip):  # in the order of the stub
        data = dict(new_model=small_model, batches=batches(steps), loss_of=squared_error)
        return data | dict(peak=0.02, warmup=warmup, clip=clip)

    return {
        "three steps, without warm-up or clipping": given(3, warmup=1, clip=1e9),
        "nine steps, with warm-up": given(9, warmup=4, clip=1e9),
        "nine steps, with warm-up and clipping": given(9, warmup=4, clip=0.8),
    }


def loop_variant(new_model, batches, loss_of, peak, warmup, clip, wrong=""):
    """The loss of each step before its update, (steps,) float64; `wrong` is one of the mistakes."""
    model, steps, losses = new_model(), len(batches), []
    betas = (0.9, 0.999) if wrong == "betas" else (0.9, 0.98)
    decay = 0.0 if wrong == "decay" else 0.01
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=betas, weight_decay=decay)
    for step, batch in enumerate(batches):
        late = max(0, step - warmup + (wrong == "falls late, from 1"))
        done = {
            "falls late": late / (steps - warmup),
            "falls late, from 1": late / (steps - warmup + 1),
            "one ahead": (step + 1) / steps,
            "down to 0": step / (steps - 1),
        }.get(wrong, step / steps)
        warm, cosine = (step + (wrong != "from zero")) / warmup, (1 + math.cos(math.pi * done)) / 2
        rates = {"constant": 1.0, "no warm-up": cosine, "no cosine": min(1.0, warm)}
        rate = (rates | {"product": min(1.0, warm) * cosine}).get(wrong, min(warm, cosine))
        if wrong != "late":
            optimizer.param_groups[0]["lr"] = peak * rate
        with torch.enable_grad():
            loss = loss_of(model, batches[0] if wrong == "same batch" else batch)
            loss.backward()
        if wrong == "zero first":
            optimizer.zero_grad(set_to_none=False)
        if wrong == "each":
            for parameter in model.parameters():
                nn.utils.clip_grad_norm_(parameter, clip)
        elif wrong == "value":
            nn.utils.clip_grad_value_(model.parameters(), clip)
        elif wrong != "no clip":
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if wrong != "no step":
            optimizer.step()
        with torch.no_grad():
            losses.append(loss_of(model, batch) if wrong == "after" else loss.detach())
        if wrong != "pile up":
            optimizer.zero_grad()
        if wrong == "late":
            optimizer.param_groups[0]["lr"] = peak * rate
    return torch.stack(losses).double()


def losses(result, arguments=None):
    """The learner's losses as one tensor (steps,) float64. Raises: Misfit for anything else."""
    if result is None or result is ... or isinstance(result, torch.Tensor):
        return result
    try:
        numbers = [float(loss.detach() if isinstance(loss, torch.Tensor) else loss) for loss in result]
        return torch.tensor(numbers, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise Misfit(
            translated("expected a list with one loss for each step, got {result}.", result=shown(result))
        ) from None


def training_function(learner, exercise):
    """The learner's code trains, so autograd is on while it runs."""
    return torch.enable_grad()(as_function(learner, exercise))


@cache
def real_run():
    """A small new Perceiver IO and real text: the arguments, and the losses of the library's twelve steps."""
    config = replace(sized("tiny"), max_position_embeddings=48, d_latents=64, num_self_attends_per_block=1)
    crops = crop_pack(PASSAGES, 48).long()
    settings = PretrainConfig(config=config)

    def loss_of(model, ids):
        generator = torch.Generator().manual_seed(int(ids.sum()))
        inputs, labels = mask_bytes(ids, generator=generator)
        positions, targets = hole_positions(labels)
        return summed_loss(model, inputs, positions, targets) / (labels != -100).sum()

    batches = torch.stack([crops[i::12][:4] for i in range(12)])
    given = dict(new_model=lambda: new_model(settings), batches=batches, loss_of=loss_of)
    given |= dict(peak=6e-3, warmup=4, clip=1.0)
    return given, loop_variant(**given)


def loop_in_model(function, report):
    """The same twelve steps by the learner's loop and by the library's."""
    given, wanted = real_run()
    batches = given["batches"].clone()  # a learner's loop may write into them
    yours = losses(call(function, given | {"batches": batches}))
    rows = [
        (name, *(f"{float(tensor[step]) / math.log(2):.3f}" for step in (0, 5, 11)))
        for name, tensor in ((translated("the library's loop"), wanted), (translated("yours"), yours))
    ]
    report.table(
        (
            translated("a new Perceiver IO, bits per hidden byte"),
            translated("step 1"),
            translated("step 6"),
            translated("step 12"),
        ),
        rows,
    )
    return len(yours) == len(wanted) and float((yours - wanted).abs().max()) < 1e-3


EXERCISE = Exercise(
    title="the training loop",
    about="12 minutes · medium · section 4.1",
    name="train",
    cases=loop_cases,
    variant=loop_variant,
    mistakes={
        "wrong": {
            "pile up": "The gradients are never cleared. `backward` adds to what is there, so each step "
            "follows the sum of all batches so far. Call `optimizer.zero_grad()` once per step.",
            "zero first": "`zero_grad` comes between `backward` and `step`, so the gradient is thrown away "
            "before it is used.",
            "no step": "The weights never change. Is `optimizer.step()` missing, does `zero_grad` come "
            "between `backward` and `step`, or does the optimizer hold the parameters of another model?",
            "after": "These are the losses after each step. Return the loss on which you call `backward`.",
            "no clip": "The gradient is not clipped when it is used. Call `clip_grad_norm_` between "
            "`backward` and `step`.",
            "each": "Each tensor is clipped separately, which changes the direction of the gradient. Clip "
            "the norm of all of them together.",
            "value": "Single numbers are clipped (`clip_grad_value_`), which changes the direction of the "
            "gradient. Clip its norm.",
            "constant": "The learning rate is `peak` at every step. Set `group['lr']` according to the "
            "formula before each step.",
            "no warm-up": "The warm-up is missing.",
            "no cosine": "After the warm-up the learning rate stays constant. It must fall, following the "
            "cosine.",
            "from zero": "The warm-up begins with step / warmup = 0, so the first step learns nothing. Use "
            "(step + 1) / warmup.",
            "falls late": "Your cosine begins only after the warm-up. It should fall from the first step on, "
            "with step / steps.",
            "falls late, from 1": "Your cosine begins only after the warm-up, and counts from 1. It should "
            "fall from the first step on, with step / steps.",
            "one ahead": "The cosine is one step ahead, at (step + 1) / steps. Use step / steps.",
            "down to 0": "You divide by steps - 1 in the cosine, so the last step learns nothing. Use step / "
            "steps.",
            "product": "You multiply warm-up and cosine. Take the smaller of the two.",
            "late": "You set the learning rate after the step, so each step uses that of the step before.",
            "same batch": "Every step uses the first batch, which the model will memorise.",
            "betas": "The `betas` are torch's default (0.9, 0.999). Use (0.9, 0.98).",
            "decay": "The weight decay of 0.01 is missing.",
        }
    },
    view=losses,
    sizes=lambda batches, **_: {"steps": len(batches)},
    accept=training_function,
    in_model=loop_in_model,
)
