"""From a trained model and labelled texts to a classifier: what the loop of `loop.py` is to learn.

What a run writes while it goes on is described in `run_folder.py`. At its end there are

    model/            the classifier of the best epoch; of several tasks, a folder for each
    confusion-TASK.csv
    results.json      scores, what they were measured on, and how many steps were made
    manifest.json     SHA-256 of model, results and log: the run is finished
    curves.png, confusion-TASK.png
"""

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from perceiver_edu.borrow import same_random_state
from perceiver_edu.training.batches import shuffled
from perceiver_edu.training.classify import (
    PerceiverIOForClassification,
    new_classifier,
    save_classifier,
    task_losses,
)
from perceiver_edu.training.configs import FinetuneConfig, new_optimizer, seed_of
from perceiver_edu.training.features import pad
from perceiver_edu.training.judge import draw_pictures, most_common, score_classifier, write_confusion
from perceiver_edu.training.labelled import Labelled
from perceiver_edu.training.loop import (
    Batch,
    Job,
    Loss,
    Report,
    check_finite,
    is_first_process,
    resolved,
    train,
)
from perceiver_edu.training.run_folder import (
    MANIFEST,
    RESULTS,
    check_run,
    checkpoints,
    file_sums,
    flat,
    remove_checkpoint,
    remove_leftovers,
    verify,
    weights_sum,
    write_manifest,
)
from perceiver_edu.training.scores import check_metrics, deciding_score
from perceiver_edu.training.tasks import Encoded, file_name, tasks_of_sets
from perceiver_edu.weights.files import read_json, to_json
from perceiver_edu.weights.pretrained import load_pretrained
from perceiver_edu.writing import write_whole


