"""A classifier by a new decoder query: bytes in, one answer for each task out.

The paper's way to a new task (section 3.2): keep embedding, encoder and processor, and ask something else.
One more task is one more query. With one task this is `transformers.PerceiverForSequenceClassification`.
"""

import textwrap
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from perceiver_edu.borrow import COMPILED
from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.decoder import OutputQueries
from perceiver_edu.embedding import Embedding
from perceiver_edu.errors import InputError, brief, choose
from perceiver_edu.model import PerceiverIOForMaskedLM, build_stages, check_inputs, initialize
from perceiver_edu.weights.files import check_saved_together, read_json
from perceiver_edu.weights.huggingface import CLASSIFIER_RENAMES, huggingface_name, read_config
from perceiver_edu.weights.pretrained import build, read_tensors, write_folder

if TYPE_CHECKING:
    from transformers import PerceiverForSequenceClassification

ARCHITECTURE = "PerceiverForSequenceClassification"
OWN_TYPE = "perceiver_edu"  # instead of "perceiver": what transformers has no class for, it shall refuse
HEADS = ("linear", "tanh")
PROBLEM_TYPES = {  # our kind of task -> Hugging Face's `problem_type`
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}


@dataclass(frozen=True)
class Task:
    """One question about a text.

    Raises: InputError for an unknown kind, too few labels, or two of one name, which would share an answer.
    """

    name: str
    labels: tuple[str, ...]  # what the scores stand for; of a regression, the name of its one number
    kind: str = "single"  # "single": exactly one label; "multi": any number of them; "regression": a number

    def __post_init__(self):
        if self.kind not in PROBLEM_TYPES:
            raise InputError(f"no kind of task {self.kind!r}; there is {', '.join(PROBLEM_TYPES)}")
        fewest = 2 if self.kind == "single" else 1
        if len(self.labels) < fewest or (self.kind == "regression" and len(self.labels) > 1):
            raise InputError(f"task {self.name!r} ({self.kind}) cannot have {len(self.labels)} label(s)")
        refuse_repeated(f"two labels of {brief(self.name)} are called", self.labels)


class PerceiverIOForClassification(nn.Module):
    """Bytes in, scores for each task out. The latents are computed once, however many tasks read them."""

    def __init__(self, config: PerceiverIOConfig, tasks: list[Task], head: str = "linear"):
        """`head`: "linear", as in transformers, or "tanh", the paper's two layers with a tanh between.

        Raises: InputError for another head, and for two tasks of one name, which would share an answer.
        """
        super().__init__()
        choose("head", head, HEADS)
        self.head = head
        self.config, self.tasks, D = config, list(tasks), config.d_latents
        names = [task.name for task in self.tasks]
        refuse_repeated("two tasks are called", names)
        self.embedding = Embedding(config.vocab_size, config.max_position_embeddings, config.d_model)
        self.encoder, self.processor, decoder = build_stages(
            config,
            d_inputs=config.d_model,
            d_queries=D,
            qk_channels=D,
            v_channels=D,
            num_heads=1,
            query_residual=True,  # as Hugging Face's class has it
        )
        self.queries = OutputQueries(len(self.tasks), D)  # one for each task
        self.decoder = decoder
        self.heads = nn.ModuleList(new_head(head, D, len(task.labels)) for task in self.tasks)
        initialize(self, config.initializer_range)
        self.frozen = False

    def forward(self, input_ids, mask=None):
        """input_ids (B, M) int64, mask (B, M) bool, True = real -> {task: scores (B, labels of the task)}."""
        check_inputs(self.config, input_ids, mask, None)
        with torch.no_grad() if self.frozen else nullcontext():
            inputs = self.embedding(input_ids)  # (B, M, C)
            latents = self.processor(self.encoder(inputs, mask))  # (B, N, D)
        outputs = self.decoder(self.queries(), latents)  # (B, tasks, D)
        return {
            task.name: head(output)
            for task, head, output in zip(self.tasks, self.heads, outputs.unbind(1), strict=True)
        }

    def freeze(self, frozen: bool = True) -> "PerceiverIOForClassification":
        """Let only queries, decoder and heads learn; False: everything. -> the classifier itself."""
        self.frozen = frozen
        for module in (self.embedding, self.encoder, self.processor):
            module.requires_grad_(not frozen)
        return self.train(self.training)

    def train(self, mode: bool = True) -> "PerceiverIOForClassification":
        """A frozen trunk stays in eval mode: without dropout."""
        super().train(mode)
        if self.frozen:
            for module in (self.embedding, self.encoder, self.processor):
                module.eval()
        return self

    @property
    def device(self) -> torch.device:
        return self.queries.positions.device


def refuse_repeated(problem: str, names: list[str] | tuple[str, ...]) -> None:
    """Raises: InputError, which begins with the problem, for names of which two are the same."""
    last = {name: place for place, name in enumerate(names)}
    if twice := [name for place, name in enumerate(names) if place < last[name]]:
        raise InputError(f"{problem} {brief(twice[0])}: give each a name of its own")


def new_head(kind: str, width: int, num_scores: int) -> nn.Module:
    """A layer, or layers: (B, width) -> (B, num_scores)."""
    if kind == "linear":
        return nn.Linear(width, num_scores)
    return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, num_scores))


