"""The classifier is Hugging Face's on the same weights, both ways; each task is whole without the others."""

import json

import pytest
import torch
from tiny import TEXTS, TINY

from perceiver_edu import ByteTokenizer, PerceiverIOConfig, PerceiverIOForMaskedLM, load_pretrained
from perceiver_edu.errors import InputError
from perceiver_edu.training.classify import (
    PerceiverIOForClassification,
    Task,
    classifier_from_huggingface,
    load_classifier,
    new_classifier,
    save_classifier,
    task_losses,
)

TASKS = [
    Task("topic", ("a", "b", "c", "d")),
    Task("tags", ("x", "y", "z"), "multi"),
    Task("stars", ("stars",), "regression"),
]


def redraw(model, seed=0):
    """Every parameter, norms and biases too, from N(0, 0.5)."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model.double().eval()


def hf_classifier(**changes):
    from transformers import PerceiverConfig, PerceiverForSequenceClassification

    return redraw(PerceiverForSequenceClassification(PerceiverConfig(**(TINY | {"num_labels": 4} | changes))))


@pytest.fixture
def ours():
    return redraw(PerceiverIOForClassification(PerceiverIOConfig(**TINY), TASKS))


@pytest.mark.parametrize("changes", [{}, {"hidden_act": "gelu_new", "num_blocks": 2}, {"num_labels": 1}])
def test_it_is_hugging_faces_classifier_on_the_same_weights(batch, changes):
    theirs = hf_classifier(**changes)
    [(name, scores)] = classifier_from_huggingface(theirs)(*batch).items()
    expected = theirs(input_ids=batch[0], attention_mask=batch[1].long()).logits
    assert name == "label" and scores.shape == expected.shape
    assert (scores - expected).abs().max() < 1e-10 * max(1.0, expected.abs().max())


@pytest.mark.parametrize("number", range(len(TASKS)))
def test_a_task_of_ours_opens_in_transformers_with_its_labels_and_loss(ours, batch, tmp_path, number):
    from transformers import AutoTokenizer, PerceiverForSequenceClassification

    task = TASKS[number]
    save_classifier(ours, tmp_path, task.name)
    theirs = PerceiverForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float64).eval()
    labels = [torch.tensor([3, 1]), torch.tensor([[1, 0, 1], [0, 1, 1.0]]), torch.tensor([0.5, -2.0])][number]
    targets = labels if task.kind == "single" else labels.double()
    expected = theirs(input_ids=batch[0], attention_mask=batch[1].long(), labels=targets)
    scores = ours(*batch)[task.name]
    assert (scores - expected.logits).abs().max() < 1e-10 * max(1.0, expected.logits.abs().max())
    assert torch.isclose(task_losses(scores, labels, task.kind).mean(), expected.loss, rtol=1e-10)
    assert tuple(theirs.config.id2label[i] for i in range(len(task.labels))) == task.labels
    assert AutoTokenizer.from_pretrained(tmp_path)(TEXTS[1])["input_ids"] == ByteTokenizer().encode(TEXTS[1])
    again = load_classifier(tmp_path)
    assert again.tasks == [task] and not again.training
    torch.testing.assert_close(again(*batch)[task.name], scores, rtol=1e-10, atol=1e-10)


def test_a_compiled_classifier_is_saved_as_the_one_it_wraps(ours, tmp_path):
    save_classifier(ours, tmp_path / "plain", "tags")
    save_classifier(torch.compile(ours), tmp_path / "compiled", "tags")
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "compiled" / path.name).read_bytes()


def test_a_folder_of_transformers_opens_here(batch, tmp_path):
    theirs = hf_classifier()
    theirs.config.id2label = {0: "no", 1: "yes", 2: "perhaps", 3: "never"}
    theirs.save_pretrained(tmp_path)
    ours = load_classifier(tmp_path)
    assert ours.tasks[0].labels == ("no", "yes", "perhaps", "never")
    scores = ours(*batch)["label"]
    assert (scores - theirs(input_ids=batch[0], attention_mask=batch[1].long()).logits).abs().max() < 1e-10


def test_queries_of_other_tasks_change_nothing(ours, batch):
    before = ours(*batch)
    with torch.no_grad():
        ours.queries.positions[1:] += 1
    after = ours(*batch)
    assert torch.equal(before["topic"], after["topic"])
    assert not torch.allclose(before["tags"], after["tags"])


def test_the_trunk_is_the_trained_models(model):
    classifier = new_classifier(model, TASKS, seed=3)
    for stage in ("embedding", "encoder", "processor"):
        for name, tensor in getattr(model, stage).state_dict().items():
            copied = getattr(classifier, stage).state_dict()[name]
            assert torch.equal(copied, tensor) and copied.data_ptr() != tensor.data_ptr()
    same, other = new_classifier(model, TASKS, seed=3), new_classifier(model, TASKS, seed=4)
    assert torch.equal(same.queries.positions, classifier.queries.positions)
    assert not torch.equal(other.queries.positions, classifier.queries.positions)


def test_frozen_means_that_only_the_new_parts_learn(batch):
    config = PerceiverIOConfig(**TINY | {"attention_probs_dropout_prob": 0.5})
    frozen = new_classifier(PerceiverIOForMaskedLM(config), TASKS).freeze().train()
    assert frozen.decoder.training and not frozen.processor.training  # no dropout in what does not learn
    sum(scores.sum() for scores in frozen(*batch).values()).backward()
    learned = {name.split(".")[0] for name, p in frozen.named_parameters() if p.grad is not None}
    assert learned == {"queries", "decoder", "heads"}
    thawed = frozen.freeze(False)
    assert thawed.processor.training
    sum(scores.sum() for scores in thawed(*batch).values()).backward()
    assert all(p.grad is not None for p in thawed.parameters())


def test_what_cannot_be_is_refused(ours, tmp_path):
    with pytest.raises(InputError, match="one of topic, tags, stars; got None"):
        save_classifier(ours, tmp_path / "all")
    assert not (tmp_path / "all").exists()
    with pytest.raises(InputError, match="got 'mood'"):
        save_classifier(ours, tmp_path / "all", "mood")
    save_classifier(ours, tmp_path, "topic")
    with pytest.raises(InputError, match=r"PerceiverForSequenceClassification.*not PerceiverForMaskedLM"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(
        (tmp_path / "config.json").read_text().replace('"id2label": {', '"id2label": {"x": "y",')
    )
    with pytest.raises(InputError, match=r"config\.json: id2label is"):
        load_classifier(tmp_path)
    with pytest.raises(InputError, match="two tasks are called 'topic': give each a name of its own"):
        PerceiverIOForClassification(ours.config, [*ours.tasks, ours.tasks[0]])
    for arguments in (("t", ("one",)), ("t", ("a", "b"), "regression"), ("t", ("a", "b"), "ordinal")):
        with pytest.raises(InputError):
            Task(*arguments)


def test_labels_of_one_name_are_refused(ours, tmp_path):
    for kind in ("single", "multi"):
        with pytest.raises(InputError, match="two labels of 't' are called 'a': give each a name of its own"):
            Task("t", ("a", "b", "a"), kind)
    save_classifier(ours, tmp_path, "topic")
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = dict.fromkeys(config["id2label"], "a")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"config\.json: two labels of 'topic' are called 'a'"):
        load_classifier(tmp_path)
