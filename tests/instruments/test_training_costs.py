"""The cost of a training step: what torch counts, with real numbers, in a real step."""

import pytest
import torch
from tiny import SMALL
from torch.utils.flop_counter import FlopCounterMode

from perceiver_edu import PerceiverIOConfig, PerceiverIOForMaskedLM
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.training_costs import training_cost

CONFIG = PerceiverIOConfig(**SMALL)
B, M, O = 6, CONFIG.max_position_embeddings, 7


@pytest.fixture(scope="module")
def step():
    """A real step on the CPU -> FLOPs, bytes kept for backward, bytes of weights, gradients and moments."""
    model = PerceiverIOForMaskedLM(CONFIG).train()
    optimizer = torch.optim.AdamW(model.parameters())
    ids, positions = torch.randint(6, 262, (B, M)), torch.randint(0, M, (B, O))
    mask = torch.ones(B, M, dtype=torch.bool)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = model(ids, mask, positions).logsumexp(-1).sum()
        loss.backward()
    optimizer.step()
    state = [t for p in model.parameters() for t in (p, p.grad)]
    state += [t for s in optimizer.state.values() for t in s.values() if t.dim()]
    bytes_kept = sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights)
    return counter.get_total_flops(), bytes_kept, sum(t.nbytes for t in state)


def test_a_step_costs_what_torch_counts(step):
    flops, kept, state = step
    cost = training_cost(CONFIG, B, O)
    assert cost.flops == flops
    assert cost.state_bytes == state
    scores = 2 * 4 * B * O * CONFIG.vocab_size  # what the loss keeps is not the model's
    assert 0 <= kept - cost.kept_bytes <= scores


def test_processes_share_arithmetic_and_not_the_weights():
    one, six = training_cost(CONFIG, B, O), training_cost(CONFIG, B, O, processes=6)
    assert six.flops == one.flops
    assert six.seconds(1e9) == pytest.approx(one.seconds(1e9) / 6) == pytest.approx(one.flops / 6e9)
    assert six.state_bytes == one.state_bytes * 5 / 4  # the gradients once more, to send
    assert six.kept_bytes == training_cost(CONFIG, B, O, micro_batch_size=1).kept_bytes < one.kept_bytes / 3


@pytest.mark.parametrize("options", [{"processes": 4}, {"processes": 0}, {"micro_batch_size": 4}, {"M": 0}])
def test_a_batch_that_cannot_be_shared_out(options):
    with pytest.raises(InputError, match=r"multiple of|must be divisible"):
        training_cost(CONFIG, B, O, **options)