def new_classifier(
    model: PerceiverIOForMaskedLM | PerceiverIOForClassification,
    tasks: list[Task],
    seed: int = 0,
    head: str = "linear",
) -> PerceiverIOForClassification:
    """A classifier on the trunk of a trained model (the weights are copied); query, decoder and heads are
    fresh, drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = PerceiverIOForClassification(model.config, tasks, head)
    classifier = classifier.to(model.device, next(model.parameters()).dtype)
    for stage in ("embedding", "encoder", "processor"):
        getattr(classifier, stage).load_state_dict(getattr(model, stage).state_dict())
    return classifier


def task_losses(scores: torch.Tensor, labels: torch.Tensor, kind: str) -> torch.Tensor:
    """The loss of each text, (B,): cross-entropy in nats, of a regression the squared error.

    Their mean is the loss of Hugging Face's class.

    Args:
        scores: (B, L).
        labels: single: (B,) int64; multi: (B, L) of 0 and 1; regression: (B,).
    """
    if kind == "single":
        return F.cross_entropy(scores, labels, reduction="none")
    if kind == "multi":
        return F.binary_cross_entropy_with_logits(scores, labels.to(scores), reduction="none").mean(-1)
    return (scores[:, 0] - labels.to(scores)).square()


# In and out


def save_classifier(model: PerceiverIOForClassification, folder: str | Path, task: str | None = None) -> None:
    """Write a folder that this library and `transformers.PerceiverForSequenceClassification` open.

    transformers has no class for the head "tanh" and says so when it is to open the folder.

    Queries do not see each other, so a task is whole without the others: of a classifier with several, name
    the `task` to write. If `torch.compile` wraps the model, the original is saved.

    Raises: InputError for a task that is not there, or a folder that cannot be written.
    """
    names = [t.name for t in model.tasks]
    if (task is None and len(names) > 1) or (task is not None and task not in names):
        raise InputError(f"a folder holds one task: one of {', '.join(names)}; got {task!r}")
    number = names.index(task) if task is not None else 0
    chosen, tensors = model.tasks[number], {}
    for name, tensor in model.state_dict().items():
        name = name.replace(COMPILED, "")
        if name.startswith("heads."):
            if not name.startswith(f"heads.{number}."):
                continue
            name = name.replace(f"heads.{number}.", "heads.0.")
        if name == "queries.positions":
            tensor = tensor[number : number + 1].clone()
        tensors[huggingface_name(name, CLASSIFIER_RENAMES)] = tensor
    about = {
        "architectures": [ARCHITECTURE],
        "problem_type": PROBLEM_TYPES[chosen.kind],
        "id2label": {str(i): label for i, label in enumerate(chosen.labels)},
        "label2id": {label: i for i, label in enumerate(chosen.labels)},
        "task": chosen.name,
    }
    if model.head != "linear":
        about |= {"model_type": OWN_TYPE, "head": model.head}
    write_folder(
        folder,
        model.config,
        tensors,
        about,
        lambda sizes: PerceiverIOForClassification(sizes, [chosen], model.head),
        CLASSIFIER_RENAMES,
    )


def load_classifier(folder: str | Path) -> PerceiverIOForClassification:
    """A folder of `save_classifier`, or one that transformers wrote, -> a classifier in eval mode.

    Raises: InputError, naming the file, for one that is missing, broken or no such classifier.
    """
    folder = Path(folder)
    source = folder / "config.json"
    values = read_json(source)
    if values.get("model_type") == OWN_TYPE:
        values["model_type"] = "perceiver"
    config, head = read_config(values, source, ARCHITECTURE), values.get("head", "linear")
    if head not in HEADS:
        raise InputError(f"{source}: head is {brief(head)}; there is {', '.join(HEADS)}")
    classifier = build_classifier(config, *read_tensors(folder), task_of(values, source), head)
    check_saved_together(folder, values)
    return classifier.eval()


def classifier_from_huggingface(
    hf_model: "PerceiverForSequenceClassification",
) -> PerceiverIOForClassification:
    """A copy of a live `transformers.PerceiverForSequenceClassification`. Raises: InputError for another."""
    source = type(hf_model).__name__
    values = hf_model.config.to_dict()
    config = read_config(values | {"architectures": [source]}, source, ARCHITECTURE)
    tensors = {key: tensor.detach().clone() for key, tensor in hf_model.state_dict().items()}
    return build_classifier(config, tensors, source, task_of(values, source)).train(hf_model.training)


def build_classifier(
    config: PerceiverIOConfig,
    tensors: dict[str, torch.Tensor],
    source: str | Path,
    task: Task,
    head: str = "linear",
) -> PerceiverIOForClassification:
    return build(
        config,
        tensors,
        source,
        lambda sizes: PerceiverIOForClassification(sizes, [task], head),
        CLASSIFIER_RENAMES,
        "sequence classification",
    )


def task_of(values: dict[str, Any], source: str | Path) -> Task:
    """Hugging Face's configuration -> the task. Raises: InputError for labels that are no list of names."""
    names = values.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # transformers' default
    try:
        labels = tuple(str(names[key]) for key in sorted(names, key=int))
        kinds: dict[Any, str] = {theirs: ours for ours, theirs in PROBLEM_TYPES.items()}
        kind = kinds.get(values.get("problem_type"), "regression" if len(labels) == 1 else "single")
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{source}: id2label is {textwrap.shorten(repr(names), 100)}, no list") from None
    try:
        return Task(str(values.get("task") or "label"), labels, kind)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