@same_random_state()
def finetune(
    training: Labelled,
    validation: Labelled,
    folder: str | Path,
    settings: FinetuneConfig,
    *,
    test: Labelled | None = None,
    resume: bool = False,
    micro_batch_size: int | None = None,
    precision: str = "auto",
    save_every: int = 200,
    log_every: int = 10,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a classifier from `settings.weights`, or from where it stopped, and write to `folder`.

    The epoch with the best validation score is the one that is kept. Texts that are too long are truncated;
    the result says how many. A run that was interrupted and resumed, on the same machine with as many
    threads, ends with the very numbers of one that was not. Under `torchrun` each process takes its share of
    a batch.

    Returns: what results.json holds.

    Raises: InputError, before anything is written, for data that cannot be used, a folder that holds a run
        (without `resume`), one with other settings or data, or one whose files are damaged. DivergedError
        if the loss becomes NaN.
    """
    folder = Path(folder)
    tasks = tasks_of_sets(training, validation, test)
    check_metrics(tasks, settings.metrics)
    pretrained = load_pretrained(settings.weights)
    given = {"training": training, "validation": validation} | ({"test": test} if test is not None else {})
    longest = pretrained.config.max_position_embeddings
    sets = {name: Encoded(data, tasks, longest) for name, data in given.items()}
    steps_per_epoch = math.ceil(len(training) / settings.batch_size)
    steps = settings.epochs * steps_per_epoch
    run = asdict(settings) | {
        "metrics": list(settings.metrics),
        "precision": resolved(precision),
        "steps": steps,
        "tasks": [asdict(task) for task in tasks],
        "data": {name: encoded.fingerprint() for name, encoded in sets.items()},
        "files": file_sums((data.source for data in given.values()), progress and is_first_process()),
        "weights_sha256": weights_sum(pretrained),
    }
    if resume and (folder / MANIFEST).exists():  # it is finished
        run = check_run(folder, run, resume)
        verify(folder, run)
        if is_first_process():
            remove_leftovers(folder)  # also of a checkpoint that was just being removed
            for checkpoint in checkpoints(folder):
                remove_checkpoint(checkpoint, run)
        return read_json(folder / RESULTS)
    model = new_classifier(pretrained, tasks, seed_of(settings.seed, "weights"), settings.head)
    job = Finetuning(settings, folder, precision, micro_batch_size, model, sets, steps)
    train(job, run, resume, progress, (save_every, steps_per_epoch), steps_per_epoch, log_every)
    return job.results


class Finetuning(Job):
    """Ask for labels. `state` holds the best epoch's score, step and model, and how many came after it."""

    settings: FinetuneConfig
    model: PerceiverIOForClassification

    def __init__(
        self,
        settings: FinetuneConfig,
        folder: Path,
        precision: str,
        micro_batch_size: int | None,
        model: PerceiverIOForClassification,
        sets: dict[str, Encoded],
        steps: int,
    ):
        super().__init__(settings, folder, precision, micro_batch_size)
        self.training, self.held_out = sets["training"], {n: s for n, s in sets.items() if n != "training"}
        self.tasks, self.steps, self.warmup = model.tasks, steps, settings.warmup
        self.warmup *= steps if self.warmup <= 1 else 1
        self.state = {"best": -math.inf, "best_step": 0, "best_model": None, "stale": 0}
        self.results: dict[str, Any] = {}  # what results.json holds
        start_regressions(model, self.training)
        self.model = model.to(self.accelerator.device).freeze(settings.freeze)
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = new_optimizer(settings, learned)

    def batches(self, first_step: int) -> Iterator[Batch]:
        for step in range(first_step, self.steps):
            if self.settings.patience and self.state["stale"] >= self.settings.patience:
                return
            yield (texts_of_step(self.settings, len(self.training.rows), step),)

    def loss(self, model: nn.Module, part: Batch, batch: Batch) -> Loss:
        """The sum of the tasks' mean losses. The tally (2,): that loss, and the part's share of the batch."""
        (texts,), (all_texts,), device = part, batch, self.accelerator.device
        scores = model(*pad([self.training.rows[i] for i in texts.tolist()], device))
        total = torch.zeros((), device=device)
        for task in self.tasks:
            labels, asked = self.training.labels[task.name]
            losses = task_losses(scores[task.name].float(), labels[texts].to(device), task.kind)
            total = total + (losses * asked[texts].to(device)).sum() / asked[all_texts].sum().clamp(min=1)
        share = torch.full_like(total, len(texts) / len(all_texts), dtype=torch.float64)
        return total, torch.stack([total.detach().double(), share])

    def report(self, done: int, tally: list[float], per_second: float, evaluate: bool) -> Report:
        loss = tally[0] / tally[1]
        unseen, score = self.measure_held_out(done) if evaluate else (None, None)
        row = dict(step=done, loss=loss, validation_loss=unseen, score=score)
        row["texts_per_second"] = round(per_second, 1)
        best = f", best score {self.state['best']:.3f}" if self.state["best"] > -math.inf else ""
        return row, f"loss {loss:.3f}{best}"

    def measure_held_out(self, done: int) -> tuple[float, float]:
        """Validation loss and score; the model is noted in `state` if it is the best so far."""
        scores, loss, _ = score_classifier(self.accelerator, self.model, self.held_out["validation"])
        score = deciding_score(scores, self.tasks, self.settings.metrics)
        if score > self.state["best"]:
            best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
            self.state |= {"best": score, "best_step": done, "best_model": best, "stale": 0}
        else:
            self.state["stale"] += 1
        return loss, score

    def finish(self, done: int) -> None:
        """Of the best epoch: the model, its scores on all held-out texts, and pictures."""
        self.model.load_state_dict(self.state["best_model"])
        best, best_step, answers = self.state["best"], self.state["best_step"], {}
        self.results = {"score": best, "best_step": best_step, "steps": done}
        for name, data in self.held_out.items():
            scores, loss, answers[name] = score_classifier(self.accelerator, self.model, data)
            self.results[name] = dict(scores=scores, loss=loss, texts=len(data.rows), cut=data.cut)
        last = "test" if "test" in self.held_out else "validation"
        self.results["training"] = {"texts": len(self.training.rows), "cut": self.training.cut}
        self.results["most_common"] = most_common(self.tasks, self.training, self.held_out[last])
        check_finite(best_step, "a figure", [x for x in flat(self.results).values() if isinstance(x, float)])
        if not self.main:
            return
        for task in self.tasks:
            own = file_name(task.name) if len(self.tasks) > 1 else ""
            save_classifier(self.model, self.folder / "model" / own, task.name)
        confusions = write_confusion(self.folder, self.tasks, answers[last], self.held_out[last])
        write_whole(self.folder / RESULTS, to_json(self.results))
        model = [path for path in (self.folder / "model").rglob("*") if path.is_file()]
        names = [path.relative_to(self.folder).as_posix() for path in model]
        draw_pictures(self.folder, confusions)  # before the run is finished: whoever resumes has them, too
        write_manifest(self.folder, [*names, RESULTS, "log.csv"], self.run, done)
        for checkpoint in checkpoints(self.folder):
            remove_checkpoint(checkpoint, self.run)


def texts_of_step(settings: FinetuneConfig, num_texts: int, step: int) -> torch.Tensor:
    """Which texts a step trains on, (batch_size,). Each epoch has its own order; its last batch is filled up
    from its beginning."""
    size = settings.batch_size
    epoch, place = divmod(step, math.ceil(num_texts / size))
    order = shuffled(num_texts, seed_of(settings.seed, "order", epoch))
    return order[torch.arange(place * size, (place + 1) * size) % num_texts]


def start_regressions(model: PerceiverIOForClassification, data: Encoded) -> None:
    """A regression starts from the mean of its labels, however far from 0 that is."""
    for task, head in zip(model.tasks, model.heads, strict=True):
        if task.kind == "regression":
            labels, asked = data.labels[task.name]
            *_, last = (part for part in head.modules() if isinstance(part, nn.Linear))
            torch.nn.init.constant_(last.bias, float(labels[asked].double().mean()))
