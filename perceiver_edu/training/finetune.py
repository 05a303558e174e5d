"""From a trained model and labelled texts to a classifier: the loop.

What a run leaves on the disk while it goes on stands in `run_folder.py`. At its end there are

    model/            the classifier of the best epoch; of several tasks, a folder for each
    curves.png, confusion-TASK.png, confusion-TASK.csv
    results.json      scores, and what they were measured on; it is written last
"""

import json
import math
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm.auto import tqdm

from perceiver_edu.errors import InputError
from perceiver_edu.training.batches import shuffled
from perceiver_edu.training.classify import new_classifier, save_classifier, task_losses
from perceiver_edu.training.features import pad
from perceiver_edu.training.judge import evaluate, file_name, most_common, write_pictures
from perceiver_edu.training.labelled import Labelled
from perceiver_edu.training.plan import Plan
from perceiver_edu.training.pretrain import check_options, start_accelerator
from perceiver_edu.training.recipe import seed_of
from perceiver_edu.training.run_folder import checkpoints, claim, keep, log, open_run
from perceiver_edu.training.scores import deciding_score
from perceiver_edu.training.tasks import Encoded, tasks_of
from perceiver_edu.weights.files import read_json, to_json, write_whole
from perceiver_edu.weights.pretrained import load_pretrained


def finetune(
    training: Labelled,
    validation: Labelled,
    folder: str | Path,
    plan: Plan,
    *,
    test: Labelled | None = None,
    resume: bool = False,
    micro_batch_size: int | None = None,
    precision: str = "auto",
    save_every: int = 200,
    log_every: int = 10,
    progress: bool = True,
) -> dict:
    """Train a classifier from `plan.weights`, or from where it stopped, and write to `folder`.

    The epoch with the best validation score is the one that is kept. Texts that are too long are cut; the
    result says how many. A run that was cut off and resumed, on the same machine with as many threads, ends
    with the very numbers of one that was not. Under `torchrun` each process takes its share of a batch.

    Returns: what results.json holds.

    Raises: InputError, before anything is written, for data that cannot be used, a folder that holds a run
        (without `resume`) or one of another plan or data; also if the loss becomes NaN.
    """
    folder = Path(folder)
    check_options(plan, micro_batch_size, precision, log_every, save_every)
    tasks = tasks_of(training)
    model = load_pretrained(plan.weights)
    longest = model.config.max_position_embeddings
    sets = {"training": training, "validation": validation} | ({"test": test} if test is not None else {})
    sets = {name: Encoded(data, tasks, longest) for name, data in sets.items()}
    steps_per_epoch = math.ceil(len(training) / plan.batch_size)
    steps = plan.epochs * steps_per_epoch
    data = {name: encoded.fingerprint() for name, encoded in sets.items()}
    wanted = asdict(plan) | {"steps": steps, "tasks": [asdict(task) for task in tasks], "data": data}
    wanted["metrics"] = list(plan.metrics)
    accelerator = start_accelerator(precision)
    main = accelerator.is_main_process
    finished = folder / "results.json"
    if resume and finished.exists():
        if json.loads(to_json(wanted)) != read_json(folder / "recipe.json"):
            raise InputError(f"{folder} holds a finished run of another plan, or of other data")
        return read_json(finished)

    plain = new_classifier(model, tasks, seed_of(plan.seed, "weights")).to(accelerator.device)
    start_regressions(plain, sets["training"])
    plain.freeze(plan.freeze)
    learned = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    with claim(folder) if main else nullcontext():
        with accelerator.main_process_first():
            if main:
                open_run(folder, wanted, resume)
            state = load_state(folder, plain, optimizer)
        model, optimizer = accelerator.prepare(plain, optimizer)
        plain.train()
        tally = torch.tensor(state["tally"], dtype=torch.float64, device=accelerator.device)
        tally = tally if main else tally * 0
        begun, seen = time.perf_counter(), 0
        bar = tqdm(
            total=steps, initial=state["step"], unit="step", mininterval=1, disable=not (progress and main)
        )
        with bar:
            for step in range(state["step"], steps):
                if plan.patience and state["stale"] >= plan.patience:
                    break
                rows = rows_of_step(plan, len(training), step)
                tally += train_step(accelerator, model, optimizer, plan, sets["training"], rows, step, steps,
                                    micro_batch_size)  # fmt: skip
                seen, done = seen + len(rows), step + 1
                bar.update()
                epoch_ends = done % steps_per_epoch == 0
                if not (epoch_ends or done % log_every == 0 or done % save_every == 0):
                    continue
                tally = accelerator.reduce(tally, "sum")
                if not math.isfinite(float(tally[0])):
                    raise InputError(f"at step {done} the loss is NaN or infinite: try a lower learning rate")
                if epoch_ends or done % log_every == 0:
                    row = dict(step=done, loss=float(tally[0] / tally[1]), validation_loss="", score="")
                    tally = tally * 0
                    if epoch_ends:
                        scores, row["validation_loss"], _ = evaluate(accelerator, plain, sets["validation"])
                        row["score"] = deciding_score(scores, tasks, plan.metrics)
                        if row["score"] > state["best"]:
                            best = {k: v.detach().cpu().clone() for k, v in plain.state_dict().items()}
                            state |= {"best": row["score"], "best_model": best, "best_step": done, "stale": 0}
                        else:
                            state["stale"] += 1
                    if main:
                        row["texts_per_second"] = round(seen / (time.perf_counter() - begun), 1)
                        log(folder, row)
                    bar.set_postfix_str(f"loss {row['loss']:.3f}, best score {max(0, state['best']):.3f}")
                tally = tally if main else tally * 0  # it holds what all processes have seen
                if main and (epoch_ends or done % save_every == 0):
                    state |= {"step": done, "tally": tally.tolist()}
                    keep(folder, done, state | {"model": plain.state_dict(), "optimizer": moments(optimizer)})
        plain.load_state_dict(state["best_model"])
        results = {"score": state["best"], "best_step": state["best_step"], "steps": steps}
        for name in list(sets)[1:]:
            scores, loss, answers = evaluate(accelerator, plain, sets[name])
            results[name] = {
                "scores": scores,
                "loss": loss,
                "texts": len(sets[name].rows),
                "cut": sets[name].cut,
            }
        results["training"] = {"texts": len(training), "cut": sets["training"].cut}
        results["most_common"] = most_common(tasks, sets["training"], sets[name])  # test, or validation
        if main:
            write_pictures(folder, tasks, answers, sets[name])
            several = len(tasks) > 1
            for task in tasks:
                target = folder / "model" / file_name(task.name) if several else folder / "model"
                save_classifier(accelerator.unwrap_model(plain, keep_fp32_wrapper=False), target, task.name)
            write_whole(finished, to_json(results))
            for checkpoint in checkpoints(folder):
                shutil.rmtree(checkpoint)
        accelerator.wait_for_everyone()  # and the processes stay together: another seed may follow
    return results


