"""What a training step must cost: arithmetic, and memory in each process. No weights, no clock."""

from typing import NamedTuple

import torch

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.errors import InputError
from perceiver_edu.instruments.costs import stage_costs, total
from perceiver_edu.model import PerceiverIOForMaskedLM


class TrainingCost(NamedTuple):
    """One step of AdamW; see `training_cost`."""

    flops: int  # of matrix products, in all processes together
    state_bytes: int  # in each process: weights, gradients and two moments, in fp32
    kept_bytes: int  # in each process: what forward keeps for backward, in fp32; bf16 keeps about half
    processes: int

    def seconds(self, flops_per_second: float) -> float:
        """Time of a step, if each process reaches so many FLOPs a second; without talking to each other."""
        return self.flops / self.processes / flops_per_second


def training_cost(
    config: PerceiverIOConfig,
    batch_size: int,
    O: int,
    *,
    M: int | None = None,
    processes: int = 1,
    micro_batch_size: int | None = None,
) -> TrainingCost:
    """Return the cost of one step on `batch_size` crops of M ids with O targets each, over `processes`.

    Backward costs twice as much as forward: a gradient for the weights, and one for the inputs. Several
    processes each hold the gradients a second time, to send them (`DistributedDataParallel`). What forward
    keeps is counted with explicit attention maps; a fused kernel keeps less. Temporary arrays, copies in bf16
    and the allocator's overhead are not included.

        settings = PretrainConfig(config=sized("full"))
        cost = training_cost(settings.config, 512, O=holes_of_row(settings), processes=8)

    Raises: InputError if the batch cannot be divided among the processes.
    """
    M = config.max_position_embeddings if M is None else M
    if min(batch_size, O, M, processes) < 1 or batch_size % processes:
        raise InputError(
            f"batch_size {batch_size} must be a multiple of {processes} processes, all at least 1"
        )
    share = batch_size // processes
    micro = share if micro_batch_size is None else micro_batch_size
    if micro < 1 or share % micro:
        raise InputError(f"a process's {share} crops must be divisible into micro-batches of {micro}")
    costs = total(stage_costs(config, M=M, O=O, B=batch_size))
    copies = 4 if processes == 1 else 5
    return TrainingCost(3 * costs.flops, 4 * copies * costs.parameters, kept(config, micro, M, O), processes)


def kept(config: PerceiverIOConfig, B: int, M: int, O: int) -> int:
    """Bytes that the forward pass of B crops keeps for backward, weights left out: a pass without numbers."""
    with torch.device("meta"):
        model = PerceiverIOForMaskedLM(config).train()
        ids, positions = torch.zeros(B, M, dtype=torch.int64), torch.zeros(B, O, dtype=torch.int64)
        mask = torch.ones(B, M, dtype=torch.bool)
    weights = {parameter.untyped_storage() for parameter in model.parameters()}
    found: set[torch.UntypedStorage] = set()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        found.add(tensor.untyped_storage())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(ids, mask, positions)
    return sum(storage.nbytes() for storage in found - weights)