def rows_of_step(plan: Plan, num_texts: int, step: int) -> torch.Tensor:
    """Which texts a step trains on, (batch_size,). Each epoch has its own order; its last batch is filled up
    from its beginning."""
    epoch, place = divmod(step, math.ceil(num_texts / plan.batch_size))
    order = shuffled(num_texts, seed_of(plan.seed, "order", epoch))
    return order[torch.arange(place * plan.batch_size, (place + 1) * plan.batch_size) % num_texts]


def train_step(accelerator, model, optimizer, plan, data, rows, step, steps, micro_batch_size=None):
    """One step on `rows` (batch_size,), the same in all processes -> tally (2,): this process's loss, and 1.

    The gradient is that of the mean loss over the whole batch, of each task, however it is shared out.
    """
    warm = (step + 1) / max(1.0, plan.warmup * steps)
    for group in optimizer.param_groups:
        group["lr"] = plan.learning_rate * min(warm, 0.5 * (1 + math.cos(math.pi * step / steps)))
    rank, world, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    torch.manual_seed(seed_of(plan.seed, "dropout", step, rank))
    parts = rows[rank::world].split(micro_batch_size or len(rows))
    total = torch.zeros((), dtype=torch.float64, device=device)
    for number, part in enumerate(parts, 1):
        last = number == len(parts)  # then the processes take the mean of their gradients, hence × world
        with nullcontext() if last else accelerator.no_sync(model):
            scores = model(*pad([data.rows[i] for i in part.tolist()], device))
            loss = 0.0
            for name, (labels, asked) in data.labels.items():
                losses = task_losses(
                    scores[name].float(), labels[part].to(device), kind_of(accelerator, model, name)
                )
                loss = loss + (losses * asked[part].to(device)).sum() / asked[rows].sum().clamp(min=1)
            accelerator.backward(loss * world)
        total += loss.detach()
    accelerator.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], plan.clip)
    optimizer.step()
    optimizer.zero_grad()
    return torch.stack([total, torch.ones_like(total) / world])


def kind_of(accelerator, model, name: str) -> str:
    return next(task.kind for task in accelerator.unwrap_model(model).tasks if task.name == name)


def load_state(folder: Path, model, optimizer) -> dict:
    """The newest checkpoint into model and optimizer -> its rest. Raises: InputError if it is damaged."""
    if not checkpoints(folder):
        return {
            "step": 0,
            "tally": [0.0, 0.0],
            "best": -math.inf,
            "best_step": 0,
            "best_model": None,
            "stale": 0,
        }
    path = checkpoints(folder)[-1] / "training.pt"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state.pop("model"))
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state.pop("optimizer")})
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"{path} is missing or damaged: {error}") from None
    return state


def moments(optimizer) -> dict:
    return optimizer.state_dict()["state"]


def start_regressions(model, data: Encoded) -> None:
    """A regression starts from the mean of its labels, however far from 0 that is."""
    for task, head in zip(model.tasks, model.heads, strict=True):
        if task.kind == "regression":
            labels, asked = data.labels[task.name]
            torch.nn.init.constant_(head.bias, float(labels[asked].double().mean()))
